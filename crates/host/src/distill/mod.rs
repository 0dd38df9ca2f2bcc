//! Transformer distillation after TinyBERT (arXiv 1909.10351).

mod general;
pub mod layer_map;
pub mod losses;
mod pair;
mod task;
pub mod transfer;

pub use general::{Corpus, GeneralReport, GeneralSettings, general};
pub use task::{Stage, TaskReport, TaskSettings, task};
