//! JSONL, CSV, TSV and Parquet files with named columns.

mod csv;
mod objects;
#[cfg(feature = "parquet")]
mod parquet;
mod separated;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use self::csv::csv;
use self::objects::{ObjectColumns, jsonl};
#[cfg(feature = "parquet")]
use self::parquet::{described_classes, parquet};
use self::separated::tsv;
use super::compression::{Compression, uncompressed_name};
use super::dev_share::{DevShare, RowKeys};
use super::label_set::{self, LabelSetLabeller};
use super::row::{
    ClassLabeller, DistinctLabels, Labeller, ScoreLabeller, SourceRow, by_index_notice, example, no_examples,
};
use super::spec::{ColumnNames, Format, Split, TableFiles};
use super::tags::{self, TagLabeller};
use super::text::{LineReader, list};
use super::unchanged::{FileState, changed};
use crate::task::{Dataset, TaskKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};
use tinybert_model::only_counts;

impl TableFiles {
    /// Reads one split; see [`super::load`]. The label `out_of_scope`, if there is one, is the class behind all others.
    pub(super) fn load(
        &self,
        split: Split,
        model: Option<&[String]>,
        out_of_scope: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Dataset> {
        let path = self.path(split)?;
        let table = self.open(path)?;
        let state = FileState::of_path(path)?;
        let (labeller, labels): (Box<dyn Labeller>, _) = match self.kind {
            TaskKind::Regression | TaskKind::Embedding => (Box::new(ScoreLabeller::ANY), Vec::new()),
            TaskKind::Classification | TaskKind::MultiLabel | TaskKind::Tagging => {
                // The rows of both sides of a cut file say which labels there are.
                let mut classes = self.classes(&table, model, progress)?;
                if let Some(label) = out_of_scope {
                    classes.add_out_of_scope(label);
                }
                let names = classes.names.clone();
                match self.kind {
                    TaskKind::Tagging => (Box::new(TagLabeller(classes)), names),
                    TaskKind::MultiLabel => (Box::new(LabelSetLabeller(classes)), names),
                    _ => (Box::new(classes), names),
                }
            }
        };
        let mut examples = Vec::new();
        let all = self.each_row_of(split, &table, &mut |mut row| {
            if split != Split::Train {
                row.soft_labels = None;
            }
            examples.push(example(path, row, &*labeller)?);
            Ok(())
        })?;
        if let (Split::Dev, Some(_)) = (split, self.dev_share) {
            let (count, file) = (examples.len(), path.display());
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
        if examples.is_empty() {
            return Err(match self.dev_share {
                Some(_) if all > 0 => Error::Usage(format!(
                    "--dev-share leaves none of the {all} rows of {} for training",
                    path.display()
                )),
                _ => no_examples(path),
            });
        }
        state.check(path, &FileState::of_path(path)?)?;
        examples.shrink_to_fit();
        Ok(Dataset { examples, labels, kind: self.kind, sources: vec![path.clone()] })
    }

    /// The rows of one split, its file and the file's format.
    pub(super) fn read(&self, split: Split) -> Result<(PathBuf, Vec<SourceRow>, Format)> {
        let path = self.path(split)?;
        let table = self.open(path)?;
        let mut rows = Vec::new();
        self.each_row_of(split, &table, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok((path.clone(), rows, table.format))
    }

    /// Hands the rows of a split to `each`: those of its file, or of one side of it where training and development
    /// set share the file. Gives the number of all rows of the file.
    fn each_row_of(
        &self,
        split: Split,
        table: &Table,
        each: &mut dyn FnMut(SourceRow) -> Result<()>,
    ) -> Result<usize> {
        let share = self.dev_share.filter(|_| matches!(split, Split::Train | Split::Dev));
        let is_dev = share.map(|share| self.cut(&share, table)).transpose()?;
        let wanted = split == Split::Dev;
        let mut all = 0;
        table.each_row(&mut |row| {
            let is_on_this_side = is_dev.as_ref().is_none_or(|is_dev| is_dev.get(all) == Some(&wanted));
            all += 1;
            if is_on_this_side { each(row) } else { Ok(()) }
        })?;
        match is_dev {
            Some(is_dev) if is_dev.len() != all => Err(changed(table.path)),
            _ => Ok(all),
        }
    }

    /// For each row of the file whether it belongs to the development set.
    fn cut(&self, share: &DevShare, table: &Table) -> Result<Vec<bool>> {
        let counts = match self.kind {
            TaskKind::MultiLabel => table.label_counts()?,
            _ => HashMap::new(),
        };
        let mut keys = RowKeys::default();
        table.each_row(&mut |row| {
            let stratum = match self.kind {
                TaskKind::Classification => row.label.as_deref(),
                TaskKind::MultiLabel => row.label.as_deref().map(|cell| label_set::rarest(cell, &counts)),
                // Scores and tags have no classes whose share could be kept.
                TaskKind::Regression | TaskKind::Tagging | TaskKind::Embedding => Some(""),
            };
            keys.add(share, (&row.text, row.pair.as_deref()), stratum);
            Ok(())
        })?;
        Ok(share.cut(&keys))
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
        path.as_ref().ok_or_else(|| {
            let or_cut = if split == Split::Dev { ", or cut it from --train with --dev-share" } else { "" };
            Error::Usage(format!("no {split} file was given; name one with --{split}{or_cut}"))
        })
    }

    /// Opens a file.
    fn open<'t>(&self, path: &'t Path) -> Result<Table<'t>> {
        let format = self.format.map_or_else(|| Format::of_path(path), Ok)?;
        check_is_file(path)?;
        // Only training rows have soft labels.
        let soft_labels = self.columns.soft_labels.clone().filter(|_| self.train.as_deref() == Some(path));
        Ok(Table {
            path,
            format,
            names: ColumnNames { soft_labels, ..self.columns.clone() },
            kind: self.kind,
        })
    }

    /// The label set: a model's that names its labels, else the training file's, else that of the rows at hand.
    fn classes(
        &self,
        table: &Table,
        model: Option<&[String]>,
        progress: &dyn Progress,
    ) -> Result<ClassLabeller> {
        let named = |model: &[String]| ClassLabeller::named(model.to_vec(), "the labels of the model".into());
        if let Some(model) = model.filter(|model| !only_counts(model)) {
            return Ok(named(model));
        }
        let origin = self.train.as_deref().unwrap_or(table.path);
        let mut labels = DistinctLabels::default();
        let training = self.open(origin)?;
        training.add_labels(&mut labels)?;
        let has_lists = labels.has_lists;
        if has_lists && self.dev.is_none() && labels.is_empty() {
            let what = "lists of soft labels do not name their labels, and no row has a gold label: give --dev with gold labels";
            return Err(Error::input(origin, what));
        }
        if let Some(dev) = self.dev.as_ref().filter(|_| has_lists) {
            // A list does not name its labels: those of the development set count too.
            self.open(dev)?.add_labels(&mut labels)?;
        }
        // The numbers of classes are those of the description, also where the file does not have all of them.
        let names = training.described_classes()?.unwrap_or_else(|| labels.sorted());
        match (&names[..], self.kind, model) {
            ([], TaskKind::MultiLabel, _) => {
                return Err(Error::input(origin, "no row has a label; at least one has to"));
            }
            ([only], TaskKind::Classification, None) => {
                let what = format!(
                    "every row has the label {only:?}; a model that classifies needs two labels at least"
                );
                return Err(Error::input(origin, what));
            }
            _ => {}
        }
        if has_lists {
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
}

/// A file whose rows can be read more than once.
struct Table<'a> {
    path: &'a Path,
    format: Format,
    names: ColumnNames,
    kind: TaskKind,
}

impl Table<'_> {
    /// Hands every row to `each`, so that the rows need not all be in memory beside what is made of them.
    fn each_row(&self, each: &mut dyn FnMut(SourceRow) -> Result<()>) -> Result<()> {
        let Self { path, names, kind, .. } = self;
        let columns = ObjectColumns { names, kind: *kind };
        match self.format {
            Format::Jsonl => jsonl(path, columns, each),
            Format::Csv => csv(path, names, each),
            Format::Tsv => tsv(path, names, each),
            Format::Parquet => parquet(path, columns, each),
            Format::Conll if *kind == TaskKind::Tagging => tags::conll(path, each),
            Format::Conll => Err(Error::Usage(format!(
                "{}: a file of words and tags is read with --tagging",
                path.display()
            ))),
        }
    }

    /// How many rows have each label, where a row may have any number of labels.
    fn label_counts(&self) -> Result<HashMap<String, usize>> {
        let mut counts = HashMap::new();
        self.each_row(&mut |row| {
            for name in label_set::names(row.label.as_deref().unwrap_or_default()) {
                match counts.get_mut(name) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(name.to_owned(), 1)),
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// The names of the classes in their order, if the file describes them.
    fn described_classes(&self) -> Result<Option<Vec<String>>> {
        match self.format {
            Format::Parquet => {
                described_classes(self.path, ObjectColumns { names: &self.names, kind: self.kind })
            }
            _ => Ok(None),
        }
    }

    /// Adds the labels (or tags) of all rows.
    fn add_labels(&self, labels: &mut DistinctLabels) -> Result<()> {
        self.each_row(&mut |row| {
            labels.add(&row, self.kind).map_err(|reason| Error::line(self.path, row.line, reason))
        })
    }
}

/// Hands text and pair of every row of a table without labels to `each`.
pub(super) fn read_inputs(
    path: &Path,
    names: ColumnNames,
    kind: TaskKind,
    each: &mut dyn FnMut(String, Option<String>),
) -> Result<()> {
    let names = ColumnNames { label: None, soft_labels: None, ..names };
    Table { path, format: Format::of_path(path)?, names, kind }.each_row(&mut |row| {
        each(row.text, row.pair);
        Ok(())
    })
}

/// Whether the name of a file says that it is a table with a text in each row.
pub(super) fn is_table_of_texts(path: &Path) -> bool {
    let format = plain_extension(path);
    matches!(format.as_deref(), Some("jsonl" | "json" | "ndjson" | "csv" | "tsv" | "parquet"))
}

/// See [`super::read_texts`].
pub(super) fn read_texts(path: &Path, column: &str, each: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    if plain_extension(path).as_deref() == Some("txt") {
        let mut lines = LineReader::open(path)?;
        let mut is_empty = true;
        while let Some((_, line)) = lines.next_line()? {
            is_empty &= line.trim().is_empty();
            each(line)?;
        }
        return if is_empty { Err(Error::input(path, "there is no text in this file")) } else { Ok(()) };
    }
    let names = ColumnNames { text: column.into(), pair: None, label: None, soft_labels: None };
    let mut is_empty = true;
    let table = Table { path, format: Format::of_path(path)?, names, kind: TaskKind::Regression };
    table.each_row(&mut |row| {
        is_empty = false;
        each(&row.text)
    })?;
    if is_empty { Err(no_examples(path)) } else { Ok(()) }
}

/// Makes sure that a file can be read more than once.
/// Makes sure that a path is that of a file, which can be read more than once.
pub(super) fn check_is_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path).map_err(Error::io(path))?.is_file() {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "{}: it is read more than once, so that it has to be a file and no pipe: write it to a file first",
            path.display()
        ))),
    }
}

