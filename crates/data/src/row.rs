//! The rows that every reader delivers, and how their label cells become targets.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::text::list;
use super::{label_set, soft_labels, tags};
use crate::task::{Example, Target, TaskKind};
use tinybert_base::{Error, Result};

/// One example as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SourceRow {
    /// Its line in the file, counted from 1.
    pub line: usize,
    pub text: String,
    pub pair: Option<String>,
    /// Label name, names separated by `|`, score, or tags separated by white space; `None` for an unlabelled row.
    pub label: Option<String>,
    /// Probabilities of the labels as JSON; `None` in a file without them.
    pub soft_labels: Option<String>,
}

/// Turns a row's label cell into a target.
pub(super) trait Labeller {
    /// The target of `text` by its label cell. `Err` is the reason, without file and line.
    fn target(&self, text: &str, cell: &str) -> std::result::Result<Target, String>;

    /// The target of a row with the gold answer `gold` by its cell of soft labels. `Err` is the reason.
    fn soft_target(&self, _: Target, _: &str) -> std::result::Result<Target, String> {
        Err("soft labels are probabilities of the labels of a text or pair; such answers have none".into())
    }
}

/// Applies `labeller` to every row.
pub(super) fn examples(path: &Path, rows: Vec<SourceRow>, labeller: &dyn Labeller) -> Result<Vec<Example>> {
    if rows.is_empty() {
        return Err(no_examples(path));
    }
    rows.into_iter().map(|row| example(path, row, labeller)).collect()
}

/// Applies `labeller` to a row of the file `path`.
pub(super) fn example(path: &Path, row: SourceRow, labeller: &dyn Labeller) -> Result<Example> {
    let SourceRow { line, text, pair, label, soft_labels } = row;
    let fault = |reason| Error::line(path, line, reason);
    let target = match label {
        None => Target::None,
        Some(cell) => labeller.target(&text, &cell).map_err(fault)?,
    };
    let target = match soft_labels {
        None => target,
        Some(cell) => labeller.soft_target(target, &cell).map_err(fault)?,
    };
    Ok(Example { text, pair, target })
}

/// The error for a file without rows.
pub(super) fn no_examples(path: &Path) -> Error {
    Error::input(path, "there are no examples in this file")
}

/// Reads label cells that hold scores.
pub(super) struct ScoreLabeller {
    /// Smallest and largest score there may be.
    pub range: (f32, f32),
}

impl ScoreLabeller {
    /// Any finite number.
    pub const ANY: Self = Self { range: (f32::MIN, f32::MAX) };
}

impl Labeller for ScoreLabeller {
    fn target(&self, _: &str, cell: &str) -> std::result::Result<Target, String> {
        let (low, high) = self.range;
        match cell.trim().parse::<f32>() {
            Ok(score) if (low..=high).contains(&score) => Ok(Target::Score(score)),
            Ok(score) if score.is_finite() => Err(format!("score {cell} is not between {low} and {high}")),
            _ => Err(format!("score {cell:?} is not a finite number")),
        }
    }
}

/// What to do about rows with an unknown name of a label.
const UNKNOWN_NAME: &str = "; correct it or leave such rows out of the file; if they are meant to be out of scope, name their \
                            label with --out-of-scope where the command has that option";

/// Reads label cells that hold the names or codes of classes.
pub(super) struct ClassLabeller {
    /// Names of the classes by class index.
    pub names: Vec<String>,
    /// Class index by the text of a cell.
    cells: HashMap<String, u32>,
    /// Where the names come from, for messages: `the labels of train.tsv`.
    origin: String,
    /// What to do about a text with another label.
    advice: &'static str,
}

impl ClassLabeller {
    /// Cells hold the names themselves.
    pub fn named(names: Vec<String>, origin: String) -> Self {
        let cells = names.iter().zip(0..).map(|(name, class)| (name.clone(), class)).collect();
        Self { names, cells, origin, advice: UNKNOWN_NAME }
    }

