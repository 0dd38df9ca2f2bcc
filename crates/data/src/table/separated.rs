//! Rows of cells under a header, and the TSV files that hold them.

use std::path::Path;

use crate::row::SourceRow;
use crate::spec::ColumnNames;
use crate::text::{LineReader, list};
use tinybert_base::{Error, Result};

/// Where the named columns stand in a header.
pub(super) struct ColumnPositions {
    text: usize,
    pair: Option<usize>,
    label: Option<usize>,
    soft_labels: Option<usize>,
}

impl ColumnPositions {
    pub fn find(path: &Path, header: &[&str], columns: &ColumnNames) -> Result<Self> {
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
    pub fn row<'a>(&self, line: usize, cell: impl Fn(usize) -> &'a str) -> SourceRow {
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

pub(super) fn empty(path: &Path) -> Error {
    Error::input(path, "the file is empty; expected a header line")
}

pub(super) fn columns_differ(path: &Path, line: usize, want: usize, have: usize) -> Error {
    Error::line(path, line, format!("expected {want} columns as in the header, found {have}"))
}

/// Hands every row of a TSV file to `each`.
pub(super) fn tsv(
    path: &Path,
    columns: &ColumnNames,
    each: &mut dyn FnMut(SourceRow) -> Result<()>,
) -> Result<()> {
    let mut lines = LineReader::open(path)?;
    let (_, first) = lines.next_line()?.ok_or_else(|| empty(path))?;
    let first = first.to_owned();
    let names: Vec<&str> = first.split('\t').collect();
    let header = ColumnPositions::find(path, &names, columns)?;
    while let Some((line, row)) = lines.next_line()? {
        let cells: Vec<&str> = row.split('\t').collect();
        if cells.len() != names.len() {
            return Err(columns_differ(path, line, names.len(), cells.len()));
        }
        each(header.row(line, |column| cells[column]))?;
    }
    Ok(())
}
