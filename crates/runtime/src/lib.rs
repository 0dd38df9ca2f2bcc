//! Text in, answer out, from a model image: no heap, no operating system, no panic, no recursion.
//!
//! Logits are the same bits on every instruction set. `docs/numerics.md` in the repository says what is computed.
//!
//! ```
//! use tinybert_runtime::{Answer, Error, Input, Model};
//! # use tinybert_runtime::{image::toy, tokenizer::{Options, pack}};
//! # let layer = toy::ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: toy::INT8, inputs: toy::PER_TOKEN_INPUTS };
//! # let vocabulary = pack(&toy::PIECES, Options::UNCASED).unwrap();
//! # let image = toy::model(1, 8, toy::PIECES.len(), &vocabulary, &[layer]).build().unwrap();
//! # const WORKSPACE: usize = 16 * 1024;
//!
//! let model = Model::from_bytes(&image)?; // checks everything once; borrows; no copy
//! let mut workspace = [0; WORKSPACE]; // as large as `model.max_workspace_bytes()`
//! model.self_test(&mut workspace)?; // this device computes what the host computed
//!
//! let mut session = model.session(&mut workspace)?;
//! let reply = session.run(Input::text("Play some jazz!"))?;
//! if let Answer::Label { index, logits, accepted, .. } = reply.answer {
//!     assert!(model.label(index).is_some());
//!     assert_eq!(logits.len(), model.config().outputs);
//!     assert!(accepted, "the image has no threshold");
//! }
//! # Ok::<(), Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod answer;
mod argmax;
mod carver;
mod checksum;
#[cfg(feature = "embed")]
mod embed;
mod encoder;
mod error;
mod head;
mod label_set;
mod model;
#[cfg(feature = "embedded-storage")]
mod nor_flash;
mod qkv;
mod quantized;
mod session;
mod stages;
mod tags;
mod team;
mod words;
mod workspace;

pub use answer::{Answer, Reply};
#[cfg(feature = "embed")]
pub use embed::embed_model;
pub use error::Error;
pub use label_set::LabelSet;
pub use model::Model;
#[cfg(feature = "embedded-storage")]
pub use nor_flash::NorFlashRows;
pub use session::{Input, Session};
pub use tags::{TaggedWord, TaggedWords, Tags};
#[cfg(feature = "threads")]
pub use team::Threads;
pub use words::WordRows;
pub use workspace::{ROWS_PER_STEP, workspace_bytes};

pub use tinybert_image as image;
pub use tinybert_kernels as kernels;
pub use tinybert_tokenizer as tokenizer;
