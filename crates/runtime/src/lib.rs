//! Text in, answer out, from a model image: no heap, no operating system, no panic, no recursion.
//!
//! What is computed stands in `docs/numerics.md`; logits are the same bits on every instruction set.
#![no_std]
#![forbid(unsafe_code)]

mod answer;
mod encoder;
mod error;
mod head;
mod model;
mod quantized;
mod session;
mod workspace;

pub use answer::{Answer, Reply};
pub use error::Error;
pub use model::Model;
pub use session::{Input, Session};
pub use workspace::workspace_bytes;

pub use tinybert_image as image;
pub use tinybert_kernels as kernels;
pub use tinybert_tokenizer as tokenizer;
