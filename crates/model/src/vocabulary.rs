//! Vocabulary files of a BERT WordPiece tokenizer.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::mpnet;
use tinybert_base::files;
use tinybert_base::{Error, Result};

/// The pieces that BERT gives a meaning of its own; all but the last are required.
pub(super) const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Files that make up a tokenizer; each is copied into saved checkpoints where it exists.
pub(super) const FILES: [&str; 4] =
    ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"];

/// Tokenizer files by name, with their contents.
pub(super) type NamedFiles = Vec<(String, Vec<u8>)>;

/// Pieces by id, and whether text is lower-cased before they are looked up.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Vocabulary {
    pieces: Vec<String>,
    ids: HashMap<String, u32>,
    lowercase: bool,
}

impl Vocabulary {
    /// # Errors
    /// [`Error::Usage`] when a piece is empty or occurs twice.
    pub(super) fn new(pieces: Vec<String>, lowercase: bool) -> Result<Self> {
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

    pub(super) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    pub(super) fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The files that Hugging Face tokenizers are loaded from, by name.
    pub(super) fn to_files(&self) -> NamedFiles {
        let config = json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": self.lowercase });
        let list: String = self.pieces.iter().map(|piece| format!("{piece}\n")).collect();
        vec![
            ("vocab.txt".to_owned(), list.into_bytes()),
            ("tokenizer_config.json".to_owned(), format!("{config:#}\n").into_bytes()),
        ]
    }
}

/// Whose special pieces a vocabulary has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Bert,
    MpNet,
}

impl Style {
    fn of(pieces: &[String]) -> Self {
        if mpnet::is_mpnet(pieces) { Self::MpNet } else { Self::Bert }
    }

    /// Padding, unknown, first, separator, mask.
    fn special(self) -> [&'static str; 5] {
        match self {
            Self::Bert => SPECIAL,
            Self::MpNet => ["<pad>", "[UNK]", "<s>", "</s>", mpnet::MASK],
        }
    }
}

/// The BERT vocabulary of a model folder, and the tokenizer files found there by name.
///
/// # Errors
/// See [`super::TextEncoder::from_folder`].
pub(super) fn read_folder(folder: &Path) -> Result<(Vocabulary, NamedFiles)> {
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
    let new = |pieces| Vocabulary::new(pieces, lowercase).map_err(|error| Error::input(folder, error));
    let style = Style::of(&pieces);
    check_tokenizer_config(&config_path, &config, style)?;
    match style {
        Style::Bert => Ok((new(pieces)?, found)),
        // Text is read with BERT's pieces, and so are all students' folders.
        Style::MpNet => {
            let vocabulary = new(mpnet::bert_pieces(pieces))?;
            let files = vocabulary.to_files();
            Ok((vocabulary, files))
        }
    }
}

/// One piece per line; the line number, from 0, is the id.
pub(super) fn read_vocab_txt(path: &Path, bytes: &[u8]) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::line(path, line, "not valid UTF-8")
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Refuses settings that BERT's fast tokenizer would follow and this program does not.
fn check_tokenizer_config(path: &Path, config: &Value, style: Style) -> Result<()> {
    let refuse = |key: &str, found: &Value, expected: &str| {
        Err(Error::input(path, format!("{key} is {found}; this program supports {expected}")))
    };
    if let Some(class @ Value::String(name)) = config.get("tokenizer_class") {
        const CLASSES: [&str; 8] = [
            "MPNetTokenizer",
            "MPNetTokenizerFast",
            "BertTokenizer",
            "BertTokenizerFast",
            "DistilBertTokenizer",
            "DistilBertTokenizerFast",
            "PreTrainedTokenizerFast",
            "TokenizersBackend",
        ];
        if !CLASSES.contains(&name.as_str()) {
            return refuse("tokenizer_class", class, "BERT WordPiece tokenizers (BertTokenizer)");
        }
    }
    if let Some(found @ Value::Bool(false)) = config.get("tokenize_chinese_chars") {
        return refuse("tokenize_chinese_chars", found, "true, the default");
    }
    let lowercase = config.get("do_lower_case").and_then(Value::as_bool).unwrap_or(true);
    if let Some(found @ Value::Bool(strip)) = config.get("strip_accents")
        && *strip != lowercase
    {
        return refuse("strip_accents", found, &format!("{lowercase}, as do_lower_case"));
    }
    let names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"];
    for (key, piece) in names.into_iter().zip(style.special()) {
        // Either the text itself or an object that describes the token.
        let Some(found) = config.get(key).map(|value| value.get("content").unwrap_or(value)) else {
            continue;
        };
        if !found.is_null() && found != piece {
            return refuse(key, found, piece);
        }
    }
    Ok(())
}

