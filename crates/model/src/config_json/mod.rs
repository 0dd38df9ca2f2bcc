//! `config.json`: the sizes of the encoder and its task head, as transformers writes them.

mod head;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::head::HeadKeys;
pub(crate) use self::write::to_json;
use crate::config_source::ConfigSource;
use crate::family::{self, Family};
use crate::{BertConfig, ModelSpecialIds, Pruned};
use tinybert_base::{Error, Result};

/// A `config.json` of a known family, its class names translated to BERT's.
pub(crate) struct ConfigFile<'a> {
    source: ConfigSource<'a>,
    family: &'static dyn Family,
    head_keys: HeadKeys,
}

/// The key that says which family the encoder is of.
#[derive(serde::Deserialize)]
struct FamilyKeys {
    model_type: Option<String>,
}

/// The keys that say what pruning removed, for all families alike.
#[derive(serde::Deserialize)]
struct PrunedKeys {
    #[serde(default)]
    pruned_heads: BTreeMap<usize, BTreeSet<usize>>,
    intermediate_sizes: Option<Vec<usize>>,
}

impl<'a> ConfigFile<'a> {
    /// # Errors
    /// [`Error::Input`] for anything but a configuration of an encoder of a known family.
    pub(crate) fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let source = ConfigSource::new(path, bytes)?;
        let (students, teachers) = family::model_types();
        let FamilyKeys { model_type: Some(model_type) } = source.keys()? else {
            let all = [students, teachers].concat().join(" or ");
            return Err(Error::input(path, format!("model_type is missing; expected {all}")));
        };
        let family = family::of_model_type(&model_type).ok_or_else(|| {
            let supported = format!("{}, and {} for teachers", students.join(", "), teachers.join(", "));
            source.unsupported("model_type", &model_type, &supported)
        })?;
        let mut head_keys: HeadKeys = source.keys()?;
        for class in head_keys.architectures.iter_mut().flatten() {
            *class = class.replacen(family.class_prefix(), head::CLASS_PREFIX, 1);
        }
        Ok(Self { source, family, head_keys })
    }

    /// The encoder, whose tokenizer has these special pieces.
    ///
    /// # Errors
    /// [`Error::Input`] naming every missing size, or the value that cannot be.
    pub(crate) fn encoder(&self, special: ModelSpecialIds) -> Result<BertConfig> {
        let config = self.family.read_config(&self.source, special)?;
        let pruned = self.pruned(config.num_hidden_layers, config.intermediate_size)?;
        let config = BertConfig { pruned, ..config };
        config.validate().map_err(|error| Error::input(self.source.path(), error))?;
        Ok(config)
    }

    /// The heads and neurons that pruning removed from single layers.
    fn pruned(&self, layers: usize, intermediate_size: usize) -> Result<Pruned> {
        let PrunedKeys { pruned_heads, intermediate_sizes } = self.source.keys()?;
        let widths = intermediate_sizes.unwrap_or_default();
        if !widths.is_empty() && widths.len() != layers {
            let found = widths.len();
            return Err(Error::input(
                self.source.path(),
                format!("intermediate_sizes has {found} widths; expected one for each of {layers} layers"),
            ));
        }
        let narrow = widths.iter().copied().enumerate().filter(|(_, width)| *width != intermediate_size);
        // transformers writes empty sets, which say nothing.
        let heads = pruned_heads.into_iter().filter(|(_, removed)| !removed.is_empty());
        Ok(Pruned { heads: heads.collect(), intermediate_sizes: narrow.collect() })
    }
}
