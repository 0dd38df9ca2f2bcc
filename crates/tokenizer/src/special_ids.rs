//! The special pieces of a packed vocabulary.

/// Texts of the special pieces.
pub(crate) const PAD: &str = "[PAD]";
pub(crate) const UNK: &str = "[UNK]";
pub(crate) const CLS: &str = "[CLS]";
pub(crate) const SEP: &str = "[SEP]";
pub(crate) const MASK: &str = "[MASK]";

/// Ids of the special pieces of a packed vocabulary. The device never pads or masks: it needs `[PAD]` and `[MASK]` only
/// to recognise them in a text, and a vocabulary can do without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialIds {
    /// `[PAD]`, if the vocabulary has it.
    pub pad: Option<u32>,
    /// `[UNK]`, which stands for a word that has no pieces.
    pub unk: u32,
    /// `[CLS]`, which begins every input.
    pub cls: u32,
    /// `[SEP]`, which ends every text.
    pub sep: u32,
    /// `[MASK]`, if the vocabulary has it.
    pub mask: Option<u32>,
}

impl SpecialIds {
    /// Returns the text of each special piece with its id, or `None` for a piece that the vocabulary does not have.
    pub(crate) fn with_texts(self) -> [(&'static str, Option<u32>); 5] {
        [
            (PAD, self.pad),
            (UNK, Some(self.unk)),
            (CLS, Some(self.cls)),
            (SEP, Some(self.sep)),
            (MASK, self.mask),
        ]
    }
}
