//! BERT's WordPiece by Hugging Face's `tokenizers`.

use serde_json::json;
use tokenizers::{NormalizedString, Normalizer, Tokenizer};

use super::{Pieces, TextEncoder, refused};
use crate::special_pieces::{ModelSpecialIds, SpecialPieces};
use crate::vocabulary::WordPieceVocabulary;
use tinybert_base::{Error, Result};

/// A word of more characters becomes `[UNK]`.
const MAX_CHARS: usize = 100;

impl TextEncoder {
    /// Ids of the pieces of `text` as [`piece_ids`](Self::piece_ids) gives them, and of the pieces that were
    /// matched in words that became `[UNK]` before no piece fitted the rest. A vocabulary with all of these
    /// pieces cuts `text` in the same way.
    ///
    /// # Errors
    /// Returns the errors of [`Self::piece_ids`].
    pub fn matched_ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.piece_ids(text)?;
        if ids.contains(&self.special.unk) {
            for word in self.words(text)?.into_iter().filter(|word| word.ids == [self.special.unk]) {
                ids.extend(self.beginning(&text[word.span])?);
            }
        }
        Ok(ids)
    }

    /// The longest pieces from the beginning of a word, as far as there are any.
    fn beginning(&self, word: &str) -> Result<Vec<u32>> {
        let mut normalized = NormalizedString::from(word);
        if let Some(normalizer) = self.tokenizer.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(refused)?;
        }
        let (mut rest, mut ids) = (normalized.get().trim(), Vec::new());
        // Longer words are not matched at all.
        if rest.chars().count() > MAX_CHARS {
            return Ok(ids);
        }
        while let Some((id, bytes)) = self.longest_piece(rest, if ids.is_empty() { "" } else { "##" }) {
            ids.push(id);
            rest = &rest[bytes..];
        }
        Ok(ids)
    }

    /// The longest piece that `text` begins with, behind `prefix`, and how many bytes of `text` it is.
    fn longest_piece(&self, text: &str, prefix: &str) -> Option<(u32, usize)> {
        let Pieces::WordPiece(vocabulary) = &self.pieces else { return None };
        text.char_indices().rev().find_map(|(at, last)| {
            let end = at + last.len_utf8();
            Some((vocabulary.id(&format!("{prefix}{}", &text[..end]))?, end))
        })
    }
}

/// Ids of BERT's special pieces.
///
/// # Errors
/// [`Error::Usage`] naming one that is missing.
pub(super) fn special_ids(vocabulary: &WordPieceVocabulary) -> Result<ModelSpecialIds> {
    let id = |piece: &str| vocabulary.id(piece);
    let required = |piece: &str| {
        id(piece).ok_or_else(|| {
            Error::Usage(format!(
                "the vocabulary of {} pieces has no {piece}; BERT needs {}",
                vocabulary.pieces().len(),
                SpecialPieces::BERT.all().join(", ")
            ))
        })
    };
    let SpecialPieces { pad, unk, cls, sep, mask } = SpecialPieces::BERT;
    Ok(ModelSpecialIds {
        pad: required(pad)?,
        unk: required(unk)?,
        cls: required(cls)?,
        sep: required(sep)?,
        mask: id(mask),
    })
}

/// The `tokenizers` pipeline that transformers builds for BERT.
pub(super) fn hugging_face_tokenizer(vocabulary: &WordPieceVocabulary) -> Result<Tokenizer> {
    let added: Vec<_> = SpecialPieces::BERT
        .all()
        .into_iter()
        .filter_map(|piece| Some((piece, vocabulary.id(piece)?)))
        .map(|(piece, id)| {
            json!({ "id": id, "content": piece, "special": true, "normalized": false,
                    "single_word": false, "lstrip": false, "rstrip": false })
        })
        .collect();
    let ids: serde_json::Map<_, _> =
        vocabulary.pieces().iter().enumerate().map(|(id, piece)| (piece.clone(), json!(id))).collect();
    let definition = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
        "added_tokens": added,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                        "strip_accents": null, "lowercase": vocabulary.lowercase() },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": MAX_CHARS, "vocab": ids },
    });
    Tokenizer::from_bytes(definition.to_string())
        .map_err(|error| Error::Input(format!("the tokenizer refused the vocabulary: {error}")))
}
