//! Structured pruning: attention heads and feed-forward neurons, with all weights that write and read them.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};

use super::Importance;
use tinybert_base::{Error, Result};
use tinybert_model::names::{self, LayerNames};
use tinybert_model::{BertConfig, Checkpoint, Pruned, Tensors};

/// How many heads and neurons stay.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct StructureSettings {
    /// Share of the heads that stay, above 0 and at most 1.
    pub heads: f64,
    /// Share of the feed-forward neurons that stay, above 0 and at most 1.
    pub neurons: f64,
    /// The set of parts that a share refers to.
    pub scope: ShareScope,
    /// The number of neurons of a layer is a multiple of this, so that it fills the kernels' panels.
    pub multiple_of: usize,
}

/// The set of parts that a share refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareScope {
    /// All layers together: important layers keep more parts. Importances are divided by the norm of their
    /// layer's importances.
    Global,
    /// Each layer by itself.
    Layer,
}

/// The parts that stay, by layer: their indices among the parts that the layer has, in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptParts {
    /// Attention heads.
    pub heads: Vec<Vec<usize>>,
    /// Neurons of the feed-forward network.
    pub neurons: Vec<Vec<usize>>,
}

/// How many attention heads and feed-forward neurons each layer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSizes {
    /// Attention heads by layer.
    pub heads: Vec<usize>,
    /// Feed-forward neurons by layer.
    pub neurons: Vec<usize>,
}

impl LayerSizes {
    /// The sizes of a model.
    pub fn of_config(config: &BertConfig) -> Self {
        let layers = 0..config.num_hidden_layers;
        Self {
            heads: layers.clone().map(|layer| config.heads(layer)).collect(),
            neurons: layers.map(|layer| config.ffn(layer)).collect(),
        }
    }
}

impl KeptParts {
    /// The most important parts. Every layer keeps at least one head and `multiple_of` neurons. A share of 1
    /// keeps everything, whatever the multiple.
    ///
    /// # Errors
    /// [`Error::Usage`] for impossible shares or multiples.
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
        let largest = importance.neurons.iter().map(Vec::len).max().unwrap_or(0);
        if settings.neurons < 1.0 && settings.multiple_of > largest {
            return Err(Error::Usage(format!(
                "neurons in multiples of {}: the layers have {largest} at most, so that none could be removed; give a \
                 smaller multiple",
                settings.multiple_of
            )));
        }
        let scope = settings.scope;
        Ok(Self {
            heads: most_important(&importance.heads, settings.heads, 1, scope),
            neurons: most_important(&importance.neurons, settings.neurons, settings.multiple_of, scope),
        })
    }

    /// The most important parts of each layer, as many of each as `sizes` says.
    pub fn of_sizes(importance: &Importance, sizes: &LayerSizes) -> Self {
        let best = |importance: &[Vec<f64>], counts: &[usize]| {
            importance.iter().zip(counts).map(|(values, &count)| first(rank(values), count)).collect()
        };
        Self {
            heads: best(&importance.heads, &sizes.heads),
            neurons: best(&importance.neurons, &sizes.neurons),
        }
    }

    /// How many parts of each layer stay.
    pub fn sizes(&self) -> LayerSizes {
        let count = |layers: &[Vec<usize>]| layers.iter().map(Vec::len).collect();
        LayerSizes { heads: count(&self.heads), neurons: count(&self.neurons) }
    }

    /// The model with only these parts.
    ///
    /// # Errors
    /// [`Error::Usage`] for a family whose models cannot be pruned.
    pub fn prune(&self, model: &Checkpoint) -> Result<Checkpoint> {
        let mut tensors = model.tensors.clone();
        let head_dim = model.config.head_dim();
        for layer in 0..model.config.num_hidden_layers {
            let columns =
                self.heads[layer].iter().flat_map(|head| head * head_dim..(head + 1) * head_dim).collect();
            let names = LayerNames::new(layer);
            let projections = <[&str; 3]>::from(names.projections());
            keep_columns(&mut tensors, columns, &projections, &names.attention_output)?;
            keep_columns(&mut tensors, self.neurons[layer].clone(), &[&names.up], &names.down)?;
        }
        let config = self.config(&model.config);
        config.validate()?;
        Ok(model.with(config, tensors, model.text.clone()))
    }

    /// The configuration of the model with only these parts.
    fn config(&self, before: &BertConfig) -> BertConfig {
        let mut pruned = Pruned { heads: BTreeMap::new(), intermediate_sizes: BTreeMap::new() };
        for layer in 0..before.num_hidden_layers {
            let left: Vec<usize> = before.head_numbers(layer).collect();
            let kept: BTreeSet<usize> = self.heads[layer].iter().map(|&at| left[at]).collect();
            let removed: BTreeSet<usize> =
                (0..before.num_attention_heads).filter(|head| !kept.contains(head)).collect();
            if !removed.is_empty() {
                pruned.heads.insert(layer, removed);
            }
            pruned.intermediate_sizes.insert(layer, self.neurons[layer].len());
        }
        BertConfig { pruned, ..before.clone() }.with_common_sizes()
    }
}

