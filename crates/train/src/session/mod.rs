//! A training session: optimizer steps under one learning-rate schedule, with checkpoints, metrics and model
//! selection.

mod checkpointing;
mod config;
mod epochs;
mod micro_batch;
mod selection;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candle_core::Var;
use candle_core::backprop::GradStore;
use serde_json::{Value, json};

pub use self::config::{SessionConfig, SessionLength};
pub(crate) use self::epochs::train_epochs;
use self::micro_batch::StepBatches;
pub use self::micro_batch::{Losses, MicroBatch};
pub use self::selection::{BestModel, Selection};
use super::checkpoint::{Trainee, WorkFolder};
use super::metrics_window::{LossValues, MetricsWindow};
use super::optimizer::Optimizer;
use super::sparsity::Sparsity;
use super::summary::Summary;
use tinybert_base::collective::Collective;
use tinybert_base::{Context, Error, Result};
use tinybert_nn::Mode;

/// Steps per line of `metrics.jsonl`.
const LOG_STEPS: u64 = 20;

/// Whether the session continues after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    /// The session continues.
    Continue,
    /// The planned length or the time limit is reached. The session may not have used the last batch.
    Stop,
}

/// A sequence of optimizer steps under one schedule.
pub(crate) struct TrainingSession<'a> {
    config: SessionConfig,
    trainee: Trainee<'a>,
    optimizer: Optimizer,
    sparsity: Sparsity,
    work: &'a mut WorkFolder,
    context: &'a Context<'a>,
    started: Instant,
    /// The work of earlier processes before the checkpoint that this process continued from.
    earlier: Earlier,
    last_checkpoint: LastCheckpoint,
    /// Whether the time limit is reached by rank 0's clock.
    out_of_time: bool,
    /// Whether the evaluations of the selection no longer improved.
    out_of_patience: bool,
    steps: u64,
    tokens: u64,
    window: MetricsWindow,
}

/// Training time and tokens of earlier processes of an interrupted session.
#[derive(Default)]
struct Earlier {
    seconds: f64,
    tokens: u64,
}

/// When, and after how many steps, the last checkpoint was written or read.
struct LastCheckpoint {
    time: Instant,
    steps: u64,
}

impl<'a> TrainingSession<'a> {
    /// A session that trains `learned`, each of which the losses must reach. The session continues from the
    /// checkpoint in `work`, if the checkpoint was written in a session of this name.
    ///
    /// # Errors
    /// [`Error::Input`] if the checkpoint lacks a tensor; [`Error::Ranks`] if the ranks begin with different
    /// weights.
    pub fn new(
        config: SessionConfig,
        trainee: &Trainee<'a>,
        learned: BTreeMap<String, Var>,
        work: &'a mut WorkFolder,
        context: &'a Context<'a>,
    ) -> Result<Self> {
        let now = Instant::now();
        let optimizer = Optimizer::new(config.recipe.optimizer, learned)?;
        let mut session = Self {
            sparsity: Sparsity::new(config.sparsity, optimizer.parameters())?,
            optimizer,
            config,
            trainee: trainee.clone(),
            work,
            context,
            started: now,
            earlier: Earlier::default(),
            last_checkpoint: LastCheckpoint { time: now, steps: 0 },
            out_of_time: false,
            out_of_patience: false,
            steps: 0,
            tokens: 0,
            window: MetricsWindow::default(),
        };
        session.restore()?;
        session.check_ranks()?;
        context.progress.begin(session.config.name, session.total());
        context.progress.resume(session.done());
        if let Some(note) = session.sparsity.note() {
            context.progress.say(&note);
        }
        Ok(session)
    }

