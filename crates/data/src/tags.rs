//! Words with a tag each: lists in JSON, cells of tables, and the CoNLL layout.

use std::path::Path;

use serde_json::Value;

use super::row::{ClassLabeller, Labeller, SourceRow};
use super::text::{LineReader, split_words};
use crate::metrics::entities::is_tag;
use crate::task::Target;
use tinybert_base::{Error, Result};

/// Reads a tag for each word.
pub(super) struct TagLabeller(pub ClassLabeller);

impl Labeller for TagLabeller {
    fn target(&self, text: &str, cell: &str) -> std::result::Result<Target, String> {
        words_of_cell(text).try_for_each(check_word)?;
        let (words, tags) = (words_of_cell(text).count(), words_of_cell(cell).count());
        if words == 0 {
            return Err("there are no words".into());
        }
        if words != tags {
            return Err(format!("{words} words, but {tags} tags; every word needs one"));
        }
        let tag = |tag| match is_tag(tag) {
            true => self.0.class(tag),
            false => Err(format!("{tag:?} is no BIO tag; expected O, B-TYPE or I-TYPE (also E- and S-)")),
        };
        words_of_cell(cell).map(tag).collect::<std::result::Result<_, _>>().map(Target::Tags)
    }
}

/// The words or tags of a cell, which spaces, tabs and line breaks separate. Other white space, such as the no-break
/// space, is part of what is written.
pub(super) fn words_of_cell(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty())
}

/// Makes sure that the tokenizer takes a word for one word. `Err` is the reason.
fn check_word(word: &str) -> std::result::Result<(), String> {
    match split_words(word).eq([word]) {
        true => Ok(()),
        false => Err(format!(
            "the word {word:?} has white space in it, which separates words where models read text: write it as several \
             words with a tag each, or without the white space"
        )),
    }
}

/// The words of a JSON value, separated by spaces: those of a list, or of a string. `Err` says what is wrong.
pub(super) fn of_json(value: &Value) -> std::result::Result<String, String> {
    let list = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(list) => list,
        other => return Err(format!("should be a list of strings, found {other}")),
    };
    let words: Vec<&str> = list
        .iter()
        .map(|item| match item {
            Value::String(word) if split_words(word).eq([word]) => Ok(word.as_str()),
            other => Err(format!("should be a list of words without white space in them, but has {other}")),
        })
        .collect::<std::result::Result<_, _>>()?;
    Ok(words.join(" "))
}

/// The opposite of [`of_json`]: always a list.
pub(super) fn to_json(words: &str) -> Value {
    words_of_cell(words).collect()
}

/// CoNLL's layout: a word in the first column and its tag in the last, separated by spaces or tabs; a blank line
/// behind each sentence. Lines that begin with `-DOCSTART-` are passed over.
pub(super) fn conll(path: &Path, each: &mut dyn FnMut(SourceRow) -> Result<()>) -> Result<()> {
    let mut lines = LineReader::open(path)?;
    let mut sentence = None;
    while let Some((line, columns)) = lines.next_line()? {
        let columns: Vec<&str> = words_of_cell(columns).collect();
        match columns[..] {
            [] | ["-DOCSTART-", ..] => sentence.take().map_or(Ok(()), &mut *each)?,
            [word] => {
                return Err(Error::line(
                    path,
                    line,
                    format!("the word {word:?} has no tag in a second column"),
                ));
            }
            [word, .., tag] => {
                check_word(word).map_err(|reason| Error::line(path, line, reason))?;
                let SourceRow { text, label, .. } = sentence.get_or_insert_with(|| SourceRow {
                    line,
                    text: String::new(),
                    pair: None,
                    label: Some(String::new()),
                    soft_labels: None,
                });
                for (cell, part) in [(Some(text), word), (label.as_mut(), tag)] {
                    let cell = cell.expect("both have been set");
                    cell.extend([if cell.is_empty() { "" } else { " " }, part]);
                }
            }
        }
    }
    sentence.map_or(Ok(()), each)
}

/// A row as [`conll`] reads it.
pub(super) fn to_conll(words: &str, tags: &str) -> String {
    words_of_cell(words)
        .zip(words_of_cell(tags))
        .map(|(word, tag)| format!("{word}\t{tag}\n"))
        .collect::<String>()
        + "\n"
}
