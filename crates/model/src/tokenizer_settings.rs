//! The settings beside a tokenizer that change the ids of a text, as transformers reads them from
//! `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`. Each is applied, has the value by which
//! it changes nothing, or is refused by name.

use std::path::Path;

use serde_json::{Value, json};

use crate::family::{self, FamilyTokenizer};
use crate::special_pieces::SpecialPieces;
use tinybert_base::{Error, Result, files};

/// How a folder gets a `tokenizer.json`.
pub(crate) const MAKE_DEFINITION: &str =
    "make it, in Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)";

/// Values of `tokenizer_class` that stand for any tokenizer.
const GENERIC_CLASSES: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/// Keys of any tokenizer, with the only value that is supported; it is transformers' default.
const DEFAULTS: [(&str, Expected); 3] = [
    ("truncation_side", Expected::Text("right")),
    ("padding_side", Expected::Text("right")),
    ("split_special_tokens", Expected::Truth(false)),
];

/// The same for WordPiece alone.
const WORD_PIECE_DEFAULTS: [(&str, Expected); 5] = [
    ("tokenize_chinese_chars", Expected::Truth(true)),
    ("do_basic_tokenize", Expected::Truth(true)),
    ("never_split", Expected::Nothing),
    ("add_bos_token", Expected::Truth(false)),
    ("add_eos_token", Expected::Truth(false)),
];

/// The lists of further special tokens.
const FURTHER_TOKENS: [&str; 3] =
    ["additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"];

/// How an added token is matched in a text: `false` in the tokens of BERT.
pub(crate) const FLAGS: [&str; 4] = ["single_word", "lstrip", "rstrip", "normalized"];

/// The value of a setting by which it changes nothing. `null` and a missing key are that, too.
#[derive(Clone, Copy)]
enum Expected {
    Truth(bool),
    Text(&'static str),
    /// An empty list.
    Nothing,
}

impl Expected {
    fn value(self) -> Value {
        match self {
            Self::Truth(truth) => truth.into(),
            Self::Text(text) => text.into(),
            Self::Nothing => json!([]),
        }
    }
}

/// The tokens that a tokenizer finds whole in a text.
pub(crate) trait WholeTokens {
    /// The names of these tokens, for messages.
    fn names(&self) -> String;

    /// The id of such a token; `None` for any other text.
    fn id(&self, content: &str) -> Option<u32>;

    /// Whether the token is matched in this way (one of [`FLAGS`]); `None` where that does not matter.
    fn flag(&self, content: &str, flag: &str) -> Option<bool>;
}

/// A JSON file beside a tokenizer.
#[derive(Clone, Copy)]
pub(crate) struct SettingsFile<'a> {
    pub path: &'a Path,
    pub settings: &'a Value,
    /// Whether a `tokenizer.json` says how tokens are matched. transformers then takes no such flags of single tokens
    /// from here.
    pub beside_definition: bool,
}

