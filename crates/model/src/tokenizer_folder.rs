//! The tokenizer files of a model folder.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::family;
use crate::text::OWN_MODELS;
use crate::tokenizer_json::{check_tokenizer_config, read_tokenizer_json};
use crate::vocabulary::{FILES, NamedFiles, WordPieceVocabulary};
use tinybert_base::{Error, Result, files};

/// The tokenizer of a model folder, with the tokenizer files found there by name.
pub(crate) enum FolderTokenizer {
    /// BERT's WordPiece.
    WordPiece {
        /// Its pieces.
        vocabulary: WordPieceVocabulary,
        /// The files.
        files: NamedFiles,
    },
    /// Byte-level BPE or Unigram.
    Own {
        /// The contents of `tokenizer.json`.
        definition: Vec<u8>,
        /// `tokenizer_config.json`; empty where it is missing.
        config: Value,
        /// The files.
        files: NamedFiles,
    },
}

/// Reads the tokenizer of a model folder.
///
/// # Errors
/// Returns the errors of [`super::TextEncoder::from_folder`].
pub(crate) fn read_folder(folder: &Path) -> Result<FolderTokenizer> {
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
    if let Some(bytes) = bytes_of("tokenizer.json") {
        let definition: Value = files::parse_json(&folder.join("tokenizer.json"), bytes)?;
        if definition["model"]["type"].as_str().is_some_and(|model| OWN_MODELS.contains(&model)) {
            return Ok(FolderTokenizer::Own { definition: bytes.to_vec(), config, files: found });
        }
    }
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
        (None, None) if bytes_of("vocab.json").is_some() || bytes_of("sentencepiece.bpe.model").is_some() => {
            return Err(Error::input(
                folder,
                "there is no tokenizer.json, and other tokenizer files are not read; make it, in Python: \
                 AutoTokenizer.from_pretrained(folder).save_pretrained(folder)",
            ));
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
    let tokenizer = family::tokenizer_of_vocabulary(&pieces);
    check_tokenizer_config(&config_path, &config, tokenizer)?;
    match tokenizer.numbering() {
        None => Ok(FolderTokenizer::WordPiece { vocabulary: new(pieces)?, files: found }),
        // Text is read with BERT's pieces, and so are all students' folders.
        Some(numbering) => {
            let vocabulary = new(numbering.bert_pieces(pieces))?;
            let files = vocabulary.to_files();
            Ok(FolderTokenizer::WordPiece { vocabulary, files })
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
