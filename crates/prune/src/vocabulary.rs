//! Vocabulary pruning: removing the word pieces that a task's texts do not use.
//!
//! WordPiece always takes the longest piece that fits. Removing pieces that a text does not use therefore
//! changes only the numbers of the text's pieces: a text whose pieces are all kept is answered with the same
//! bits. A word that becomes `[UNK]` also uses the pieces that were matched before none fitted, because
//! without one of them the word might be split in another way. Any other text is split into shorter pieces,
//! down to single characters.

use std::collections::HashSet;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use tinybert_base::{Error, Result};
use tinybert_model::{BertConfig, Checkpoint, Head, Tensors, TextEncoder, WORD_EMBEDDINGS, names};

/// Prefix of a piece that continues a word.
const CONTINUES: &str = "##";

/// The single characters that stay even if the texts do not use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Characters {
    /// Every single character of the vocabulary, so that everything that could be spelled before still can.
    All,
    /// The characters of ASCII. A word with another character that the texts do not use becomes `[UNK]`.
    Ascii,
}

/// How many of the pieces stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct VocabularySettings {
    /// How often the texts must use a piece for it to stay; at least 1.
    pub min_count: u64,
    /// Largest number of pieces; the most frequent ones stay. Special pieces and characters always stay.
    pub max_pieces: Option<usize>,
    /// Characters that stay even if unused.
    pub characters: Characters,
}

impl Default for VocabularySettings {
    fn default() -> Self {
        Self { min_count: 1, max_pieces: None, characters: Characters::All }
    }
}

/// How often texts use each piece of a vocabulary.
pub struct PieceCounts<'a> {
    text: &'a TextEncoder,
    /// The number of uses of each piece, by piece id.
    counts: Vec<u64>,
}

impl<'a> PieceCounts<'a> {
    /// Counts of zero for all pieces.
    pub fn new(text: &'a TextEncoder) -> Self {
        Self { text, counts: vec![0; text.vocab_size()] }
    }

    /// Counts the pieces of these texts, on all cores.
    ///
    /// # Errors
    /// Returns the errors of [`TextEncoder::matched_ids`].
    pub fn add(&mut self, texts: &[impl AsRef<str> + Sync]) -> Result<()> {
        let ids: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.text.matched_ids(text.as_ref())).collect::<Result<_>>()?;
        for id in ids.into_iter().flatten() {
            self.counts[id as usize] += 1;
        }
        Ok(())
    }

    /// The pieces that stay, in their old order.
    ///
    /// # Errors
    /// [`Error::Usage`] if `max_pieces` has no room for special pieces and characters.
    pub fn keep(&self, settings: &VocabularySettings) -> Result<KeptPieces> {
        let pieces = self.text.pieces();
        let special = self.text.special();
        let known: HashSet<&str> = pieces.iter().map(String::as_str).collect();
        let mut kept: Vec<bool> =
            pieces.iter().map(|piece| is_needed_for_spelling(piece, &known, settings.characters)).collect();
        for id in [special.pad, special.unk, special.cls, special.sep].into_iter().chain(special.mask) {
            kept[id as usize] = true;
        }
        let needed = kept.iter().filter(|kept| **kept).count();
        let room = match settings.max_pieces {
            None => usize::MAX,
            Some(most) => most.checked_sub(needed).ok_or_else(|| {
                Error::Usage(format!(
                    "{most} pieces have no room for the {needed} special pieces and characters that stay"
                ))
            })?,
        };
        let mut used: Vec<usize> = (0..pieces.len())
            .filter(|&id| !kept[id] && self.counts[id] >= settings.min_count.max(1))
            .collect();
        // The sort is stable, so that the piece with the lower id stays if two are equally frequent.
        used.sort_by_key(|&id| std::cmp::Reverse(self.counts[id]));
        used.iter().take(room).for_each(|&id| kept[id] = true);
        Ok(KeptPieces { ids: (0..pieces.len() as u32).filter(|&id| kept[id as usize]).collect() })
    }
}

