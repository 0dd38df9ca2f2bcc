//! Fine-tuning: a task head and its encoder on labelled data.

use std::num::NonZeroU64;

use serde_json::json;

use super::gold::{ClassWeighting, GoldAnswers};
use super::session::{Losses, MicroBatch, SessionConfig, SessionLength};
use super::{ModelDescription, Output, RateSearch, Recipe, Summary, TaskData, TrainingRun, Trial};
use tinybert_base::{Context, Error, Result};
use tinybert_data::Batch;
use tinybert_data::metrics::Metrics;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::{Checkpoint, Head, Pooling, RunRecord, Tensors, names};
use tinybert_nn::{TaskModel, init_parameters};

/// Settings of [`fine_tune`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FineTune {
    /// Epochs, batches, learning rate, optimizer and seed.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Ends the run, and its schedule, after so many steps if that is earlier than the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Longest input in tokens; longer text is cut.
    pub max_tokens: usize,
    /// Evaluations on the development set per epoch. The best evaluated weights are kept.
    pub evaluations_per_epoch: usize,
    /// Ends training after so many evaluations in a row of which none is better than the best one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<NonZeroU64>,
    /// Weights of the classes in the loss; `None` if all have the same weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeighting>,
}

impl Default for FineTune {
    fn default() -> Self {
        Self {
            recipe: Recipe::default(),
            max_steps: None,
            max_tokens: 128,
            evaluations_per_epoch: 1,
            patience: None,
            class_weights: None,
        }
    }
}

/// The result of fine-tuning.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FineTuneReport {
    /// Metrics of the kept weights on the development set.
    pub dev: Metrics,
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Trains `model` on `data.train`, keeps the weights that are best on `data.dev`, and writes them to `out`.
///
/// A head with the same labels continues to be trained; any other head is replaced by a fresh one.
///
/// # Errors
/// [`Error::Usage`] for impossible settings; [`Error::Input`] for data that do not fit together;
/// [`Error::Diverged`]; [`Error::Interrupted`] after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn fine_tune(
    settings: &FineTune,
    model: &Checkpoint,
    data: &TaskData,
    out: impl Into<Output>,
    context: &Context,
) -> Result<FineTuneReport> {
    let recipe = &settings.recipe;
    recipe.check()?;
    model.check_max_tokens(settings.max_tokens)?;
    if recipe.epochs == 0 || settings.evaluations_per_epoch == 0 {
        return Err(Error::Usage("fine-tuning needs at least one epoch and one evaluation per epoch".into()));
    }
    let head = head_of(data.train);
    if matches!(head, Head::Embedding { .. }) {
        let what =
            "sentence embeddings have no gold answers to fine-tune on: distil them from a sentence encoder";
        return Err(Error::Usage(what.into()));
    }
    data.check()?;
    data.warn(context);
    if TaskKind::of_head(&model.head).is_some() && !model.head.same_but_thresholds(&head) {
        context.progress.say(&format!(
            "{}: its trained head ({}) is replaced by a fresh one ({}), because the data ask for other answers",
            model.folder.display(),
            model.head.kind(),
            head.kind()
        ));
    }
    data.train.check_labelled()?;
    let gold = GoldAnswers::new(data.train, settings.class_weights.as_ref())?;
    let mut record = RunRecord::new("fine-tune", json!(settings), recipe.seed, model.hashes()?);
    record.inputs.extend(data.hashes()?);

    let text = &model.text;
    let judge = Judge::new(text, data.dev, data.metrics, settings.max_tokens)?;
    let set = encode_to_learn(text, data.train, settings.max_tokens)?;
    let description = ModelDescription { config: &model.config, head: &head, text, record: &record };
    let initial = || with_head(model, &head, recipe.seed);
    let mut run = TrainingRun::open(description, data.identity(&record), &out.into(), context, initial)?;
    let task_model = TaskModel::trainable(&model.config, &head, &run.trainee().parameters)?;
    let mut selection = run.selection(&judge)?;
    let config = SessionConfig {
        name: "fine-tune",
        recipe: recipe.clone(),
        length: SessionLength::in_steps(recipe, &set, settings.max_steps),
        evaluations_per_epoch: settings.evaluations_per_epoch,
        patience: settings.patience,
        sparsity: None,
    };
    let learned = run.trainee().parameters_where(|_| true);
    let losses = |micro: &MicroBatch| {
        let (output, logits) = task_model.forward(micro.batch, micro.mode)?;
        let loss = gold.loss(&logits, micro.batch, &set)?;
        let total = (loss * micro.share(Batch::answers))?;
        Ok(Losses { total, tape: output.tape, parts: Vec::new() })
    };
    let training = run.train(config, &set, learned, losses, Some(&mut selection))?;
    let best = selection.into_best()?;
    let report = FineTuneReport { dev: best.metrics.clone(), training };
    run.finish_best(&best, &report)?;
    Ok(report)
}

