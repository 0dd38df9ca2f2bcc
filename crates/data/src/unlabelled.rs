//! Text without labels.

use std::collections::HashSet;
use std::path::Path;

use super::dev_share::same_text;
use super::spec::ColumnNames;
use super::table;
use crate::task::{Dataset, Example, Target, TaskKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};

/// Reads text without labels: a `.txt` file with a text on each line, of which empty lines are left out, or a table
/// with the text columns of `columns`.
///
/// # Errors
/// Returns the errors of [`load`](super::load), and [`Error::Usage`] for a `.txt` file where texts are pairs.
pub fn unlabelled(path: &Path, columns: &ColumnNames, kind: TaskKind) -> Result<Vec<Example>> {
    let example = |text: String, pair| Example { text, pair, target: Target::None };
    let mut examples: Vec<Example> = Vec::new();
    if table::plain_extension(path).as_deref() != Some("txt") {
        let mut add = |text, pair| examples.push(example(text, pair));
        table::read_inputs(path, columns.clone(), kind, &mut add)?;
    } else if columns.pair.is_some() && kind != TaskKind::Embedding {
        return Err(Error::Usage(format!(
            "{}: a line of plain text is no pair; give a table with the columns of --train",
            path.display()
        )));
    } else {
        table::read_texts(path, &columns.text, &mut |line| {
            examples.extend((!line.trim().is_empty()).then(|| example(line.to_owned(), None)));
            Ok(())
        })?;
    }
    match examples.is_empty() {
        true => Err(Error::input(path, "there is no text in this file")),
        false => Ok(examples),
    }
}

impl Dataset {
    /// Adds examples without labels, which are those of `file`, to this training set, without those whose text the
    /// development set `dev` has too. The number of these goes to [`Progress::say`].
    pub fn add_unlabelled(
        &mut self,
        file: &Path,
        examples: Vec<Example>,
        dev: &Dataset,
        progress: &dyn Progress,
    ) {
        let of_dev: HashSet<String> = dev.inputs().map(|(text, pair)| same_text(text, pair)).collect();
        let is_new = |example: &Example| {
            example.inputs(dev.kind).all(|(text, pair)| !of_dev.contains(&same_text(text, pair)))
        };
        let (all, before) = (examples.len(), self.examples.len());
        self.examples.extend(examples.into_iter().filter(is_new));
        let added = self.examples.len() - before;
        if added < all {
            progress.say(&format!(
                "{}: left out {} of {all} texts, which the development set has",
                file.display(),
                all - added
            ));
        }
        self.sources.push(file.into());
    }
}
