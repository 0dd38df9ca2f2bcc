//! Rows as a file has them, and writing rows that the same reader understands.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::row::{SourceRow, no_examples};
use super::spec::{ColumnNames, DataSpec, Format, GlueTask, Source, Split};
use super::{glue, label_set, table, tags};
use crate::task::TaskKind;
use tinybert_base::Result;
use tinybert_base::progress::Progress;

/// One row without its line number; labels stay as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// First (or only) sentence.
    pub text: String,
    /// Second sentence of a pair.
    pub pair: Option<String>,
    /// The cell of the label column, if there is one.
    pub label: Option<String>,
}

/// The rows of a file, and how to write further rows of the same layout.
pub struct RawRows {
    /// The rows in file order.
    pub rows: Vec<RawRow>,
    /// The file.
    pub source: PathBuf,
    /// How the file is laid out.
    pub layout: RowLayout,
}

/// The extension of a file to which the rows of `source` are written: that of its format, without a compression.
/// Rows of a Parquet file are written as JSONL.
pub fn written_extension(source: &Path) -> Option<String> {
    let extension = table::plain_extension(source)?;
    Some(if extension == "parquet" { "jsonl".into() } else { extension })
}

/// How a row is written. Columns that no reader looks at are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    format: Format,
    /// `None` only for CoLA, which has no header.
    header: Option<ColumnNames>,
    kind: TaskKind,
}

/// Reads a split as it is written, without looking at what the labels mean.
///
/// # Errors
/// Returns the errors of [`super::load`], except those for labels.
pub fn read_rows(spec: &DataSpec, split: Split, progress: &dyn Progress) -> Result<RawRows> {
    let (source, rows, format, header) = match &spec.source {
        Source::Glue { task, folder } => {
            let (path, rows) = glue::read(*task, folder, split, progress)?;
            let header = (*task != GlueTask::Cola).then(|| glue::columns(*task));
            (path, rows, Format::Tsv, header)
        }
        Source::Table(files) => {
            let (path, rows, format) = files.read(split)?;
            (path, rows, format, Some(ColumnNames { soft_labels: None, ..files.columns.clone() }))
        }
    };
    if rows.is_empty() {
        return Err(no_examples(&source));
    }
    let rows =
        rows.into_iter().map(|SourceRow { text, pair, label, .. }| RawRow { text, pair, label }).collect();
    Ok(RawRows { rows, source, layout: RowLayout { format, header, kind: spec.kind() } })
}

impl RawRows {
    /// SHA-256 of what the rows would be written as: equal only for the same rows.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.layout.header());
        self.rows.iter().for_each(|row| hash.update(self.layout.line(row)));
        tinybert_base::hex(&hash.finalize())
    }
}

impl RowLayout {
    /// The header line; empty where the layout has none.
    pub fn header(&self) -> String {
        match (&self.header, self.format) {
            (Some(columns), Format::Csv) => csv_line(&names(columns)),
            (Some(columns), Format::Tsv) => names(columns).join("\t") + "\n",
            _ => String::new(),
        }
    }

    /// A row as a line, with its line end.
    pub fn line(&self, row: &RawRow) -> String {
        let cells = || {
            let cells = [Some(&row.text), row.pair.as_ref(), row.label.as_ref()];
            cells.into_iter().flatten().map(String::as_str).collect::<Vec<_>>()
        };
        match (&self.header, self.format) {
            (Some(columns), Format::Jsonl | Format::Parquet) => self.json(columns, row),
            (_, Format::Conll) => tags::to_conll(&row.text, row.label.as_deref().unwrap_or_default()),
            (_, Format::Csv) => csv_line(&cells()),
            // CoLA's columns are source, label, the author's mark, sentence.
            (None, _) => format!("\t{}\t\t{}\n", row.label.as_deref().unwrap_or_default(), row.text),
            (_, _) => cells().join("\t") + "\n",
        }
    }

    fn json(&self, columns: &ColumnNames, row: &RawRow) -> String {
        let mut object = Map::new();
        if self.kind == TaskKind::Tagging {
            let cells =
                [(Some(&columns.text), Some(&row.text)), (columns.label.as_ref(), row.label.as_ref())];
            let lists =
                cells.into_iter().filter_map(|(name, cell)| Some((name?.clone(), tags::to_json(cell?))));
            return Value::Object(lists.collect()).to_string() + "\n";
        }
        object.insert(columns.text.clone(), row.text.clone().into());
        if let (Some(name), Some(pair)) = (&columns.pair, &row.pair) {
            object.insert(name.clone(), pair.clone().into());
        }
        if let (Some(name), Some(label)) = (&columns.label, &row.label) {
            let score = serde_json::from_str(label).ok().filter(Value::is_number);
            let score = score.filter(|_| self.kind == TaskKind::Regression);
            let written = match self.kind {
                TaskKind::MultiLabel => label_set::to_json(label),
                _ => score.unwrap_or_else(|| label.clone().into()),
            };
            object.insert(name.clone(), written);
        }
        Value::Object(object).to_string() + "\n"
    }
}

fn names(columns: &ColumnNames) -> Vec<&str> {
    [Some(&columns.text), columns.pair.as_ref(), columns.label.as_ref()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect()
}

fn csv_line(cells: &[&str]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail, and what went in as UTF-8 comes out as UTF-8.
    let written = writer.write_record(cells).ok().and_then(|()| writer.into_inner().ok());
    String::from_utf8(written.unwrap_or_default()).unwrap_or_default()
}
