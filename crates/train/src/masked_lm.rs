//! Masked-LM training: it makes the head that sentence encoders lack, and adapts encoders to a domain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::D;
use serde_json::json;

use super::session::{Losses, MicroBatch, SessionConfig, SessionLength};
use super::{Identity, ModelDescription, Output, Recipe, Summary, TrainingRun};
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::{Batch, EncodedSet, Masking, evaluation_batches};
use tinybert_model::{Checkpoint, Head, RunRecord, Tensors, names};
use tinybert_nn::{MaskedLm, Mode, init_parameters, unigram_bias};

/// Settings of [`masked_lm`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MaskedLmSettings {
    /// Trains the encoder too, and with it the decoder, which is the word embedding matrix. Otherwise the
    /// encoder stays as it is and only the head is trained.
    pub train_encoder: bool,
    /// Share of the word pieces that the model has to guess.
    pub masked_share: f64,
    /// Hides all pieces of a word together.
    pub whole_words: bool,
    /// Epochs, batches of windows, learning rate, optimizer and seed.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Ends the run, and its schedule, after so many tokens if that is earlier than the last epoch.
    pub max_train_tokens: Option<u64>,
    /// Tokens per window of the corpus, including special tokens.
    pub max_tokens: usize,
}

impl MaskedLmSettings {
    /// Default peak learning rate for the head alone.
    pub const HEAD_RATE: f64 = 1e-3;
    /// Default peak learning rate for head and encoder.
    pub const ENCODER_RATE: f64 = 5e-5;
}

impl Default for MaskedLmSettings {
    fn default() -> Self {
        Self {
            train_encoder: false,
            masked_share: 0.15,
            whole_words: false,
            recipe: Recipe { learning_rate: Self::HEAD_RATE, ..Recipe::default() },
            max_train_tokens: None,
            max_tokens: 128,
        }
    }
}

/// How well the model guesses hidden pieces of text that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct HeldOutGuesses {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// e to the power of the loss.
    pub perplexity: f64,
    /// Share of the hidden pieces whose most likely candidate is right.
    pub accuracy: f64,
    /// Hidden pieces.
    pub pieces: usize,
}

/// The result of masked-LM training.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MaskedLmReport {
    /// Results on the held-out windows; `None` where the corpus is too small to hold any out.
    pub held_out: Option<HeldOutGuesses>,
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Largest number of held-out windows.
const HELD_OUT_WINDOWS: usize = 128;
/// At most one window in so many is held out.
const HELD_OUT_SHARE: usize = 20;

