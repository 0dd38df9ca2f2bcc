//! Text to token ids on the host, by Hugging Face's `tokenizers`.

use std::path::Path;

use rayon::prelude::*;
use serde_json::json;
use tokenizers::{NormalizedString, Normalizer, Tokenizer};

use super::special_pieces::{ModelSpecialIds, SpecialPieces};
use super::tokenizer_folder;
use super::vocabulary::{NamedFiles, WordPieceVocabulary};
use tinybert_base::{Error, Result};

/// A word of more characters becomes `[UNK]`.
const MAX_CHARS: usize = 100;

/// One encoded sentence or pair: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedInput {
    /// Piece ids, special pieces included.
    pub ids: Vec<u32>,
    /// 0 for the first sentence and its specials, 1 for the second; as long as `ids`.
    pub type_ids: Vec<u32>,
}

/// A word of a text as BERT's normalisation and punctuation rules split it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedWord {
    /// The bytes of the word in the text.
    pub span: std::ops::Range<usize>,
    /// The pieces of the word.
    pub ids: Vec<u32>,
}

/// BERT's normalisation and WordPiece over a vocabulary.
///
/// It is built in one way whatever files it comes from, as Hugging Face's fast tokenizers are: it cleans the
/// text, sets spaces around CJK characters, either makes letters lower case and strips accents or does
/// neither, splits words by WordPiece, and recognises the special pieces in the text itself.
#[derive(Clone)]
pub struct TextEncoder {
    tokenizer: Tokenizer,
    vocabulary: WordPieceVocabulary,
    special: ModelSpecialIds,
    /// Tokenizer files by name, as they are copied into saved checkpoints.
    files: NamedFiles,
}

