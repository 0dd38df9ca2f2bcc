//! Host side of tinybert-compress: everything that runs before the device does.
//!
//! A BERT teacher and labelled text go in; checkpoints, and at the end one model image, come out.
//! This is the only crate that knows candle.

pub mod ablations;
pub mod augment;
pub mod bench;
pub mod checkpoint;
pub mod collective;
pub mod compress;
pub mod data;
pub mod device;
pub mod distill;
pub mod error;
pub mod evaluate;
pub mod image_file;
pub mod metrics;
pub mod nn;
pub mod predictor;
pub mod progress;
pub mod prune;
pub mod quantize;
pub mod report;
pub mod signature;
pub mod task;
pub mod train;

pub use error::{Error, Result};
pub use tinybert_runtime as runtime;
