//! The pieces of a vocabulary that have a meaning of their own.

/// Ids of a model folder's pieces that have a meaning of their own, in BERT's numbering. Every model has `[PAD]`,
/// because training fills batches with it; the vocabulary of an image, whose ids are
/// [`tinybert_tokenizer::SpecialIds`], can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelSpecialIds {
    /// `[PAD]`, fills batches.
    pub pad: u32,
    /// `[UNK]`, a word that the vocabulary cannot spell.
    pub unk: u32,
    /// `[CLS]`, first of every sequence.
    pub cls: u32,
    /// `[SEP]`, after each sentence.
    pub sep: u32,
    /// `[MASK]`, hides a word from the masked-LM head; device vocabularies can do without.
    pub mask: Option<u32>,
}

/// The text of the pieces that a tokenizer gives a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialPieces {
    /// The piece that fills batches.
    pub pad: &'static str,
    /// A word that the vocabulary cannot spell.
    pub unk: &'static str,
    /// The first piece of every sequence.
    pub cls: &'static str,
    /// The piece after each sentence.
    pub sep: &'static str,
    /// Hides a word from the masked-LM head; a vocabulary may lack it.
    pub mask: &'static str,
}

impl SpecialPieces {
    /// BERT's pieces, by which text is read for models of every family with WordPiece.
    pub const BERT: Self = Self { pad: "[PAD]", unk: "[UNK]", cls: "[CLS]", sep: "[SEP]", mask: "[MASK]" };

    /// RoBERTa's pieces, by which text is read for models with pieces of their own.
    pub const ROBERTA: Self = Self { pad: "<pad>", unk: "<unk>", cls: "<s>", sep: "</s>", mask: "<mask>" };

    /// All pieces.
    pub fn all(self) -> [&'static str; 5] {
        [self.pad, self.unk, self.cls, self.sep, self.mask]
    }

    /// All pieces with their keys in `tokenizer_config.json`.
    pub fn by_key(self) -> [(&'static str, &'static str); 5] {
        let keys = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"];
        let pieces = self.all();
        std::array::from_fn(|at| (keys[at], pieces[at]))
    }
}