    /// Cells hold the keys of `cells`, which stand for class indices.
    pub fn coded(names: Vec<String>, cells: HashMap<String, u32>, origin: String) -> Self {
        Self { names, cells, origin, advice: "" }
    }
}

impl Labeller for ClassLabeller {
    fn target(&self, _: &str, cell: &str) -> std::result::Result<Target, String> {
        self.class(cell).map(Target::Class).map_err(|reason| format!("{reason}{}", self.advice))
    }

    fn soft_target(&self, gold: Target, cell: &str) -> std::result::Result<Target, String> {
        let gold = match gold {
            Target::Class(class) => Some(class),
            _ => None,
        };
        Ok(Target::SoftLabels { probabilities: soft_labels::probabilities(cell, self)?, gold })
    }
}

impl ClassLabeller {
    /// Adds a class behind all others, whose label has no name among those of the model.
    pub fn add_out_of_scope(&mut self, label: &str) {
        let class = self.names.len() as u32;
        self.cells.entry(label.to_owned()).or_insert(class);
    }

    /// The class that a cell (or a part of one) names. `Err` is the reason.
    pub fn class(&self, cell: &str) -> std::result::Result<u32, String> {
        self.cells.get(cell).copied().ok_or_else(|| {
            if cell.is_empty() {
                return "the label is empty; give the row a label, or leave the row out".to_owned();
            }
            let is_named = |(_, class): &(&String, &u32)| (**class as usize) < self.names.len();
            let mut known: Vec<_> = self.cells.iter().filter(is_named).collect();
            known.sort_by_key(|(_, class)| **class);
            let known: Vec<_> = known.into_iter().map(|(cell, _)| cell).collect();
            format!("label {cell:?} is unknown; {} are {}", self.origin, list(&known))
        })
    }
}

/// The distinct labels (or tags) of the rows of a file. An empty cell is not a label.
#[derive(Default)]
pub(super) struct DistinctLabels {
    names: BTreeSet<String>,
    /// True if a row has a list of soft labels, which does not name its labels.
    pub has_lists: bool,
}

impl DistinctLabels {
    /// Adds those of a row. `Err` is the reason why one of them is no label.
    pub fn add(&mut self, row: &SourceRow, kind: TaskKind) -> std::result::Result<(), String> {
        let cell = row.label.as_deref().unwrap_or_default();
        match kind {
            TaskKind::Tagging => tags::words_of_cell(cell).try_for_each(|tag| self.add_label(tag))?,
            TaskKind::MultiLabel => label_set::names(cell).try_for_each(|name| self.add_label(name))?,
            _ => self.add_label(cell)?,
        }
        if let Some(soft_labels) = &row.soft_labels {
            self.has_lists |= soft_labels::is_list(soft_labels);
            for name in soft_labels::names(soft_labels) {
                if kind == TaskKind::MultiLabel {
                    label_set::check_name(&name)?;
                }
                self.add_label(&name)?;
            }
        }
        Ok(())
    }

    /// Whether no row had a label.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn add_label(&mut self, label: &str) -> std::result::Result<(), String> {
        if !label.is_empty() && !self.names.contains(label) {
            check_label(label)?;
            self.names.insert(label.into());
        }
        Ok(())
    }

    /// The labels by value if all are whole numbers, else by name.
    pub fn sorted(self) -> Vec<String> {
        let mut labels: Vec<String> = self.names.into_iter().collect();
        if labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            labels.sort_by_key(|label| label.parse::<i64>().ok());
        }
        labels
    }
}

/// Makes sure that a new label can be printed in one line. `Err` is the reason.
pub(super) fn check_label(label: &str) -> std::result::Result<(), String> {
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match label.contains(breaks_line) {
        false => Ok(()),
        true => Err(format!("label {label:?} has a line break or a control character in it; rename it")),
    }
}

/// The notice that a model's label list only counts and that `names` take its place.
pub(super) fn by_index_notice(model: &[String], names: &[String]) -> String {
    let pairs: Vec<_> = model.iter().zip(names).map(|(model, name)| format!("{model} = {name}")).collect();
    format!("the model does not name its labels; they are taken by index: {}", list(&pairs))
}