impl TextEncoder {
    /// Reads `tokenizer.json`, or else `vocab.txt`, with `tokenizer_config.json` beside it.
    ///
    /// # Errors
    /// [`Error::Input`] when neither is there, when they contradict each other, or when they describe
    /// anything but a BERT WordPiece tokenizer; [`Error::Io`] when they cannot be read.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let (vocabulary, files) = tokenizer_folder::read_folder(folder)?;
        Self::build(vocabulary, files).map_err(|error| match error {
            Error::Usage(what) => Error::input(folder, what),
            other => other,
        })
    }

    /// A tokenizer of these pieces, which are numbered in order; saved as `vocab.txt`.
    ///
    /// # Errors
    /// [`Error::Usage`] when a special piece is missing or a piece occurs twice.
    pub fn from_pieces(pieces: Vec<String>, lowercase: bool) -> Result<Self> {
        let vocabulary = WordPieceVocabulary::new(pieces, lowercase)?;
        let files = vocabulary.to_files();
        Self::build(vocabulary, files)
    }

    fn build(vocabulary: WordPieceVocabulary, files: NamedFiles) -> Result<Self> {
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
        let special = ModelSpecialIds {
            pad: required(pad)?,
            unk: required(unk)?,
            cls: required(cls)?,
            sep: required(sep)?,
            mask: id(mask),
        };
        let tokenizer = hugging_face_tokenizer(&vocabulary)?;
        Ok(Self { tokenizer, vocabulary, special, files })
    }

    /// Encodes one sentence or pair, cut to `max_tokens` by the rule that Hugging Face calls
    /// `longest_first`.
    ///
    /// # Errors
    /// [`Error::Usage`] when `max_tokens` cannot hold the special pieces.
    pub fn encode(&self, text: &str, pair: Option<&str>, max_tokens: usize) -> Result<EncodedInput> {
        let specials = if pair.is_some() { 3 } else { 2 };
        let Some(room) = max_tokens.checked_sub(specials) else {
            return Err(Error::Usage(format!(
                "a maximum length of {max_tokens} tokens has no room for the {specials} special pieces"
            )));
        };
        let mut first = self.piece_ids(text)?;
        let mut second = pair.map(|pair| self.piece_ids(pair)).transpose()?;
        let (keep_first, keep_second) =
            tinybert_tokenizer::longest_first(first.len(), second.as_ref().map_or(0, Vec::len), room);
        first.truncate(keep_first);

        let mut ids = Vec::with_capacity(specials + keep_first + keep_second);
        ids.push(self.special.cls);
        ids.append(&mut first);
        ids.push(self.special.sep);
        let mut type_ids = vec![0; ids.len()];
        if let Some(second) = &mut second {
            second.truncate(keep_second);
            ids.append(second);
            ids.push(self.special.sep);
        }
        type_ids.resize(ids.len(), 1);
        Ok(EncodedInput { ids, type_ids })
    }

    /// Encodes many inputs on all cores; the results stand in the order of the inputs.
    ///
    /// # Errors
    /// Returns the errors of [`Self::encode`].
    pub fn encode_all(
        &self,
        inputs: &[(&str, Option<&str>)],
        max_tokens: usize,
    ) -> Result<Vec<EncodedInput>> {
        inputs.par_iter().map(|(text, pair)| self.encode(text, *pair, max_tokens)).collect()
    }

    /// Encodes one sentence, cut to `max_tokens`, and says where its words begin: the first token of each run
    /// of text between white space, `None` for a word that was cut off or has no token.
    ///
    /// # Errors
    /// Returns the errors of [`Self::encode`].
    pub fn encode_words(&self, text: &str, max_tokens: usize) -> Result<(EncodedInput, Vec<Option<u32>>)> {
        let encoded = self.encode(text, None, max_tokens)?;
        let (mut next, mut words) = (1, Vec::new());
        // No token reaches across white space.
        for word in tinybert_tokenizer::words(text) {
            let tokens = self.piece_ids(&text[word])?.len();
            words.push((tokens > 0 && next + 1 < encoded.ids.len()).then_some(next as u32));
            next += tokens;
        }
        Ok((encoded, words))
    }

    /// Ids of the pieces of `text`, all of them, without special pieces around it.
    ///
    /// # Errors
    /// [`Error::Input`] when the tokenizer refuses the text, which BERT's never does.
    pub fn piece_ids(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(refused)?;
        Ok(encoding.get_ids().to_vec())
    }

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
        text.char_indices().rev().find_map(|(at, last)| {
            let end = at + last.len_utf8();
            Some((self.vocabulary.id(&format!("{prefix}{}", &text[..end]))?, end))
        })
    }

    /// The words of `text` with their pieces, in order.
    ///
    /// # Errors
    /// [`Error::Input`] when the tokenizer refuses the text, which BERT's never does.
    pub fn words(&self, text: &str) -> Result<Vec<EncodedWord>> {
        let encoding = self.tokenizer.encode(text, false).map_err(refused)?;
        let mut words: Vec<EncodedWord> = Vec::new();
        let mut last = None;
        let pieces = encoding.get_ids().iter().zip(encoding.get_offsets()).zip(encoding.get_word_ids());
        for ((&id, &(start, end)), &number) in pieces {
            match words.last_mut() {
                Some(word) if number.is_some() && number == last => {
                    word.ids.push(id);
                    word.span.end = word.span.end.max(end);
                }
                _ => words.push(EncodedWord { span: start..end, ids: vec![id] }),
            }
            last = number;
        }
        Ok(words)
    }

    /// The pieces by id.
    pub fn pieces(&self) -> Vec<String> {
        self.vocabulary.pieces().to_vec()
    }

    /// Number of pieces.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.pieces().len()
    }

    /// True for an uncased vocabulary: text is lower-cased and its accents are stripped.
    pub fn lowercase(&self) -> bool {
        self.vocabulary.lowercase()
    }

    /// Ids of the special pieces.
    pub fn special(&self) -> ModelSpecialIds {
        self.special
    }

    /// Tokenizer files by name, as a saved checkpoint carries them.
    pub(super) fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }
}

/// The error where the tokenizer refuses a text, which BERT's never does.
fn refused(error: tokenizers::Error) -> Error {
    Error::Input(format!("the tokenizer refused a text: {error}"))
}

/// The `tokenizers` pipeline that transformers builds for BERT.
fn hugging_face_tokenizer(vocabulary: &WordPieceVocabulary) -> Result<Tokenizer> {
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
