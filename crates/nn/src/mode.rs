//! Training or evaluation.

/// Whether dropout is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No dropout.
    Eval,
    /// Dropout with masks that depend on seed, step, global sample id and place in the network only.
    Train {
        /// Seed of the run.
        seed: u64,
        /// Step of the run: every step draws other masks.
        step: u64,
    },
}