#[cfg(not(feature = "parquet"))]
fn described_classes(_: &Path, _: ObjectColumns) -> Result<Option<Vec<String>>> {
    Ok(None)
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Path, _: ObjectColumns, _: &mut dyn FnMut(SourceRow) -> Result<()>) -> Result<()> {
    Err(Error::Usage(format!(
        "{}: this program was built without the feature `parquet`, which reads such files; build it with \
         `cargo build --release --features parquet`, or convert the file to JSONL",
        path.display()
    )))
}

impl Format {
    /// The format that the extension of a file's name stands for.
    fn of_path(path: &Path) -> Result<Self> {
        match plain_extension(path).as_deref() {
            Some("parquet") if Compression::of(path) != Compression::None => Err(Error::Usage(format!(
                "{}: Parquet files are compressed inside and are not read out of another compression: unpack it",
                path.display()
            ))),
            Some("jsonl" | "json" | "ndjson") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("conll" | "bio" | "iob" | "iob2") => Ok(Self::Conll),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::Usage(format!(
                "{}: cannot tell the format from the name; expected .jsonl, .csv, .tsv or .conll, or .txt for plain text, \
                 perhaps with .gz or .zst behind it, or .parquet",
                path.display()
            ))),
        }
    }
}

/// The extension that says how a file is laid out, in lower case, without that of its compression.
pub(super) fn plain_extension(path: &Path) -> Option<String> {
    Some(uncompressed_name(path).extension()?.to_str()?.to_ascii_lowercase())
}