impl SettingsFile<'_> {
    fn refuse(&self, key: &str, found: &Value, expected: &str) -> Error {
        Error::input(self.path, format!("{key} is {found}; this program supports {expected}"))
    }

    fn check_default(&self, (key, expected): (&str, Expected)) -> Result<()> {
        let expected = expected.value();
        match self.settings.get(key) {
            Some(found) if !found.is_null() && *found != expected => {
                Err(self.refuse(key, found, &format!("{expected}, the default")))
            }
            _ => Ok(()),
        }
    }

    /// Checks what `tokenizer_config.json` says about WordPiece with these special pieces.
    ///
    /// # Errors
    /// [`Error::Input`] naming the key, its value and what is supported.
    pub fn check_word_piece(&self, tokenizer: FamilyTokenizer) -> Result<()> {
        if let Some(class @ Value::String(name)) = self.settings.get("tokenizer_class")
            && !self.has_generic_class()
            && !family::has_tokenizer_class(name)
        {
            return Err(self.refuse("tokenizer_class", class, "BERT WordPiece tokenizers (BertTokenizer)"));
        }
        WORD_PIECE_DEFAULTS.into_iter().try_for_each(|setting| self.check_default(setting))?;
        let lowercase = self.settings.get("do_lower_case").and_then(Value::as_bool).unwrap_or(true);
        if let Some(found @ Value::Bool(strip)) = self.settings.get("strip_accents")
            && *strip != lowercase
        {
            return Err(self.refuse("strip_accents", found, &format!("{lowercase}, as do_lower_case")));
        }
        self.check_pieces(tokenizer)
    }

    /// Makes sure that the special pieces have the texts that they have in the vocabulary of `tokenizer`.
    ///
    /// # Errors
    /// [`Error::Input`] naming the key, its value and what is supported.
    pub fn check_pieces(&self, tokenizer: FamilyTokenizer) -> Result<()> {
        for (key, piece) in tokenizer.special_pieces().by_key() {
            let Some(found) = self.settings.get(key).map(content) else { continue };
            if !found.is_null() && found != piece {
                return Err(self.refuse(key, found, piece));
            }
        }
        Ok(())
    }

    /// Makes sure that no other tokens than `tokens` are found whole in a text, and that the other settings of any
    /// tokenizer have their defaults.
    ///
    /// # Errors
    /// [`Error::Input`] naming the key, its value and what is supported.
    pub fn check(&self, tokens: &dyn WholeTokens) -> Result<()> {
        DEFAULTS.into_iter().try_for_each(|setting| self.check_default(setting))?;
        for (key, value) in self.settings.as_object().into_iter().flatten() {
            if FURTHER_TOKENS.contains(&key.as_str()) {
                let listed: Vec<&Value> = match value {
                    Value::Array(list) => list.iter().collect(),
                    Value::Object(by_name) => by_name.values().collect(),
                    _ => Vec::new(),
                };
                listed.into_iter().try_for_each(|token| self.check_token(key, token, tokens))?;
            } else if key.ends_with("_token") && (value.is_string() || value.is_object()) {
                self.check_token(key, value, tokens)?;
                if !self.beside_definition {
                    self.check_flags(key, value, tokens)?;
                }
            } else if key == "added_tokens_decoder" {
                for (id, token) in value.as_object().into_iter().flatten() {
                    self.check_token(key, token, tokens)?;
                    self.check_flags(key, token, tokens)?;
                    self.check_id(key, content(token), &id.parse().unwrap_or(Value::Null), tokens)?;
                }
            }
        }
        Ok(())
    }

    /// Checks `added_tokens.json`: an object of tokens and ids.
    ///
    /// # Errors
    /// [`Error::Input`] naming a token that is not among `tokens`, and any token without a `tokenizer.json`, which
    /// says how it is matched.
    pub fn check_added_tokens(&self, tokens: &dyn WholeTokens) -> Result<()> {
        for (token, id) in self.settings.as_object().into_iter().flatten() {
            let token = Value::from(token.as_str());
            if !self.beside_definition {
                let what = format!(
                    "the added token {token}: this program reads added tokens from tokenizer.json alone; {MAKE_DEFINITION}"
                );
                return Err(Error::input(self.path, what));
            }
            self.check_token("the added token", &token, tokens)?;
            self.check_id("the added token", &token, id, tokens)?;
        }
        Ok(())
    }

    fn check_token(&self, key: &str, token: &Value, tokens: &dyn WholeTokens) -> Result<()> {
        let text = content(token);
        match text.as_str().and_then(|text| tokens.id(text)) {
            Some(_) => Ok(()),
            None => Err(Error::input(
                self.path,
                format!(
                    "{key} has {text}, which transformers finds whole in a text; this program finds {} alone: take a model \
                     without such tokens",
                    tokens.names()
                ),
            )),
        }
    }

    /// Makes sure that a known token is matched as the tokenizer matches it.
    fn check_flags(&self, key: &str, token: &Value, tokens: &dyn WholeTokens) -> Result<()> {
        let text = content(token).as_str().unwrap_or_default();
        for flag in FLAGS {
            if let (Some(found), Some(expected)) = (token[flag].as_bool(), tokens.flag(text, flag))
                && found != expected
            {
                let what = format!("{key} has {text} with {flag} {found}; this program supports {expected}");
                return Err(Error::input(self.path, what));
            }
        }
        Ok(())
    }

    fn check_id(&self, key: &str, token: &Value, id: &Value, tokens: &dyn WholeTokens) -> Result<()> {
        let expected = token.as_str().and_then(|token| tokens.id(token));
        match id.as_u64() == expected.map(u64::from) {
            true => Ok(()),
            false => Err(Error::input(
                self.path,
                format!(
                    "{key} gives {token} the id {id}, but its id in the vocabulary is {}",
                    expected.unwrap_or(0)
                ),
            )),
        }
    }

    /// Whether `tokenizer_class` is missing or stands for any tokenizer.
    fn has_generic_class(&self) -> bool {
        let class = self.settings.get("tokenizer_class").and_then(Value::as_str);
        class.is_some_and(|class| GENERIC_CLASSES.contains(&class))
    }

    /// Makes sure that somebody puts special pieces around texts: the class of the tokenizer, or the `post_processor`
    /// of its `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Input`] if nobody does.
    pub fn check_has_post_processor(&self, post_processor: &Value) -> Result<()> {
        if !self.has_generic_class() || !post_processor.is_null() {
            return Ok(());
        }
        Err(Error::input(
            self.path,
            "tokenizer_class stands for any tokenizer, and tokenizer.json has no post_processor: transformers puts no special \
             pieces around texts, and this program does; name the tokenizer's own class, such as BertTokenizer",
        ))
    }

    /// The settings that transformers needs to load the tokenizer, for a folder that is written. Anything else that
    /// the file may hold is left behind, because nobody has looked at it.
    pub fn to_written(self) -> Value {
        let tokens = SpecialPieces::ROBERTA.by_key().map(|(key, _)| key);
        let texts = ["tokenizer_class", "bos_token", "eos_token"].into_iter().chain(tokens);
        let texts = texts
            .filter_map(|key| Some((key, content(self.settings.get(key)?))))
            .filter(|(_, text)| text.is_string());
        let others = ["add_prefix_space", "trim_offsets", "model_max_length"];
        let others = others.into_iter().filter_map(|key| Some((key, self.settings.get(key)?)));
        let others = others.filter(|(_, value)| value.is_boolean() || value.is_number());
        texts.chain(others).map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }
}

