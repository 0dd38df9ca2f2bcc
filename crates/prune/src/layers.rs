//! Structured pruning: whole layers.

use std::collections::BTreeMap;

use tinybert_base::{Error, Result};
use tinybert_model::{BertConfig, Checkpoint, Pruned, Tensors, names};

/// The model with only the given layers, which are counted from 1 and in rising order. They get new numbers.
///
/// # Errors
/// [`Error::Usage`] for no layers, for layers that the model does not have, and for layers that are not in
/// rising order.
pub fn keep_layers(model: &Checkpoint, layers: &[usize]) -> Result<Checkpoint> {
    let before = &model.config;
    let count = before.num_hidden_layers;
    let rising = layers.windows(2).all(|pair| pair[0] < pair[1]);
    if layers.is_empty() || !rising || layers.iter().any(|layer| !(1..=count).contains(layer)) {
        return Err(Error::Usage(format!(
            "the layers that stay are {layers:?}; expected some of 1 to {count}, each once and in rising order"
        )));
    }
    // The new number of each layer by its old number, both from 0.
    let numbers: BTreeMap<usize, usize> =
        layers.iter().enumerate().map(|(after, layer)| (layer - 1, after)).collect();
    let renamed = |name: &str| match names::split_layer(name) {
        None => Some(name.to_owned()),
        Some((layer, part)) => Some(names::in_layer(*numbers.get(&layer)?, part)),
    };
    let tensors: Tensors =
        model.tensors.iter().filter_map(|(name, tensor)| Some((renamed(name)?, tensor.clone()))).collect();
    let pruned = Pruned {
        heads: renumbered(&before.pruned.heads, &numbers),
        intermediate_sizes: renumbered(&before.pruned.intermediate_sizes, &numbers),
    };
    let config = BertConfig { num_hidden_layers: layers.len(), pruned, ..before.clone() }.with_common_sizes();
    config.validate()?;
    Ok(model.with(config, tensors, model.text.clone()))
}

/// The entries of the layers that stay, by their new numbers.
fn renumbered<T: Clone>(known: &BTreeMap<usize, T>, numbers: &BTreeMap<usize, usize>) -> BTreeMap<usize, T> {
    known.iter().filter_map(|(layer, value)| Some((*numbers.get(layer)?, value.clone()))).collect()
}
