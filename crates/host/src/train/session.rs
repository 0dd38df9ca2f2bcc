//! The step loop that every kind of training shares.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde_json::json;

use super::optimizer::{Optimizer, OptimizerSettings};
use super::schedule::Schedule;
use super::work::WorkFolder;
use crate::data::Batch;
use crate::nn::{Mode, Tape};
use crate::progress::Progress;
use crate::{Error, Result};

/// Steps per line of `metrics.jsonl`.
const LOG_STEPS: u64 = 20;

/// How long a run may take and how much of it a crash may cost.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Stops after so many minutes of training and finishes with what there is. The schedule does not know of
    /// it: limit steps or tokens instead where a run has to be repeatable.
    pub max_minutes: Option<f64>,
    /// Minutes between checkpoints.
    pub checkpoint_minutes: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_minutes: None, checkpoint_minutes: 10.0 }
    }
}

/// The loss of one batch: what is minimised, and its parts for the record.
pub struct Losses {
    /// Scalar with a graph.
    pub total: Tensor,
    /// The way from it back to the encoder's weights.
    pub tape: Tape,
    /// Named scalars.
    pub parts: Vec<(&'static str, Tensor)>,
}

/// Length of a session in the unit that its schedule and its progress bar count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Optimizer steps.
    Steps(u64),
    /// Tokens without padding.
    Tokens(u64),
}

/// What [`Session::new`] needs to know.
pub struct Plan<'a> {
    /// For progress and metrics: `fine-tune`, `general`, ...
    pub name: &'static str,
    /// Where the schedule ends.
    pub length: Length,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Seed of the dropout.
    pub seed: u64,
    /// Time limits.
    pub budget: Budget,
    /// Writes the present model to a folder.
    pub save: &'a dyn Fn(&Path) -> Result<()>,
    /// How to go on from a checkpoint, for the message after an interruption.
    pub resume_hint: &'static str,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is more to do.
    Continue,
    /// The planned length is reached or the time is up; the last batch offered may not have been used.
    Stop,
}

/// A run of optimizer steps with one schedule.
pub struct Session<'a> {
    plan: Plan<'a>,
    optimizer: Optimizer,
    work: &'a mut WorkFolder,
    progress: &'a dyn Progress,
    started: Instant,
    saved: Instant,
    steps: u64,
    tokens: u64,
    window: Window,
}

/// Sums over the steps since the last line of metrics.
#[derive(Default)]
struct Window {
    steps: u64,
    loss: f64,
    parts: BTreeMap<&'static str, f64>,
    gradient_norm: f64,
}

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Optimizer steps taken.
    pub steps: u64,
    /// Tokens seen, without padding.
    pub tokens: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Stopped by [`Budget::max_minutes`] before the planned length.
    pub out_of_time: bool,
}

impl<'a> Session<'a> {
    /// A session over `parameters`, all of which the losses must reach.
    pub fn new(
        plan: Plan<'a>,
        parameters: BTreeMap<String, Var>,
        work: &'a mut WorkFolder,
        progress: &'a dyn Progress,
    ) -> Self {
        let total = match plan.length {
            Length::Steps(total) | Length::Tokens(total) => total,
        };
        progress.begin(plan.name, total);
        let now = Instant::now();
        Self {
            optimizer: Optimizer::new(plan.optimizer, parameters),
            plan,
            work,
            progress,
            started: now,
            saved: now,
            steps: 0,
            tokens: 0,
            window: Window::default(),
        }
    }

    /// One optimizer step on the mean gradient of `batches`, weighted by their tokens. `losses` is called for
    /// each of them.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a checkpoint was saved; [`Error::Diverged`] for a loss or gradient that is
    /// not finite; whatever `losses` and saving give.
    pub fn step(
        &mut self,
        batches: &[Batch],
        mut losses: impl FnMut(&Batch, Mode) -> Result<Losses>,
    ) -> Result<Next> {
        if self.progress.interrupted() {
            return Err(self.interrupt());
        }
        if self.finished() || self.out_of_time() {
            return Ok(Next::Stop);
        }
        let tokens = batches.iter().map(tokens).sum::<u64>();
        let mode = Mode::Train { seed: self.plan.seed, step: self.steps };
        let mut gradients: Option<GradStore> = None;
        for batch in batches {
            let share = self::tokens(batch) as f64 / tokens as f64;
            let losses = losses(batch, mode)?;
            self.record(&losses, share)?;
            let total = if batches.len() == 1 { losses.total } else { (losses.total * share)? };
            let new = losses.tape.backward(&total)?;
            gradients = Some(match gradients {
                None => new,
                Some(sum) => self.optimizer.add_gradients(sum, &new)?,
            });
        }
        let Some(gradients) = gradients else { return Ok(Next::Continue) };
        let rate = self.plan.learning_rate * self.plan.schedule.factor(self.fraction(tokens));
        let norm = self.optimizer.step(&gradients, rate).map_err(|error| match error {
            Error::Diverged(what) => self.diverged(&what),
            other => other,
        })?;
        self.steps += 1;
        self.tokens += tokens;
        self.window.steps += 1;
        self.window.gradient_norm += norm;
        self.report(rate)?;
        if self.saved.elapsed() >= minutes(self.plan.budget.checkpoint_minutes) {
            (self.plan.save)(&self.work.checkpoint())?;
            self.saved = Instant::now();
        }
        Ok(if self.finished() { Next::Stop } else { Next::Continue })
    }

