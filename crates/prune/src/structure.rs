//! Structured pruning: attention heads and feed-forward neurons, with all weights that make and read them.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};

use super::Importance;
use tinybert_base::{Error, Result};
use tinybert_model::names::{self, LayerNames};
use tinybert_model::{BertConfig, Checkpoint, Pruned, Tensors};

/// What stays of the heads and neurons.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct StructureSettings {
    /// Share of the heads that stay, above 0 and at most 1.
    pub heads: f64,
    /// Share of the feed-forward neurons that stay, above 0 and at most 1.
    pub neurons: f64,
    /// What the shares are of.
    pub scope: Scope,
    /// Neurons of a layer come in multiples of this: what the kernels fill.
    pub multiple_of: usize,
}

/// What a share is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All layers together: important layers keep more. Importances are divided by the norm of their layer's.
    Global,
    /// Each layer.
    Layer,
}

/// The parts that stay, by layer; numbers among those that are there, rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptParts {
    /// Attention heads.
    pub heads: Vec<Vec<usize>>,
    /// Neurons of the feed-forward network.
    pub neurons: Vec<Vec<usize>>,
}

impl KeptParts {
    /// The most important parts; every layer keeps at least one head and `multiple_of` neurons. A share of 1 keeps
    /// everything, whatever the multiple.
    ///
    /// # Errors
    /// [`Error::Usage`] for shares or multiples that cannot be.
    pub fn choose(importance: &Importance, settings: &StructureSettings) -> Result<Self> {
        for (name, share) in [("heads", settings.heads), ("neurons", settings.neurons)] {
            if !(share > 0.0 && share <= 1.0) {
                return Err(Error::Usage(format!(
                    "the share of {name} that stay is {share}; it must be above 0 and at most 1"
                )));
            }
        }
        if settings.multiple_of == 0 {
            return Err(Error::Usage("neurons cannot come in multiples of 0".into()));
        }
        let scope = settings.scope;
        Ok(Self {
            heads: most_important(&importance.heads, settings.heads, 1, scope),
            neurons: most_important(&importance.neurons, settings.neurons, settings.multiple_of, scope),
        })
    }

    /// The most important parts of each layer, so many heads and so many neurons of each.
    pub fn of_sizes(importance: &Importance, [heads, neurons]: [&[usize]; 2]) -> Self {
        let best = |importance: &[Vec<f64>], counts: &[usize]| {
            importance.iter().zip(counts).map(|(values, &count)| first(ranked(values), count)).collect()
        };
        Self { heads: best(&importance.heads, heads), neurons: best(&importance.neurons, neurons) }
    }

    /// The model with these parts alone.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model that is not BERT.
    pub fn prune(&self, model: &Checkpoint) -> Result<Checkpoint> {
        let mut tensors = model.tensors.clone();
        let head_dim = model.config.head_dim();
        for layer in 0..model.config.num_hidden_layers {
            let columns =
                self.heads[layer].iter().flat_map(|head| head * head_dim..(head + 1) * head_dim).collect();
            let names = LayerNames::new(layer);
            keep(&mut tensors, columns, &names.projections(), &names.attention_output)?;
            keep(&mut tensors, self.neurons[layer].clone(), &[&names.up], &names.down)?;
        }
        let config = self.config(&model.config);
        config.validate()?;
        Ok(model.with(config, tensors, model.text.clone()))
    }

    /// Sizes with these parts alone.
    fn config(&self, before: &BertConfig) -> BertConfig {
        let mut pruned = Pruned { heads: BTreeMap::new(), intermediate_sizes: BTreeMap::new() };
        for layer in 0..before.num_hidden_layers {
            let left: Vec<usize> = before.head_numbers(layer).collect();
            let kept: BTreeSet<usize> = self.heads[layer].iter().map(|&at| left[at]).collect();
            let gone: BTreeSet<usize> =
                (0..before.num_attention_heads).filter(|head| !kept.contains(head)).collect();
            if !gone.is_empty() {
                pruned.heads.insert(layer, gone);
            }
            pruned.intermediate_sizes.insert(layer, self.neurons[layer].len());
        }
        BertConfig { pruned, ..before.clone() }.with_common_sizes()
    }
}

/// Of `[outputs, inputs]` linears, keeps outputs of those that write some columns and inputs of the one that reads them.
fn keep(tensors: &mut Tensors, columns: Vec<usize>, writers: &[&str], reader: &str) -> Result<()> {
    let columns: Vec<u32> = columns.into_iter().map(|column| column as u32).collect();
    let columns = Tensor::new(columns, &Device::Cpu)?;
    let of_writers = writers.iter().flat_map(|name| [names::weight(name), names::bias(name)]);
    let axes = of_writers.map(|name| (name, 0)).chain([(names::weight(reader), 1)]);
    for (name, axis) in axes {
        let tensor =
            tensors.get_mut(&name).ok_or_else(|| Error::Usage(format!("the model has no tensor {name}")))?;
        *tensor = tensor.index_select(&columns, axis)?.contiguous()?;
    }
    Ok(())
}

