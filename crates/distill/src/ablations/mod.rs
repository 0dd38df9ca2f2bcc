//! Ablations: what each part of the method is worth on a task, as one table.
//!
//! Every row is a complete task distillation in a folder of its own, which can be looked at, resumed and repeated.
//! All rows take the same number of optimizer steps.

mod row;
mod table;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use self::row::Row;
use crate::TaskSettings;
use tinybert_base::Context;
use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_train::journal::{self, Journal};
use tinybert_train::session::Summary;
use tinybert_train::{FineTune, Identity, Output, TaskData, fine_tune};

/// What is left out in turn, and of what.
pub struct Ablations<'a> {
    /// Settings of the whole method.
    pub task: TaskSettings,
    /// Rows to run; all that the inputs allow if none are named.
    pub rows: Vec<Row>,
    /// Each row runs once for each; not empty.
    pub seeds: Vec<u64>,
    /// Fine-tuned on the task.
    pub teacher: &'a Checkpoint,
    /// Has seen the general stage.
    pub student: &'a Checkpoint,
    /// Has not; for [`Row::NoGeneral`].
    pub fresh: Option<&'a Checkpoint>,
    /// The task's own data.
    pub data: TaskData<'a>,
    /// The training set with its variants, for all rows but [`Row::NoAugmentation`].
    pub augmented: Option<&'a Dataset>,
}

/// One distillation of the table.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finished {
    /// What was left out.
    pub row: Row,
    /// Seed of projections, head, order and dropout.
    pub seed: u64,
    /// Name of the task's primary metric.
    pub metric: String,
    /// Its value on the development set, of the weights that were kept.
    pub dev: f64,
    /// Optimizer steps of all stages.
    pub steps: u64,
    /// Tokens without padding.
    pub tokens: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

/// Contents of `ablations.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Rows {
    identity: Identity,
    rows: Vec<Finished>,
}

/// Name of the table there.
const TABLE: &str = "ablations.md";

