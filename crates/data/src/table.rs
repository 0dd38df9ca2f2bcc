//! JSONL, CSV and TSV files with named columns.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::label_set::{self, LabelSetLabeller};
use super::row::{
    ClassLabeller, Labeller, ScoreLabeller, SourceRow, by_index_notice, distinct_labels, examples,
};
use super::soft_labels;
use super::spec::{ColumnNames, Format, Split, TableFiles};
use super::tags::{self, TagLabeller};
use super::text::{self, list};
use crate::task::{Dataset, TaskKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};
use tinybert_model::only_counts;

impl TableFiles {
    /// Reads one split; see [`super::load`].
    pub(super) fn load(
        &self,
        split: Split,
        model: Option<&[String]>,
        progress: &dyn Progress,
    ) -> Result<Dataset> {
        let path = self.path(split)?;
        let rows = self.rows(path)?;
        let (labeller, labels): (Box<dyn Labeller>, _) = match self.kind {
            TaskKind::Regression | TaskKind::Embedding => (Box::new(ScoreLabeller::ANY), Vec::new()),
            TaskKind::Classification | TaskKind::MultiLabel | TaskKind::Tagging => {
                // The rows of both sides of a cut file say which labels there are.
                let classes = self.classes(path, &rows, model, progress)?;
                let names = classes.names.clone();
                match self.kind {
                    TaskKind::Tagging => (Box::new(TagLabeller(classes)), names),
                    TaskKind::MultiLabel => (Box::new(LabelSetLabeller(classes)), names),
                    _ => (Box::new(classes), names),
                }
            }
        };
        let all = rows.len();
        let mut rows = self.side(split, rows);
        if let (Split::Dev, Some(_)) = (split, self.dev_share) {
            let (count, file) = (rows.len(), path.display());
            if count == 0 {
                return Err(Error::input(
                    path,
                    format!(
                        "--dev-share leaves none of {all} rows for the development set: it needs labelled rows, and a label \
                         with several texts"
                    ),
                ));
            }
            progress.say(&format!("development set: {count} of the {all} rows of {file}"));
        }
        if split != Split::Train {
            rows.iter_mut().for_each(|row| row.soft_labels = None);
        }
        let examples = examples(path, rows, &*labeller)?;
        Ok(Dataset { examples, labels, kind: self.kind, sources: vec![path.clone()] })
    }

    /// The rows of one split, its file and the file's format.
    pub(super) fn read(&self, split: Split) -> Result<(PathBuf, Vec<SourceRow>, Format)> {
        let path = self.path(split)?;
        Ok((path.clone(), self.side(split, self.rows(path)?), self.format(path)?))
    }

    /// The rows of a split among the `rows` of its file, which training and development set may share.
    fn side(&self, split: Split, rows: Vec<SourceRow>) -> Vec<SourceRow> {
        let Some(share) = self.dev_share.filter(|_| matches!(split, Split::Train | Split::Dev)) else {
            return rows;
        };
        let is_dev = share.cut(&rows, |row| match self.kind {
            TaskKind::Classification => row.label.as_deref(),
            // Scores and tags have no classes whose share could be kept. Most sets of labels are rare.
            TaskKind::Regression | TaskKind::Tagging | TaskKind::Embedding | TaskKind::MultiLabel => Some(""),
        });
        let wanted = split == Split::Dev;
        rows.into_iter().zip(is_dev).filter(|(_, is_dev)| *is_dev == wanted).map(|(row, _)| row).collect()
    }

    fn path(&self, split: Split) -> Result<&PathBuf> {
        let path = match split {
            Split::Train => &self.train,
            Split::Dev if self.dev_share.is_some() => &self.train,
            Split::Dev => &self.dev,
            Split::Test => &self.test,
            Split::DevMismatched | Split::TestMismatched => {
                return Err(Error::Usage(format!("only the GLUE task mnli has a {split} split")));
            }
        };
        path.as_ref()
            .ok_or_else(|| Error::Usage(format!("no {split} file was given; name one with --{split}")))
    }

    fn format(&self, path: &Path) -> Result<Format> {
        self.format.map_or_else(|| Format::of_path(path), Ok)
    }

