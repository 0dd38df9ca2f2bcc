//! Tokenizers other than WordPiece: byte-level BPE and Unigram, as a `tokenizer.json` describes them.

use std::path::Path;

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

use crate::special_pieces::{ModelSpecialIds, SpecialPieces};
use crate::tokenizer_settings::{SettingsFile, WholeTokens};
use crate::vocabulary::NamedFiles;
use tinybert_base::{Error, Result};

/// The values of `model.type` in a `tokenizer.json` that describe such a tokenizer.
pub(crate) const OWN_MODELS: [&str; 2] = ["BPE", "Unigram"];

/// A tokenizer with its own normalisation, words and pieces. Two separators stand between the texts of a pair.
pub(crate) struct OwnPieces {
    pub tokenizer: Tokenizer,
    pub special: ModelSpecialIds,
    /// One more than the largest id.
    pub vocab_size: usize,
}

impl OwnPieces {
    /// The tokenizer of a `tokenizer.json`, whose special pieces `config`, the `tokenizer_config.json`, may name.
    ///
    /// # Errors
    /// [`Error::Input`] for a definition that `tokenizers` refuses, for one without the special pieces, for one that
    /// puts them elsewhere than RoBERTa, and for one that contradicts `config`.
    pub fn read(path: &Path, definition: &Value, config: SettingsFile) -> Result<Self> {
        let refused =
            |error: tokenizers::Error| Error::input(path, format!("the tokenizer is not read: {error}"));
        let mut tokenizer = Tokenizer::from_bytes(definition.to_string()).map_err(refused)?;
        // Cutting and padding are this program's own.
        tokenizer.with_truncation(None).map_err(refused)?.with_padding(None);
        let special = special_ids(path, &tokenizer, config.settings)?;
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        let own = Self { tokenizer, special, vocab_size };
        own.check_pairs(path)?;
        check_prefix_space(path, definition, config)?;
        Ok(own)
    }

    /// The files that Hugging Face tokenizers are loaded from, by name. `config` is the `tokenizer_config.json` that
    /// this tokenizer was read with.
    pub fn to_files(&self, config: SettingsFile) -> Result<NamedFiles> {
        let definition = self.tokenizer.to_string(false);
        let definition =
            definition.map_err(|error| Error::Input(format!("the tokenizer is not written: {error}")))?;
        Ok(vec![
            ("tokenizer.json".to_owned(), definition.into_bytes()),
            ("tokenizer_config.json".to_owned(), format!("{:#}\n", config.to_written()).into_bytes()),
        ])
    }

    /// Makes sure that the tokenizer's own rule for pairs gives `<s> a </s></s> b </s>`.
    fn check_pairs(&self, path: &Path) -> Result<()> {
        if self.tokenizer.get_post_processor().is_none() {
            return Ok(());
        }
        let refused =
            |error: tokenizers::Error| Error::input(path, format!("the tokenizer refused a text: {error}"));
        let alone = self.tokenizer.encode_fast("a", false).map_err(refused)?;
        let ModelSpecialIds { cls, sep, .. } = self.special;
        let expected = [&[cls][..], alone.get_ids(), &[sep, sep], alone.get_ids(), &[sep]].concat();
        let found = self.tokenizer.encode_fast(("a", "a"), true).map_err(refused)?;
        let single = self.tokenizer.encode_fast("a", true).map_err(refused)?;
        if found.get_ids() == expected && single.get_ids() == [&[cls][..], alone.get_ids(), &[sep]].concat() {
            return Ok(());
        }
        Err(Error::input(
            path,
            format!(
                "its post_processor makes {:?} of a pair, expected {expected:?}: only RoBERTa's order of special pieces, \
                 <s> a </s></s> b </s>, is supported",
                found.get_ids()
            ),
        ))
    }
}

/// Makes sure that both files say the same about a space before the text. transformers follows `config`.
fn check_prefix_space(path: &Path, definition: &Value, config: SettingsFile) -> Result<()> {
    let words = &definition["pre_tokenizer"];
    let configured = config.settings["add_prefix_space"].as_bool().unwrap_or(false);
    match words["add_prefix_space"].as_bool() {
        Some(found) if words["type"] == "ByteLevel" && found != configured => Err(Error::input(
            path,
            format!(
                "pre_tokenizer.add_prefix_space is {found}, but add_prefix_space of {} is {configured}; correct the one that \
                 is not the model's",
                config.path.display()
            ),
        )),
        _ => Ok(()),
    }
}

impl WholeTokens for OwnPieces {
    fn names(&self) -> String {
        let tokens = self.tokenizer.get_added_tokens_decoder();
        let names: std::collections::BTreeSet<&str> =
            tokens.values().map(|token| token.content.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn id(&self, content: &str) -> Option<u32> {
        self.added(content).map(|(id, _)| id)
    }

    fn flag(&self, content: &str, flag: &str) -> Option<bool> {
        let (_, token) = self.added(content)?;
        Some(match flag {
            "single_word" => token.single_word,
            "lstrip" => token.lstrip,
            "rstrip" => token.rstrip,
            _ => token.normalized,
        })
    }
}

impl OwnPieces {
    /// The added token with this text, and its id.
    fn added(&self, content: &str) -> Option<(u32, AddedToken)> {
        let tokens = self.tokenizer.get_added_tokens_decoder();
        tokens.into_iter().find(|(_, token)| token.content == content)
    }
}

/// Ids of the special pieces; `config` may give them other texts than RoBERTa's.
fn special_ids(path: &Path, tokenizer: &Tokenizer, config: &Value) -> Result<ModelSpecialIds> {
    let id = |key: &str, default: &str| {
        // Either the text itself or an object that describes the token.
        let named =
            config.get(key).map(|value| value.get("content").unwrap_or(value)).and_then(Value::as_str);
        let piece = named.unwrap_or(default);
        (tokenizer.token_to_id(piece), piece.to_owned())
    };
    let required = |(key, default): (&str, &str)| match id(key, default) {
        (Some(id), _) => Ok(id),
        (None, piece) => Err(Error::input(
            path,
            format!("the vocabulary has no {piece:?}; name the piece as {key} in tokenizer_config.json"),
        )),
    };
    let [pad, unk, cls, sep, mask] = SpecialPieces::ROBERTA.by_key();
    Ok(ModelSpecialIds {
        pad: required(pad)?,
        unk: required(unk)?,
        cls: required(cls)?,
        sep: required(sep)?,
        mask: id(mask.0, mask.1).0,
    })
}