/// Makes sure that the tokenizer of `folder` gives segment types, which its model has.
///
/// # Errors
/// [`Error::Input`] for a `model_input_names` without them.
pub(crate) fn check_type_ids(folder: &Path) -> Result<()> {
    let path = folder.join("tokenizer_config.json");
    let Some(bytes) = files::read_if_there(&path)? else { return Ok(()) };
    let settings: Value = files::parse_json(&path, &bytes)?;
    let names = settings.get("model_input_names").and_then(Value::as_array);
    match names.is_none_or(|names| names.iter().any(|name| name == "token_type_ids")) {
        true => Ok(()),
        false => Err(Error::input(
            path,
            "model_input_names lacks token_type_ids: transformers reads both texts of a pair as the first one; this program \
             supports the default, which has them",
        )),
    }
}

/// Makes sure that texts are cut and filled at their ends, as BERT's are.
///
/// # Errors
/// [`Error::Input`] naming the key of the `tokenizer.json` at `path` that says otherwise.
pub(crate) fn check_directions(path: &Path, definition: &Value) -> Result<()> {
    for key in ["truncation", "padding"] {
        if definition[key]["direction"] == "Left" {
            let what = format!("{key}.direction is \"Left\"; this program supports \"Right\", the default");
            return Err(Error::input(path, what));
        }
    }
    Ok(())
}

/// The text of a token: itself, or the content of an object that describes it.
fn content(token: &Value) -> &Value {
    token.get("content").unwrap_or(token)
}