    /// The label set: a model's that names its labels, else the training file's, else that of the rows at hand.
    fn classes(
        &self,
        path: &Path,
        rows: &[SourceRow],
        model: Option<&[String]>,
        progress: &dyn Progress,
    ) -> Result<ClassLabeller> {
        let named = |model: &[String]| ClassLabeller::named(model.to_vec(), "the labels of the model".into());
        if let Some(model) = model.filter(|model| !only_counts(model)) {
            return Ok(named(model));
        }
        let origin = self.train.as_deref().unwrap_or(path);
        let of_training = if origin == path { Cow::Borrowed(rows) } else { Cow::Owned(self.rows(origin)?) };
        let mut names = distinct_labels(of_training.iter(), self.kind);
        if of_training.iter().filter_map(|row| row.soft_labels.as_deref()).any(soft_labels::is_list) {
            // A list does not name its labels: those of the development set count too.
            let dev = self.dev.as_ref().map(|dev| self.rows(dev)).transpose()?.unwrap_or_default();
            names = distinct_labels(of_training.iter().chain(&dev), self.kind);
            progress.say(&format!("lists of soft labels are taken in the order {}", list(&names)));
        }
        match model {
            // A model whose labels are 0, 1, … because the data's are.
            Some(model) if names.iter().all(|name| model.contains(name)) => Ok(named(model)),
            Some(model) if model.len() == names.len() => {
                progress.say(&by_index_notice(model, &names));
                Ok(ClassLabeller::named(names, format!("the labels of {}", origin.display())))
            }
            Some(model) => Err(Error::input(
                origin,
                format!(
                    "{} labels ({}), but the model has {} outputs",
                    names.len(),
                    list(&names),
                    model.len()
                ),
            )),
            None => Ok(ClassLabeller::named(names, format!("the labels of {}", origin.display()))),
        }
    }

    fn rows(&self, path: &Path) -> Result<Vec<SourceRow>> {
        let format = self.format(path)?;
        let content = text::read(path)?;
        // Only training rows have soft labels.
        let soft_labels = self.columns.soft_labels.clone().filter(|_| self.train.as_deref() == Some(path));
        let columns = &ColumnNames { soft_labels, ..self.columns.clone() };
        match format {
            Format::Jsonl => jsonl(path, &content, columns, self.kind),
            Format::Csv => csv(path, &content, columns),
            Format::Tsv => tsv(path, &content, columns),
            Format::Conll if self.kind == TaskKind::Tagging => tags::conll(path, &content),
            Format::Conll => Err(Error::Usage(format!(
                "{}: a file of words and tags is read with --tagging",
                path.display()
            ))),
        }
    }
}

impl Format {
    /// The format that the extension of a file's name stands for.
    fn of_path(path: &Path) -> Result<Self> {
        match path
            .extension()
            .and_then(|extension| extension.to_str())
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("jsonl" | "json" | "ndjson") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("conll" | "bio" | "iob" | "iob2") => Ok(Self::Conll),
            _ => Err(Error::Usage(format!(
                "{}: cannot tell the format from the name; expected .jsonl, .csv, .tsv or .conll",
                path.display()
            ))),
        }
    }
}

fn jsonl(path: &Path, content: &str, columns: &ColumnNames, kind: TaskKind) -> Result<Vec<SourceRow>> {
    text::lines(content)
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(line, json)| {
            let object: Map<String, Value> = serde_json::from_str(json).map_err(|fault| {
                let fault = fault.to_string();
                // serde_json counts lines too, but sees only this one.
                let reason = fault.split(" at line 1").next().unwrap_or(&fault);
                Error::line(path, line, format!("not a JSON object: {reason}"))
            })?;
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
                label_set::of_json(value(key)?)
                    .map_err(|reason| Error::line(path, line, format!("{key:?} {reason}")))
            };
            if kind == TaskKind::Tagging {
                let list = |key: &String| {
                    tags::of_json(value(key)?)
                        .map_err(|reason| Error::line(path, line, format!("{key:?} {reason}")))
                };
                let label = columns.label.as_ref().map(list).transpose()?;
                return Ok(SourceRow {
                    line,
                    text: list(&columns.text)?,
                    pair: None,
                    label,
                    soft_labels: None,
                });
            }
            let has_label = |key: &&String| {
                columns.soft_labels.is_none() || object.get(*key).is_some_and(|value| !value.is_null())
            };
            Ok(SourceRow {
                line,
                text: string(&columns.text)?,
                pair: columns.pair.as_ref().map(string).transpose()?,
                label: match (columns.label.as_ref().filter(has_label), kind) {
                    (key, TaskKind::MultiLabel) => key.map(labels).transpose()?,
                    (key, _) => key.map(label).transpose()?,
                },
                soft_labels: columns.soft_labels.as_ref().map(value).transpose()?.map(Value::to_string),
            })
        })
        .collect()
}

