//! The text of a `config.json`, and the keys that most families have in common.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Architecture, BertConfig, Pruned};
use tinybert_base::{Error, Result, files};

/// What messages say to the owner of a decoder-only model.
pub(crate) const DECODERS_TEACH: &str = "a decoder-only model can teach by the probabilities that it gives to labels: \
                                         write them beside the texts and give `distill --stage task --soft-labels COLUMN`";

/// A `config.json` that is a JSON object.
pub(crate) struct ConfigSource<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl<'a> ConfigSource<'a> {
    /// # Errors
    /// [`Error::Input`] for anything but a JSON object.
    pub fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        match files::parse_json(path, bytes)? {
            Value::Object(_) => Ok(Self { path, bytes }),
            _ => Err(Error::input(path, "expected a JSON object")),
        }
    }

    /// The file, for messages.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The keys that are fields of `T`; all others are ignored.
    ///
    /// # Errors
    /// [`Error::Input`] with the line of a value that has another type.
    pub fn keys<T: DeserializeOwned>(&self) -> Result<T> {
        files::parse_json(self.path, self.bytes)
    }

    /// The error for a value which says that the model computes something else than this program.
    pub fn unsupported(&self, key: &str, found: &str, supported: &str) -> Error {
        Error::input(self.path, format!("{key} {found:?} is not supported; supported: {supported}"))
    }

    /// Makes sure that the keys which change what a model of any family computes have their defaults.
    ///
    /// # Errors
    /// [`Error::Input`] naming a key that has not.
    pub fn check_defaults(&self) -> Result<()> {
        let config: Value = files::parse_json(self.path, self.bytes)?;
        for key in ["add_cross_attention", "is_encoder_decoder"] {
            if config[key] == true {
                return Err(self.unsupported(key, "true", "false, the default: an encoder alone"));
            }
        }
        match config.get("quantization_config").filter(|found| !found.is_null()) {
            None => Ok(()),
            Some(found) => Err(self.unsupported(
                "quantization_config",
                found["quant_method"].as_str().unwrap_or("(without a method)"),
                "none: weights in F32, F16 or BF16",
            )),
        }
    }

    /// Makes sure that the activation, which stands at `key`, is GELU.
    ///
    /// # Errors
    /// [`Error::Input`] naming any other activation.
    pub fn check_activation(&self, key: &str, found: Option<&str>) -> Result<()> {
        match found {
            None | Some("gelu" | "gelu_python") => Ok(()),
            Some(other) => Err(self.unsupported(key, other, "\"gelu\", the erf form")),
        }
    }
}

/// Sizes that a `config.json` must have, by the family's own keys.
#[derive(Default)]
pub(crate) struct RequiredSizes {
    missing: Vec<&'static str>,
}

impl RequiredSizes {
    /// The size that stands at `key`; 0 if it is missing.
    pub fn size(&mut self, key: &'static str, size: Option<usize>) -> usize {
        if size.is_none() {
            self.missing.push(key);
        }
        size.unwrap_or_default()
    }

    /// # Errors
    /// [`Error::Input`] naming every missing size.
    pub fn check(self, source: &ConfigSource) -> Result<()> {
        match self.missing[..] {
            [] => Ok(()),
            _ => Err(Error::input(source.path, format!("missing {}", self.missing.join(", ")))),
        }
    }
}

/// The keys for the sizes of an encoder and for what it computes, as BERT has them.
#[derive(serde::Deserialize)]
pub(crate) struct EncoderKeys {
    pub vocab_size: Option<usize>,
    pub hidden_size: Option<usize>,
    pub num_hidden_layers: Option<usize>,
    pub num_attention_heads: Option<usize>,
    pub intermediate_size: Option<usize>,
    pub max_position_embeddings: Option<usize>,
    pub type_vocab_size: Option<usize>,
    pub layer_norm_eps: Option<f64>,
    pub hidden_dropout_prob: Option<f64>,
    pub attention_probs_dropout_prob: Option<f64>,
    pub initializer_range: Option<f64>,
    pub hidden_act: Option<String>,
    pub position_embedding_type: Option<String>,
    pub is_decoder: Option<bool>,
}

impl EncoderKeys {
    /// Makes sure that the model computes as BERT does.
    ///
    /// # Errors
    /// [`Error::Input`] naming the key that says otherwise.
    pub fn check(&self, source: &ConfigSource) -> Result<()> {
        source.check_activation("hidden_act", self.hidden_act.as_deref())?;
        if let Some(kind) = self.position_embedding_type.as_deref()
            && kind != "absolute"
        {
            return Err(source.unsupported("position_embedding_type", kind, "\"absolute\""));
        }
        match self.is_decoder {
            Some(true) => {
                Err(source.unsupported("is_decoder", "true", &format!("encoders; {DECODERS_TEACH}")))
            }
            _ => Ok(()),
        }
    }

    /// The encoder; a key that is missing has transformers' default for BERT, if there is one.
    ///
    /// # Errors
    /// [`Error::Input`] naming every missing size.
    pub fn encoder(&self, source: &ConfigSource, architecture: Architecture) -> Result<BertConfig> {
        let mut required = RequiredSizes::default();
        let config = BertConfig {
            architecture,
            vocab_size: required.size("vocab_size", self.vocab_size),
            hidden_size: required.size("hidden_size", self.hidden_size),
            embedding_size: None,
            num_hidden_layers: required.size("num_hidden_layers", self.num_hidden_layers),
            num_attention_heads: required.size("num_attention_heads", self.num_attention_heads),
            intermediate_size: required.size("intermediate_size", self.intermediate_size),
            max_position_embeddings: required.size("max_position_embeddings", self.max_position_embeddings),
            type_vocab_size: self.type_vocab_size.unwrap_or(2),
            layer_norm_eps: self.layer_norm_eps.unwrap_or(1e-12),
            hidden_dropout_prob: self.hidden_dropout_prob.unwrap_or(0.1),
            attention_probs_dropout_prob: self.attention_probs_dropout_prob.unwrap_or(0.1),
            initializer_range: self.initializer_range.unwrap_or(0.02),
            pruned: Pruned::default(),
        };
        required.check(source)?;
        Ok(config)
    }
}

/// The keys of a `config.json` for the sizes of an encoder, as BERT and most families have them.
pub(crate) fn encoder_json(config: &BertConfig) -> Value {
    json!({
        "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads, "intermediate_size": config.intermediate_size,
        "hidden_act": "gelu", "layer_norm_eps": config.layer_norm_eps,
        "hidden_dropout_prob": config.hidden_dropout_prob,
        "attention_probs_dropout_prob": config.attention_probs_dropout_prob,
        "initializer_range": config.initializer_range,
        "vocab_size": config.word_rows(),
        "max_position_embeddings": config.position_rows(),
    })
}
