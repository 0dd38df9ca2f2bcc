//! Exact BERT tokenization without an operating system, a heap or a panic.
//!
//! A [`Vocabulary`] is a checked view of a packed vocabulary in flash or a mapped file. [`Vocabulary::encode`]
//! gives the token ids that Hugging Face `tokenizers` gives, for every text, with bounded stack and no
//! recursion. `pack` (feature `alloc`) makes the packed form, which `docs/tokenizer-format.md` in the
//! repository describes.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use tinybert_tokenizer::{Options, Vocabulary, pack};
//!
//! let pieces = ["[UNK]", "[CLS]", "[SEP]", "play", "##ing", "jazz"];
//! let packed = pack(&pieces, Options::UNCASED).unwrap();
//! let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
//!
//! let (mut ids, mut type_ids) = ([0; 8], [0; 8]);
//! let encoded = vocabulary.encode("Playing jazz", None, &mut ids, &mut type_ids).unwrap();
//! assert_eq!(ids[..encoded.tokens], [1, 3, 4, 5, 2]);
//! # }
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod encode;
mod format;
mod hash;
#[cfg(feature = "alloc")]
mod pack;
mod special_ids;
mod tokenize;
mod unicode;
mod vocabulary;
mod word;
mod words;

pub use encode::{EncodeError, Encoded, MIN_TOKENS, longest_first};
#[cfg(feature = "alloc")]
pub use pack::{PackError, pack};
pub use special_ids::SpecialIds;
pub use vocabulary::{Options, Piece, Vocabulary, VocabularyError};
pub use words::{Words, words};
