//! Micro-batches: the parts of an optimizer step that each take one forward and backward pass.

use std::ops::Range;

use candle_core::Tensor;

use crate::metrics_window::LossValues;
use tinybert_base::Result;
use tinybert_base::collective::{Collective, share};
use tinybert_data::Batch;
use tinybert_nn::{Mode, Tape};

/// The losses of one micro-batch, scaled so that the sum over a step's micro-batches is the loss of the step.
pub struct Losses {
    /// The loss that training minimises: a scalar with a graph.
    pub total: Tensor,
    /// The backward pass from the loss to the encoder's weights.
    pub tape: Tape,
    /// Named scalars that add up to the total, for the metrics; empty if the total has one part.
    pub parts: Vec<(&'static str, Tensor)>,
}

impl Losses {
    /// The losses as numbers.
    ///
    /// # Errors
    /// An internal error for a loss that is no scalar.
    pub(super) fn values(&self) -> Result<LossValues> {
        let value = |scalar: &Tensor| -> Result<f64> { Ok(f64::from(scalar.to_scalar::<f32>()?)) };
        let parts = self.parts.iter().map(|(name, part)| Ok(((*name).to_owned(), value(part)?)));
        Ok(LossValues::new(value(&self.total)?, parts.collect::<Result<Vec<_>>>()?))
    }
}

/// A part of a step that fits into memory: one forward and backward pass.
pub struct MicroBatch<'a> {
    /// The samples.
    pub batch: &'a Batch,
    /// How the model that learns runs forward.
    pub mode: Mode,
    /// All micro-batches of the step, including this one and those of other ranks.
    pub step: &'a [Batch],
}

impl MicroBatch<'_> {
    /// This micro-batch's share of the step, measured by `count` (of tokens, of answers): the factor on a
    /// mean over the micro-batch that makes the sum over all micro-batches the mean over the step. 1 for a
    /// step of one micro-batch.
    pub fn share(&self, count: impl Fn(&Batch) -> usize) -> f64 {
        count(self.batch) as f64 / self.step.iter().map(&count).sum::<usize>() as f64
    }
}

/// The micro-batches of a step, and which of them this rank computes.
pub(crate) struct StepBatches {
    /// The micro-batches of all ranks in the order of the ranks. Each rank has all of them, because a
    /// micro-batch's share of the losses depends on the lengths of the others.
    pub all: Vec<Batch>,
    /// Indices of this rank's micro-batches; empty where there are fewer samples than ranks.
    pub mine: Range<usize>,
}

impl StepBatches {
    /// Splits the samples of a step into near-equal runs, one for each rank, and every run into micro-batches
    /// of at most `micro_batch` samples.
    ///
    /// # Errors
    /// Those of `collate`.
    pub fn split(
        samples: &[usize],
        micro_batch: usize,
        ranks: &dyn Collective,
        collate: impl Fn(&[usize]) -> Result<Batch>,
    ) -> Result<Self> {
        let mut parts = Self { all: Vec::new(), mine: 0..0 };
        for rank in 0..ranks.size() {
            let first = parts.all.len();
            let run = &samples[share(samples.len(), rank, ranks.size())];
            for part in run.chunks(micro_batch) {
                parts.all.push(collate(part)?);
            }
            if rank == ranks.rank() {
                parts.mine = first..parts.all.len();
            }
        }
        Ok(parts)
    }
}