/// Whether a piece is needed to spell words by short pieces: it is a single character, or has a character
/// without a piece of its own.
fn is_needed_for_spelling(piece: &str, known: &HashSet<&str>, characters: Characters) -> bool {
    if characters == Characters::Ascii && !piece.is_ascii() {
        return false;
    }
    let begins = !piece.starts_with(CONTINUES);
    let letters = piece.strip_prefix(CONTINUES).unwrap_or(piece);
    let alone = |(at, letter): (usize, char)| match begins && at == 0 {
        true => letter.to_string(),
        false => format!("{CONTINUES}{letter}"),
    };
    letters.chars().count() == 1 || letters.char_indices().map(alone).any(|single| !known.contains(&*single))
}

/// The pieces of a vocabulary that stay.
pub struct KeptPieces {
    /// The old ids of the pieces in rising order. The new id of a piece is its index here.
    ids: Vec<u32>,
}

impl KeptPieces {
    /// Number of pieces that stay.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no piece stays, which is never true: the special pieces stay.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The tokenizer with only these pieces.
    ///
    /// # Errors
    /// [`Error::Usage`] if `before` is not the tokenizer whose pieces were counted.
    pub fn text(&self, before: &TextEncoder) -> Result<TextEncoder> {
        let pieces = before.pieces();
        let kept = self.ids.iter().map(|&id| pieces[id as usize].clone()).collect();
        TextEncoder::from_pieces(kept, before.lowercase())
    }

    /// The model with only these pieces. Rows of the word embeddings (and of a masked-LM head's bias) and
    /// lines of `vocab.txt` are removed; everything else stays as it is.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model of a family of teachers.
    pub fn prune(&self, model: &Checkpoint) -> Result<Checkpoint> {
        crate::check_family(model)?;
        let rows = Tensor::new(self.ids.as_slice(), &Device::Cpu)?;
        let mut tensors: Tensors = model.tensors.clone();
        let mut tables = vec![WORD_EMBEDDINGS];
        if model.head == Head::MaskedLm {
            tables.push(names::MASKED_LM_BIAS);
        }
        for name in tables {
            let table = tensors.get_mut(name).ok_or_else(|| Error::Usage(format!("{name} is missing")))?;
            *table = table.index_select(&rows, 0)?;
        }
        let text = self.text(&model.text)?;
        let config = BertConfig { vocab_size: text.vocab_size(), ..model.config.clone() };
        Ok(model.with(config, tensors, text))
    }
}

/// The effect of a smaller vocabulary on texts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Coverage {
    /// Words of the texts.
    pub words: usize,
    /// Words with the same pieces as before.
    pub same: usize,
    /// Words that are `[UNK]` now and were not before.
    pub lost: usize,
    /// Pieces of all words with the old vocabulary.
    pub pieces_before: usize,
    /// Pieces of all words with the new vocabulary. The time of an answer grows with them.
    pub pieces_after: usize,
}

impl Coverage {
    /// Compares the pieces of every word of `texts`.
    ///
    /// # Errors
    /// Returns the errors of [`TextEncoder::words`].
    pub fn measure(texts: &[&str], before: &TextEncoder, after: &TextEncoder) -> Result<Self> {
        let (old, new) = (before.pieces(), after.pieces());
        let (old_unknown, new_unknown) = (before.special().unk, after.special().unk);
        let each = |text: &&str| {
            let mut coverage = Self { words: 0, same: 0, lost: 0, pieces_before: 0, pieces_after: 0 };
            // Both split text into the same words, because both normalise it as BERT does.
            for (was, is) in before.words(text)?.iter().zip(after.words(text)?) {
                let same = was.ids.len() == is.ids.len()
                    && was.ids.iter().zip(&is.ids).all(|(&a, &b)| old[a as usize] == new[b as usize]);
                coverage.words += 1;
                coverage.same += usize::from(same);
                coverage.lost += usize::from(is.ids == [new_unknown] && was.ids != [old_unknown]);
                coverage.pieces_before += was.ids.len();
                coverage.pieces_after += is.ids.len();
            }
            Ok(coverage)
        };
        let parts = texts.par_iter().map(each).collect::<Result<Vec<_>>>()?;
        let sum = |part: fn(&Self) -> usize| parts.iter().map(part).sum();
        Ok(Self {
            words: sum(|part| part.words),
            same: sum(|part| part.same),
            lost: sum(|part| part.lost),
            pieces_before: sum(|part| part.pieces_before),
            pieces_after: sum(|part| part.pieces_after),
        })
    }
}