/// Pieces by id and the lower-casing of a `tokenizer.json`, which must be a BERT WordPiece one.
/// Its padding, truncation and post-processor do not matter: they are this program's own.
fn read_tokenizer_json(path: &Path, definition: &Value) -> Result<(Vec<String>, bool)> {
    let normalizer = &definition["normalizer"];
    let lowercase = normalizer["lowercase"].as_bool().unwrap_or(true);
    let strip_accents = &normalizer["strip_accents"];
    let expected = [
        ("/model/type", json!("WordPiece")),
        ("/model/unk_token", json!("[UNK]")),
        ("/model/continuing_subword_prefix", json!("##")),
        ("/model/max_input_chars_per_word", json!(100)),
        ("/normalizer/type", json!("BertNormalizer")),
        ("/normalizer/clean_text", json!(true)),
        ("/normalizer/handle_chinese_chars", json!(true)),
        ("/normalizer/strip_accents", if strip_accents.is_null() { Value::Null } else { json!(lowercase) }),
        ("/pre_tokenizer/type", json!("BertPreTokenizer")),
    ];
    for (pointer, expected) in expected {
        let found = definition.pointer(pointer).unwrap_or(&Value::Null);
        if *found != expected {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            return Err(Error::input(
                path,
                format!(
                    "{name} is {found}, expected {expected}: only BERT WordPiece tokenizers are supported"
                ),
            ));
        }
    }

    let Some(ids) = definition["model"]["vocab"].as_object() else {
        return Err(Error::input(path, "model.vocab is missing or not an object of pieces and ids"));
    };
    let mut pieces = vec![None; ids.len()];
    for (piece, id) in ids {
        let slot = id.as_u64().and_then(|id| pieces.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot @ None) => *slot = Some(piece.clone()),
            Some(Some(other)) => {
                return Err(Error::input(path, format!("{piece:?} and {other:?} have the same id {id}")));
            }
            None => {
                return Err(Error::input(
                    path,
                    format!(
                        "the id of {piece:?} is {id}, but {} pieces have ids from 0 to {}",
                        ids.len(),
                        ids.len() - 1
                    ),
                ));
            }
        }
    }
    let pieces: Vec<String> = pieces.into_iter().flatten().collect();
    let style = Style::of(&pieces);
    for token in definition["added_tokens"].as_array().into_iter().flatten() {
        check_added_token(path, token, ids, style)?;
    }
    Ok((pieces, lowercase))
}

/// Added tokens are matched in the text before normalisation; only the special pieces may be such.
fn check_added_token(
    path: &Path,
    token: &Value,
    ids: &serde_json::Map<String, Value>,
    style: Style,
) -> Result<()> {
    let content = token["content"].as_str().unwrap_or_default();
    if style == Style::MpNet && ids.get(content) == Some(&token["id"]) {
        // Text is matched against BERT's special pieces instead.
        return Ok(());
    }
    if !SPECIAL.contains(&content) {
        return Err(Error::input(
            path,
            format!("added token {content:?} is not supported; only {} are", SPECIAL.join(", ")),
        ));
    }
    if ids.get(content) != Some(&token["id"]) {
        return Err(Error::input(path, format!("added token {content} has another id in model.vocab")));
    }
    for flag in ["single_word", "lstrip", "rstrip", "normalized"] {
        if token[flag] == true {
            return Err(Error::input(
                path,
                format!("added token {content} has {flag} true; BERT's have false"),
            ));
        }
    }
    Ok(())
}
