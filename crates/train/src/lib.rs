#![doc = include_str!("../README.md")]

mod binary_cross_entropy;
pub mod checkpoint;
mod fine_tune;
mod gold;
pub mod journal;
mod masked_lm;
mod metrics_window;
pub mod optimizer;
mod recipe;
mod run;
pub mod schedule;
pub mod session;
pub mod sparsity;
mod summary;
mod task_data;
mod tensorboard;
mod tuning;
mod zeros;

pub use binary_cross_entropy::binary_cross_entropy;
pub use checkpoint::{Identity, Output, ReplayedRun, Trainee};
pub use fine_tune::{FineTune, FineTuneReport, fine_tune, fine_tune_at_best_rate, head_of, with_head};
pub use gold::{ClassWeighting, GoldAnswers};
pub use masked_lm::{HeldOutGuesses, MaskedLmReport, MaskedLmSettings, masked_lm};
pub use recipe::{Recipe, TimeLimit};
pub use run::{ModelDescription, TrainingRun};
pub use summary::Summary;
pub use task_data::TaskData;
pub use tensorboard::EVENT_FILES;
pub use tuning::{RateSearch, Trial, Tuned, chosen_rate};
