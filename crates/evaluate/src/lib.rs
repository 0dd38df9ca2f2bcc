#![doc = include_str!("../README.md")]

pub mod confidence;
mod image;
pub mod judge;
pub mod latency;
pub mod predictor;
pub mod thresholds;

pub use image::logits as image_logits;