/// The most important parts of each layer in groups of `group`, about `share` of all; at least a group of every layer, and
/// all of one that has less. What fills no group is the first to go, but for a share of 1, which keeps everything.
fn most_important(importance: &[Vec<f64>], share: f64, group: usize, scope: Scope) -> Vec<Vec<usize>> {
    if share == 1.0 {
        return importance.iter().map(|values| (0..values.len()).collect()).collect();
    }
    let ranked: Vec<Vec<usize>> = importance.iter().map(|values| ranked(values)).collect();
    let groups_of = |parts: f64| (parts * share / group as f64).round() as usize;
    let groups: Vec<usize> = match scope {
        Scope::Layer => importance
            .iter()
            .map(|values| groups_of(values.len() as f64).min(values.len() / group).max(1))
            .collect(),
        Scope::Global => {
            let total = groups_of(importance.iter().map(Vec::len).sum::<usize>() as f64);
            groups_over_layers(importance, &ranked, total, group)
        }
    };
    ranked.into_iter().zip(groups).map(|(ranked, groups)| first(ranked, groups * group)).collect()
}

/// The parts of a layer, the most important first; equals in their order.
fn ranked(importance: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..importance.len()).collect();
    order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
    order
}

/// The first `count` of ranked parts, rising.
fn first(mut ranked: Vec<usize>, count: usize) -> Vec<usize> {
    ranked.truncate(count);
    ranked.sort_unstable();
    ranked
}

/// How many groups each layer keeps so that the most important `total` of all stay.
fn groups_over_layers(
    importance: &[Vec<f64>],
    ranked: &[Vec<usize>],
    total: usize,
    group: usize,
) -> Vec<usize> {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for (layer, (values, ranked)) in importance.iter().zip(ranked).enumerate() {
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        // The first group stays in any case.
        groups.extend(ranked.chunks_exact(group).skip(1).map(|parts| {
            let mean = parts.iter().map(|&part| values[part]).sum::<f64>() / parts.len() as f64;
            (mean / norm, layer)
        }));
    }
    // Groups of a layer fall in importance, so that those taken are its first.
    groups.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut counts = vec![1; importance.len()];
    let more = total.saturating_sub(counts.len());
    groups.iter().take(more).for_each(|&(_, layer)| counts[layer] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importance() -> Vec<Vec<f64>> {
        vec![vec![0.1, 0.4, 0.3, 0.2], vec![0.0, 5.0, 0.1, 0.1], vec![0.0, 0.0, 0.0, 0.0]]
    }

    #[test]
    fn each_layer_keeps_its_best() {
        let kept = most_important(&importance(), 0.5, 1, Scope::Layer);
        assert_eq!(kept, [vec![1, 2], vec![1, 2], vec![0, 1]]);
        assert_eq!(most_important(&importance(), 0.01, 1, Scope::Layer), [[1], [1], [0]]);
        assert_eq!(most_important(&importance(), 0.9, 3, Scope::Layer)[0], [1, 2, 3]);
    }

    #[test]
    fn all_layers_together_keep_more_where_more_matters() {
        // Norms: 0.548, 5.002, none. After the first of each layer: 0.3, 0.2 and 0.1 of the first one matter most.
        let kept = most_important(&importance(), 0.5, 1, Scope::Global);
        assert_eq!(kept, [vec![0, 1, 2, 3], vec![1], vec![0]]);
        assert_eq!(most_important(&importance(), 0.01, 1, Scope::Global), [[1], [1], [0]]);
    }

    #[test]
    fn each_layer_keeps_as_many_of_its_best_as_it_is_told() {
        let importance = Importance { heads: importance(), neurons: importance() };
        let kept = KeptParts::of_sizes(&importance, [&[1, 3, 4], &[4, 2, 1]]);
        assert_eq!(kept.heads, [vec![1], vec![1, 2, 3], vec![0, 1, 2, 3]]);
        assert_eq!(kept.neurons, [vec![0, 1, 2, 3], vec![1, 2], vec![0]]);
    }

    #[test]
    fn groups_stay_or_go_together() {
        let kept = most_important(&importance(), 0.67, 2, Scope::Global);
        assert_eq!(kept, [vec![0, 1, 2, 3], vec![1, 2], vec![0, 1]]);
    }

    #[test]
    fn what_fills_no_group_goes_but_for_a_share_of_one() {
        let values = |layer: usize| (0..100).map(|part| (part * (layer + 7) % 101) as f64 + 1.0).collect();
        let importance: Vec<Vec<f64>> = (0..2).map(values).collect();
        for scope in [Scope::Global, Scope::Layer] {
            let kept = |share| {
                most_important(&importance, share, 12, scope).iter().map(Vec::len).collect::<Vec<_>>()
            };
            assert_eq!(kept(1.0), [100, 100]);
            for share in [0.999, 0.97, 0.5, 0.01] {
                assert!(
                    kept(share).iter().all(|count| count.is_multiple_of(12)),
                    "{share}: {:?}",
                    kept(share)
                );
            }
        }
        // Fewer than a group.
        assert_eq!(
            most_important(&importance, 0.5, 200, Scope::Global),
            vec![(0..100).collect::<Vec<_>>(); 2]
        );
        assert_eq!(
            most_important(&importance, 0.5, 200, Scope::Layer),
            vec![(0..100).collect::<Vec<_>>(); 2]
        );
    }
}
