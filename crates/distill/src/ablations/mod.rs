//! Ablations: a table that shows what each part of the method is worth on a task.
//!
//! Every row is a complete task distillation in a folder of its own, which can be inspected, resumed and
//! repeated. All rows take the same number of optimizer steps.

mod ablation;
mod table;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use self::ablation::Ablation;
use crate::{TaskSettings, distill_task};
use tinybert_base::atomic::write_file;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_train::journal::{self, Journal};
use tinybert_train::{FineTune, Identity, Output, Summary, TaskData, fine_tune};

/// The ablations of one task: models, data and settings of all rows.
pub struct Ablations<'a> {
    /// Settings of the whole method.
    pub task: TaskSettings,
    /// Rows to run; if empty, all rows that the inputs allow.
    pub rows: Vec<Ablation>,
    /// Seeds, at least one. Each row runs once for each seed.
    pub seeds: Vec<u64>,
    /// The teacher, fine-tuned on the task.
    pub teacher: &'a Checkpoint,
    /// The student after general distillation.
    pub student: &'a Checkpoint,
    /// A student without general distillation, for [`Ablation::NoGeneral`].
    pub fresh: Option<&'a Checkpoint>,
    /// The task's own data.
    pub data: TaskData<'a>,
    /// The augmented training set, for all rows except [`Ablation::NoAugmentation`].
    pub augmented: Option<&'a Dataset>,
}

/// The result of one row for one seed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct AblationResult {
    /// The row, which says what was left out.
    pub row: Ablation,
    /// Seed of projections, head, order and dropout.
    pub seed: u64,
    /// Name of the task's primary metric.
    pub metric: String,
    /// Value of that metric on the development set, for the kept weights.
    pub dev: f64,
    /// Optimizer steps of all stages.
    pub steps: u64,
    /// Tokens without padding.
    pub tokens: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

/// The contents of `ablations.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct AblationJournal {
    identity: Identity,
    rows: Vec<AblationResult>,
}

/// Name of the table's file.
const TABLE: &str = "ablations.md";

