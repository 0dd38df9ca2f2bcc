//! BERT (and MPNet) on candle for training: every hidden state and raw attention score, with checked gradients.
//!
//! One code path serves the frozen teacher (plain tensors, no graph) and the student under training
//! ([`Parameters`]). The encoder's backward pass is its own
//! ([`Tape`]); candle's graph begins at its outputs.

mod bert;
mod dropout_sites;
mod heads;
mod init;
mod layer;
mod masked_lm;
mod observe;
pub(crate) mod ops;
mod parameters;
pub mod random;
mod tape;

pub use bert::{Bert, BertOutput, Mode};
pub use heads::TaskModel;
pub use init::init_parameters;
pub use masked_lm::{MaskedLm, unigram_bias};
pub use observe::{Observe, Site};
pub(crate) use parameters::lookup;
pub use parameters::{Parameters, check_gradients};
pub use tape::Tape;
