//! Encoders on candle for training: every hidden state and raw attention score, with checked gradients.
//!
//! One code path serves the frozen teacher (plain tensors, no graph) and the student under training
//! ([`Parameters`]). On the CPU the encoder's backward pass is its own
//! ([`Tape`]), and candle's graph begins at its outputs; on other devices all of it is candle's.

mod bert;
mod composed;
pub mod device;
mod dropout_sites;
mod encoder_record;
mod encoder_weights;
mod heads;
mod init;
mod layer;
mod linear;
mod masked_lm;
mod observe;
pub mod ops;
mod parameters;
mod quantized;
mod tape;

pub use bert::{Bert, BertOutput, Mode};
pub use heads::TaskModel;
pub use init::init_parameters;
pub use masked_lm::{MaskedLm, unigram_bias};
pub use observe::{Observe, Site};
pub use parameters::{Parameters, check_gradients};
pub use parameters::{on_device, with_linears_in};
pub use tape::Tape;
