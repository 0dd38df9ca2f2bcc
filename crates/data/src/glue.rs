//! GLUE's official TSV layouts. A double quote is an ordinary character in all of them.

use std::path::{Path, PathBuf};

use super::row::{ClassLabeller, Labeller, ScoreLabeller, SourceRow, by_index_notice, examples};
use super::spec::{ColumnNames, GlueTask, Split};
use super::text::{LineReader, list};
use crate::task::{Dataset, TaskKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};
use tinybert_model::only_counts;

/// Columns of a task by the names in its files' headers.
struct GlueLayout {
    text: &'static str,
    pair: Option<&'static str>,
    label: &'static str,
    /// The cells of the label column, by class index; empty for scores.
    cells: &'static [&'static str],
}

const BINARY: &[&str] = &["0", "1"];

fn layout(task: GlueTask) -> GlueLayout {
    let pair = |text, pair, label, cells| GlueLayout { text, pair: Some(pair), label, cells };
    match task {
        GlueTask::Sst2 => GlueLayout { text: "sentence", pair: None, label: "label", cells: BINARY },
        GlueTask::Cola => GlueLayout { text: "sentence", pair: None, label: "label", cells: BINARY },
        GlueTask::Rte => pair("sentence1", "sentence2", "label", task.labels()),
        GlueTask::Stsb => pair("sentence1", "sentence2", "score", &[]),
        GlueTask::Mrpc => pair("#1 String", "#2 String", "Quality", BINARY),
        GlueTask::Mnli => pair("sentence1", "sentence2", "gold_label", task.labels()),
        GlueTask::Qqp => pair("question1", "question2", "is_duplicate", BINARY),
        GlueTask::Qnli => pair("question", "sentence", "label", task.labels()),
    }
}

/// The one layout without a header: CoLA's train and dev.
const COLA_COLUMNS: &[&str] = &["source", "label", "mark", "sentence"];

fn file_name(task: GlueTask, split: Split) -> Result<&'static str> {
    Ok(match (task, split) {
        (_, Split::Train) => "train.tsv",
        (GlueTask::Mnli, Split::Dev) => "dev_matched.tsv",
        (GlueTask::Mnli, Split::Test) => "test_matched.tsv",
        (GlueTask::Mnli, Split::DevMismatched) => "dev_mismatched.tsv",
        (GlueTask::Mnli, Split::TestMismatched) => "test_mismatched.tsv",
        (_, Split::Dev) => "dev.tsv",
        (_, Split::Test) => "test.tsv",
        (_, Split::DevMismatched | Split::TestMismatched) => {
            return Err(Error::Usage(format!("{} has no {split} split; only mnli has", task.name())));
        }
    })
}

/// Reads one split of a task; see [`super::load`].
pub(super) fn load(
    task: GlueTask,
    folder: &Path,
    split: Split,
    model: Option<&[String]>,
    progress: &dyn Progress,
) -> Result<Dataset> {
    let (path, rows) = read(task, folder, split, progress)?;
    let (labeller, labels): (Box<dyn Labeller>, _) = match task.kind() {
        TaskKind::Regression => (Box::new(ScoreLabeller { range: (0.0, 5.0) }), Vec::new()),
        _ => {
            let classes = classes(task, model, progress)?;
            let names = classes.names.clone();
            (Box::new(classes), names)
        }
    };
    let examples = examples(&path, rows, &*labeller)?;
    Ok(Dataset { examples, labels, kind: task.kind(), sources: vec![path] })
}

/// The rows of one split, and its file.
pub(super) fn read(
    task: GlueTask,
    folder: &Path,
    split: Split,
    progress: &dyn Progress,
) -> Result<(PathBuf, Vec<SourceRow>)> {
    let path = folder.join(file_name(task, split)?);
    let rows = rows(task, &path, split, progress)?;
    Ok((path, rows))
}

