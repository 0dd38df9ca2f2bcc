//! Prompts that a sentence encoder was trained to read before its texts, as sentence-transformers lists them in
//! `config_sentence_transformers.json` and this program in `config.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::file_names::CONFIG;
use tinybert_base::files::{parse_json, read_if_there};
use tinybert_base::{Error, Result};

/// The file that lists the prompts.
const FILE: &str = "config_sentence_transformers.json";

/// The prompts that a model folder lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPrompts {
    /// The file that lists them and its key for the default, if there is one.
    file: Option<(PathBuf, &'static str)>,
    /// The text of each prompt by its name.
    by_name: BTreeMap<String, String>,
    /// The name of the prompt that the model reads before texts unless its user says otherwise.
    default: Option<String>,
}

/// The key of `config.json` for the prompt that this program trained a sentence encoder with, and its name.
const TRAINED_KEY: &str = "sentence_embedding.prompt";
const TRAINED: &str = "trained";

/// The entries of the file that this program reads.
#[derive(Deserialize)]
struct Entries {
    #[serde(default)]
    prompts: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
}

impl ListedPrompts {
    /// The prompts of the model in `folder`; none without the file that lists them.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is not valid and for a default that it does not list; [`Error::Io`].
    pub fn of_folder(folder: &Path) -> Result<Self> {
        if let Some(trained) = Self::trained(folder)? {
            return Ok(trained);
        }
        let path = folder.join(FILE);
        let Some(bytes) = read_if_there(&path)? else { return Ok(Self::default()) };
        let Entries { prompts, default_prompt_name: default } = parse_json(&path, &bytes)?;
        let by_name: BTreeMap<String, String> =
            prompts.into_iter().flatten().filter_map(|(name, text)| Some((name, text?))).collect();
        if let Some(name) = default.as_ref().filter(|name| !by_name.contains_key(*name)) {
            return Err(Error::input(
                &path,
                format!("default_prompt_name {name:?} is not among its prompts"),
            ));
        }
        Ok(Self { file: Some((path, "default_prompt_name")), by_name, default })
    }