    /// Writes a line of its own to the metrics.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn log(&mut self, line: &serde_json::Value) -> Result<()> {
        self.work.log(line)
    }

    /// Optimizer steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Ends the session.
    pub fn end(self) -> Summary {
        self.progress.end();
        Summary {
            steps: self.steps,
            tokens: self.tokens,
            seconds: self.started.elapsed().as_secs_f64(),
            out_of_time: !self.finished() && self.out_of_time(),
        }
    }

    fn finished(&self) -> bool {
        match self.plan.length {
            Length::Steps(total) => self.steps >= total,
            Length::Tokens(total) => self.tokens >= total,
        }
    }

    fn out_of_time(&self) -> bool {
        self.plan.budget.max_minutes.is_some_and(|limit| self.started.elapsed() >= minutes(limit))
    }

    /// Where the middle of the coming step lies between start and end.
    fn fraction(&self, tokens: u64) -> f64 {
        match self.plan.length {
            Length::Steps(total) => (self.steps as f64 + 0.5) / total as f64,
            Length::Tokens(total) => (self.tokens as f64 + 0.5 * tokens as f64) / total as f64,
        }
    }

    fn record(&mut self, losses: &Losses, share: f64) -> Result<()> {
        let total = f64::from(losses.total.to_scalar::<f32>()?);
        let parts = losses
            .parts
            .iter()
            .map(|(name, value)| Ok((*name, f64::from(value.to_scalar::<f32>()?))))
            .collect::<Result<Vec<_>>>()?;
        if !total.is_finite() {
            let parts = parts.iter().map(|(name, value)| format!(", {name} {value}")).collect::<String>();
            return Err(self.diverged(&format!("the loss is {total}{parts}")));
        }
        self.window.loss += share * total;
        for (name, value) in parts {
            *self.window.parts.entry(name).or_default() += share * value;
        }
        Ok(())
    }

    /// Tells the watcher, and every [`LOG_STEPS`] steps the metrics file.
    fn report(&mut self, rate: f64) -> Result<()> {
        let done = match self.plan.length {
            Length::Steps(_) => self.steps,
            Length::Tokens(total) => self.tokens.min(total),
        };
        let mean = |sum: f64| sum / self.window.steps as f64;
        let seconds = self.started.elapsed().as_secs_f64();
        let mut note = format!("loss {:.4}", mean(self.window.loss));
        if self.window.parts.len() > 1 {
            for (name, sum) in &self.window.parts {
                note += &format!(", {name} {:.4}", mean(*sum));
            }
        }
        note += &format!(", {:.0} tokens/s", self.tokens as f64 / seconds);
        self.progress.advance(done, &note);
        if self.window.steps == LOG_STEPS || self.finished() {
            let parts: BTreeMap<_, _> =
                self.window.parts.iter().map(|(name, sum)| (*name, mean(*sum))).collect();
            self.work.log(&json!({
                "session": self.plan.name, "step": self.steps, "tokens": self.tokens, "seconds": seconds,
                "learning_rate": rate, "loss": mean(self.window.loss), "parts": parts,
                "gradient_norm": mean(self.window.gradient_norm),
            }))?;
            self.window = Window::default();
        }
        Ok(())
    }

    fn diverged(&self, what: &str) -> Error {
        let checkpoint = self.work.checkpoint();
        let kept = if checkpoint.exists() {
            format!("the last checkpoint is {}", checkpoint.display())
        } else {
            "no checkpoint had been written".into()
        };
        Error::Diverged(format!(
            "{} diverged at step {}: {what}; {kept}; try a lower learning rate",
            self.plan.name,
            self.steps + 1
        ))
    }

    fn interrupt(&self) -> Error {
        let checkpoint = self.work.checkpoint();
        match (self.plan.save)(&checkpoint) {
            Ok(()) => Error::Interrupted(format!(
                "{} interrupted after {} steps; the model so far is {}; {}",
                self.plan.name,
                self.steps,
                checkpoint.display(),
                self.plan.resume_hint
            )),
            Err(error) => error,
        }
    }
}

fn tokens(batch: &Batch) -> u64 {
    batch.lengths.iter().sum::<usize>() as u64
}

fn minutes(minutes: f64) -> Duration {
    Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX)
}
