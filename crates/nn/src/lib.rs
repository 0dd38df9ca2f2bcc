#![doc = include_str!("../README.md")]

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
mod mode;
mod observe;
pub mod ops;
mod output;
mod parameters;
mod quantized;
mod tape;

pub use bert::Bert;
pub use heads::TaskModel;
pub use init::init_parameters;
pub use masked_lm::{MaskedLm, unigram_bias};
pub use mode::Mode;
pub use observe::{Observe, Site};
pub use output::BertOutput;
pub use parameters::{Parameters, check_gradients};
pub use parameters::{on_device, with_linears_in};
pub use tape::Tape;
