//! Masked-LM training: makes the head that sentence encoders come without, and adapts encoders to a domain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::D;
use serde_json::json;

use super::StepSettings;
use super::epochs::Epochs;
use super::identity::Identity;
use super::optimizer::OptimizerSettings;
use super::schedule::Schedule;
use super::session::{Budget, Length, Losses, Plan, Session, Summary};
use super::trainee::Trainee;
use super::work::{Output, WorkFolder};
use tinybert_base::Context;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
use tinybert_data::{Batch, EncodedSet, Masking, evaluation_batches};
use tinybert_model::{Checkpoint, Head, RunRecord, Tensors, names};
use tinybert_nn::{MaskedLm, Mode, Parameters, init_parameters, unigram_bias};

/// Settings of [`masked_lm`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedLmSettings {
    /// Trains the encoder too, and with it the decoder, which is the word embedding matrix. Otherwise the model answers
    /// as before and only gets a head.
    pub train_encoder: bool,
    /// Share of the pieces that is to be guessed.
    pub masked_share: f64,
    /// Hides all pieces of a word together.
    pub whole_words: bool,
    /// Passes over the corpus.
    pub epochs: u64,
    /// Ends the run, and its schedule, after so many tokens if that is earlier.
    pub max_train_tokens: Option<u64>,
    /// Windows per step.
    pub batch_size: usize,
    /// Windows per forward and backward pass. Limits memory.
    pub micro_batch: usize,
    /// Tokens per window of the corpus, special tokens included.
    pub max_tokens: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Seed of masks, head, order and dropout.
    pub seed: u64,
    /// Time limits.
    pub budget: Budget,
}

impl MaskedLmSettings {
    /// Peak learning rate of a fresh head alone.
    pub const HEAD_RATE: f64 = 1e-3;
    /// Peak learning rate with the encoder.
    pub const ENCODER_RATE: f64 = 5e-5;
}

impl Default for MaskedLmSettings {
    fn default() -> Self {
        Self {
            train_encoder: false,
            masked_share: 0.15,
            whole_words: false,
            epochs: 3,
            max_train_tokens: None,
            batch_size: 32,
            micro_batch: 32,
            max_tokens: 128,
            learning_rate: Self::HEAD_RATE,
            schedule: Schedule::Linear { warmup: 0.1 },
            optimizer: OptimizerSettings::adamw(),
            seed: 42,
            budget: Budget::default(),
        }
    }
}

/// How well hidden pieces of text that was not trained on are guessed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Guesses {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// e to the power of the loss.
    pub perplexity: f64,
    /// Share of pieces whose most likely candidate is right.
    pub accuracy: f64,
    /// Pieces guessed.
    pub pieces: usize,
}

/// What masked-LM training achieved.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MaskedLmReport {
    /// On windows held out; none where the corpus is too small for that.
    pub held_out: Option<Guesses>,
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Windows held out at most, and their smallest share of the corpus.
const HELD_OUT: usize = 128;
const HELD_OUT_SHARE: usize = 20;

