//! ELECTRA (arXiv 2003.10555), a family of teachers: BERT's encoder and vocabulary with embeddings that a linear
//! projects to the width of the encoder. The discriminator teaches; a generator can be read as a masked LM.

use serde_json::{Value, json};

use super::names::{bert_head_name, own_head_name, with_first_names, with_second_names};
use super::{Abilities, Activation, EmbeddingLayout, Family, FamilyTokenizer};
use crate::architecture::Architecture;
use crate::config::BertConfig;
use crate::config_source::{ConfigSource, EncoderKeys, encoder_json};
use crate::head::Head;
use crate::special_pieces::ModelSpecialIds;
use tinybert_base::Result;

/// Parts of tensor names, ELECTRA's and BERT's.
const NAMES: [(&str, &str); 4] = [
    ("generator_predictions.dense.", "cls.predictions.transform.dense."),
    ("generator_predictions.LayerNorm.", "cls.predictions.transform.LayerNorm."),
    ("generator_lm_head.bias", "cls.predictions.bias"),
    ("generator_lm_head.weight", "cls.predictions.decoder.weight"),
];

/// Width of the embeddings where `config.json` does not say it, as in transformers.
const EMBEDDING_SIZE: usize = 128;

/// The key of `config.json` that ELECTRA alone has.
#[derive(serde::Deserialize)]
struct ElectraKeys {
    embedding_size: Option<usize>,
}

/// The family of [`Architecture::Electra`].
pub(super) struct ElectraFamily;

impl Family for ElectraFamily {
    fn name(&self) -> &'static str {
        "ELECTRA"
    }

    fn abilities(&self) -> Abilities {
        Abilities::TEACHER
    }

    fn model_type(&self) -> &'static str {
        "electra"
    }

    fn class_prefix(&self) -> &'static str {
        "Electra"
    }

    fn read_config(&self, source: &ConfigSource, _: ModelSpecialIds) -> Result<BertConfig> {
        let keys: EncoderKeys = source.keys()?;
        keys.check(source)?;
        let ElectraKeys { embedding_size } = source.keys()?;
        let config = keys.encoder(source, Architecture::Electra)?;
        // There is no projection where it would not change the width.
        let embedding_size =
            Some(embedding_size.unwrap_or(EMBEDDING_SIZE)).filter(|width| *width != config.hidden_size);
        Ok(BertConfig { embedding_size, ..config })
    }

    fn write_config(&self, config: &BertConfig, pad_token_id: u32) -> Value {
        let mut json = encoder_json(config);
        json["embedding_size"] = json!(config.embedding_width());
        json["type_vocab_size"] = json!(config.type_vocab_size);
        json["pad_token_id"] = json!(pad_token_id);
        json
    }

    /// A discriminator's class is called `ForPreTraining`, as BERT's with a masked-LM head.
    fn masked_lm_may_lack_its_head(&self) -> bool {
        true
    }

    fn bert_name(&self, name: &str) -> String {
        match name.strip_prefix("electra.") {
            Some(rest) => format!("bert.{rest}"),
            None => with_second_names(&bert_head_name(name), &NAMES),
        }
    }

    fn own_name(&self, name: &str, head: &Head) -> String {
        let found = with_first_names(&own_head_name(name, head), &NAMES);
        match found.strip_prefix("bert.") {
            Some(rest) => format!("electra.{rest}"),
            None => found,
        }
    }

    fn embeddings(&self) -> EmbeddingLayout {
        EmbeddingLayout { extra_word_rows: 0, segment_types: true, position_buckets: None }
    }

    fn pooler_activation(&self) -> Activation {
        Activation::Gelu
    }

    fn tokenizer_classes(&self) -> &'static [&'static str] {
        &["ElectraTokenizer", "ElectraTokenizerFast"]
    }

    fn tokenizer(&self) -> FamilyTokenizer {
        FamilyTokenizer::Bert
    }
}
