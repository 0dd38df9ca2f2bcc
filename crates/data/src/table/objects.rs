//! Rows that are objects of named values: JSONL, and what Parquet gives.

use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{self, Entries};
use crate::label_set;
use crate::row::SourceRow;
use crate::spec::ColumnNames;
use crate::tags;
use crate::task::TaskKind;
use crate::text::{LineReader, list};
use tinybert_base::{Error, Result};

/// Which values of an object make a row, and of what kind its label is.
#[derive(Clone, Copy)]
pub(super) struct ObjectColumns<'a> {
    pub names: &'a ColumnNames,
    pub kind: TaskKind,
}

impl<'a> ObjectColumns<'a> {
    /// The column whose values name classes, if there is one.
    pub fn class_column(self) -> Option<&'a String> {
        let has_scores = matches!(self.kind, TaskKind::Regression | TaskKind::Embedding);
        self.names.label.as_ref().filter(|_| !has_scores)
    }

    /// The value of a key by its JSON text. Numbers that name classes stay what is written. A key that no option names
    /// has no value.
    fn value(self, key: &str, text: &RawValue) -> serde_json::Result<Value> {
        let ColumnNames { text: first, pair, label, soft_labels } = self.names;
        let is_class = self.class_column().is_some_and(|column| column == key);
        match self.kind {
            TaskKind::Classification if is_class => json::name(text),
            TaskKind::MultiLabel if is_class => json::names(text),
            _ => match [Some(first), pair.as_ref(), label.as_ref(), soft_labels.as_ref()] {
                named if named.into_iter().flatten().any(|name| name == key) => json::value(text.get()),
                _ => Ok(Value::Null),
            },
        }
    }
}

/// Hands every row of a JSONL file to `each`.
pub(super) fn jsonl(
    path: &Path,
    columns: ObjectColumns,
    each: &mut dyn FnMut(SourceRow) -> Result<()>,
) -> Result<()> {
    let mut lines = LineReader::open(path)?;
    while let Some((line, json)) = lines.next_line()? {
        if json.trim().is_empty() {
            continue;
        }
        let object = object(json, columns).map_err(|fault| {
            Error::line(path, line, format!("not a JSON object: {}", json::reason(&fault)))
        })?;
        each(object_row(path, line, &object, columns)?)?;
    }
    Ok(())
}

/// The object of a line, with the values of the keys that are columns.
fn object(json: &str, columns: ObjectColumns) -> serde_json::Result<Map<String, Value>> {
    let Entries(entries) = serde_json::from_str(json)?;
    let read = |(key, text): (String, &RawValue)| columns.value(&key, text).map(|value| (key, value));
    entries.into_iter().map(read).collect()
}

/// The row that an object holds. `line` is its place in the file.
pub(super) fn object_row(
    path: &Path,
    line: usize,
    object: &Map<String, Value>,
    ObjectColumns { names, kind }: ObjectColumns,
) -> Result<SourceRow> {
    let value = |key: &String| {
        object.get(key).ok_or_else(|| {
            let keys: Vec<_> = object.keys().collect();
            Error::line(path, line, format!("there is no key {key:?}; the keys are {}", list(&keys)))
        })
    };
    let wrong = |key: &String, want: &str, have: &Value| {
        Error::line(path, line, format!("{key:?} should be {want}, found {have}"))
    };
    let string = |key: &String| match value(key)? {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong(key, "a string", other)),
    };
    let label = |key: &String| match value(key)? {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other @ Value::Array(_) if kind == TaskKind::Classification => {
            let what = wrong(key, "a string or a number", other);
            Err(Error::Input(format!("{what}; --multi-label reads lists of labels")))
        }
        other => Err(wrong(key, "a string or a number", other)),
    };
    let labels = |key: &String| {
        label_set::of_json(value(key)?).map_err(|reason| Error::line(path, line, format!("{key:?} {reason}")))
    };
    if kind == TaskKind::Tagging {
        let list = |key: &String| {
            tags::of_json(value(key)?).map_err(|reason| Error::line(path, line, format!("{key:?} {reason}")))
        };
        let label = names.label.as_ref().map(list).transpose()?;
        return Ok(SourceRow { line, text: list(&names.text)?, pair: None, label, soft_labels: None });
    }
    let has_label =
        |key: &&String| names.soft_labels.is_none() || object.get(*key).is_some_and(|value| !value.is_null());
    Ok(SourceRow {
        line,
        text: string(&names.text)?,
        pair: names.pair.as_ref().map(string).transpose()?,
        label: match (names.label.as_ref().filter(has_label), kind) {
            (key, TaskKind::MultiLabel) => key.map(labels).transpose()?,
            (key, _) => key.map(label).transpose()?,
        },
        soft_labels: names.soft_labels.as_ref().map(value).transpose()?.map(Value::to_string),
    })
}
