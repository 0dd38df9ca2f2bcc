//! `run.json`: how a checkpoint came to be.

use super::FileHash;

/// The record of the run that wrote a checkpoint.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunRecord {
    /// The subcommand, `distill` for example.
    pub command: String,
    /// Every setting as it was resolved, defaults included.
    pub settings: serde_json::Value,
    /// Seed of all randomness.
    pub seed: u64,
    /// SHA-256 of every file that was read.
    pub inputs: Vec<FileHash>,
    /// Results by name.
    pub metrics: serde_json::Value,
}