    /// The processes that take each step together.
    pub fn ranks(&self) -> &'a dyn Collective {
        self.context.ranks
    }

    /// Takes one optimizer step on the sum of the gradients of all micro-batches. `losses` is called for each
    /// micro-batch of this rank and gives its share of the step's losses.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss or gradient that is not finite; whatever `losses` gives.
    pub fn step(
        &mut self,
        batches: &StepBatches,
        mut losses: impl FnMut(&MicroBatch) -> Result<Losses>,
    ) -> Result<StepOutcome> {
        if self.finished() || self.out_of_time {
            return Ok(StepOutcome::Stop);
        }
        let tokens = batches.all.iter().map(|batch| batch.real_tokens() as u64).sum::<u64>();
        let mode = Mode::Train { seed: self.config.recipe.seed, step: self.steps };
        let mut gradients: Option<GradStore> = None;
        let mut computed = Vec::new();
        for batch in &batches.all[batches.mine.clone()] {
            let losses = losses(&MicroBatch { batch, mode, step: &batches.all })?;
            let values = losses.values()?;
            let finite = values.is_finite();
            computed.push(values);
            if !finite {
                break; // `record_losses` reports it on every rank.
            }
            let new = losses.tape.backward(&losses.total)?;
            gradients = Some(match gradients {
                None => new,
                Some(sum) => self.optimizer.add_gradients(sum, &new)?,
            });
        }
        self.record_losses(computed)?;
        let Some(mut gradients) = self.optimizer.sum_over_ranks(self.ranks(), gradients)? else {
            return Ok(StepOutcome::Continue);
        };
        self.sparsity.mask_gradients(&mut gradients)?;
        let recipe = &self.config.recipe;
        let rate = recipe.learning_rate * recipe.schedule.factor(self.fraction_at_middle(tokens));
        let norm = self.optimizer.step(&gradients, rate).map_err(|error| match error {
            Error::Diverged(what) => self.diverged(&what),
            other => other,
        })?;
        self.steps += 1;
        self.tokens += tokens;
        self.sparsity.advance(self.fraction_done(), &mut self.optimizer)?;
        self.window.add_step(norm, rate);
        self.show_progress()?;
        Ok(if self.finished() { StepOutcome::Stop } else { StepOutcome::Continue })
    }

    /// Writes a line to `metrics.jsonl`: the object `line` with the session's name and the number of steps
    /// added.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn log(&mut self, mut line: Value) -> Result<()> {
        line["session"] = json!(self.config.name);
        line["step"] = json!(self.steps);
        self.work.log(self.steps, &line, self.context.progress)
    }

    /// Shows the user a line that stays on the screen.
    pub fn say(&self, line: &str) {
        self.context.progress.say(line);
    }

    /// Optimizer steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether all zeros that were asked for are there.
    fn sparsity_is_complete(&self) -> bool {
        self.sparsity.is_complete()
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`Error::Io`] if the last metrics cannot be written.
    pub fn end(mut self) -> Result<Summary> {
        self.context.progress.end();
        // The time limit may have ended the session in the middle of a window.
        self.log_window()?;
        let summary = Summary {
            steps: self.steps,
            tokens: self.tokens,
            seconds: self.seconds(),
            out_of_time: !self.finished() && self.out_of_time,
            out_of_patience: self.out_of_patience,
            ranks: self.ranks().size(),
        };
        self.work.record_finished(self.config.name, summary);
        Ok(summary)
    }

    /// Wall-clock seconds of training, including those before an interruption.
    fn seconds(&self) -> f64 {
        self.earlier.seconds + self.started.elapsed().as_secs_f64()
    }

    /// The part of [`SessionConfig::length`] that is done, in its unit.
    fn done(&self) -> u64 {
        match self.config.length {
            SessionLength::Steps(_) => self.steps,
            SessionLength::Tokens(total) => self.tokens.min(total),
        }
    }

    /// [`SessionConfig::length`] in its unit.
    fn total(&self) -> u64 {
        let (SessionLength::Steps(total) | SessionLength::Tokens(total)) = self.config.length;
        total
    }

    /// The fraction of the session that is done.
    fn fraction_done(&self) -> f64 {
        self.done() as f64 / self.total() as f64
    }

    fn finished(&self) -> bool {
        self.done() >= self.total()
    }

    /// The fraction of the session that will be done in the middle of the coming step of `tokens` tokens.
    fn fraction_at_middle(&self, tokens: u64) -> f64 {
        match self.config.length {
            SessionLength::Steps(total) => (self.steps as f64 + 0.5) / total as f64,
            SessionLength::Tokens(total) => (self.tokens as f64 + 0.5 * tokens as f64) / total as f64,
        }
    }

    /// Adds the losses of all ranks' micro-batches to the metrics; `computed` are those of this rank.
    fn record_losses(&mut self, computed: Vec<LossValues>) -> Result<()> {
        for losses in self.ranks().gather_values(computed)?.into_iter().flatten() {
            if !losses.is_finite() {
                return Err(self.diverged(&format!("the loss is {losses}")));
            }
            self.window.add_losses(losses);
        }
        Ok(())
    }

    /// Updates the progress bar, and writes a line of metrics every [`LOG_STEPS`] steps.
    fn show_progress(&mut self) -> Result<()> {
        let speed = (self.tokens - self.earlier.tokens) as f64 / self.started.elapsed().as_secs_f64();
        self.context
            .progress
            .advance(self.done(), &format!("{}, {speed:.0} tokens/s", self.window.summary()));
        if self.window.steps() == LOG_STEPS || self.finished() { self.log_window() } else { Ok(()) }
    }

    /// Writes a line of metrics about the steps since the last line, if there were any.
    fn log_window(&mut self) -> Result<()> {
        if self.window.steps() == 0 {
            return Ok(());
        }
        let mut line = self.window.fields();
        line["tokens"] = json!(self.tokens);
        line["seconds"] = json!(self.seconds());
        self.window = MetricsWindow::default();
        self.log(line)
    }

    fn diverged(&self, what: &str) -> Error {
        let kept = match self.work.last_checkpoint() {
            Some(checkpoint) => format!("the last checkpoint is {}", checkpoint.display()),
            None => "no checkpoint had been written".into(),
        };
        Error::Diverged(format!(
            "{} diverged at step {}: {what}; {kept}; try a lower learning rate",
            self.config.name,
            self.steps + 1
        ))
    }
}

fn minutes(minutes: f64) -> Duration {
    Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX)
}
