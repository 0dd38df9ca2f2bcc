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
//!
//! [`Session::start`] gives the answer in slices, so that the core is free in between.
//!
//! # Threads and interrupts
//!
//! Every type of this crate is `Send` and `Sync`, and no function has global state.
//!
//! * A [`Model`] can be shared: any number of threads, cores or interrupt handlers answer with the same model at the
//!   same time, each with a session and a workspace of its own.
//! * A [`Session`] and a [`Run`] can be sent to another thread between two calls. A call needs `&mut`, so two cannot
//!   use the same workspace at the same time.
//! * [`WordRows`] are read by every user of the model and must therefore be `Sync`: a driver with state needs a lock.
//!
//! ```compile_fail,E0277
//! use core::cell::RefCell;
//! struct Spi(RefCell<[u8; 4096]>); // not `Sync`
//! impl tinybert_runtime::WordRows for Spi {
//!     fn read(&self, offset: usize, into: &mut [u8]) -> bool {
//!         self.0.borrow().get(offset..).map(|from| into.copy_from_slice(&from[..into.len()])).is_some()
//!     }
//! }
//! ```
//!
//! ```compile_fail,E0499
//! # use tinybert_runtime::{Error, Input, Session};
//! fn two_at_once(session: &mut Session<'_, '_>) -> Result<(), Error> {
//!     let mut first = session.start(Input::text("play"))?;
//!     let second = session.run(Input::text("some jazz"))?; // the first run has the workspace
//!     first.step(1_000)?;
//!     Ok(())
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod answer;
mod attention;
mod carver;
mod checksum;
#[cfg(feature = "embed")]
mod embed;
mod encoder;
mod entities;
mod error;
mod head;
mod label_set;
mod model;
#[cfg(feature = "embedded-storage")]
mod nor_flash;
mod progress;
mod qkv;
mod quantized;
mod run;
mod session;
mod stages;
mod tags;
mod team;
mod words;
mod workspace;

pub use answer::{Answer, Reply};
pub use checksum::image_metadata;
#[cfg(feature = "embed")]
pub use embed::embed_model;
pub use entities::{Entities, Entity, EntityStep, EntityTags};
pub use error::Error;
pub use label_set::LabelSet;
pub use model::Model;
#[cfg(feature = "embedded-storage")]
pub use nor_flash::NorFlashRows;
pub use run::{Run, Step};
pub use session::{Input, Session};
pub use tags::{TagPlace, TaggedWord, TaggedWords, Tags};
#[cfg(feature = "threads")]
pub use team::Threads;
pub use words::WordRows;
pub use workspace::{ROWS_PER_STEP, workspace_bytes};

pub use tinybert_image as image;
pub use tinybert_kernels as kernels;
pub use tinybert_kernels::math::cosine;
pub use tinybert_tokenizer as tokenizer;
