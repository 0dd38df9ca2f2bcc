//! Differentiable operations with hand-written backward passes.
//!
//! candle's fused layer norm and softmax have no gradient, and its composed ones cost many passes over memory. Each
//! op here is one pass forward and one backward, parallel over fixed pieces of the rows, so that the result has the
//! same bits for any number of threads.

mod attention;
mod dropout;
mod embedding;
mod float;
mod gelu;
mod layer_norm;
mod linear;
mod rows;

pub use attention::{Heads, attention_context, attention_scores};
pub use dropout::{Dropout, dropout_add};
pub use embedding::embed;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::linear;

#[cfg(test)]
mod tests;