    /// The prompt that this program trained the model with; `None` if it did not.
    fn trained(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CONFIG);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let config: Value = parse_json(&path, &bytes)?;
        let prompt = config.pointer("/sentence_embedding/prompt").and_then(Value::as_str);
        Ok(prompt.filter(|prompt| !prompt.is_empty()).map(|prompt| Self {
            file: Some((path, TRAINED_KEY)),
            by_name: [(TRAINED.to_owned(), prompt.to_owned())].into(),
            default: Some(TRAINED.to_owned()),
        }))
    }

    /// The text of `prompt`, which is a name in the list or the text itself. A text has a character that names do
    /// not have, such as a space or a colon, so that a misspelt name is not taken for a text. Without `prompt` it is
    /// the model's default, and empty if the model has none.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is not in the list.
    pub fn text(&self, prompt: Option<&str>) -> Result<String> {
        let Some(prompt) = prompt else {
            return Ok(self.default.as_ref().map(|name| self.by_name[name].clone()).unwrap_or_default());
        };
        if let Some(text) = self.by_name.get(prompt) {
            return Ok(text.clone());
        }
        let may_be_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if prompt.is_empty() || !prompt.chars().all(may_be_name) {
            return Ok(prompt.to_owned());
        }
        Err(Error::Usage(match &self.file {
            Some((file, _)) if !self.by_name.is_empty() => format!(
                "prompt {prompt:?}: {} lists no prompt of this name; expected {self}, or the text of a prompt such as \
                 \"query: \"",
                file.display()
            ),
            _ => format!(
                "prompt {prompt:?}: the model lists no prompts by name; give the text of the prompt, such as \"query: \""
            ),
        }))
    }

    /// Makes sure that nothing depends on the model's default prompt, which an image cannot put before its texts.
    ///
    /// # Errors
    /// [`Error::Input`] naming the default, if its text is not empty.
    pub fn check_no_default(&self) -> Result<()> {
        match (&self.file, &self.default, self.text(None)?) {
            (Some((file, key)), Some(name), text) if !text.is_empty() => Err(Error::input(
                file,
                format!(
                    "{key} makes {name} the default prompt, which puts {text:?} before every text, and an image does not. \
                     Give --prompt {name} and put this text before the texts on the device, or --prompt \"\" for texts \
                     without it"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// True if the model lists prompts that have a text.
    pub fn any(&self) -> bool {
        self.by_name.values().any(|text| !text.is_empty())
    }
}

impl std::fmt::Display for ListedPrompts {
    /// Each prompt by its name: `passage ("passage: "), query ("query: ")`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (name, text)) in self.by_name.iter().enumerate() {
            write!(f, "{}{name} ({text:?})", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(content: &str) -> Result<ListedPrompts> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), content).unwrap();
        ListedPrompts::of_folder(folder.path())
    }

    const E5: &str = r#"{"__version__": {"sentence_transformers": "3.0.0"}, "similarity_fn_name": "cosine",
        "prompts": {"query": "query: ", "passage": "passage: ", "none": null}, "default_prompt_name": null}"#;

    #[test]
    fn a_prompt_is_a_name_of_the_list_or_a_text() {
        let prompts = listed(E5).unwrap();
        assert!(prompts.any());
        assert_eq!(prompts.to_string(), "passage (\"passage: \"), query (\"query: \")");
        for (prompt, text) in
            [("query", "query: "), ("passage", "passage: "), ("clustering: ", "clustering: "), ("", "")]
        {
            assert_eq!(prompts.text(Some(prompt)).unwrap(), text);
        }
        assert_eq!(prompts.text(None).unwrap(), "");
        // BGE's Chinese prompt ends with a wide colon.
        let chinese = "为这个句子生成表示以用于检索相关文章：";
        assert_eq!(ListedPrompts::default().text(Some(chinese)).unwrap(), chinese);
    }

    #[test]
    fn the_prompt_that_a_model_was_trained_with_is_its_default() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"sentence_embedding": {"pooling": "mean", "dimensions": 8, "prompt": "query: "}}"#;
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let prompts = ListedPrompts::of_folder(folder.path()).unwrap();
        assert_eq!(prompts.text(None).unwrap(), "query: ");
        let said = prompts.check_no_default().unwrap_err().to_string();
        assert!(said.contains("config.json") && said.contains("sentence_embedding.prompt"), "{said}");
    }

    #[test]
    fn a_misspelt_name_is_not_taken_for_a_text() {
        let error = listed(E5).unwrap().text(Some("qurey")).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(FILE) && said.contains("qurey") && said.contains("query (\"query: \")"),
            "{said}"
        );
        let said = ListedPrompts::default().text(Some("query")).unwrap_err().to_string();
        assert!(said.contains("lists no prompts by name"), "{said}");
    }

    #[test]
    fn the_default_of_the_model_holds_unless_another_is_chosen() {
        let prompts =
            listed(&E5.replace("\"default_prompt_name\": null", "\"default_prompt_name\": \"query\""))
                .unwrap();
        assert_eq!(prompts.text(None).unwrap(), "query: ");
        assert_eq!(prompts.text(Some("passage")).unwrap(), "passage: ");
        assert_eq!(prompts.text(Some("")).unwrap(), "");
        // An image would read texts without it.
        let said = prompts.check_no_default().unwrap_err().to_string();
        assert!(
            said.contains(FILE) && said.contains("default_prompt_name") && said.contains("--prompt query"),
            "{said}"
        );
        listed(E5).unwrap().check_no_default().unwrap();
    }

    #[test]
    fn a_list_that_is_not_valid_is_refused() {
        for (content, wanted) in [
            ("{", "not valid"),
            (r#"{"prompts": ["query: "]}"#, "not valid"),
            (r#"{"prompts": {}, "default_prompt_name": "query"}"#, "not among its prompts"),
        ] {
            let error = listed(content).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(FILE) && error.to_string().contains(wanted), "{error}");
        }
        assert_eq!(listed("{}").unwrap().text(None).unwrap(), "");
    }
}