/// Keeps only `columns` of the values between linears `[outputs, inputs]`: the outputs of the linears
/// `writers`, and the inputs of the linear `reader`.
fn keep_columns(tensors: &mut Tensors, columns: Vec<usize>, writers: &[&str], reader: &str) -> Result<()> {
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

/// The most important parts of each layer in groups of `group`, about `share` of all parts. Every layer keeps
/// at least one group, or everything if it has less than a group. Parts that fill no group are removed first,
/// except with a share of 1, which keeps everything.
fn most_important(importance: &[Vec<f64>], share: f64, group: usize, scope: ShareScope) -> Vec<Vec<usize>> {
    if share == 1.0 {
        return importance.iter().map(|values| (0..values.len()).collect()).collect();
    }
    let ranked: Vec<Vec<usize>> = importance.iter().map(|values| rank(values)).collect();
    let groups_of = |parts: f64| (parts * share / group as f64).round() as usize;
    let groups: Vec<usize> = match scope {
        ShareScope::Layer => importance
            .iter()
            .map(|values| groups_of(values.len() as f64).min(values.len() / group).max(1))
            .collect(),
        ShareScope::Global => {
            let total = groups_of(importance.iter().map(Vec::len).sum::<usize>() as f64);
            groups_over_layers(importance, &ranked, total, group)
        }
    };
    ranked.into_iter().zip(groups).map(|(ranked, groups)| first(ranked, groups * group)).collect()
}

/// The indices of a layer's parts, the most important first. Equally important parts keep their order.
fn rank(importance: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..importance.len()).collect();
    order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
    order
}

/// The first `count` of the ranked parts in rising order.
fn first(mut ranked: Vec<usize>, count: usize) -> Vec<usize> {
    ranked.truncate(count);
    ranked.sort_unstable();
    ranked
}

/// How many groups each layer keeps so that the most important `total` groups of all layers stay.
fn groups_over_layers(
    importance: &[Vec<f64>],
    ranked: &[Vec<usize>],
    total: usize,
    group: usize,
) -> Vec<usize> {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for (layer, (values, ranked)) in importance.iter().zip(ranked).enumerate() {
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        // The first group of a layer always stays.
        groups.extend(ranked.chunks_exact(group).skip(1).map(|parts| {
            let mean = parts.iter().map(|&part| values[part]).sum::<f64>() / parts.len() as f64;
            (mean / norm, layer)
        }));
    }
    // The groups of a layer are sorted by importance, so that the ones that are counted are its first.
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
        let kept = most_important(&importance(), 0.5, 1, ShareScope::Layer);
        assert_eq!(kept, [vec![1, 2], vec![1, 2], vec![0, 1]]);
        assert_eq!(most_important(&importance(), 0.01, 1, ShareScope::Layer), [[1], [1], [0]]);
        assert_eq!(most_important(&importance(), 0.9, 3, ShareScope::Layer)[0], [1, 2, 3]);
    }

    #[test]
    fn all_layers_together_keep_more_where_more_matters() {
        // Norms: 0.548, 5.002, none. After the first of each layer: 0.3, 0.2 and 0.1 of the first one matter
        // most.
        let kept = most_important(&importance(), 0.5, 1, ShareScope::Global);
        assert_eq!(kept, [vec![0, 1, 2, 3], vec![1], vec![0]]);
        assert_eq!(most_important(&importance(), 0.01, 1, ShareScope::Global), [[1], [1], [0]]);
    }

    #[test]
    fn each_layer_keeps_as_many_of_its_best_as_it_is_told() {
        let importance = Importance { heads: importance(), neurons: importance() };
        let kept =
            KeptParts::of_sizes(&importance, &LayerSizes { heads: vec![1, 3, 4], neurons: vec![4, 2, 1] });
        assert_eq!(kept.heads, [vec![1], vec![1, 2, 3], vec![0, 1, 2, 3]]);
        assert_eq!(kept.neurons, [vec![0, 1, 2, 3], vec![1, 2], vec![0]]);
    }

    #[test]
    fn groups_stay_or_go_together() {
        let kept = most_important(&importance(), 0.67, 2, ShareScope::Global);
        assert_eq!(kept, [vec![0, 1, 2, 3], vec![1, 2], vec![0, 1]]);
    }

    #[test]
    fn what_fills_no_group_goes_but_for_a_share_of_one() {
        let values = |layer: usize| (0..100).map(|part| (part * (layer + 7) % 101) as f64 + 1.0).collect();
        let importance: Vec<Vec<f64>> = (0..2).map(values).collect();
        for scope in [ShareScope::Global, ShareScope::Layer] {
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
        // These are fewer parts than a group has.
        assert_eq!(
            most_important(&importance, 0.5, 200, ShareScope::Global),
            vec![(0..100).collect::<Vec<_>>(); 2]
        );
        assert_eq!(
            most_important(&importance, 0.5, 200, ShareScope::Layer),
            vec![(0..100).collect::<Vec<_>>(); 2]
        );
    }
}
