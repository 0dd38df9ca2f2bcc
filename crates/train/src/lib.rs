//! Gradient training: recipes, optimizers, checkpoints, the training loop, fine-tuning and masked-LM training.
//!
//! A driver such as [`fine_tune`] checks its settings, opens a [`TrainingRun`], trains one or two sessions in it and
//! finishes it. [`recipe`] has the settings that all drivers share, [`session`] the loop over epochs and micro-batches,
//! [`checkpoint`] the folder `OUT.run` in which an interrupted run waits to be resumed.

pub mod checkpoint;
mod fine_tune;
pub mod journal;
mod masked_lm;
mod metrics_window;
pub mod optimizer;
pub mod recipe;
mod run;
pub mod schedule;
pub mod session;
pub mod sparsity;
mod summary;
mod task_data;
mod zeros;

pub use checkpoint::{Identity, Output, Trainee};
pub use fine_tune::{FineTune, FineTuneReport, fine_tune, gold_loss, head_of, with_head};
pub use masked_lm::{HeldOutGuesses, MaskedLmReport, MaskedLmSettings, masked_lm};
pub use recipe::{Recipe, TimeLimit};
pub use run::{TrainedModel, TrainingRun};
pub use summary::Summary;
pub use task_data::TaskData;
