//! Vocabulary files of a BERT WordPiece tokenizer.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::family;
use crate::tokenizer_json::{check_tokenizer_config, read_tokenizer_json};
use tinybert_base::files;
use tinybert_base::{Error, Result};

/// The text of the pieces that a tokenizer gives a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialPieces {
    /// Fills batches.
    pub pad: &'static str,
    /// A word that the vocabulary cannot spell.
    pub unk: &'static str,
    /// First of every sequence.
    pub cls: &'static str,
    /// After each sentence.
    pub sep: &'static str,
    /// Hides a word from the masked-LM head; a vocabulary may lack it.
    pub mask: &'static str,
}

impl SpecialPieces {
    /// BERT's, by which text is read whatever family a model is of.
    pub const BERT: Self = Self { pad: "[PAD]", unk: "[UNK]", cls: "[CLS]", sep: "[SEP]", mask: "[MASK]" };

    /// All of them.
    pub fn all(self) -> [&'static str; 5] {
        [self.pad, self.unk, self.cls, self.sep, self.mask]
    }

    /// All of them with their keys in `tokenizer_config.json`.
    pub fn by_key(self) -> [(&'static str, &'static str); 5] {
        let keys = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"];
        let pieces = self.all();
        std::array::from_fn(|at| (keys[at], pieces[at]))
    }
}

/// Files that make up a tokenizer; each is copied into saved checkpoints where it exists.
pub(crate) const FILES: [&str; 4] =
    ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"];

/// Tokenizer files by name, with their contents.
pub(crate) type NamedFiles = Vec<(String, Vec<u8>)>;

/// Pieces by id, and whether text is lower-cased before they are looked up.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WordPieceVocabulary {
    pieces: Vec<String>,
    ids: HashMap<String, u32>,
    lowercase: bool,
}

impl WordPieceVocabulary {
    /// # Errors
    /// [`Error::Usage`] when a piece is empty or occurs twice.
    pub(crate) fn new(pieces: Vec<String>, lowercase: bool) -> Result<Self> {
        let mut ids = HashMap::with_capacity(pieces.len());
        for (id, piece) in pieces.iter().enumerate() {
            if piece.is_empty() {
                return Err(Error::Usage(format!("piece {id} of the vocabulary is empty")));
            }
            if let Some(earlier) = ids.insert(piece.clone(), id as u32) {
                return Err(Error::Usage(format!(
                    "pieces {earlier} and {id} of the vocabulary are both {piece:?}"
                )));
            }
        }
        Ok(Self { pieces, ids, lowercase })
    }

    pub(crate) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    pub(crate) fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    pub(crate) fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The files that Hugging Face tokenizers are loaded from, by name.
    pub(crate) fn to_files(&self) -> NamedFiles {
        let config = json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": self.lowercase });
        tokenizer_files(self.pieces.iter().map(String::as_str), &config)
    }
}

/// `vocab.txt` with these pieces, one a line, and `tokenizer_config.json`.
pub(crate) fn tokenizer_files<'a>(pieces: impl Iterator<Item = &'a str>, config: &Value) -> NamedFiles {
    let list: String = pieces.map(|piece| format!("{piece}\n")).collect();
    vec![
        ("vocab.txt".to_owned(), list.into_bytes()),
        ("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()),
    ]
}

/// The BERT vocabulary of a model folder, and the tokenizer files found there by name.
///
/// # Errors
/// See [`super::TextEncoder::from_folder`].
pub(crate) fn read_folder(folder: &Path) -> Result<(WordPieceVocabulary, NamedFiles)> {
    let mut found = Vec::new();
    for name in FILES {
        if let Some(bytes) = files::read_if_there(&folder.join(name))? {
            found.push((name.to_owned(), bytes));
        }
    }
    let bytes_of =
        |wanted: &str| found.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes.as_slice());

    let config_path = folder.join("tokenizer_config.json");
    let config = match bytes_of("tokenizer_config.json") {
        Some(bytes) => files::parse_json(&config_path, bytes)?,
        None => json!({}),
    };
    let configured_lowercase = config.get("do_lower_case").and_then(Value::as_bool);

    let list = match bytes_of("vocab.txt") {
        Some(bytes) => Some(read_vocab_txt(&folder.join("vocab.txt"), bytes)?),
        None => None,
    };
    let (pieces, lowercase) = match (bytes_of("tokenizer.json"), list) {
        (Some(bytes), list) => {
            let path = folder.join("tokenizer.json");
            let (pieces, lowercase) = read_tokenizer_json(&path, &files::parse_json(&path, bytes)?)?;
            if list.is_some_and(|list| list != pieces) {
                return Err(Error::input(
                    &path,
                    "its vocabulary is not that of vocab.txt beside it; remove the one that is not the model's",
                ));
            }
            if configured_lowercase.is_some_and(|configured| configured != lowercase) {
                return Err(Error::input(
                    &path,
                    format!(
                        "its normalizer has lowercase {lowercase}, but tokenizer_config.json has do_lower_case {}; \
                         correct the one that is not the model's",
                        !lowercase
                    ),
                ));
            }
            (pieces, lowercase)
        }
        (None, Some(list)) => (list, configured_lowercase.unwrap_or(true)),
        (None, None) if !folder.is_dir() => {
            return Err(Error::io(folder)(io::Error::new(io::ErrorKind::NotFound, "no such folder")));
        }
        (None, None) => {
            return Err(Error::input(
                folder,
                "there is neither tokenizer.json nor vocab.txt; copy the tokenizer files of the model it came from",
            ));
        }
    };
    let new =
        |pieces| WordPieceVocabulary::new(pieces, lowercase).map_err(|error| Error::input(folder, error));
    let family = family::of_vocabulary(&pieces);
    check_tokenizer_config(&config_path, &config, family)?;
    match family.numbering() {
        None => Ok((new(pieces)?, found)),
        // Text is read with BERT's pieces, and so are all students' folders.
        Some(numbering) => {
            let vocabulary = new(numbering.bert_pieces(pieces))?;
            let files = vocabulary.to_files();
            Ok((vocabulary, files))
        }
    }
}

/// One piece per line; the line number, from 0, is the id.
pub(crate) fn read_vocab_txt(path: &Path, bytes: &[u8]) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::line(path, line, "not valid UTF-8")
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}
