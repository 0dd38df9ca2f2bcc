//! The packed layout of int8 weights: the one definition that the writer of model images and the kernels share.
//!
//! A matrix of `n` outputs by `k` inputs is stored in [`Panel`]s, which a micro-kernel reads front to back. The
//! panels are stored in one of three [`Encoding`]s: a byte per weight, four bits per weight, or without the
//! zeros. [`PackedMatrix`] knows where every weight lies and how many bytes each encoding takes. Nothing here
//! panics or needs a heap, except the functions behind the feature `alloc`.
//!
//! ```
//! use tinybert_layout::{Panel, pack, unpack};
//!
//! // Two outputs of three inputs, in panels of four outputs by groups of two inputs.
//! let (n, k, panel) = (2, 3, Panel { nr: 4, kr: 2 });
//! let weights = [1, 2, 3, 4, 5, 6];
//! let mut packed = vec![0; panel.packed_bytes(n, k).unwrap()];
//! pack(&weights, n, k, panel, &mut packed)?;
//! assert_eq!(packed, [1, 2, 4, 5, 0, 0, 0, 0, 3, 0, 6, 0, 0, 0, 0, 0]);
//!
//! let mut unpacked = [0; 6];
//! unpack(&packed, n, k, panel, &mut unpacked)?;
//! assert_eq!(unpacked, weights);
//! # Ok::<(), tinybert_layout::ShapeMismatch>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod codec;
mod encoding;
mod four_bits;
mod matrix;
mod pack;
mod panel;
mod sparse;

#[cfg(feature = "alloc")]
pub use codec::{SparseWeights, encode_row};
pub use encoding::{Encoding, PackedWeights, PanelWeights};
pub use four_bits::{
    FourBitGroup, INPUTS_PER_MULTIPLIER, MAX_MULTIPLIER, code_bytes, decode_row, multiply_codes,
};
pub use matrix::{Lane, PackedMatrix, PanelPlace};
pub use pack::{pack, unpack};
pub use panel::Panel;
pub use sparse::expand_sparse;

/// The lengths of the operands do not fit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShapeMismatch;

impl core::fmt::Display for ShapeMismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.write_str("the operands' lengths do not fit each other")
    }
}

impl core::error::Error for ShapeMismatch {}
