//! RoBERTa (arXiv 1907.11692) and XLM-RoBERTa (arXiv 1911.02116), families of teachers: BERT's encoder with pieces
//! of their own, and positions that are counted from behind the padding's.

use serde_json::{Value, json};

use super::names::{MASKED_LM_NAMES, bert_head_name, own_head_name, with_first_names, with_second_names};
use super::{Abilities, Activation, EmbeddingLayout, Family, FamilyTokenizer};
use crate::architecture::Architecture;
use crate::config::BertConfig;
use crate::config_source::{ConfigSource, EncoderKeys, encoder_json};
use crate::head::Head;
use crate::special_pieces::ModelSpecialIds;
use tinybert_base::Result;

/// The key of `config.json` that changes where positions begin.
#[derive(serde::Deserialize)]
struct RobertaKeys {
    pad_token_id: Option<u32>,
}

/// A family that computes as RoBERTa does.
pub(super) struct RobertaFamily {
    name: &'static str,
    model_type: &'static str,
    class_prefix: &'static str,
    architecture: fn(ModelSpecialIds) -> Architecture,
    tokenizer_classes: &'static [&'static str],
}

/// The family of [`Architecture::Roberta`].
pub(super) static ROBERTA: RobertaFamily = RobertaFamily {
    name: "RoBERTa",
    model_type: "roberta",
    class_prefix: "Roberta",
    architecture: Architecture::Roberta,
    tokenizer_classes: &["RobertaTokenizer", "RobertaTokenizerFast"],
};

/// The family of [`Architecture::XlmRoberta`].
pub(super) static XLM_ROBERTA: RobertaFamily = RobertaFamily {
    name: "XLM-RoBERTa",
    model_type: "xlm-roberta",
    class_prefix: "XLMRoberta",
    architecture: Architecture::XlmRoberta,
    tokenizer_classes: &["XLMRobertaTokenizer", "XLMRobertaTokenizerFast"],
};

/// `pad_token_id` where `config.json` does not say it, as in transformers.
const PAD: u32 = 1;

/// Row of the position table that the first token takes; the rows before it are padding's.
pub(super) fn first_position(pad_token_id: u32) -> usize {
    pad_token_id as usize + 1
}

impl Family for RobertaFamily {
    fn name(&self) -> &'static str {
        self.name
    }

    fn abilities(&self) -> Abilities {
        Abilities::TEACHER
    }

    fn model_type(&self) -> &'static str {
        self.model_type
    }

    fn class_prefix(&self) -> &'static str {
        self.class_prefix
    }

    fn read_config(&self, source: &ConfigSource, special: ModelSpecialIds) -> Result<BertConfig> {
        let mut keys: EncoderKeys = source.keys()?;
        keys.check(source)?;
        let RobertaKeys { pad_token_id } = source.keys()?;
        let pad = pad_token_id.unwrap_or(PAD);
        if pad != special.pad {
            let supported = format!("{}, the id of the tokenizer's padding", special.pad);
            return Err(source.unsupported("pad_token_id", &pad.to_string(), &supported));
        }
        // A table that is too small becomes 0, and a size of 0 is refused later.
        keys.max_position_embeddings =
            keys.max_position_embeddings.map(|rows| rows.saturating_sub(first_position(pad)));
        keys.encoder(source, (self.architecture)(special))
    }

    fn write_config(&self, config: &BertConfig, pad_token_id: u32) -> Value {
        let mut json = encoder_json(config);
        json["type_vocab_size"] = json!(config.type_vocab_size);
        json["pad_token_id"] = json!(pad_token_id);
        if let Architecture::Roberta(special) | Architecture::XlmRoberta(special) = &config.architecture {
            (json["bos_token_id"], json["eos_token_id"]) = (json!(special.cls), json!(special.sep));
        }
        json
    }

    /// Sentence encoders made of RoBERTa keep its masked-LM class name and leave out the head.
    fn masked_lm_may_lack_its_head(&self) -> bool {
        true
    }

    /// The pooler of a bare encoder is not read: heads have a dense layer of their own, and folders with a head
    /// may carry both.
    fn bert_name(&self, name: &str) -> String {
        let bare = name.strip_prefix("roberta.").unwrap_or(name);
        if bare.starts_with("pooler.") {
            return format!("roberta.{bare}");
        }
        match name.strip_prefix("roberta.") {
            Some(rest) => format!("bert.{rest}"),
            None => with_second_names(&bert_head_name(name), &MASKED_LM_NAMES),
        }
    }

    fn own_name(&self, name: &str, head: &Head) -> String {
        let found = with_first_names(&own_head_name(name, head), &MASKED_LM_NAMES);
        match found.strip_prefix("bert.") {
            Some(rest) => format!("roberta.{rest}"),
            None => found,
        }
    }

    fn embeddings(&self) -> EmbeddingLayout {
        EmbeddingLayout { extra_word_rows: 0, segment_types: true, position_buckets: None }
    }

    fn pooler_activation(&self) -> Activation {
        Activation::Tanh
    }

    fn tokenizer_classes(&self) -> &'static [&'static str] {
        self.tokenizer_classes
    }

    fn tokenizer(&self) -> FamilyTokenizer {
        FamilyTokenizer::OwnPieces
    }
}
