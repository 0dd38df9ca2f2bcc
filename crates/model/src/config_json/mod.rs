//! `config.json`: the sizes of the encoder and its task head, as transformers writes them.

mod head;
mod write;

use std::path::Path;

pub(crate) use self::write::to_json;
use crate::config_entries::{ConfigEntries, UnsupportedEntry};
use crate::family::{self, Family};
use crate::{Architecture, BertConfig, ModelSpecialIds, Pruned};
use tinybert_base::{Error, Result, files};

/// A `config.json` that was read, its entries and class names translated to BERT's.
pub(crate) struct ConfigFile {
    entries: ConfigEntries,
    family: &'static dyn Family,
}

impl ConfigFile {
    /// # Errors
    /// [`Error::Input`] for anything but a configuration of an encoder of a known family.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut entries: ConfigEntries = files::parse_json(path, bytes)?;
        let refused = |UnsupportedEntry { key, found, supported }| {
            Error::input(path, format!("{key} {found:?} is not supported; supported: {supported}"))
        };
        let (students, teachers) = family::model_types();
        let Some(model_type) = &entries.model_type else {
            let all = [students, teachers].concat().join(" or ");
            return Err(Error::input(path, format!("model_type is missing; expected {all}")));
        };
        let family = family::of_model_type(model_type).ok_or_else(|| {
            let supported = format!("{}, and {} for teachers", students.join(", "), teachers.join(", "));
            refused(UnsupportedEntry { key: "model_type", found: model_type.clone(), supported })
        })?;
        entries.check().map_err(refused)?;
        for class in entries.architectures.iter_mut().flatten() {
            *class = class.replacen(family.class_prefix(), head::CLASS_PREFIX, 1);
        }
        family.read_config(&mut entries).map_err(refused)?;
        Ok(Self { entries, family })
    }

    /// The family of the encoder, whose tokenizer has these special pieces.
    pub(crate) fn architecture(&self, special: ModelSpecialIds) -> Architecture {
        self.family.architecture(special)
    }

    /// Sizes of the encoder; an entry that is missing has transformers' default for BERT, if there is one.
    ///
    /// # Errors
    /// [`Error::Input`] naming every missing size, or the one that cannot be.
    pub(crate) fn encoder(&self, path: &Path, architecture: Architecture) -> Result<BertConfig> {
        let entries = &self.entries;
        let mut missing = Vec::new();
        let mut required = |key, size: Option<usize>| {
            if size.is_none() {
                missing.push(key);
            }
            size.unwrap_or_default()
        };
        let config = BertConfig {
            architecture,
            vocab_size: required("vocab_size", entries.vocab_size),
            hidden_size: required("hidden_size", entries.hidden_size),
            num_hidden_layers: required("num_hidden_layers", entries.num_hidden_layers),
            num_attention_heads: required("num_attention_heads", entries.num_attention_heads),
            intermediate_size: required("intermediate_size", entries.intermediate_size),
            max_position_embeddings: required("max_position_embeddings", entries.max_position_embeddings),
            type_vocab_size: entries.type_vocab_size.unwrap_or(2),
            layer_norm_eps: entries.layer_norm_eps.unwrap_or(1e-12),
            hidden_dropout_prob: entries.hidden_dropout_prob.unwrap_or(0.1),
            attention_probs_dropout_prob: entries.attention_probs_dropout_prob.unwrap_or(0.1),
            initializer_range: entries.initializer_range.unwrap_or(0.02),
            pruned: Pruned::default(),
        };
        if !missing.is_empty() {
            return Err(Error::input(path, format!("missing {}", missing.join(", "))));
        }
        let pruned = self.pruned(path, config.num_hidden_layers, config.intermediate_size)?;
        let config = BertConfig { pruned, ..config };
        config.validate().map_err(|error| Error::input(path, error))?;
        Ok(config)
    }

    /// The heads and neurons that pruning removed from single layers.
    fn pruned(&self, path: &Path, layers: usize, intermediate_size: usize) -> Result<Pruned> {
        let widths = self.entries.intermediate_sizes.as_deref().unwrap_or_default();
        if !widths.is_empty() && widths.len() != layers {
            let found = widths.len();
            return Err(Error::input(
                path,
                format!("intermediate_sizes has {found} widths; expected one for each of {layers} layers"),
            ));
        }
        let narrow = widths.iter().copied().enumerate().filter(|(_, width)| *width != intermediate_size);
        // transformers writes empty sets, which say nothing.
        let heads = self.entries.pruned_heads.iter().filter(|(_, removed)| !removed.is_empty());
        Ok(Pruned {
            heads: heads.map(|(layer, removed)| (*layer, removed.clone())).collect(),
            intermediate_sizes: narrow.collect(),
        })
    }
}
