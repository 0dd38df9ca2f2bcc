//! The parts of a step: what one forward and backward pass takes in, and what comes out of it.

use std::ops::Range;

use candle_core::Tensor;

use tinybert_base::collective::{Collective, share};
use tinybert_data::Batch;
use tinybert_nn::{Mode, Tape};

/// The losses of one micro-batch as shares of its step's: what is minimised, and its parts for the record.
pub struct Losses {
    /// Scalar with a graph.
    pub total: Tensor,
    /// The way from it back to the encoder's weights.
    pub tape: Tape,
    /// Named scalars.
    pub parts: Vec<(&'static str, Tensor)>,
}

/// A part of a step that fits into memory: one forward and backward pass.
pub struct MicroBatch<'a> {
    /// Its samples.
    pub batch: &'a Batch,
    /// How the student runs forward.
    pub mode: Mode,
    /// All parts of the step, this one and those of other ranks too.
    pub step: &'a [Batch],
}

impl MicroBatch<'_> {
    /// This part's share of the step in the unit that `count` counts: what a mean over the part is multiplied by, so
    /// that the sum over the parts is the mean over the step. 1 for a step in one part.
    pub fn share(&self, count: impl Fn(&Batch) -> usize) -> f64 {
        count(self.batch) as f64 / self.step.iter().map(&count).sum::<usize>() as f64
    }
}

/// All parts of a step, and which of them this rank computes.
pub struct Parts {
    /// In the order of ranks. Each rank has all of them: a part's share of the losses depends on the others' lengths.
    pub all: Vec<Batch>,
    /// Indices of this rank's; none where there are fewer samples than ranks.
    pub mine: Range<usize>,
}

impl Parts {
    /// Deals the samples of a step to the ranks in near-equal runs, each cut into parts of at most `micro_batch`.
    pub fn deal(
        samples: &[usize],
        micro_batch: usize,
        ranks: &dyn Collective,
        collate: impl Fn(&[usize]) -> Batch,
    ) -> Self {
        let mut parts = Self { all: Vec::new(), mine: 0..0 };
        for rank in 0..ranks.size() {
            let first = parts.all.len();
            let run = &samples[share(samples.len(), rank, ranks.size())];
            parts.all.extend(run.chunks(micro_batch).map(&collate));
            if rank == ranks.rank() {
                parts.mine = first..parts.all.len();
            }
        }
        parts
    }
}