/// Searches the learning rate in so many trials, and then runs [`fine_tune`] with the best one: the run that this rate
/// would give by itself, bit for bit.
///
/// # Errors
/// Returns the errors of [`fine_tune`] and of [`RateSearch::run`].
pub fn fine_tune_at_best_rate(
    trials: usize,
    settings: &FineTune,
    model: &Checkpoint,
    data: &TaskData,
    out: &Output,
    context: &Context,
) -> Result<(FineTuneReport, Vec<Trial>)> {
    let recipe = &settings.recipe;
    recipe.check()?;
    let recorded = json!({ "trials": trials, "settings": settings });
    let mut record = RunRecord::new("fine-tune --tune", recorded, recipe.seed, model.hashes()?);
    record.inputs.extend(data.hashes()?);
    let all = recipe.steps(data.train.examples.len());
    let search = RateSearch {
        trials,
        learning_rate: recipe.learning_rate,
        steps: settings.max_steps.map_or(all, |limit| limit.min(all)),
        time_limit: recipe.time_limit,
        identity: data.identity(&record),
        out,
        context,
    };
    let at =
        |learning_rate| FineTune { recipe: Recipe { learning_rate, ..recipe.clone() }, ..settings.clone() };
    let tuned = search.run(|learning_rate, steps, trial| {
        let settings = FineTune { max_steps: Some(steps), ..at(learning_rate) };
        Ok(fine_tune(&settings, model, data, trial, context)?.dev.primary())
    })?;
    let report = fine_tune(&at(tuned.learning_rate), model, data, tuned.output(out)?, context)?;
    Ok((report, tuned.trials))
}

/// The head that answers what a data set asks. An embedding head has 0 dimensions here, because the data do
/// not say how many it has.
pub fn head_of(data: &Dataset) -> Head {
    match data.kind {
        TaskKind::Classification => Head::Classification { labels: data.labels.clone() },
        TaskKind::MultiLabel => Head::multi_label(data.labels.clone()),
        TaskKind::Regression => Head::Regression,
        TaskKind::Tagging => Head::TokenClassification { labels: data.labels.clone() },
        TaskKind::Embedding => {
            let (pooling, prompt) = (Pooling::Mean, String::new());
            Head::Embedding { dimensions: 0, projected: true, pooling, normalized: true, prompt }
        }
    }
}

/// The tensors of `model` with `head` on top: the model's own tensors, and fresh ones where the model has
/// none. The model's classifier is kept only if it answers the same labels.
///
/// # Errors
/// An internal error of the tensor engine.
pub fn with_head(model: &Checkpoint, head: &Head, seed: u64) -> Result<Tensors> {
    let mut tensors = init_parameters(&model.config, head, seed)?;
    for (name, tensor) in &mut tensors {
        if let Some(found) = model.tensors.get(name)
            && (name.starts_with(names::ENCODER) || model.head.same_but_thresholds(head))
        {
            *tensor = found.clone();
        }
    }
    Ok(tensors)
}