/// Where the named columns stand in a header.
struct ColumnPositions {
    text: usize,
    pair: Option<usize>,
    label: Option<usize>,
    soft_labels: Option<usize>,
}

impl ColumnPositions {
    fn find(path: &Path, header: &[&str], columns: &ColumnNames) -> Result<Self> {
        let position = |name: &String| {
            let mut places = header.iter().enumerate().filter(|(_, column)| *column == name);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => {
                    Err(Error::line(path, 1, format!("the header has column {name:?} twice")))
                }
                (None, _) => Err(Error::line(
                    path,
                    1,
                    format!("there is no column {name:?}; the columns are {}", list(header)),
                )),
            }
        };
        let is_there = |name: &&String| columns.soft_labels.is_none() || header.contains(&name.as_str());
        Ok(Self {
            text: position(&columns.text)?,
            pair: columns.pair.as_ref().map(position).transpose()?,
            label: columns.label.as_ref().filter(is_there).map(position).transpose()?,
            soft_labels: columns.soft_labels.as_ref().map(position).transpose()?,
        })
    }

    /// A row from its cells, which are as many as the header's.
    fn row<'a>(&self, line: usize, cell: impl Fn(usize) -> &'a str) -> SourceRow {
        let owned = |column: usize| cell(column).to_string();
        // Beside soft labels an empty cell is a row without a label.
        let is_label = |label: &String| self.soft_labels.is_none() || !label.is_empty();
        SourceRow {
            line,
            text: owned(self.text),
            pair: self.pair.map(owned),
            label: self.label.map(owned).filter(is_label),
            soft_labels: self.soft_labels.map(owned),
        }
    }
}

fn empty(path: &Path) -> Error {
    Error::input(path, "the file is empty; expected a header line")
}

fn columns_differ(path: &Path, line: usize, want: usize, have: usize) -> Error {
    Error::line(path, line, format!("expected {want} columns as in the header, found {have}"))
}

fn tsv(path: &Path, content: &str, columns: &ColumnNames) -> Result<Vec<SourceRow>> {
    let mut lines = text::lines(content);
    let (_, first) = lines.next().ok_or_else(|| empty(path))?;
    let names: Vec<&str> = first.split('\t').collect();
    let header = ColumnPositions::find(path, &names, columns)?;
    lines
        .map(|(line, row)| {
            let cells: Vec<&str> = row.split('\t').collect();
            if cells.len() != names.len() {
                return Err(columns_differ(path, line, names.len(), cells.len()));
            }
            Ok(header.row(line, |column| cells[column]))
        })
        .collect()
}

fn csv(path: &Path, content: &str, columns: &ColumnNames) -> Result<Vec<SourceRow>> {
    // The reader's positions stand before the line ends that it skips; its line numbers suffer from that.
    let begin = |position: &csv::Position| {
        let before = &content[position.byte() as usize..];
        content.len() - before.trim_start_matches(['\r', '\n']).len()
    };
    let fault = |fault: csv::Error| match fault.kind() {
        csv::ErrorKind::UnequalLengths { pos: Some(pos), expected_len, len } => {
            let line = 1 + content[..begin(pos)].matches('\n').count();
            columns_differ(path, line, *expected_len as usize, *len as usize)
        }
        _ => Error::input(path, fault),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(content.as_bytes());
    let names = reader.headers().map_err(fault)?.clone();
    if names.is_empty() {
        return Err(empty(path));
    }
    let header = ColumnPositions::find(path, &names.iter().collect::<Vec<_>>(), columns)?;
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    // Where the last record begins, and whether a line break is in one of its cells.
    let (mut start, mut line, mut many_lines) = (0, 1, false);
    while reader.read_record(&mut record).map_err(fault)? {
        let next = begin(record.position().expect("a record that was read has a position"));
        line += content[start..next].matches('\n').count();
        start = next;
        many_lines = record.iter().any(|cell| cell.contains('\n'));
        rows.push(header.row(line, |column| &record[column]));
    }
    // The reader takes the end of the file for a missing quote, and every line up to there for one cell.
    if many_lines && content[start..].matches('"').count() % 2 == 1 {
        return Err(Error::line(path, line, "a quoted field begins here and never ends"));
    }
    Ok(rows)
}