/// Trains a masked-LM head on `model`, and its encoder if asked, on `windows` of raw text, and writes them to `out`.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be; [`Error::Input`] for a corpus of nothing that can be hidden; [`Error::Diverged`];
/// [`Error::Interrupted`] after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn masked_lm(
    settings: &MaskedLmSettings,
    model: &Checkpoint,
    windows: &EncodedSet,
    sources: &[PathBuf],
    out: impl Into<Output>,
    context: &Context,
) -> Result<MaskedLmReport> {
    StepSettings {
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
    }
    .check()?;
    model.check_max_tokens(settings.max_tokens)?;
    if settings.epochs == 0 || settings.max_train_tokens == Some(0) {
        return Err(Error::Usage("epochs and training tokens must be at least 1".into()));
    }
    if windows.is_empty() {
        return Err(Error::Input("the corpus has no text".into()));
    }
    let masking = Masking::new(&model.text, settings.masked_share, settings.whole_words, settings.seed)?;
    let mut inputs = model.hashes()?;
    inputs.extend(sources.iter().map(|path| FileHash::of(path)).collect::<Result<Vec<_>>>()?);
    let record = RunRecord {
        command: "fine-tune --objective mlm".into(),
        settings: json!(settings),
        seed: settings.seed,
        inputs,
        metrics: json!(null),
    };

    let (windows, mute) = windows.partition(|window| masking.can_hide(windows.ids(window)));
    if windows.is_empty() {
        let what = "no window of the corpus has a word piece to hide: is this text in the model's language?";
        return Err(Error::Input(what.into()));
    }
    if !mute.is_empty() {
        context.progress.say(&format!(
            "{} windows of unknown pieces alone are left out: nothing in them can be hidden",
            mute.len()
        ));
    }
    let (train, held_out) = windows.hold_out(HELD_OUT.min(windows.len() / HELD_OUT_SHARE));
    let identity = Identity::new(&record).with_digest("windows", windows.digest());
    let mut work = WorkFolder::open(&out.into(), identity, context)?;
    let parameters = match work.resumed_model() {
        Some(tensors) => Parameters::new(tensors)?,
        None => Parameters::new(&starting_tensors(model, &train, settings.seed)?)?,
    };
    let trained = match settings.train_encoder {
        true => MaskedLm::trainable(&model.config, &parameters)?,
        false => MaskedLm::head_only(&model.config, &parameters)?,
    };

    let epochs = Epochs {
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
        seed: settings.seed,
        pad_id: model.text.special().pad,
        evaluations: 0,
    };
    let planned = settings.epochs.saturating_mul(train.total_tokens() as u64);
    let trainee = Trainee {
        config: &model.config,
        head: &Head::MaskedLm,
        text: &model.text,
        parameters: &parameters,
        quantization: None,
        record: &record,
    };
    let plan = Plan {
        name: "masked-LM",
        length: Length::Tokens(settings.max_train_tokens.map_or(planned, |limit| limit.min(planned))),
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        seed: settings.seed,
        budget: settings.budget,
        sparsity: None,
        trainee,
    };
    let reached = tinybert_model::expected_shapes(&model.config, &Head::MaskedLm);
    let learns =
        |name: &str| reached.contains_key(name) && (settings.train_encoder || name.starts_with("cls."));
    let learned = parameters.iter().filter(|(name, _)| learns(name));
    let vars = learned.map(|(name, var)| (name.to_owned(), var.clone())).collect();
    let mut session = Session::new(plan, vars, &mut work, context)?;
    epochs.run(
        &mut session,
        &train,
        |micro| {
            let step = if let Mode::Train { step, .. } = micro.mode { step } else { 0 };
            let (masked, targets) = masking.apply(micro.batch, step);
            let guessed = |batch: &Batch| masking.apply(batch, step).1.pieces.len();
            // An encoder that does not learn has no use for dropout.
            let mode = if settings.train_encoder { micro.mode } else { Mode::Eval };
            let (output, mean) = trained.loss(&masked, &targets, mode)?;
            let total = (mean * micro.share(guessed))?;
            Ok(Losses { total, tape: output.tape, parts: Vec::new() })
        },
        None,
    )?;
    let training = session.end()?;
    let tensors = parameters.to_tensors()?;
    let held_out = match held_out.is_empty() {
        true => None,
        false => {
            Some(guesses(&MaskedLm::frozen(&model.config, &tensors)?, &masking, &held_out, epochs.pad_id)?)
        }
    };
    let report = MaskedLmReport { held_out, training };
    work.finish(&trainee, &tensors, json!(report))?;
    Ok(report)
}

/// The model's tensors with its masked-LM head, or a fresh one that knows how frequent the pieces of `text` are. The head
/// does not read the pooler, but whoever fine-tunes the encoder next may want it.
fn starting_tensors(model: &Checkpoint, text: &EncodedSet, seed: u64) -> Result<Tensors> {
    let mut tensors = init_parameters(&model.config, &Head::MaskedLm, seed)?;
    if model.head != Head::MaskedLm {
        let mut counts = BTreeMap::new();
        for sample in 0..text.len() {
            for &piece in text.ids(sample) {
                *counts.entry(piece).or_default() += 1;
            }
        }
        tensors.insert(names::MASKED_LM_BIAS.into(), unigram_bias(&model.config, &counts)?);
    }
    let pooler = tinybert_model::pooler_shapes(&model.config);
    for (name, tensor) in &model.tensors {
        if tensors.contains_key(name) || pooler.contains_key(name) {
            tensors.insert(name.clone(), tensor.clone());
        }
    }
    Ok(tensors)
}

/// Guesses of pieces hidden by one mask per window.
fn guesses(model: &MaskedLm, masking: &Masking, set: &EncodedSet, pad_id: u32) -> Result<Guesses> {
    const BATCH: usize = 16;
    let (mut loss, mut right, mut pieces) = (0.0, 0, 0);
    for samples in evaluation_batches(&set.lengths(), BATCH) {
        // No step of training has this number.
        let (masked, targets) = masking.apply(&set.collate(&samples, pad_id), u64::MAX);
        let logits = model.logits(&masked, &targets.positions)?;
        let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        let labels = candle_core::Tensor::new(&targets.pieces[..], logits.device())?;
        let mean = candle_nn::loss::cross_entropy(&logits, &labels)?.to_scalar::<f32>()?;
        loss += f64::from(mean) * best.len() as f64;
        right += best.iter().zip(&targets.pieces).filter(|(best, piece)| best == piece).count();
        pieces += best.len();
    }
    let loss = loss / pieces as f64;
    Ok(Guesses { loss, perplexity: loss.exp(), accuracy: right as f64 / pieces as f64, pieces })
}
