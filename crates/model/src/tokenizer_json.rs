//! Reading a `tokenizer.json` whose tokenizer is BERT's WordPiece.

use std::path::Path;

use serde_json::{Value, json};

use tokenizers::Tokenizer;

use crate::family::{self, FamilyTokenizer};
use crate::special_pieces::SpecialPieces;
use crate::tokenizer_settings::FLAGS;
use tinybert_base::{Error, Result};

/// Pieces by id and the lower-casing of a `tokenizer.json`, which must be a BERT WordPiece one.
/// Its padding and truncation do not matter: they are this program's own.
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
    let tokenizer = family::tokenizer_of_vocabulary(&pieces);
    let renumbered = tokenizer.numbering().is_some();
    check_post_processor(path, &definition["post_processor"], tokenizer, ids)?;
    for token in definition["added_tokens"].as_array().into_iter().flatten() {
        check_added_token(path, token, ids, renumbered)?;
    }
    Ok((pieces, lowercase))
}

/// Makes sure that the rule for special pieces gives `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`, with segment type 1
/// for the second text and its `[SEP]`; for a family with other pieces, `<s> a </s>`. Without a rule the class of the
/// tokenizer has one.
fn check_post_processor(
    path: &Path,
    rule: &Value,
    tokenizer: FamilyTokenizer,
    ids: &serde_json::Map<String, Value>,
) -> Result<()> {
    if rule.is_null() {
        return Ok(());
    }
    let refused =
        |error: tokenizers::Error| Error::input(path, format!("its post_processor is not read: {error}"));
    // The rule has the ids of the special pieces; of the text, which is one unknown word, only the place matters.
    let word = ids.len() as u32;
    let mut smallest = json!({ "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": null, "pre_tokenizer": null, "post_processor": rule,
        "model": { "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "a" } });
    smallest["model"]["vocab"]["a"] = json!(word);
    let smallest = Tokenizer::from_bytes(smallest.to_string()).map_err(refused)?;
    let SpecialPieces { cls, sep, .. } = tokenizer.special_pieces();
    let [cls, sep] =
        [cls, sep].map(|piece| ids.get(piece).and_then(Value::as_u64).unwrap_or_default() as u32);
    let alone = smallest.encode_fast("a", true).map_err(refused)?;
    let pair = smallest.encode_fast(("a", "a"), true).map_err(refused)?;
    let is_pair = tokenizer.numbering().is_some()
        || pair.get_ids() == [cls, word, sep, word, sep] && pair.get_type_ids() == [0, 0, 0, 1, 1];
    if alone.get_ids() == [cls, word, sep] && alone.get_type_ids() == [0, 0, 0] && is_pair {
        return Ok(());
    }
    Err(Error::input(
        path,
        format!(
            "its post_processor makes {:?} of a text and {:?} of a pair, with the segment types {:?}; expected {:?} and {:?}, \
             with the segment types [0, 0, 0, 1, 1]: only BERT's order of special pieces is supported",
            alone.get_ids(),
            pair.get_ids(),
            pair.get_type_ids(),
            [cls, word, sep],
            [cls, word, sep, word, sep]
        ),
    ))
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
    for flag in FLAGS {
        if token[flag] == true {
            return Err(Error::input(
                path,
                format!("added token {content} has {flag} true; BERT's have false"),
            ));
        }
    }
    Ok(())
}
