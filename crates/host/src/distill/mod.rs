//! Transformer distillation after TinyBERT (arXiv 1909.10351).

pub mod layer_map;
pub mod losses;
mod pair;
mod task;
pub mod transfer;

pub use task::{Stage, TaskReport, TaskSettings, task};
