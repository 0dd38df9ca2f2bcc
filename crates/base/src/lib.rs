#![doc = include_str!("../README.md")]

pub mod atomic;
pub mod collective;
mod context;
mod error;
pub mod files;
pub mod foreign_panic;
mod hash;
pub mod json;
pub mod own_folder;
pub mod progress;
pub mod random;
mod vectorised;

pub use context::{Context, StopSignal};
pub use error::{Error, Result};
pub use hash::{FileHash, hex};
pub use vectorised::vectorised;
