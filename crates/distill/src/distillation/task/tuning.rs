//! Task distillation with the best of several learning rates of the prediction stage.

use serde_json::json;

use super::{StageRecipe, TaskReport, TaskSettings, Teacher, distill_task};
use tinybert_base::{Context, Error, Result};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_train::{Output, RateSearch, TaskData, TimeLimit, Trial};

/// Searches the learning rate of the prediction stage in so many trials, and then runs [`distill_task`] with the best
/// one. The intermediate stage runs once for all trials, and once more in the final run, which is the run that the
/// chosen rate would give by itself, bit for bit.
///
/// # Errors
/// Returns the errors of [`distill_task`] and of [`RateSearch::run`].
pub fn distill_task_at_best_rate(
    trials: usize,
    settings: &TaskSettings,
    teacher: Teacher,
    student: &Checkpoint,
    data: &TaskData,
    out: &Output,
    context: &Context,
) -> Result<(TaskReport, Vec<Trial>)> {
    settings.check()?;
    if settings.prediction.epochs == 0 {
        return Err(Error::Usage(
            "the learning rate of the prediction stage is searched: give it epochs".into(),
        ));
    }
    let models = match teacher {
        Teacher::Model(teacher) => vec![teacher, student],
        Teacher::SoftLabels => vec![student],
    };
    let mut inputs = models.into_iter().map(Checkpoint::hashes).collect::<Result<Vec<_>>>()?.concat();
    inputs.extend(data.hashes()?);
    let recorded = json!({ "trials": trials, "settings": settings });
    let record = RunRecord::new("distill --stage task --tune", recorded, settings.seed, inputs);
    let limit = |stage: &StageRecipe| stage.time_limit.max_minutes;
    let search = RateSearch {
        trials,
        learning_rate: settings.prediction.learning_rate,
        steps: settings.prediction_steps(data.train.examples.len()),
        time_limit: TimeLimit { max_minutes: limit(&settings.intermediate).or(limit(&settings.prediction)) },
        identity: data.identity(&record),
        out,
        context,
    };
    let at = |learning_rate| TaskSettings {
        prediction: StageRecipe { learning_rate, ..settings.prediction.clone() },
        ..settings.clone()
    };
    let mut start = None;
    let tuned = search.run(|learning_rate, steps, trial| {
        let start = match &mut start {
            Some(start) => start,
            none => none.insert(after_intermediate(settings, teacher, student, data, out, context)?),
        };
        let settings = TaskSettings {
            intermediate: StageRecipe { epochs: 0, ..settings.intermediate.clone() },
            max_steps: Some(steps),
            ..at(learning_rate)
        };
        let start = start.as_ref().unwrap_or(student);
        Ok(distill_task(&settings, teacher, start, data, trial, context)?.dev.primary())
    })?;
    let report = distill_task(&at(tuned.learning_rate), teacher, student, data, tuned.output(out)?, context)?;
    Ok((report, tuned.trials))
}

/// The student after the intermediate stage, in a folder of its own in `OUT.run`; `None` without that stage.
fn after_intermediate(
    settings: &TaskSettings,
    teacher: Teacher,
    student: &Checkpoint,
    data: &TaskData,
    out: &Output,
    context: &Context,
) -> Result<Option<Checkpoint>> {
    if settings.intermediate.epochs == 0 {
        return Ok(None);
    }
    let folder = out.run_folder()?.join("intermediate");
    if !folder.exists() {
        // Gold labels and new zeros belong to the prediction stage.
        let settings = TaskSettings {
            prediction: StageRecipe { epochs: 0, ..settings.prediction.clone() },
            gold_weight: 0.0,
            class_weights: None,
            sparsity: settings.sparsity.filter(|sparsity| sparsity.share == 0.0),
            ..settings.clone()
        };
        distill_task(&settings, teacher, student, data, out.nested(folder.clone())?, context)?;
    }
    Checkpoint::load(&folder).map(Some)
}
