//! Passes over an encoded data set.

use super::session::{Losses, Next, Session};
use crate::Result;
use crate::data::{Batch, EncodedSet, bucketed_batches};
use crate::nn::Mode;

/// How to pass over a data set.
#[derive(Debug, Clone, Copy)]
pub struct Epochs {
    /// Number of passes.
    pub epochs: u64,
    /// Samples per step.
    pub batch_size: usize,
    /// Samples per forward and backward pass; gradients are accumulated over a step's. Limits memory.
    pub micro_batch: usize,
    /// Seed of the order.
    pub seed: u64,
    /// Fills short rows.
    pub pad_id: u32,
    /// Calls of `evaluate` per pass; 0 for none.
    pub evaluations: usize,
}

impl Epochs {
    /// Optimizer steps over a set of `samples`.
    pub fn steps(&self, samples: usize) -> u64 {
        self.epochs * samples.div_ceil(self.batch_size) as u64
    }

    /// Steps through all passes, or until the session stops; then `evaluate` is called a last time. It is
    /// given the session and the passes done, such as 1.5.
    ///
    /// # Errors
    /// Those of the session and of `evaluate`.
    pub fn run(
        &self,
        session: &mut Session,
        set: &EncodedSet,
        mut losses: impl FnMut(&Batch, Mode) -> Result<Losses>,
        mut evaluate: impl FnMut(&mut Session, f64) -> Result<()>,
    ) -> Result<()> {
        let lengths = set.lengths();
        for epoch in 0..self.epochs {
            let batches = bucketed_batches(&lengths, self.batch_size, self.seed, epoch);
            for (index, samples) in batches.iter().enumerate() {
                let parts: Vec<Batch> =
                    samples.chunks(self.micro_batch).map(|part| set.collate(part, self.pad_id)).collect();
                let next = session.step(&parts, &mut losses)?;
                // The evaluations of a pass done before and after this batch.
                let [before, after] = [index, index + 1].map(|done| done * self.evaluations / batches.len());
                let stopped = next == Next::Stop && self.evaluations > 0;
                if after > before || stopped {
                    evaluate(session, epoch as f64 + (index + 1) as f64 / batches.len() as f64)?;
                }
                if next == Next::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
