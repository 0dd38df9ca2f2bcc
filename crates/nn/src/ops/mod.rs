//! The expensive parts of the encoder, each with its backward pass.
//!
//! candle's fused layer norm and softmax have no gradient; its composed ones, and its bookkeeping of a
//! gradient for every intermediate tensor, cost many passes over memory. Each op here is one pass forward and
//! one backward over plain buffers, parallel over fixed pieces of the rows, so that the result has the same
//! bits for any number of threads. They run on the CPU; the private module `composed` is the same for other
//! devices. All are generic over f32 (training) and f64 (finite differences).

pub(crate) mod attention;
pub(crate) mod dropout;
pub(crate) mod embedding;
pub(crate) mod float;
pub(crate) mod gelu;
pub(crate) mod layer_norm;
pub(crate) mod relative;
pub mod rows;
pub(crate) mod straight_through;
pub(crate) mod tied_cross_entropy;

#[cfg(test)]
mod tests;
