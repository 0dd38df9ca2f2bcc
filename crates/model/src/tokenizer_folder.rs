//! The tokenizer files of a model folder.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::family;
use crate::special_pieces::SpecialPieces;
use crate::text::{OWN_MODELS, OwnPieces};
use crate::tokenizer_json::read_tokenizer_json;
use crate::tokenizer_settings::{MAKE_DEFINITION, SettingsFile, WholeTokens, check_directions};
use crate::vocabulary::{FILES, NamedFiles, WordPieceVocabulary};
use tinybert_base::{Error, Result, files};

const DEFINITION: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// A special piece of MPNet's vocabulary that no text becomes.
const UNUSED: &str = "<unk>";

/// The tokenizer of a model folder, with the files that a folder with the same tokenizer gets. They are written anew:
/// what lies in a stranger's folder may be a link to a private file.
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
        /// The tokenizer.
        own: Box<OwnPieces>,
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

    let json_of = |name: &str| match bytes_of(name) {
        Some(bytes) => files::parse_json(&folder.join(name), bytes),
        None => Ok(json!({})),
    };
    let definition: Value = json_of(DEFINITION)?;
    let [config_path, map_path, added_path] = [CONFIG, MAP, ADDED].map(|name| folder.join(name));
    let [config, map, added]: [Value; 3] = [json_of(CONFIG)?, json_of(MAP)?, json_of(ADDED)?];
    let beside_definition = bytes_of(DEFINITION).is_some();
    let file = |path, settings| SettingsFile { path, settings, beside_definition };
    let config_file = file(&config_path, &config);
    let check = |tokens: &dyn WholeTokens| {
        config_file.check(tokens)?;
        file(&map_path, &map).check(tokens)?;
        file(&added_path, &added).check_added_tokens(tokens)
    };
    if beside_definition {
        check_directions(&folder.join(DEFINITION), &definition)?;
        config_file.check_has_post_processor(&definition["post_processor"])?;
    }
    if definition["model"]["type"].as_str().is_some_and(|model| OWN_MODELS.contains(&model)) {
        let own = OwnPieces::read(&folder.join(DEFINITION), &definition, config_file)?;
        check(&own)?;
        let files = own.to_files(config_file)?;
        return Ok(FolderTokenizer::Own { own: Box::new(own), files });
    }
    let configured_lowercase = config.get("do_lower_case").and_then(Value::as_bool);

    let list = match bytes_of("vocab.txt") {
        Some(bytes) => Some(read_vocab_txt(&folder.join("vocab.txt"), bytes)?),
        None => None,
    };
    let (pieces, lowercase) = match (beside_definition, list) {
        (true, list) => {
            let path = folder.join(DEFINITION);
            let (pieces, lowercase) = read_tokenizer_json(&path, &definition)?;
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
        (false, Some(list)) => (list, configured_lowercase.unwrap_or(true)),
        (false, None) if !folder.is_dir() => {
            return Err(Error::io(folder)(io::Error::new(io::ErrorKind::NotFound, "no such folder")));
        }
        (false, None)
            if bytes_of("vocab.json").is_some() || bytes_of("sentencepiece.bpe.model").is_some() =>
        {
            return Err(Error::input(
                folder,
                format!(
                    "there is no tokenizer.json, and other tokenizer files are not read; {MAKE_DEFINITION}"
                ),
            ));
        }
        (false, None) => {
            return Err(Error::input(
                folder,
                "there is neither tokenizer.json nor vocab.txt; copy the tokenizer files of the model it came from",
            ));
        }
    };
    let new =
        |pieces| WordPieceVocabulary::new(pieces, lowercase).map_err(|error| Error::input(folder, error));
    let tokenizer = family::tokenizer_of_vocabulary(&pieces);
    config_file.check_word_piece(tokenizer)?;
    file(&map_path, &map).check_pieces(tokenizer)?;
    let vocabulary = match tokenizer.numbering() {
        None => {
            let vocabulary = new(pieces)?;
            check(&vocabulary)?;
            vocabulary
        }
        // Text is read with BERT's pieces, and so are all students' folders.
        Some(numbering) => {
            check(&NumberedTokens { pieces: &pieces, special: tokenizer.special_pieces() })?;
            new(numbering.bert_pieces(pieces))?
        }
    };
    let files = vocabulary.to_files();
    Ok(FolderTokenizer::WordPiece { vocabulary, files })
}

/// The special pieces of a family that numbers BERT's pieces in its own way. Text is matched against BERT's special
/// pieces instead.
struct NumberedTokens<'a> {
    pieces: &'a [String],
    special: SpecialPieces,
}

impl WholeTokens for NumberedTokens<'_> {
    fn names(&self) -> String {
        self.special.all().join(", ")
    }

    fn id(&self, content: &str) -> Option<u32> {
        let is_special = self.special.all().contains(&content) || content == UNUSED;
        let place = || self.pieces.iter().position(|piece| piece == content);
        is_special.then(place)?.map(|id| id as u32)
    }

    fn flag(&self, _: &str, _: &str) -> Option<bool> {
        None
    }
}

/// One piece per line; the line number, from 0, is the id.
pub(crate) fn read_vocab_txt(path: &Path, bytes: &[u8]) -> Result<Vec<String>> {
    let bytes = files::without_byte_order_mark(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::line(path, line, "not valid UTF-8")
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}
