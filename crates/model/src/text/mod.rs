//! Text to token ids on the host, by Hugging Face's `tokenizers`.

mod own_pieces;
mod word_piece;

use std::path::Path;

use rayon::prelude::*;
use tokenizers::Tokenizer;

pub(crate) use self::own_pieces::{OWN_MODELS, OwnPieces};
use super::special_pieces::ModelSpecialIds;
use super::tokenizer_folder::{self, FolderTokenizer};
use super::vocabulary::{NamedFiles, WordPieceVocabulary};
use tinybert_base::{Error, Result};

/// One encoded sentence or pair: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`; with RoBERTa's pieces `<s> a </s>` or
/// `<s> a </s></s> b </s>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedInput {
    /// Piece ids, special pieces included.
    pub ids: Vec<u32>,
    /// 0 for the first sentence and its specials, 1 for the second; as long as `ids`. A tokenizer with RoBERTa's
    /// pieces gives 0 everywhere.
    pub type_ids: Vec<u32>,
}

/// Where a token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// A special piece around the texts: 0 before them, 1 after the first, 2 after the second.
    Special(usize),
    /// A piece of a text.
    Text {
        /// 0 for the first text, 1 for the second.
        text: usize,
        /// The bytes of the piece in that text without white space at the ends.
        bytes: std::ops::Range<usize>,
    },
}

/// A word of a text as the tokenizer splits it before it looks for pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedWord {
    /// The bytes of the word in the text.
    pub span: std::ops::Range<usize>,
    /// The pieces of the word.
    pub ids: Vec<u32>,
}

/// The tokenizer of a model: BERT's normalisation and WordPiece over a vocabulary, or the byte-level BPE or Unigram
/// of a `tokenizer.json`.
///
/// WordPiece is built in one way whatever files it comes from, as Hugging Face's fast tokenizers are: it cleans
/// the text, sets spaces around CJK characters, either makes letters lower case and strips accents or does
/// neither, splits words by WordPiece, and recognises the special pieces in the text itself. Any other tokenizer
/// does what its file says.
#[derive(Clone)]
pub struct TextEncoder {
    tokenizer: Tokenizer,
    pieces: Pieces,
    special: ModelSpecialIds,
    /// Whether the model can tell the second text of a pair from the first.
    reads_pairs: bool,
    /// Tokenizer files by name, as they are written into saved checkpoints.
    files: NamedFiles,
}

/// The pieces of a tokenizer.
#[derive(Clone)]
enum Pieces {
    /// BERT's WordPiece.
    WordPiece(WordPieceVocabulary),
    /// So many pieces of a model's own.
    Own(usize),
}

