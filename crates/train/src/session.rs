//! The step loop that every kind of training shares.

mod keep;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use candle_core::Var;
use candle_core::backprop::GradStore;
use serde_json::{Value, json};

pub use super::micro_batch::{Losses, MicroBatch, Parts};
use super::optimizer::{Optimizer, OptimizerSettings};
use super::schedule::Schedule;
use super::sparsity::{Sparsity, SparsitySettings};
use super::trainee::Trainee;
use super::window::{LossValues, Window};
use super::work::WorkFolder;
use tinybert_base::Context;
use tinybert_base::collective::Collective;
use tinybert_base::{Error, Result};
use tinybert_nn::Mode;

/// Steps per line of `metrics.jsonl`.
const LOG_STEPS: u64 = 20;

/// How long a run may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Stops after so many minutes of training and finishes with what there is. The schedule does not know of
    /// it: limit steps or tokens instead where a run has to be repeatable.
    pub max_minutes: Option<f64>,
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
    /// Zeros that come in among the weights; without, what was pruned before stays so.
    pub sparsity: Option<SparsitySettings>,
    /// What is trained.
    pub trainee: Trainee<'a>,
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
    sparsity: Sparsity,
    work: &'a mut WorkFolder,
    context: &'a Context<'a>,
    started: Instant,
    /// Of this process and those before it: seconds until [`Session::started`], and tokens.
    before: (f64, u64),
    saved: (Instant, u64),
    /// By rank 0's clock.
    out_of_time: bool,
    steps: u64,
    tokens: u64,
    window: Window,
}

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Optimizer steps taken.
    pub steps: u64,
    /// Tokens seen, without padding.
    pub tokens: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Stopped by [`Budget::max_minutes`] before the planned length.
    pub out_of_time: bool,
    /// Ranks that shared the steps, at the end: the order of sums depends on it.
    #[serde(default = "one")]
    pub ranks: usize,
}

/// What was written before runs had ranks is of one process.
pub(super) fn one() -> usize {
    1
}

impl<'a> Session<'a> {
    /// A session over `parameters`, all of which the losses must reach. It goes on where the checkpoint in `work`
    /// stands, if that was written in a session of this name.
    ///
    /// # Errors
    /// [`Error::Input`] if the checkpoint lacks a tensor; [`Error::Ranks`] if the ranks begin with different weights.
    pub fn new(
        plan: Plan<'a>,
        parameters: BTreeMap<String, Var>,
        work: &'a mut WorkFolder,
        context: &'a Context<'a>,
    ) -> Result<Self> {
        let now = Instant::now();
        let optimizer = Optimizer::new(plan.optimizer, parameters)?;
        let mut session = Self {
            sparsity: Sparsity::new(plan.sparsity, optimizer.parameters())?,
            optimizer,
            plan,
            work,
            context,
            started: now,
            before: (0.0, 0),
            saved: (now, 0),
            out_of_time: false,
            steps: 0,
            tokens: 0,
            window: Window::default(),
        };
        session.restore()?;
        session.check_ranks()?;
        context.progress.begin(session.plan.name, session.total());
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

    /// One optimizer step on the sum of the gradients of all `parts`. `losses` is called for each of this rank's and
    /// gives its share of the step's losses.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss or gradient that is not finite; whatever `losses` gives.
    pub fn step(
        &mut self,
        parts: &Parts,
        mut losses: impl FnMut(&MicroBatch) -> Result<Losses>,
    ) -> Result<Next> {
        if self.finished() || self.out_of_time {
            return Ok(Next::Stop);
        }
        let tokens = parts.all.iter().map(|batch| batch.real_tokens() as u64).sum::<u64>();
        let mode = Mode::Train { seed: self.plan.seed, step: self.steps };
        let mut gradients: Option<GradStore> = None;
        let mut seen = Vec::new();
        for batch in &parts.all[parts.mine.clone()] {
            let losses = losses(&MicroBatch { batch, mode, step: &parts.all })?;
            let values = LossValues::of(&losses)?;
            let finite = values.is_finite();
            seen.push(values);
            if !finite {
                break; // `record` says so, on every rank
            }
            let new = losses.tape.backward(&losses.total)?;
            gradients = Some(match gradients {
                None => new,
                Some(sum) => self.optimizer.add_gradients(sum, &new)?,
            });
        }
        self.record(seen)?;
        let Some(mut gradients) = self.optimizer.sum_over_ranks(self.ranks(), gradients)? else {
            return Ok(Next::Continue);
        };
        self.sparsity.mask_gradients(&mut gradients)?;
        let rate = self.plan.learning_rate * self.plan.schedule.factor(self.fraction(tokens));
        let norm = self.optimizer.step(&gradients, rate).map_err(|error| match error {
            Error::Diverged(what) => self.diverged(&what),
            other => other,
        })?;
        self.steps += 1;
        self.tokens += tokens;
        self.sparsity.advance(self.share_done(), &mut self.optimizer)?;
        self.window.add_step(norm, rate);
        self.report()?;
        Ok(if self.finished() { Next::Stop } else { Next::Continue })
    }

    /// Writes a line to the metrics, an object to which this session's name and the steps taken are added.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn log(&mut self, mut line: Value) -> Result<()> {
        line["session"] = json!(self.plan.name);
        line["step"] = json!(self.steps);
        self.work.log(&line)
    }

