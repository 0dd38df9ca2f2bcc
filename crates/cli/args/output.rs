//! Where a training command writes, and how it continues after an interruption.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;
use tinybert_train::Output;

use super::units::parse_minutes;

/// Where a training command writes, and how it continues after an interruption.
#[derive(Args)]
pub struct OutputArgs {
    /// Folder to write; checkpoints stand in FOLDER.run until it is complete.
    #[arg(long, value_name = "FOLDER", help_heading = "Output and checkpoints")]
    pub out: PathBuf,
    /// Continue from the last checkpoint in FOLDER.run, to the weights that the uninterrupted run would have
    /// had.
    #[arg(long, help_heading = "Output and checkpoints")]
    resume: bool,
    /// Minutes between checkpoints.
    #[arg(
        long, value_name = "M", default_value_t = 10.0, value_parser = parse_minutes,
        help_heading = "Output and checkpoints"
    )]
    checkpoint_minutes: f64,
    /// Steps between checkpoints, if that is earlier.
    #[arg(long, value_name = "N", help_heading = "Output and checkpoints")]
    checkpoint_steps: Option<NonZeroU64>,
    /// Also write losses, learning rates and metrics as event files for TensorBoard into this folder.
    #[arg(long, value_name = "FOLDER", help_heading = "Output and checkpoints")]
    pub tensorboard: Option<PathBuf>,
}

impl OutputArgs {
    /// The output of a training run.
    pub fn settings(&self) -> Output {
        Output {
            folder: self.out.clone(),
            resume: self.resume,
            checkpoint_minutes: self.checkpoint_minutes,
            checkpoint_steps: self.checkpoint_steps.map(NonZeroU64::get),
            tensorboard: self.tensorboard.clone(),
            ..Output::from(&self.out)
        }
    }
}