impl TextEncoder {
    /// Reads `tokenizer.json`, or else `vocab.txt`, with `tokenizer_config.json` beside it.
    ///
    /// # Errors
    /// [`Error::Input`] when neither is there, when they contradict each other, or when they describe
    /// anything but a BERT WordPiece, BPE or Unigram tokenizer; [`Error::Io`] when they cannot be read.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        match tokenizer_folder::read_folder(folder)? {
            FolderTokenizer::WordPiece { vocabulary, files } => {
                Self::build(vocabulary, files).map_err(|error| match error {
                    Error::Usage(what) => Error::input(folder, what),
                    other => other,
                })
            }
            FolderTokenizer::Own { own, files } => {
                let OwnPieces { tokenizer, special, vocab_size } = *own;
                Ok(Self { tokenizer, pieces: Pieces::Own(vocab_size), special, reads_pairs: true, files })
            }
        }
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
        let special = word_piece::special_ids(&vocabulary)?;
        let tokenizer = word_piece::hugging_face_tokenizer(&vocabulary)?;
        Ok(Self { tokenizer, pieces: Pieces::WordPiece(vocabulary), special, reads_pairs: true, files })
    }

    /// This tokenizer for a model with `types` token types, 0 if it has no table of them. A model with one type reads
    /// no pairs, unless it tells their texts apart by other means, as RoBERTa does.
    pub(super) fn for_token_types(self, types: usize) -> Self {
        Self { reads_pairs: types != 1 || self.has_own_pieces(), ..self }
    }

    /// Encodes one sentence or pair, cut to `max_tokens` by the rule that Hugging Face calls
    /// `longest_first`.
    ///
    /// # Errors
    /// [`Error::Usage`] when `max_tokens` cannot hold the special pieces; [`Error::Input`] for a pair that the model
    /// does not read.
    pub fn encode(&self, text: &str, pair: Option<&str>, max_tokens: usize) -> Result<EncodedInput> {
        if pair.is_some() && !self.reads_pairs {
            return Err(Error::Input(
                "the model reads single texts and no pairs: it has one token type (type_vocab_size in config.json), and                  the second text of a pair needs another; give single texts, or take a model with two token types"
                    .into(),
            ));
        }
        let first = self.piece_ids(text)?;
        let second = pair.map(|pair| self.piece_ids(pair)).transpose()?;
        let ModelSpecialIds { cls, sep, .. } = self.special;
        let (ids, second) = self.assemble(first, second, [cls, sep, sep], max_tokens)?;
        Ok(self.with_types(ids, second))
    }

    /// Cuts the pieces of a text or pair to `max_tokens` and puts the special pieces `[first, after the first
    /// text, after the second]` around them; returns the index at which the second text begins too.
    fn assemble<T: Clone>(
        &self,
        mut first: Vec<T>,
        second: Option<Vec<T>>,
        special: [T; 3],
        max_tokens: usize,
    ) -> Result<(Vec<T>, usize)> {
        let between = if self.has_own_pieces() { 2 } else { 1 };
        let specials = 2 + second.as_ref().map_or(0, |_| between);
        let Some(room) = max_tokens.checked_sub(specials) else {
            return Err(Error::Usage(format!(
                "a maximum length of {max_tokens} tokens has no room for the {specials} special pieces"
            )));
        };
        let (keep_first, keep_second) =
            tinybert_tokenizer::longest_first(first.len(), second.as_ref().map_or(0, Vec::len), room);
        first.truncate(keep_first);

        let [cls, after_first, after_second] = special;
        let mut all = Vec::with_capacity(specials + keep_first + keep_second);
        all.push(cls);
        all.append(&mut first);
        let Some(mut second) = second else {
            all.push(after_first);
            let end = all.len();
            return Ok((all, end));
        };
        all.extend(std::iter::repeat_n(after_first, between));
        let begins = all.len();
        second.truncate(keep_second);
        all.append(&mut second);
        all.push(after_second);
        Ok((all, begins))
    }

    /// The input with these ids, whose second text begins at index `second`.
    fn with_types(&self, ids: Vec<u32>, second: usize) -> EncodedInput {
        let mut type_ids = vec![0; ids.len()];
        if !self.has_own_pieces() {
            type_ids[second..].fill(1);
        }
        EncodedInput { ids, type_ids }
    }

    /// Where the tokens stand that [`Self::encode`] gives for the same text or pair.
    ///
    /// # Errors
    /// Returns the errors of [`Self::encode`].
    pub fn places(&self, text: &str, pair: Option<&str>, max_tokens: usize) -> Result<Vec<TokenPlace>> {
        let places = |at: usize, text: &str| -> Result<Vec<TokenPlace>> {
            let encoding = self.tokenizer.encode(text, false).map_err(refused)?;
            let place = |&(start, end): &(usize, usize)| {
                let piece = text.get(start..end).unwrap_or_default();
                let start = end - piece.trim_start().len();
                TokenPlace::Text { text: at, bytes: start..start + piece.trim().len() }
            };
            Ok(encoding.get_offsets().iter().map(place).collect())
        };
        let second = pair.map(|pair| places(1, pair)).transpose()?;
        let special = [0, 1, 2].map(TokenPlace::Special);
        Ok(self.assemble(places(0, text)?, second, special, max_tokens)?.0)
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

    /// Encodes one sentence, cut to `max_tokens`, and says where its words begin: the first token in each run
    /// of text between white space, `None` for a word that was cut off or has no token.
    ///
    /// # Errors
    /// Returns the errors of [`Self::encode`].
    pub fn encode_words(&self, text: &str, max_tokens: usize) -> Result<(EncodedInput, Vec<Option<u32>>)> {
        let encoded = self.encode(text, None, max_tokens)?;
        let encoding = self.tokenizer.encode(text, false).map_err(refused)?;
        let kept = &encoding.get_offsets()[..encoded.ids.len() - 2];
        let (mut next, mut words) = (0, Vec::new());
        for word in tinybert_tokenizer::words(text) {
            // A piece may begin with the white space before its word, or be that white space alone.
            next += kept[next..].iter().take_while(|(_, end)| *end <= word.start).count();
            let is_inside = kept.get(next).is_some_and(|(start, _)| *start < word.end);
            words.push(is_inside.then_some(1 + next as u32));
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

    /// Whether the tokenizer is a model's own byte-level BPE or Unigram, and not WordPiece.
    pub fn has_own_pieces(&self) -> bool {
        matches!(self.pieces, Pieces::Own(_))
    }

    /// The pieces by id; empty for an id that no piece has.
    pub fn pieces(&self) -> Vec<String> {
        match &self.pieces {
            Pieces::WordPiece(vocabulary) => vocabulary.pieces().to_vec(),
            Pieces::Own(count) => {
                let piece = |id| self.tokenizer.id_to_token(id).unwrap_or_default();
                (0..*count as u32).map(piece).collect()
            }
        }
    }

    /// Number of pieces.
    pub fn vocab_size(&self) -> usize {
        match &self.pieces {
            Pieces::WordPiece(vocabulary) => vocabulary.pieces().len(),
            Pieces::Own(count) => *count,
        }
    }

    /// By piece: whether it continues a word.
    pub fn continuations(&self) -> Vec<bool> {
        let continues = |piece: String| match self.pieces {
            Pieces::WordPiece(_) => piece.starts_with("##"),
            // A space before a word is part of its first piece: byte-level BPE writes it as `Ġ`, Unigram as `▁`.
            Pieces::Own(_) => !piece.starts_with(['Ġ', '▁']),
        };
        self.pieces().into_iter().map(continues).collect()
    }

    /// True for an uncased WordPiece vocabulary: text is lower-cased and its accents are stripped.
    pub fn lowercase(&self) -> bool {
        matches!(&self.pieces, Pieces::WordPiece(vocabulary) if vocabulary.lowercase())
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
