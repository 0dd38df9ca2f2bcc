//! What every host crate stands on: one error type, seeded randomness, files that are written whole or not at all, the
//! display of progress, and the processes that share a run.
//!
//! Nothing here knows what a model is.

pub mod atomic;
pub mod collective;
mod context;
mod error;
pub mod files;
mod hash;
pub mod progress;
pub mod random;
mod vectorised;

pub use context::{Context, StopSignal};
pub use error::{Error, Result};
pub use hash::{FileHash, hex};
pub use vectorised::vectorised;