impl Ablations<'_> {
    /// Runs every row that is missing in `out` and returns the table as Markdown, which is also written to
    /// `ablations.md` in `out`. The model of a row is the folder `ROW-SEED` in `out`.
    ///
    /// # Errors
    /// [`Error::Usage`] for rows whose inputs are missing, and for a folder that holds something else or,
    /// without [`Output::resume`], rows; [`Error::Input`] if it holds rows of other inputs; the errors of
    /// [`distill_task`].
    pub fn run(&self, out: &Output, context: &Context) -> Result<String> {
        let rows = self.chosen_rows(context)?;
        let mut journal = self.open_journal(out)?;
        let runs = rows.iter().flat_map(|&row| self.seeds.iter().map(move |&seed| (row, seed)));
        let runs: Vec<_> = runs.collect();
        for (at, &(row, seed)) in runs.iter().enumerate() {
            let folder = out.folder.join(format!("{}-{seed}", row.name()));
            let finished = journal.rows.iter().any(|run| (run.row, run.seed) == (row, seed));
            if finished && folder.exists() {
                continue;
            }
            context.progress.say(&format!("row {} of {}: {}, seed {seed}", at + 1, runs.len(), row.name()));
            journal.rows.retain(|run| (run.row, run.seed) != (row, seed));
            journal.rows.push(self.run_row(row, seed, out, folder, context)?);
            journal.write(&out.folder)?;
        }
        Ok(table::markdown(&journal.rows))
    }

    /// The rows that were asked for, or all that the inputs allow.
    fn chosen_rows(&self, context: &Context) -> Result<Vec<Ablation>> {
        if self.seeds.is_empty() {
            return Err(Error::Usage("ablations need at least one seed".into()));
        }
        if let Some((row, missing)) = self.rows.iter().find_map(|&row| Some((row, self.missing_input(row)?)))
        {
            return Err(Error::Usage(format!("row {}: it needs {missing}", row.name())));
        }
        if !self.rows.is_empty() {
            return Ok(self.rows.clone());
        }
        for row in Ablation::ALL {
            if let Some(missing) = self.missing_input(row) {
                context.progress.say(&format!("leaving out row {}: it needs {missing}", row.name()));
            }
        }
        Ok(Ablation::ALL.into_iter().filter(|&row| self.missing_input(row).is_none()).collect())
    }

    /// The input that a row needs and that was not given.
    fn missing_input(&self, row: Ablation) -> Option<&'static str> {
        match row {
            Ablation::NoPrediction if self.data.train.kind == TaskKind::Embedding => {
                Some("gold answers, which sentence embeddings do not have")
            }
            Ablation::NoGeneral if self.fresh.is_none() => {
                Some("a student without the general stage (--fresh)")
            }
            Ablation::NoAugmentation if self.augmented.is_none() => Some("augmented data (--augmented)"),
            _ => None,
        }
    }

    /// The journal in `out`, or a new one.
    fn open_journal(&self, out: &Output) -> Result<AblationJournal> {
        let new = AblationJournal { identity: self.identity()?, rows: Vec::new() };
        journal::open(out, new, "rows: give --resume to go on with them", "ablations")
    }

    /// Everything that the rows depend on, except their own names and seeds.
    fn identity(&self) -> Result<Identity> {
        let mut inputs = self.teacher.hashes()?;
        inputs.extend(self.student.hashes()?);
        if let Some(fresh) = self.fresh {
            inputs.extend(fresh.hashes()?);
        }
        let record = RunRecord::new("ablations", json!(self.task), self.task.seed, inputs);
        let identity = self.data.identity(&record);
        Ok(match self.augmented {
            Some(augmented) => identity.with_digest("augmented examples", augmented.digest()),
            None => identity,
        })
    }

    /// Runs one row for one seed.
    fn run_row(
        &self,
        row: Ablation,
        seed: u64,
        out: &Output,
        folder: PathBuf,
        context: &Context,
    ) -> Result<AblationResult> {
        let settings = TaskSettings { seed, ..row.settings(&self.task) };
        let student = match self.fresh {
            Some(fresh) if row == Ablation::NoGeneral => fresh,
            _ => self.student,
        };
        let repeated;
        let mut data = self.data;
        match self.augmented {
            Some(augmented) if row != Ablation::NoAugmentation => data.train = augmented,
            Some(augmented) => {
                repeated = data.train.repeated(augmented.examples.len());
                data.train = &repeated;
            }
            None => {}
        }
        if row != Ablation::NoPrediction {
            let report = distill_task(&settings, self.teacher, student, &data, out.nested(folder)?, context)?;
            let stages = [report.intermediate, report.prediction];
            return Ok(result(row, seed, &report.dev, &stages));
        }
        let fine_tuning = fine_tuning(&TaskSettings { seed, ..self.task.clone() });
        if settings.intermediate.epochs == 0 {
            let report = fine_tune(&fine_tuning, student, &data, out.nested(folder)?, context)?;
            return Ok(result(row, seed, &report.dev, &[Some(report.training)]));
        }
        let intermediate = folder.with_extension("intermediate");
        if !intermediate.exists() {
            let output = out.nested(intermediate.clone())?;
            distill_task(&settings, self.teacher, student, &data, output, context)?;
        }
        let intermediate_summary = summary_of_intermediate(&intermediate)?;
        let report =
            fine_tune(&fine_tuning, &Checkpoint::load(&intermediate)?, &data, out.nested(folder)?, context)?;
        Ok(result(row, seed, &report.dev, &[intermediate_summary, Some(report.training)]))
    }
}

/// Fine-tuning on gold labels with the recipe of `task`'s prediction stage.
fn fine_tuning(task: &TaskSettings) -> FineTune {
    FineTune {
        recipe: task.recipe(&task.prediction),
        max_tokens: task.max_tokens,
        evaluations_per_epoch: task.evaluations_per_epoch,
        patience: task.patience,
        class_weights: task.class_weights.clone(),
        ..FineTune::default()
    }
}

/// The summary of the intermediate stage of the run that wrote `folder`.
fn summary_of_intermediate(folder: &Path) -> Result<Option<Summary>> {
    let record = RunRecord::read(folder)?;
    Ok(serde_json::from_value(record.metrics["intermediate"].clone()).ok())
}

/// The result of a row: the metric of its kept weights, and the sums over its stages.
fn result(row: Ablation, seed: u64, dev: &Metrics, stages: &[Option<Summary>]) -> AblationResult {
    let stages = stages.iter().flatten();
    AblationResult {
        row,
        seed,
        metric: dev.primary.clone(),
        dev: dev.primary(),
        steps: stages.clone().map(|stage| stage.steps).sum(),
        tokens: stages.clone().map(|stage| stage.tokens).sum(),
        seconds: stages.map(|stage| stage.seconds).sum(),
    }
}

impl Journal for AblationJournal {
    const FILE: &'static str = "ablations.json";

    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Writes the journal and the table.
    fn write(&self, folder: &Path) -> Result<()> {
        journal::save(self, folder)?;
        write_file(&folder.join(TABLE), table::markdown(&self.rows).as_bytes())
    }
}
