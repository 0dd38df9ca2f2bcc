//! Kernels for Armv8.1-M with its vector extension MVE ("Helium"): Cortex-M55, Cortex-M85.
//!
//! Stable Rust has no intrinsics of MVE and cannot pass vectors to inline assembly, so that everything with vectors
//! is a naked function: a loop over memory in assembly. Each of them says itself for which core it is assembled
//! (`cpu!`), because the target may be built for less and the core be asked at run time.
//!
//! # f32
//! MVE rounds as IEEE 754 says, once per operation, but it takes subnormal operands as zeros and makes zeros of
//! subnormal results. It sets a flag of FPSCR then: IDC for an operand, UFC for a result (Arm v8-M Architecture
//! Reference Manual, `FPUnpack` and `FPRound`). Nothing else makes its results differ from those of scalar
//! instructions, except which NaN an operation yields, which `docs/numerics.md` leaves open. A function therefore
//! clears the flags at its beginning and looks at them before it stores what can no longer be computed again. Where
//! one is set, scalar instructions compute the same again. Some functions need no flags; they say why.
//!
//! The compiler itself must not use vectors of f32: [`math`](crate::math) says how that is prevented.

mod attention;
mod decode;
mod embedding;
mod gelu;
mod i8_2x4_vmladava;
#[cfg(arm_mve_detect)]
pub(crate) mod id_registers;
mod layer_norm;
mod linear;
mod pack;
mod quantize;
mod softmax;
mod tile_kernels;
mod tiles;

pub(crate) use attention::attention;
pub(crate) use embedding::embed;
pub(crate) use layer_norm::{layer_norm, layer_norm_quantize};
pub(crate) use linear::linear;
pub(crate) use quantize::quantize;

/// FPSCR.UFC and FPSCR.IDC: a subnormal result or operand was flushed to zero.
const FLUSHED: u32 = 1 << 3 | 1 << 7;
/// FPSCR.IOC: an operand was a signalling NaN, or an operation had no result.
const INVALID: u32 = 1;

/// The core that has all instructions that are used here.
macro_rules! cpu {
    () => {
        ".cpu cortex-m55\n"
    };
}
use cpu;

/// Clears the flags `{flushed}` of FPSCR. Destroys r12.
macro_rules! clear_flags {
    () => {
        "vmrs r12, fpscr\nbic r12, r12, #{flushed}\nvmsr fpscr, r12\n"
    };
}
use clear_flags;

/// A result in the lower half (bits of an f32, or a number of elements) and the flags of FPSCR in the upper half.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Flagged(u64);

impl Flagged {
    fn value(self) -> f32 {
        f32::from_bits(self.0 as u32)
    }

    /// Returns the value, unless a flag of `flags` is set.
    fn without(self, flags: u32) -> Option<f32> {
        ((self.0 >> 32) as u32 & flags == 0).then(|| self.value())
    }
}
