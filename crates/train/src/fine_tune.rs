//! Fine-tuning: a task head and its encoder on labelled data.

use candle_core::Tensor;
use serde_json::json;

use super::epochs::Epochs;
use super::optimizer::OptimizerSettings;
use super::schedule::Schedule;
use super::selection::Selection;
use super::session::{Budget, Length, Losses, Plan, Session, Summary};
use super::work::WorkFolder;
use super::{Output, StepSettings, TaskData, Trainee};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::task::{Dataset, Target, TaskKind};
use tinybert_data::{Batch, EncodedSet};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::{Checkpoint, Head, RunRecord, Tensors, names};
use tinybert_nn::{Parameters, TaskModel, init_parameters, on_device};

/// Settings of [`fine_tune`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineTune {
    /// Passes over the training data.
    pub epochs: u64,
    /// Examples per step.
    pub batch_size: usize,
    /// Examples per forward and backward pass at most; gradients are accumulated over a step's. Limits memory.
    pub micro_batch: usize,
    /// Longest input in tokens; longer text is cut.
    pub max_tokens: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Evaluations on the development set per pass; the best one's weights are kept.
    pub evaluations_per_epoch: usize,
    /// Seed of head, order and dropout.
    pub seed: u64,
    /// Time limits.
    pub budget: Budget,
}

impl Default for FineTune {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 32,
            micro_batch: 32,
            max_tokens: 128,
            learning_rate: 5e-5,
            schedule: Schedule::Linear { warmup: 0.1 },
            optimizer: OptimizerSettings::adamw(),
            evaluations_per_epoch: 1,
            seed: 42,
            budget: Budget::default(),
        }
    }
}

/// What fine-tuning achieved.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Of the weights that were kept, on the development set.
    pub dev: Metrics,
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Trains `model` on `data.train`, keeps the weights that are best on `data.dev`, and writes them to `out`.
///
/// A head of the same labels is trained on; any other is replaced by a fresh one.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be; [`Error::Input`] for data that do not fit together;
/// [`Error::Diverged`]; [`Error::Interrupted`] after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn fine_tune(
    settings: &FineTune,
    model: &Checkpoint,
    data: &TaskData,
    out: impl Into<Output>,
    context: &Context,
) -> Result<Report> {
    StepSettings {
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
    }
    .check()?;
    model.check_max_tokens(settings.max_tokens)?;
    if settings.epochs == 0 || settings.evaluations_per_epoch == 0 {
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
    data.train.check_labelled()?;
    let targets: Vec<Target> = data.train.examples.iter().map(|example| example.target.clone()).collect();
    let mut record = RunRecord {
        command: "fine-tune".into(),
        settings: json!(settings),
        seed: settings.seed,
        inputs: model.hashes()?,
        metrics: json!(null),
    };
    record.inputs.extend(data.hashes()?);

    let text = &model.text;
    let judge = Judge::new(text, data.dev, data.metrics, settings.max_tokens)?;
    let set = encode_to_learn(text, data.train, settings.max_tokens)?;
    let mut work = WorkFolder::open(&out.into(), data.identity(&record), context)?;
    let device = work.output().compute.device.clone();
    let parameters = match work.resumed_model() {
        Some(tensors) => Parameters::new(&on_device(tensors, &device)?)?,
        None => Parameters::new(&on_device(&with_head(model, &head, settings.seed)?, &device)?)?,
    };
    let trainee = Trainee {
        config: &model.config,
        head: &head,
        text,
        parameters: &parameters,
        quantization: None,
        record: &record,
    };
    let trained = TaskModel::trainable(&model.config, &head, &parameters)?;
    let mut selection = Selection::new(trainee, &judge, &mut work)?;
    let epochs = Epochs {
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
        seed: settings.seed,
        pad_id: text.special().pad,
        evaluations: settings.evaluations_per_epoch,
    };
    let plan = Plan {
        name: "fine-tune",
        length: Length::Steps(epochs.steps(set.len())),
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        seed: settings.seed,
        budget: settings.budget,
        sparsity: None,
        trainee,
    };
    let vars = parameters.iter().map(|(name, var)| (name.to_owned(), var.clone())).collect();
    let mut session = Session::new(plan, vars, &mut work, context)?;
    epochs.run(
        &mut session,
        &set,
        |micro| {
            let (output, logits) = trained.forward(micro.batch, micro.mode)?;
            let loss = gold_loss(&logits, micro.batch, &set, &targets)?;
            let total = (loss * micro.share(Batch::answers))?;
            Ok(Losses { total, tape: output.tape, parts: Vec::new() })
        },
        Some(&mut selection),
    )?;
    let training = session.end()?;
    let (dev, tensors) = selection.best()?;
    let report = Report { dev, training };
    work.finish(&trainee, &tensors, json!(report))?;
    Ok(report)
}

/// The head that answers what a data set asks. Data do not know how many dimensions an embedding has: 0.
pub fn head_of(data: &Dataset) -> Head {
    match data.kind {
        TaskKind::Classification => Head::Classification { labels: data.labels.clone() },
        TaskKind::Regression => Head::Regression,
        TaskKind::Tagging => Head::TokenClassification { labels: data.labels.clone() },
        TaskKind::Embedding => Head::Embedding { dimensions: 0, projected: true },
    }
}

/// The tensors of `model` under `head`: those it has, and fresh ones for what it lacks. A classifier is kept only
/// if it answers the same labels.
///
/// # Errors
/// An internal error of the tensor engine.
pub fn with_head(model: &Checkpoint, head: &Head, seed: u64) -> Result<Tensors> {
    let mut tensors = init_parameters(&model.config, head, seed)?;
    for (name, tensor) in &mut tensors {
        if let Some(found) = model.tensors.get(name)
            && (name.starts_with(names::ENCODER) || model.head == *head)
        {
            *tensor = found.clone();
        }
    }
    Ok(tensors)
}

/// Cross-entropy, or squared error for regression, of `logits` `[answers, outputs]` against the gold `targets` of the
/// batch's samples, which are of `set`; of words with tags those count that have a token.
pub fn gold_loss(logits: &Tensor, batch: &Batch, set: &EncodedSet, targets: &[Target]) -> Result<Tensor> {
    let (mut classes, mut scores) = (Vec::new(), Vec::new());
    for &sample in &batch.samples {
        match (&targets[sample], set.words(sample)) {
            (Target::Class(class), _) => classes.push(*class),
            (Target::Score(score), _) => scores.push(*score),
            (Target::Tags(tags), Some(words)) => {
                let tagged = tags.iter().zip(words).filter(|(_, word)| word.is_some());
                classes.extend(tagged.map(|(tag, _)| *tag));
            }
            (Target::Tags(_), None) | (Target::None, _) => {}
        }
    }
    let count = batch.answers();
    if classes.len() == count {
        let classes = Tensor::from_vec(classes, count, logits.device())?;
        Ok(candle_nn::loss::cross_entropy(logits, &classes)?)
    } else {
        let scores = Tensor::from_vec(scores, (count, 1), logits.device())?;
        Ok((logits - scores)?.sqr()?.mean_all()?)
    }
}
