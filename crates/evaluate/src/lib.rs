#![doc = include_str!("../README.md")]

mod answers;
pub mod confidence;
mod image;
pub mod judge;
pub mod latency;
pub mod predictor;
pub mod thresholds;

pub use answers::{Answered, Judgement, Outputs};
