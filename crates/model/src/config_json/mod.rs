//! `config.json`: the sizes of the encoder and its task head, as transformers writes them.

mod head;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::head::HeadKeys;
pub(crate) use self::write::to_json;
use crate::config_source::{ConfigSource, DECODERS_TEACH};
use crate::family::{self, Family};
use crate::{BertConfig, ModelSpecialIds, Pruned, TextEncoder, tokenizer_settings};
use tinybert_base::{Error, Result};

/// A `config.json` of a known family, its class names translated to BERT's.
pub(crate) struct ConfigFile<'a> {
    source: ConfigSource<'a>,
    family: &'static dyn Family,
    head_keys: HeadKeys,
}

/// The keys that say which family the model is of.
#[derive(serde::Deserialize)]
struct FamilyKeys {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
}

impl FamilyKeys {
    /// Whether the model is made to continue text, as most large language models are.
    fn is_decoder(&self) -> bool {
        let classes = self.architectures.iter().flatten();
        let mut by_class =
            classes.map(|class| class.ends_with("ForCausalLM") || class.ends_with("LMHeadModel"));
        by_class.any(|decoder| decoder)
            || self.model_type.as_deref().is_some_and(|model_type| DECODERS.contains(&model_type))
    }
}

/// Values of `model_type` that stand for decoders whatever class the folder names.
const DECODERS: [&str; 12] = [
    "gpt2", "gpt_neo", "gptj", "gpt_neox", "llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "phi3",
    "opt",
];

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
        let keys: FamilyKeys = source.keys()?;
        let Some(model_type) = &keys.model_type else {
            let all = [students, teachers].concat().join(" or ");
            return Err(Error::input(path, format!("model_type is missing; expected {all}")));
        };
        source.check_defaults()?;
        let family = family::of_model_type(model_type).ok_or_else(|| {
            let mut supported = format!("{}, and {} for teachers", students.join(", "), teachers.join(", "));
            if keys.is_decoder() {
                supported += &format!("; {DECODERS_TEACH}");
            }
            source.unsupported("model_type", model_type, &supported)
        })?;
        let mut head_keys: HeadKeys = source.keys()?;
        for class in head_keys.architectures.iter_mut().flatten() {
            *class = class.replacen(family.class_prefix(), head::CLASS_PREFIX, 1);
        }
        Ok(Self { source, family, head_keys })
    }

    /// Makes sure that the family reads text with such a tokenizer.
    ///
    /// # Errors
    /// [`Error::Input`] naming family and tokenizer.
    pub(crate) fn check_tokenizer(&self, folder: &Path, text: &TextEncoder) -> Result<()> {
        let kind = |own: bool| if own { "BPE or Unigram" } else { "WordPiece" };
        let own = self.family.tokenizer().has_own_pieces();
        if own == text.has_own_pieces() {
            let needs_types = !own && self.family.embeddings().segment_types;
            return if needs_types { tokenizer_settings::check_type_ids(folder) } else { Ok(()) };
        }
        let name = self.family.name();
        Err(Error::input(
            folder,
            format!(
                "by config.json the model is {name}, which reads {} pieces, but the tokenizer is {}: take the tokenizer \
                 files of the model it came from",
                kind(own),
                kind(!own)
            ),
        ))
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
