//! MPNet (arXiv 2004.09297), a family of teachers: relative positions in the attention scores, no segment
//! types, and BERT's vocabulary with four more pieces before it and one after it.

use serde_json::{Value, json};

use super::names::{MASKED_LM_NAMES, bert_head_name, own_head_name, with_first_names, with_second_names};
use super::{Abilities, Activation, EmbeddingLayout, Family, FamilyTokenizer, Numbering, PieceRows};
use crate::architecture::Architecture;
use crate::config::BertConfig;
use crate::config_source::{ConfigSource, EncoderKeys, encoder_json};
use crate::head::Head;
use crate::special_pieces::{ModelSpecialIds, SpecialPieces};
use crate::vocabulary::{NamedFiles, tokenizer_files};
use tinybert_base::Result;

/// The pieces before those of BERT, in the order of their ids.
const LEADING: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// The piece after those of BERT.
const MASK: &str = "<mask>";

/// The pieces that BERT does not have.
const EXTRA_PIECES: usize = LEADING.len() + 1;

/// Row of the position table that the first token takes; the rows before it are padding's.
pub(super) const FIRST_POSITION: usize = 2;

/// Rows of the table of relative positions. transformers computes with 32 whatever the configuration says.
const POSITION_BUCKETS: usize = 32;

/// Parts of tensor names, MPNet's and BERT's.
const NAMES: [(&str, &str); 5] = [
    (".attention.attn.q.", ".attention.self.query."),
    (".attention.attn.k.", ".attention.self.key."),
    (".attention.attn.v.", ".attention.self.value."),
    (".attention.attn.o.", ".attention.output.dense."),
    (".attention.LayerNorm.", ".attention.output.LayerNorm."),
];

/// The keys of `config.json` that MPNet alone has.
#[derive(serde::Deserialize)]
struct MpNetKeys {
    relative_attention_num_buckets: Option<usize>,
}

/// The family of [`Architecture::MpNet`].
pub(super) struct MpNetFamily;

impl Family for MpNetFamily {
    fn name(&self) -> &'static str {
        "MPNet"
    }

    fn abilities(&self) -> Abilities {
        Abilities::TEACHER
    }

    fn model_type(&self) -> &'static str {
        "mpnet"
    }

    fn class_prefix(&self) -> &'static str {
        "MPNet"
    }

    fn read_config(&self, source: &ConfigSource, special: ModelSpecialIds) -> Result<BertConfig> {
        let mut keys: EncoderKeys = source.keys()?;
        keys.check(source)?;
        let MpNetKeys { relative_attention_num_buckets } = source.keys()?;
        if let Some(found) = relative_attention_num_buckets
            && found != POSITION_BUCKETS
        {
            let (found, supported) = (found.to_string(), POSITION_BUCKETS.to_string());
            return Err(source.unsupported("relative_attention_num_buckets", &found, &supported));
        }
        // A vocabulary that is too small becomes 0, and a size of 0 is refused later.
        let without = |size: Option<usize>, extra: usize| size.map(|size| size.saturating_sub(extra));
        keys.vocab_size = without(keys.vocab_size, EXTRA_PIECES);
        keys.max_position_embeddings = without(keys.max_position_embeddings, FIRST_POSITION);
        keys.layer_norm_eps.get_or_insert(1e-5);
        keys.encoder(source, Architecture::MpNet(special))
    }

    fn write_config(&self, config: &BertConfig, _: u32) -> Value {
        let mut json = encoder_json(config);
        json["relative_attention_num_buckets"] = json!(POSITION_BUCKETS);
        (json["bos_token_id"], json["pad_token_id"], json["eos_token_id"]) = (json!(0), json!(1), json!(2));
        json
    }

    /// Sentence encoders made of MPNet keep its masked-LM class name and leave out the head.
    fn masked_lm_may_lack_its_head(&self) -> bool {
        true
    }

    fn bert_name(&self, name: &str) -> String {
        let found = match name.strip_prefix("mpnet.") {
            Some(rest) => format!("bert.{rest}"),
            None => with_second_names(&bert_head_name(name), &MASKED_LM_NAMES),
        };
        with_second_names(&found, &NAMES)
    }

    fn own_name(&self, name: &str, head: &Head) -> String {
        let found = with_first_names(&own_head_name(name, head), &NAMES);
        let found = with_first_names(&found, &MASKED_LM_NAMES);
        match found.strip_prefix("bert.") {
            Some(rest) => format!("mpnet.{rest}"),
            None => found,
        }
    }

    fn embeddings(&self) -> EmbeddingLayout {
        EmbeddingLayout {
            extra_word_rows: EXTRA_PIECES,
            segment_types: false,
            position_buckets: Some(POSITION_BUCKETS),
        }
    }

    fn pooler_activation(&self) -> Activation {
        Activation::Tanh
    }

    fn tokenizer_classes(&self) -> &'static [&'static str] {
        &["MPNetTokenizer", "MPNetTokenizerFast"]
    }

    fn tokenizer(&self) -> FamilyTokenizer {
        FamilyTokenizer::Renumbered(&Self)
    }
}

impl Numbering for MpNetFamily {
    fn has_vocabulary(&self, pieces: &[String]) -> bool {
        pieces.iter().take(LEADING.len()).eq(LEADING) && pieces.last().is_some_and(|last| last == MASK)
    }

    fn special_pieces(&self) -> SpecialPieces {
        SpecialPieces { pad: "<pad>", unk: "[UNK]", cls: "<s>", sep: "</s>", mask: MASK }
    }

    fn bert_pieces(&self, mut pieces: Vec<String>) -> Vec<String> {
        pieces.pop();
        pieces.split_off(LEADING.len())
    }

    fn tokenizer_files(&self, bert_pieces: &[String], lowercase: bool) -> NamedFiles {
        let config = json!({
            "tokenizer_class": "MPNetTokenizer", "do_lower_case": lowercase, "tokenize_chinese_chars": true,
            "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "[UNK]",
            "pad_token": "<pad>", "mask_token": MASK,
        });
        let own = LEADING.into_iter().chain(bert_pieces.iter().map(String::as_str)).chain([MASK]);
        tokenizer_files(own, &config)
    }
}

/// The rows of `pieces` pieces in BERT's numbering.
pub(super) fn piece_rows(pieces: usize, special: &ModelSpecialIds) -> PieceRows {
    let mut rows: Vec<u32> = (0..pieces as u32).map(|id| id + LEADING.len() as u32).collect();
    let mask = special.mask.map(|id| (id, (pieces + LEADING.len()) as u32));
    // `[UNK]` keeps its row among BERT's pieces: it is MPNet's unknown piece too, `<unk>` is never used.
    for (id, row) in [(special.cls, 0), (special.pad, 1), (special.sep, 2)].into_iter().chain(mask) {
        if let Some(entry) = rows.get_mut(id as usize) {
            *entry = row;
        }
    }
    PieceRows(rows)
}