impl Ablations<'_> {
    /// Runs every row that `out` does not have yet and gives the table, which is `ablations.md` there too. A row's model is
    /// the folder `ROW-SEED` in `out`.
    ///
    /// # Errors
    /// [`Error::Usage`] for rows whose inputs are missing, and for a folder that holds something else or, without
    /// [`Output::resume`], rows; [`Error::Input`] if it holds rows of other inputs; those of [`crate::task`].
    pub fn run(&self, out: &Output, context: &Context) -> Result<String> {
        let rows = self.chosen_rows(context)?;
        let mut journal = self.open(out)?;
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
            journal.rows.push(self.distil(row, seed, out, folder, context)?);
            journal.write(&out.folder)?;
        }
        Ok(table::markdown(&journal.rows))
    }

    /// The rows asked for, or all that can be.
    fn chosen_rows(&self, context: &Context) -> Result<Vec<Row>> {
        if self.seeds.is_empty() {
            return Err(Error::Usage("ablations need at least one seed".into()));
        }
        if let Some((row, missing)) = self.rows.iter().find_map(|&row| Some((row, self.missing(row)?))) {
            return Err(Error::Usage(format!("row {}: it needs {missing}", row.name())));
        }
        if !self.rows.is_empty() {
            return Ok(self.rows.clone());
        }
        for row in Row::ALL {
            if let Some(missing) = self.missing(row) {
                context.progress.say(&format!("leaving out row {}: it needs {missing}", row.name()));
            }
        }
        Ok(Row::ALL.into_iter().filter(|&row| self.missing(row).is_none()).collect())
    }

    /// What a row needs and was not given.
    fn missing(&self, row: Row) -> Option<&'static str> {
        match row {
            Row::NoPrediction if self.data.train.kind == TaskKind::Embedding => {
                Some("gold answers, which sentence embeddings do not have")
            }
            Row::NoGeneral if self.fresh.is_none() => Some("a student without the general stage (--fresh)"),
            Row::NoAugmentation if self.augmented.is_none() => Some("augmented data (--augmented)"),
            _ => None,
        }
    }

    /// The journal in `out`, or a new one.
    fn open(&self, out: &Output) -> Result<Rows> {
        let new = Rows { identity: self.identity()?, rows: Vec::new() };
        journal::open(out, new, "rows: give --resume to go on with them", "ablations")
    }

    /// All that the rows depend on but their own names and seeds.
    fn identity(&self) -> Result<Identity> {
        let mut inputs = self.teacher.hashes()?;
        inputs.extend(self.student.hashes()?);
        if let Some(fresh) = self.fresh {
            inputs.extend(fresh.hashes()?);
        }
        let record = RunRecord {
            command: "ablations".into(),
            settings: json!(self.task),
            seed: self.task.seed,
            inputs,
            metrics: json!(null),
        };
        let identity = self.data.identity(&record);
        Ok(match self.augmented {
            Some(augmented) => identity.with_digest("augmented examples", augmented.digest()),
            None => identity,
        })
    }

    /// One row for one seed.
    fn distil(
        &self,
        row: Row,
        seed: u64,
        out: &Output,
        folder: PathBuf,
        context: &Context,
    ) -> Result<Finished> {
        let settings = TaskSettings { seed, ..row.settings(&self.task) };
        let student = match self.fresh {
            Some(fresh) if row == Row::NoGeneral => fresh,
            _ => self.student,
        };
        let repeated;
        let mut data = self.data;
        match self.augmented {
            Some(augmented) if row != Row::NoAugmentation => data.train = augmented,
            Some(augmented) => {
                repeated = data.train.repeated(augmented.examples.len());
                data.train = &repeated;
            }
            None => {}
        }
        let output = |folder: PathBuf| {
            let output = Output { folder, teacher_cache: Some(out.teacher_cache()), ..out.clone() };
            let resume = output.can_resume()?;
            Ok::<_, Error>(Output { resume, ..output })
        };
        if row != Row::NoPrediction {
            let report = crate::task(&settings, self.teacher, student, &data, output(folder)?, context)?;
            let stages = [report.intermediate, report.prediction];
            return Ok(finished(row, seed, &report.dev, &stages));
        }
        let gold = gold(&TaskSettings { seed, ..self.task.clone() });
        if settings.intermediate.epochs == 0 {
            let report = fine_tune(&gold, student, &data, output(folder)?, context)?;
            return Ok(finished(row, seed, &report.dev, &[Some(report.training)]));
        }
        let taught = folder.with_extension("intermediate");
        if !taught.exists() {
            crate::task(&settings, self.teacher, student, &data, output(taught.clone())?, context)?;
        }
        let transferred = intermediate_of(&taught)?;
        let report = fine_tune(&gold, &Checkpoint::load(&taught)?, &data, output(folder)?, context)?;
        Ok(finished(row, seed, &report.dev, &[transferred, Some(report.training)]))
    }
}

/// The prediction stage of `task`, on gold labels.
fn gold(task: &TaskSettings) -> FineTune {
    let stage = &task.prediction;
    FineTune {
        epochs: stage.epochs,
        batch_size: stage.batch_size,
        micro_batch: stage.micro_batch,
        max_tokens: task.max_tokens,
        learning_rate: stage.learning_rate,
        schedule: stage.schedule,
        optimizer: task.optimizer,
        evaluations_per_epoch: task.evaluations_per_epoch,
        seed: task.seed,
        budget: stage.budget,
    }
}

/// What the intermediate stage of the run that wrote `folder` did.
fn intermediate_of(folder: &Path) -> Result<Option<Summary>> {
    let record = RunRecord::read(folder)?;
    Ok(serde_json::from_value(record.metrics["intermediate"].clone()).ok())
}

fn finished(row: Row, seed: u64, dev: &Metrics, stages: &[Option<Summary>]) -> Finished {
    let stages = stages.iter().flatten();
    Finished {
        row,
        seed,
        metric: dev.primary.into(),
        dev: dev.primary(),
        steps: stages.clone().map(|stage| stage.steps).sum(),
        tokens: stages.clone().map(|stage| stage.tokens).sum(),
        seconds: stages.map(|stage| stage.seconds).sum(),
    }
}

impl Journal for Rows {
    const FILE: &'static str = "ablations.json";

    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// With the table.
    fn write(&self, folder: &Path) -> Result<()> {
        journal::save(self, folder)?;
        write_file(&folder.join(TABLE), table::markdown(&self.rows).as_bytes())
    }
}
