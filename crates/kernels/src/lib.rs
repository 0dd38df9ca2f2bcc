//! int8 kernels of the BERT encoder: linear layers, attention, LayerNorm, quantization.
#![no_std]
#![warn(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod attention;
mod embedding;
mod isa;
mod kernels;
mod linear;
pub mod math;
mod panel;
mod scalar;
mod scratch;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod simd;
mod table;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use attention::{AttentionShape, Context};
pub use embedding::Embedding;
pub use isa::Isa;
pub use kernels::Kernels;
pub use linear::{
    Activations, Epilogue, LayerNorm, Linear, MAX_SIDE, Quantization, ROW_BLOCK, RowScale, activation_bytes,
};
pub use panel::{Panel, pack, unpack};

/// The operands' lengths do not fit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape;

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.write_str("the operands' lengths do not fit each other")
    }
}

impl core::error::Error for Shape {}
