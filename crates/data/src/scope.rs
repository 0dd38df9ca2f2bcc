//! Data that also have texts which belong to none of the labels that a model answers with.

use crate::dev_share::DevShare;
use crate::spec::{DataSpec, Source, Split};
use crate::task::{Dataset, Example, Target, TaskKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};

/// Labelled examples, of which some are out of scope: their label stands for everything that is none of the other
/// labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopedDataset {
    /// The examples whose label the model has.
    pub labelled: Dataset,
    /// The examples that are out of scope, if the model does not have their label; their targets are [`Target::None`].
    /// May be empty.
    pub unknown: Dataset,
    /// The index of the label of what is out of scope, if the model has it. Examples with it are among the labelled
    /// ones.
    pub class: Option<u32>,
    /// The name of that label, if there is one.
    pub out_of_scope: Option<String>,
}

impl ScopedDataset {
    /// Examples none of which is out of scope.
    pub fn all_in_scope(labelled: Dataset) -> Self {
        let unknown = labelled.with(std::iter::empty());
        Self { labelled, unknown, class: None, out_of_scope: None }
    }

    /// Cuts the examples in two, those that stay and those that are cut off, as [`DevShare::split`] does: what is
    /// unknown has its share too, and examples of the same text stay together.
    pub fn split(&self, share: DevShare) -> (Self, Self) {
        let Self { labelled, unknown, class, out_of_scope } = self;
        let all = labelled.with(labelled.examples.iter().chain(&unknown.examples));
        let is_unknown = |example: &&Example| !unknown.examples.is_empty() && example.target == Target::None;
        let scoped = |part: Dataset| Self {
            labelled: part.with(part.examples.iter().filter(|example| !is_unknown(example))),
            unknown: part.with(part.examples.iter().filter(is_unknown)),
            class: *class,
            out_of_scope: out_of_scope.clone(),
        };
        let (stay, off) = share.split(&all);
        (scoped(stay), scoped(off))
    }

    /// Makes sure that a threshold can be chosen by the examples that are out of scope.
    ///
    /// # Errors
    /// [`Error::Input`] if there are none.
    pub fn check_out_of_scope(&self) -> Result<()> {
        let in_scope = |example: &Example| self.is_in_scope(&example.target);
        if self.unknown.examples.is_empty() && self.labelled.examples.iter().all(in_scope) {
            return Err(Error::Input(format!(
                "--out-of-scope {}: no row of the development set has this label, so that nothing can be fitted to it",
                self.out_of_scope.as_deref().unwrap_or_default()
            )));
        }
        Ok(())
    }

    /// Makes sure that the label of what is out of scope, by which the examples of a split were read, means something.
    ///
    /// # Errors
    /// [`Error::Input`] if neither the model nor an example has it.
    pub fn check_out_of_scope_label(&self, split: Split) -> Result<()> {
        if let Some(out_of_scope) = &self.out_of_scope
            && self.class.is_none()
            && self.unknown.examples.is_empty()
        {
            return Err(Error::Input(format!(
                "--out-of-scope {out_of_scope:?}: neither the model nor a row of the {split} data has this label"
            )));
        }
        Ok(())
    }

    /// Whether a labelled example is in scope.
    pub fn is_in_scope(&self, target: &Target) -> bool {
        self.class.is_none_or(|class| target.classes() != [class])
    }
}

/// Reads one split of the data of a model with labels, whose rows with the label `out_of_scope` are out of scope.
///
/// # Errors
/// Returns the errors of [`load`](crate::load). [`Error::Usage`] for data without one label per text, and for a GLUE
/// task, whose labels are known, if the model does not have the label; [`Error::Input`] if no row is in scope.
pub fn load_scoped(
    spec: &DataSpec,
    split: Split,
    out_of_scope: &str,
    progress: &dyn Progress,
) -> Result<ScopedDataset> {
    if spec.kind() != TaskKind::Classification {
        return Err(Error::Usage(format!(
            "--out-of-scope {out_of_scope}: a label can be out of scope where a text has one label"
        )));
    }
    if let Some(class) = spec.labels.iter().flatten().position(|label| label == out_of_scope) {
        let labelled = crate::load(spec, split, progress)?;
        let (class, out_of_scope) = (Some(class as u32), Some(out_of_scope.to_owned()));
        return Ok(ScopedDataset { class, out_of_scope, ..ScopedDataset::all_in_scope(labelled) });
    }
    let mut labelled = match &spec.source {
        Source::Glue { task, .. } => {
            return Err(Error::Usage(format!(
                "--out-of-scope {out_of_scope}: neither the model nor {} has this label",
                task.name()
            )));
        }
        Source::Table(files) => files.load(split, spec.labels.as_deref(), Some(out_of_scope), progress)?,
    };
    let class = labelled.labels.len() as u32;
    let all = std::mem::take(&mut labelled.examples);
    let (mut unknown, examples): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|example| example.target == Target::Class(class));
    unknown.iter_mut().for_each(|example| example.target = Target::None);
    labelled.examples = examples;
    if labelled.examples.is_empty() {
        return Err(Error::Input(format!(
            "all rows of the {split} data have the label {out_of_scope:?}, which is out of scope"
        )));
    }
    let unknown = labelled.with(unknown.iter());
    Ok(ScopedDataset { labelled, unknown, class: None, out_of_scope: Some(out_of_scope.to_owned()) })
}
