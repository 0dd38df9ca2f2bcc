//! Text without labels.

use std::path::Path;

use super::spec::{ColumnNames, Split, TableFiles};
use super::table;
use crate::task::{Example, Target, TaskKind};
use tinybert_base::{Error, Result};

/// Reads text without labels: a `.txt` file with a text on each line, of which empty lines are left out, or a table
/// with the text columns of `columns`.
///
/// # Errors
/// Returns the errors of [`load`](super::load), and [`Error::Usage`] for a `.txt` file where texts are pairs.
pub fn unlabelled(path: &Path, columns: &ColumnNames, kind: TaskKind) -> Result<Vec<Example>> {
    let example = |text: String, pair| Example { text, pair, target: Target::None };
    let is_plain = table::plain_extension(path).as_deref() == Some("txt");
    let examples: Vec<Example> = match is_plain {
        true if columns.pair.is_some() && kind != TaskKind::Embedding => {
            return Err(Error::Usage(format!(
                "{}: a line of plain text is no pair; give a table with the columns of --train",
                path.display()
            )));
        }
        true => {
            let mut examples = Vec::new();
            table::read_texts(path, &columns.text, &mut |line| {
                examples.extend((!line.trim().is_empty()).then(|| example(line.to_owned(), None)));
                Ok(())
            })?;
            examples
        }
        false => {
            let columns = ColumnNames { label: None, soft_labels: None, ..columns.clone() };
            let files = TableFiles {
                train: Some(path.into()),
                dev: None,
                test: None,
                format: None,
                columns,
                kind,
                dev_share: None,
            };
            let (_, rows, _) = files.read(Split::Train)?;
            rows.into_iter().map(|row| example(row.text, row.pair)).collect()
        }
    };
    match examples.is_empty() {
        true => Err(Error::input(path, "there is no text in this file")),
        false => Ok(examples),
    }
}
