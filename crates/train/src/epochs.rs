//! Passes over an encoded data set.

use super::selection::Selection;
use super::session::{Losses, MicroBatch, Next, Parts, Session};
use tinybert_base::Result;
use tinybert_data::{EncodedSet, bucketed_batches};

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
    /// Looks of the selection per pass, if there is one.
    pub evaluations: usize,
}

impl Epochs {
    /// Optimizer steps over a set of `samples`.
    pub fn steps(&self, samples: usize) -> u64 {
        self.epochs * samples.div_ceil(self.batch_size) as u64
    }

    /// Steps through all passes from where the session stands, or until it stops. `selection` looks at the model
    /// between, and a last time when the session stops.
    ///
    /// # Errors
    /// Those of the session and of `selection`.
    pub fn run(
        &self,
        session: &mut Session,
        set: &EncodedSet,
        mut losses: impl FnMut(&MicroBatch) -> Result<Losses>,
        mut selection: Option<&mut Selection>,
    ) -> Result<()> {
        let lengths = set.lengths();
        let per_epoch = lengths.len().div_ceil(self.batch_size).max(1) as u64;
        let (first_epoch, first_batch) = (session.steps() / per_epoch, session.steps() % per_epoch);
        for epoch in first_epoch..self.epochs {
            let batches = bucketed_batches(&lengths, self.batch_size, self.seed, epoch);
            let done = if epoch == first_epoch { first_batch as usize } else { 0 };
            for (index, samples) in batches.iter().enumerate().skip(done) {
                session.keep(selection.as_deref())?;
                let collate = |part: &[usize]| set.collate(part, self.pad_id);
                let parts = Parts::deal(samples, self.micro_batch, session.ranks(), collate);
                let next = session.step(&parts, &mut losses)?;
                // The evaluations of a pass done before and after this batch.
                let [before, after] = [index, index + 1].map(|done| done * self.evaluations / batches.len());
                if let Some(selection) = selection.as_deref_mut()
                    && (after > before || next == Next::Stop)
                {
                    selection.look(session, epoch as f64 + (index + 1) as f64 / batches.len() as f64)?;
                }
                if next == Next::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
