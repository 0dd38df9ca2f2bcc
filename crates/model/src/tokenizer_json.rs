//! Checks of a model folder's tokenizer files, where the tokenizer is BERT's WordPiece.

use std::path::Path;

use serde_json::{Value, json};

use crate::family::{self, FamilyTokenizer};
use crate::special_pieces::SpecialPieces;
use tinybert_base::{Error, Result};

/// Values of `tokenizer_class` that stand for any tokenizer.
const GENERIC_CLASSES: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/// Refuses settings that BERT's fast tokenizer would follow and this program does not.
///
/// # Errors
/// [`Error::Input`] naming the key, its value and what is supported.
pub(crate) fn check_tokenizer_config(path: &Path, config: &Value, tokenizer: FamilyTokenizer) -> Result<()> {
    let refuse = |key: &str, found: &Value, expected: &str| {
        Err(Error::input(path, format!("{key} is {found}; this program supports {expected}")))
    };
    if let Some(class @ Value::String(name)) = config.get("tokenizer_class")
        && !GENERIC_CLASSES.contains(&name.as_str())
        && !family::has_tokenizer_class(name)
    {
        return refuse("tokenizer_class", class, "BERT WordPiece tokenizers (BertTokenizer)");
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
    for (key, piece) in tokenizer.special_pieces().by_key() {
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
///
/// # Errors
/// [`Error::Input`] naming what is not supported.
pub(crate) fn read_tokenizer_json(path: &Path, definition: &Value) -> Result<(Vec<String>, bool)> {
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
                    "{name} is {found}, expected {expected}: only BERT WordPiece, BPE and Unigram tokenizers are supported"
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
    let renumbered = family::tokenizer_of_vocabulary(&pieces).numbering().is_some();
    for token in definition["added_tokens"].as_array().into_iter().flatten() {
        check_added_token(path, token, ids, renumbered)?;
    }
    Ok((pieces, lowercase))
}

/// Makes sure that an added token is a special piece, because added tokens are matched in the text before
/// normalisation. `renumbered` says whether the family numbers BERT's pieces in its own way.
fn check_added_token(
    path: &Path,
    token: &Value,
    ids: &serde_json::Map<String, Value>,
    renumbered: bool,
) -> Result<()> {
    let content = token["content"].as_str().unwrap_or_default();
    if renumbered && ids.get(content) == Some(&token["id"]) {
        // Text is matched against BERT's special pieces instead.
        return Ok(());
    }
    let special = SpecialPieces::BERT.all();
    if !special.contains(&content) {
        return Err(Error::input(
            path,
            format!("added token {content:?} is not supported; only {} are", special.join(", ")),
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