/// The columns of a task by their names in the header.
pub(super) fn columns(task: GlueTask) -> ColumnNames {
    let GlueLayout { text, pair, label, .. } = layout(task);
    ColumnNames {
        text: text.into(),
        pair: pair.map(String::from),
        label: Some(label.into()),
        soft_labels: None,
    }
}

/// The class index that each label cell of a task stands for, in a model's own order if it has one.
fn classes(task: GlueTask, model: Option<&[String]>, progress: &dyn Progress) -> Result<ClassLabeller> {
    let names: Vec<String> = task.labels().iter().map(|&name| name.into()).collect();
    let origin = format!("the labels of {}", task.name());
    let coded = |order: Vec<String>, indices: Vec<u32>| {
        let cells = layout(task).cells.iter().map(|&cell| cell.into()).zip(indices).collect();
        ClassLabeller::coded(order, cells, origin)
    };
    let by_index = (0..names.len() as u32).collect();
    let Some(model) = model else { return Ok(coded(names, by_index)) };

    // No two names of a task differ in case alone, but models spell them both ways.
    let index = |name: &String| model.iter().position(|known| known.eq_ignore_ascii_case(name));
    let by_name: Option<Vec<u32>> = names.iter().map(|name| index(name).map(|class| class as u32)).collect();
    match by_name {
        Some(by_name) => Ok(coded(model.to_vec(), by_name)),
        None if only_counts(model) && model.len() == names.len() => {
            progress.say(&by_index_notice(model, &names));
            Ok(coded(names, by_index))
        }
        None => Err(Error::Input(format!(
            "the model answers with {}, but {} needs {}; give its folder labels of these names in id2label",
            list(model),
            task.name(),
            list(&names)
        ))),
    }
}

/// Splits a file into rows by its header.
fn rows(task: GlueTask, path: &Path, split: Split, progress: &dyn Progress) -> Result<Vec<SourceRow>> {
    let layout = layout(task);
    let mut lines = LineReader::open(path)?;
    let Some((_, first)) = lines.next_line()? else { return Err(Error::input(path, "the file is empty")) };
    let first = first.to_owned();
    let headerless = task == GlueTask::Cola && first.split('\t').all(|column| column != layout.text);
    let columns: Vec<&str> = if headerless { COLA_COLUMNS.to_vec() } else { first.split('\t').collect() };
    let find = |name: &str| columns.iter().position(|&column| column == name);
    let need = |name: &str| {
        find(name).ok_or_else(|| {
            let shape = format!("the {split} split of {} needs a column {name:?}", task.name());
            Error::line(path, 1, format!("{shape}; the header has {}", list(&columns)))
        })
    };
    let text = need(layout.text)?;
    let pair = layout.pair.map(need).transpose()?;
    // Official test splits have no labels.
    let label = match split {
        Split::Test | Split::TestMismatched => find(layout.label),
        _ => Some(need(layout.label)?),
    };

    let mut rows = Vec::new();
    let mut broken = Vec::new();
    let mut unread = headerless.then_some((1, first.as_str()));
    while let Some((line, row)) = match unread.take() {
        Some(first) => Some(first),
        None => lines.next_line()?,
    } {
        let cells: Vec<&str> = row.split('\t').collect();
        if cells.len() != columns.len() {
            // Quora's questions hold line breaks, which cut some rows of the official files in pieces.
            if task == GlueTask::Qqp {
                broken.push(line.to_string());
                continue;
            }
            let (want, have) = (columns.len(), cells.len());
            return Err(Error::line(
                path,
                line,
                format!("expected {want} tab-separated columns, found {have}"),
            ));
        }
        let cell = |column: usize| cells[column].to_string();
        rows.push(SourceRow {
            line,
            text: cell(text),
            pair: pair.map(cell),
            label: label.map(cell),
            soft_labels: None,
        });
    }
    if !broken.is_empty() {
        let (path, lines) = (path.display(), list(&broken));
        progress.say(&format!(
            "{path}: left out {} lines that are not {} columns: {lines}",
            broken.len(),
            columns.len()
        ));
    }
    Ok(rows)
}
