//! Optimizer and learning-rate schedule.

use clap::{Args, ValueEnum};
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;

/// Optimizer and learning-rate schedule.
#[derive(Args)]
#[command(next_help_heading = "Optimization")]
pub struct OptimizerArgs {
    /// Optimizer [default: paper].
    #[arg(long, value_name = "NAME")]
    optimizer: Option<OptimizerName>,
    /// Decoupled weight decay; biases and LayerNorms never decay.
    #[arg(long, value_name = "W", default_value_t = OptimizerSettings::paper().weight_decay)]
    weight_decay: f64,
    /// Learning rate over the run; in the task stage, over its prediction part.
    #[arg(long, value_name = "NAME", default_value = "linear")]
    schedule: ScheduleName,
    /// Share of the run over which the learning rate rises.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    warmup: f64,
    /// Examples per forward and backward pass; a step accumulates their gradients; this limits memory
    /// [default: 32].
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,
}

/// Optimizers by name.
#[derive(Clone, Copy, ValueEnum)]
enum OptimizerName {
    /// TinyBERT's: no bias correction, each tensor's gradient clipped by its own norm.
    Paper,
    /// Bias correction, gradients clipped by their global norm.
    Adamw,
}

/// Learning-rate schedules by name.
#[derive(Clone, Copy, ValueEnum)]
enum ScheduleName {
    /// Rises from 0 during the warm-up, then falls linearly to 0.
    Linear,
    /// The same rise, then half a cosine down to 0.
    Cosine,
    /// The same rate throughout.
    Constant,
}

impl OptimizerArgs {
    /// The optimizer that the command line names, or `default`.
    pub(super) fn optimizer(&self, default: OptimizerSettings) -> OptimizerSettings {
        let settings = match self.optimizer {
            Some(OptimizerName::Paper) => OptimizerSettings::paper(),
            Some(OptimizerName::Adamw) => OptimizerSettings::adamw(),
            None => default,
        };
        OptimizerSettings { weight_decay: self.weight_decay, ..settings }
    }

    /// The schedule that the command line names.
    pub(super) fn schedule(&self) -> Schedule {
        let warmup = self.warmup;
        match self.schedule {
            ScheduleName::Linear => Schedule::Linear { warmup },
            ScheduleName::Cosine => Schedule::Cosine { warmup },
            ScheduleName::Constant => Schedule::Constant,
        }
    }

    /// The micro-batch that the command line names, or `default`.
    pub(super) fn micro_batch(&self, default: usize) -> usize {
        self.micro_batch.unwrap_or(default)
    }
}
