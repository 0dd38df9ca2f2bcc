//! Vocabulary files of a tokenizer, and BERT's WordPiece vocabulary.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::special_pieces::SpecialPieces;
use crate::tokenizer_settings::WholeTokens;
use tinybert_base::{Error, Result};

/// Files that make up a tokenizer.
pub const FILES: [&str; 8] = [
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
];

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

impl WholeTokens for WordPieceVocabulary {
    fn names(&self) -> String {
        SpecialPieces::BERT.all().join(", ")
    }

    fn id(&self, content: &str) -> Option<u32> {
        SpecialPieces::BERT.all().contains(&content).then(|| self.id(content))?
    }

    fn flag(&self, _: &str, flag: &str) -> Option<bool> {
        // White space beside a token is dropped in any case.
        matches!(flag, "single_word" | "normalized").then_some(false)
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
