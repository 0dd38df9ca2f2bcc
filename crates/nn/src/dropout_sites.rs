//! The sites of the network that have dropout.

use std::sync::Arc;

use super::mode::Mode;
use super::ops::dropout::Dropout;
use tinybert_base::random::site_key;
use tinybert_data::Batch;

/// The dropout sites of one forward pass.
#[derive(Clone)]
pub(super) struct DropoutSites {
    mode: Mode,
    samples: Arc<[u64]>,
}

/// A site; the embeddings and the pooled vector count as layers of their own.
#[derive(Clone, Copy)]
pub(super) enum DropoutSite {
    Embeddings,
    Pooled,
    Probabilities(usize),
    AttentionOutput(usize),
    FeedForwardOutput(usize),
}

impl DropoutSite {
    /// A number of its own for each site.
    fn number(self) -> u64 {
        match self {
            Self::Embeddings => 0,
            Self::Pooled => 1,
            Self::Probabilities(layer) => 4 * layer as u64 + 4,
            Self::AttentionOutput(layer) => 4 * layer as u64 + 5,
            Self::FeedForwardOutput(layer) => 4 * layer as u64 + 6,
        }
    }
}

impl DropoutSites {
    /// The sites of a batch's forward pass.
    pub fn new(mode: Mode, batch: &Batch) -> Self {
        Self { mode, samples: batch.samples.iter().map(|&id| id as u64).collect() }
    }

    /// The masks of a site; `None` where dropout is off.
    pub fn at(&self, site: DropoutSite, rate: f64) -> Option<Dropout> {
        match self.mode {
            Mode::Train { seed, step } if rate > 0.0 => Some(Dropout {
                key: site_key(seed, step, site.number()),
                rate,
                samples: self.samples.clone(),
            }),
            _ => None,
        }
    }
}
