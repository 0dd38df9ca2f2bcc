//! BERT on candle for training: every hidden state and raw attention score, with checked gradients.
//!
//! One code path serves the frozen teacher (plain tensors, no graph) and the student under training
//! ([`Parameters`]). The expensive operations are in [`ops`], each with its own backward pass.

mod bert;
mod heads;
mod init;
mod observe;
pub mod ops;
mod parameters;
pub mod random;

pub use bert::{Bert, BertOutput, Mode};
pub use heads::TaskModel;
pub use init::init_parameters;
pub use observe::{Observe, Site};
pub use parameters::{Parameters, check_gradients};
