#![doc = include_str!("../README.md")]

mod answers;
pub mod confidence;
mod image;
pub mod judge;
pub mod latency;
pub mod predictor;
mod scoped;
pub mod thresholds;

pub use answers::{Answered, Judgement, Outputs};
pub use scoped::{JudgedConfidence, ScopedJudgement};