    /// Shows the user a line worth keeping.
    pub fn say(&self, line: &str) {
        self.context.progress.say(line);
    }

    /// Optimizer steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the model is as sparse as it is to become.
    pub(super) fn is_settled(&self) -> bool {
        self.sparsity.is_settled()
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`Error::Io`] if the last metrics cannot be written.
    pub fn end(mut self) -> Result<Summary> {
        self.context.progress.end();
        // Of a session that the clock has ended.
        self.log_window()?;
        let summary = Summary {
            steps: self.steps,
            tokens: self.tokens,
            seconds: self.seconds(),
            out_of_time: !self.finished() && self.out_of_time,
            ranks: self.ranks().size(),
        };
        self.work.end(self.plan.name, summary);
        Ok(summary)
    }

    /// Wall-clock seconds of training, those before an interruption included.
    fn seconds(&self) -> f64 {
        self.before.0 + self.started.elapsed().as_secs_f64()
    }

    /// What is done, in the unit of [`Plan::length`].
    fn done(&self) -> u64 {
        match self.plan.length {
            Length::Steps(_) => self.steps,
            Length::Tokens(total) => self.tokens.min(total),
        }
    }

    /// [`Plan::length`] in its unit.
    fn total(&self) -> u64 {
        let (Length::Steps(total) | Length::Tokens(total)) = self.plan.length;
        total
    }

    /// What is done, of all that there is.
    fn share_done(&self) -> f64 {
        self.done() as f64 / self.total() as f64
    }

    fn finished(&self) -> bool {
        self.done() >= self.total()
    }

    /// Where the middle of the coming step lies between start and end.
    fn fraction(&self, tokens: u64) -> f64 {
        match self.plan.length {
            Length::Steps(total) => (self.steps as f64 + 0.5) / total as f64,
            Length::Tokens(total) => (self.tokens as f64 + 0.5 * tokens as f64) / total as f64,
        }
    }

    /// Takes in the losses of all ranks' parts; `seen` are those of this rank's.
    fn record(&mut self, seen: Vec<LossValues>) -> Result<()> {
        for losses in self.ranks().gather_values(seen)?.into_iter().flatten() {
            if !losses.is_finite() {
                return Err(self.diverged(&format!("the loss is {losses}")));
            }
            self.window.add_losses(losses);
        }
        Ok(())
    }

    /// Tells the watcher, and every [`LOG_STEPS`] steps the metrics file.
    fn report(&mut self) -> Result<()> {
        let speed = (self.tokens - self.before.1) as f64 / self.started.elapsed().as_secs_f64();
        self.context.progress.advance(self.done(), &format!("{}, {speed:.0} tokens/s", self.window.note()));
        if self.window.steps() == LOG_STEPS || self.finished() { self.log_window() } else { Ok(()) }
    }

    /// A line of metrics of the steps since the last one, if there were any.
    fn log_window(&mut self) -> Result<()> {
        if self.window.steps() == 0 {
            return Ok(());
        }
        let mut line = self.window.fields();
        line["tokens"] = json!(self.tokens);
        line["seconds"] = json!(self.seconds());
        self.window = Window::default();
        self.log(line)
    }

    fn diverged(&self, what: &str) -> Error {
        let kept = match self.work.last_checkpoint() {
            Some(checkpoint) => format!("the last checkpoint is {}", checkpoint.display()),
            None => "no checkpoint had been written".into(),
        };
        Error::Diverged(format!(
            "{} diverged at step {}: {what}; {kept}; try a lower learning rate",
            self.plan.name,
            self.steps + 1
        ))
    }
}

fn minutes(minutes: f64) -> Duration {
    Duration::try_from_secs_f64(60.0 * minutes).unwrap_or(Duration::MAX)
}
