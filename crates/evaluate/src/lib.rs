#![doc = include_str!("../README.md")]

mod image;
pub mod judge;
pub mod latency;
pub mod predictor;
pub mod thresholds;
