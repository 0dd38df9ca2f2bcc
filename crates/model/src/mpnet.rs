//! MPNet as a teacher (arXiv 2004.09297): what its folders have that BERT's do not.
//!
//! Its vocabulary is BERT's with four pieces before and one behind. Tokenization here is BERT's own, with BERT's ids
//! and special pieces, so that a student sees the same words; [`PieceIds`] leads from there to MPNet's rows. Tensors go
//! by BERT's names from reading to writing.

use super::vocabulary::NamedFiles;
use super::{BertConfig, Checkpoint, Head, SpecialIds, Tensors, WORD_EMBEDDINGS};
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use tinybert_base::Result;

/// MPNet's pieces before those of BERT, in the order of their ids.
pub(super) const LEADING: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// MPNet's last piece.
pub(super) const MASK: &str = "<mask>";
/// MPNet's pieces that BERT does not have.
pub(super) const EXTRA_PIECES: usize = LEADING.len() + 1;
/// Row of the position table that the first token takes; the rows before it are padding's.
pub const FIRST_POSITION: usize = 2;
/// Rows of the relative-position table, `[buckets, heads]`. transformers computes with 32 whatever the configuration says.
pub(super) const RELATIVE_BUCKETS: usize = 32;
/// Canonical name of that table, which all layers share.
pub const RELATIVE_BIAS: &str = "bert.encoder.relative_attention_bias.weight";

/// MPNet's row of each of BERT's pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceIds(Vec<u32>);

impl PieceIds {
    /// For a vocabulary of `pieces` pieces in BERT's numbering.
    pub fn new(pieces: usize, special: &SpecialIds) -> Self {
        let mut rows: Vec<u32> = (0..pieces as u32).map(|id| id + LEADING.len() as u32).collect();
        let mask = special.mask.map(|id| (id, (pieces + LEADING.len()) as u32));
        // `[UNK]` keeps its row among BERT's pieces: it is MPNet's unknown piece too, `<unk>` is never used.
        for (id, row) in [(special.cls, 0), (special.pad, 1), (special.sep, 2)].into_iter().chain(mask) {
            if let Some(entry) = rows.get_mut(id as usize) {
                *entry = row;
            }
        }
        Self(rows)
    }

    /// Rows by id.
    pub fn rows(&self) -> &[u32] {
        &self.0
    }
}

/// True for the pieces of an MPNet vocabulary.
pub(super) fn is_mpnet(pieces: &[String]) -> bool {
    pieces.iter().take(LEADING.len()).eq(LEADING) && pieces.last().is_some_and(|last| last == MASK)
}

/// BERT's part of an MPNet vocabulary.
pub(super) fn bert_pieces(mut pieces: Vec<String>) -> Vec<String> {
    pieces.pop();
    pieces.split_off(LEADING.len())
}

/// The files of an MPNet tokenizer over these pieces of BERT's.
pub(super) fn tokenizer_files(pieces: &[String], lowercase: bool) -> NamedFiles {
    let config = json!({
        "tokenizer_class": "MPNetTokenizer", "do_lower_case": lowercase, "tokenize_chinese_chars": true,
        "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "[UNK]",
        "pad_token": "<pad>", "mask_token": MASK,
    });
    let own = LEADING.into_iter().chain(pieces.iter().map(String::as_str)).chain([MASK]);
    let list: String = own.map(|piece| format!("{piece}\n")).collect();
    vec![
        ("vocab.txt".to_owned(), list.into_bytes()),
        ("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()),
    ]
}

/// Parts of tensor names, MPNet's and BERT's.
const NAMES: [(&str, &str); 8] = [
    (".attention.attn.q.", ".attention.self.query."),
    (".attention.attn.k.", ".attention.self.key."),
    (".attention.attn.v.", ".attention.self.value."),
    (".attention.attn.o.", ".attention.output.dense."),
    (".attention.LayerNorm.", ".attention.output.LayerNorm."),
    ("lm_head.dense.", "cls.predictions.transform.dense."),
    ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
    ("lm_head.bias", "cls.predictions.bias"),
];

/// BERT's name of a tensor that an MPNet folder stores as `name`.
pub(super) fn bert_name(name: &str) -> String {
    let mut found = match name.strip_prefix("mpnet.") {
        Some(rest) => format!("bert.{rest}"),
        // The head's own dense layer is what BERT calls its pooler.
        None => name
            .replace("classifier.dense.", "bert.pooler.dense.")
            .replace("classifier.out_proj.", "classifier."),
    };
    for (own, bert) in NAMES {
        found = found.replace(own, bert).replace("lm_head.decoder.", "cls.predictions.decoder.");
    }
    found
}

/// The name by which transformers knows a tensor of an MPNet model with this head.
fn own_name(name: &str, head: &Head) -> String {
    let mut found = name.to_owned();
    if head.needs_pooler() {
        let pooler = found.replace("bert.pooler.dense.", "classifier.dense.");
        found = if pooler == found { found.replace("classifier.", "classifier.out_proj.") } else { pooler };
    }
    for (own, bert) in NAMES {
        found = found.replace(bert, own);
    }
    match found.strip_prefix("bert.") {
        Some(rest) => format!("mpnet.{rest}"),
        None => found,
    }
}

/// The tensors as an MPNet folder stores them.
pub(super) fn own_names(tensors: &Tensors, head: &Head) -> Tensors {
    tensors.iter().map(|(name, tensor)| (own_name(name, head), tensor.clone())).collect()
}

impl Checkpoint {
    /// One of the three embedding tables, its rows in BERT's order. A model without segment types gives rows of 0.
    pub fn embedding_table(&self, name: &str) -> Result<Tensor> {
        let BertConfig { architecture, vocab_size, hidden_size, type_vocab_size, .. } = &self.config;
        let table = self.tensors.get(name);
        let Some(special) = architecture.mpnet() else {
            return Ok(crate::lookup(&self.tensors, name)?.clone());
        };
        Ok(match table {
            None => Tensor::zeros((*type_vocab_size, *hidden_size), DType::F32, &Device::Cpu)?,
            Some(table) if name == WORD_EMBEDDINGS => {
                let rows = PieceIds::new(*vocab_size, special).0;
                table.index_select(&Tensor::from_vec(rows, *vocab_size, &Device::Cpu)?, 0)?
            }
            Some(table) => table.narrow(0, FIRST_POSITION, self.config.max_position_embeddings)?,
        })
    }
}