/// Trains a masked-LM head for `model`, and the encoder if the settings say so, on `windows` of raw text, and
/// writes the model to `out`.
///
/// # Errors
/// [`Error::Usage`] for impossible settings; [`Error::Input`] for a corpus without a piece that can be hidden;
/// [`Error::Diverged`]; [`Error::Interrupted`] after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn masked_lm(
    settings: &MaskedLmSettings,
    model: &Checkpoint,
    windows: &EncodedSet,
    sources: &[PathBuf],
    out: impl Into<Output>,
    context: &Context,
) -> Result<MaskedLmReport> {
    let recipe = &settings.recipe;
    recipe.check()?;
    model.check_max_tokens(settings.max_tokens)?;
    recipe.check_corpus(windows, settings.max_train_tokens)?;
    let masking = Masking::new(&model.text, settings.masked_share, settings.whole_words, recipe.seed)?;
    let mut inputs = model.hashes()?;
    inputs.extend(FileHash::of_files(sources)?);
    let record = RunRecord::new("fine-tune --objective mlm", json!(settings), recipe.seed, inputs);

    let (windows, unusable) = windows.partition(|window| Ok(masking.can_hide(&windows.ids(window)?)))?;
    if windows.is_empty() {
        let what = "no window of the corpus has a word piece to hide: is this text in the model's language?";
        return Err(Error::Input(what.into()));
    }
    if !unusable.is_empty() {
        context.progress.say(&format!(
            "{} windows of unknown pieces alone are left out: nothing in them can be hidden",
            unusable.len()
        ));
    }
    let (train, held_out) = windows.hold_out(HELD_OUT_WINDOWS.min(windows.len() / HELD_OUT_SHARE))?;
    let identity = Identity::new(&record).with_digest("windows", windows.digest()?);
    let (config, text) = (&model.config, &model.text);
    let description = ModelDescription { config, head: &Head::MaskedLm, text, record: &record };
    let initial = || starting_tensors(model, &train, recipe.seed);
    let mut run = TrainingRun::open(description, identity, &out.into(), context, initial)?;
    let masked_model = match settings.train_encoder {
        true => MaskedLm::trainable(config, &run.trainee().parameters)?,
        false => MaskedLm::head_only(config, &run.trainee().parameters)?,
    };
    let session = SessionConfig {
        name: "masked-LM",
        recipe: recipe.clone(),
        length: SessionLength::in_tokens(recipe, &train, settings.max_train_tokens),
        evaluations_per_epoch: 0,
        patience: None,
        sparsity: None,
    };
    let reached = tinybert_model::expected_shapes(config, &Head::MaskedLm);
    let learned = run.trainee().parameters_where(|name| {
        reached.contains_key(name) && (settings.train_encoder || names::is_masked_lm_head(name))
    });
    let losses = |micro: &MicroBatch| {
        let step = if let Mode::Train { step, .. } = micro.mode { step } else { 0 };
        let (masked, targets) = masking.apply(micro.batch, step);
        let masked_pieces = |batch: &Batch| masking.apply(batch, step).1.pieces.len();
        // An encoder that does not learn needs no dropout.
        let mode = if settings.train_encoder { micro.mode } else { Mode::Eval };
        let (output, mean) = masked_model.loss(&masked, &targets, mode)?;
        let total = (mean * micro.share(masked_pieces))?;
        Ok(Losses { total, tape: output.tape, parts: Vec::new() })
    };
    let training = run.train(session, &train, learned, losses, None)?;
    let tensors = run.trainee().parameters.to_tensors()?;
    let held_out = match held_out.is_empty() {
        true => None,
        false => Some(guess(&MaskedLm::frozen(config, &tensors)?, &masking, &held_out, text.special().pad)?),
    };
    let report = MaskedLmReport { held_out, training };
    run.finish(&tensors, &report)?;
    Ok(report)
}

/// The model's tensors with its masked-LM head, or with a fresh head whose bias has the frequencies of the
/// pieces in `text`. The head does not read the pooler, but a later fine-tuning may, so the pooler is kept.
fn starting_tensors(model: &Checkpoint, text: &EncodedSet, seed: u64) -> Result<Tensors> {
    let mut tensors = init_parameters(&model.config, &Head::MaskedLm, seed)?;
    if model.head != Head::MaskedLm {
        let mut counts = BTreeMap::new();
        for sample in 0..text.len() {
            for piece in text.ids(sample)? {
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

/// Hides pieces of each window once and counts the right guesses.
fn guess(model: &MaskedLm, masking: &Masking, set: &EncodedSet, pad_id: u32) -> Result<HeldOutGuesses> {
    const BATCH: usize = 16;
    let (mut loss, mut right, mut pieces) = (0.0, 0, 0);
    for samples in evaluation_batches(&set.lengths()?, BATCH) {
        // No training step has this number, so that the masks differ from those of training.
        let (masked, targets) = masking.apply(&set.collate(&samples, pad_id)?, u64::MAX);
        let logits = model.logits(&masked, &targets.positions)?;
        let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        let labels = candle_core::Tensor::new(&targets.pieces[..], logits.device())?;
        let mean = candle_nn::loss::cross_entropy(&logits, &labels)?.to_scalar::<f32>()?;
        loss += f64::from(mean) * best.len() as f64;
        right += best.iter().zip(&targets.pieces).filter(|(best, piece)| best == piece).count();
        pieces += best.len();
    }
    let loss = loss / pieces as f64;
    Ok(HeldOutGuesses { loss, perplexity: loss.exp(), accuracy: right as f64 / pieces as f64, pieces })
}
