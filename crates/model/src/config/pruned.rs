//! The parts that pruning removed from an encoder, so that sizes differ from layer to layer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::BertConfig;
use crate::PerLinear;
use tinybert_base::{Error, Result};

/// Parts that pruning removed, by layer; nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pruned {
    /// Attention heads that were removed, numbered as before: transformers' `pruned_heads`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub heads: BTreeMap<usize, BTreeSet<usize>>,
    /// Widths of the feed-forward network that are not `intermediate_size`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub intermediate_sizes: BTreeMap<usize, usize>,
}

impl Pruned {
    /// True where nothing was removed.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.intermediate_sizes.is_empty()
    }

    /// Checks that every layer keeps a head and a neuron, and that only parts were removed that had been there.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the layer.
    pub(crate) fn validate(&self, config: &BertConfig) -> Result<()> {
        let (layers, heads) = (config.num_hidden_layers, config.num_attention_heads);
        let wrong = |what: String| Err(Error::Usage(what));
        if let Some(layer) =
            self.heads.keys().chain(self.intermediate_sizes.keys()).find(|layer| **layer >= layers)
        {
            return wrong(format!("layer {layer} is pruned, but the layers are 0 to {}", layers - 1));
        }
        for (layer, removed) in &self.heads {
            if removed.is_empty() || removed.len() >= heads || removed.iter().any(|head| *head >= heads) {
                return wrong(format!(
                    "pruned_heads of layer {layer} are {removed:?}; expected some of 0 to {}, but not all",
                    heads - 1
                ));
            }
        }
        match self.intermediate_sizes.iter().find(|(_, size)| !(1..=config.intermediate_size).contains(*size))
        {
            None => Ok(()),
            Some((layer, size)) => wrong(format!(
                "the feed-forward network of layer {layer} has width {size}; expected 1 to intermediate_size, {}",
                config.intermediate_size
            )),
        }
    }

    /// The keys of `config.json`: `pruned_heads`, which transformers reads too, and `intermediate_sizes`, a
    /// width for every layer, which is this program's own.
    pub(crate) fn write(&self, config: &BertConfig, json: &mut Value) {
        if !self.heads.is_empty() {
            json["pruned_heads"] = json!(self.heads);
        }
        if !self.intermediate_sizes.is_empty() {
            let widths: Vec<usize> = (0..config.num_hidden_layers).map(|layer| config.ffn(layer)).collect();
            json["intermediate_sizes"] = json!(widths);
        }
    }
}

impl BertConfig {
    /// The attention heads of a layer (from 0) that are left, numbered as before.
    pub fn head_numbers(&self, layer: usize) -> impl Iterator<Item = usize> {
        let removed = self.pruned.heads.get(&layer);
        (0..self.num_attention_heads)
            .filter(move |head| !removed.is_some_and(|removed| removed.contains(head)))
    }

    /// How many attention heads of a layer (from 0) are left.
    pub fn heads(&self, layer: usize) -> usize {
        self.num_attention_heads - self.pruned.heads.get(&layer).map_or(0, BTreeSet::len)
    }

    /// Width of a layer's queries, of its keys, of its values and of their context.
    pub fn attention_width(&self, layer: usize) -> usize {
        self.heads(layer) * self.head_dim()
    }

    /// Width of a layer's feed-forward network (layers from 0).
    pub fn ffn(&self, layer: usize) -> usize {
        self.pruned.intermediate_sizes.get(&layer).copied().unwrap_or(self.intermediate_size)
    }

    /// How many inputs each linear of a layer (from 0) has.
    pub(crate) fn linear_inputs(&self, layer: usize) -> PerLinear<usize> {
        let hidden = self.hidden_size;
        PerLinear {
            qkv: hidden,
            attention_output: self.attention_width(layer),
            up: hidden,
            down: self.ffn(layer),
        }
    }

    /// How many weights each linear of a layer (from 0) has.
    pub fn linear_weights(&self, layer: usize) -> PerLinear<usize> {
        let (attention, ffn) =
            (self.hidden_size * self.attention_width(layer), self.hidden_size * self.ffn(layer));
        PerLinear { qkv: 3 * attention, attention_output: attention, up: ffn, down: ffn }
    }

    /// Brings sizes that are the same in every layer back to `intermediate_size`, which transformers reads.
    #[must_use]
    pub fn with_common_sizes(mut self) -> Self {
        let widths: BTreeSet<usize> = (0..self.num_hidden_layers).map(|layer| self.ffn(layer)).collect();
        if let (1, Some(&width)) = (widths.len(), widths.first()) {
            self.intermediate_size = width;
            self.pruned.intermediate_sizes.clear();
        }
        let full = self.intermediate_size;
        self.pruned.intermediate_sizes.retain(|_, width| *width != full);
        self
    }
}
