//! BERT (arXiv 1810.04805): the family whose conventions hold for every model here.

use serde_json::{Value, json};

use super::{Abilities, Activation, EmbeddingLayout, Family, FamilyTokenizer};
use crate::architecture::Architecture;
use crate::config::BertConfig;
use crate::config_source::{ConfigSource, EncoderKeys, encoder_json};
use crate::head::Head;
use crate::special_pieces::ModelSpecialIds;
use tinybert_base::Result;

/// The family of [`Architecture::Bert`].
pub(super) struct BertFamily;

impl Family for BertFamily {
    fn name(&self) -> &'static str {
        "BERT"
    }

    fn abilities(&self) -> Abilities {
        Abilities { student: true, image: true, pruning: true }
    }

    fn model_type(&self) -> &'static str {
        "bert"
    }

    fn class_prefix(&self) -> &'static str {
        "Bert"
    }

    fn read_config(&self, source: &ConfigSource, _: ModelSpecialIds) -> Result<BertConfig> {
        let keys: EncoderKeys = source.keys()?;
        keys.check(source)?;
        keys.encoder(source, Architecture::Bert)
    }

    fn write_config(&self, config: &BertConfig, pad_token_id: u32) -> Value {
        let mut json = encoder_json(config);
        json["type_vocab_size"] = json!(config.type_vocab_size);
        json["position_embedding_type"] = json!("absolute");
        json["pad_token_id"] = json!(pad_token_id);
        json
    }

    fn masked_lm_may_lack_its_head(&self) -> bool {
        false
    }

    fn bert_name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn own_name(&self, name: &str, _: &Head) -> String {
        name.to_owned()
    }

    fn embeddings(&self) -> EmbeddingLayout {
        EmbeddingLayout { extra_word_rows: 0, segment_types: true, position_buckets: None }
    }

    fn pooler_activation(&self) -> Activation {
        Activation::Tanh
    }

    fn tokenizer_classes(&self) -> &'static [&'static str] {
        &["BertTokenizer", "BertTokenizerFast"]
    }

    fn tokenizer(&self) -> FamilyTokenizer {
        FamilyTokenizer::Bert
    }
}
