//! int8 kernels of the BERT encoder, bit-identical on every instruction set.
//!
//! The operations are the linear layer with everything that follows it ([`Epilogue`]), self-attention, LayerNorm,
//! quantization, and the embedding sum. Nothing allocates and nothing panics. Every operation checks its operands'
//! lengths first and returns [`ShapeMismatch`] if they do not fit. The caller needs to know nothing about the
//! instruction set.
//!
//! ```
//! use tinybert_kernels::{
//!     Activations, ActivationsMut, Epilogue, Kernels, Linear, PackedWeights, Quantization, RowScale,
//!     activation_bytes, pack,
//! };
//!
//! # fn main() -> Result<(), tinybert_kernels::ShapeMismatch> {
//! let kernels = Kernels::detect();
//! // Two outputs of three inputs: y = [1, 2, 3 ; 0, -1, 0] x + [0.5, 0], packed once, when the model is written.
//! let panel = kernels.native_panel();
//! let mut weights = vec![0; panel.packed_bytes(2, 3).unwrap()];
//! pack(&[1, 2, 3, 0, -1, 0], 2, 3, panel, &mut weights)?;
//! let weights = PackedWeights::Int8(&weights);
//! let w = Linear { n: 2, k: 3, panel, weights, scale: &[1.0; 2], bias: &[0.5, 0.0], row_sum: &[6, -1] };
//! // One row of activations in steps of 0.5.
//! let mut data = vec![0; activation_bytes(1, 3).unwrap()];
//! let quantization = Quantization::Static { inv_scale: 2.0, zero_point: 0 };
//! kernels.quantize(&[1.0, 0.5, 2.0], 3, quantization, ActivationsMut::new(&mut data, 3))?;
//! let a = Activations { data: &data, stride: 16, m: 1, k: 3, zero_point: 0, scale: RowScale::Uniform(0.5) };
//! let mut y = [0.0; 2];
//! kernels.linear(&a, &w, Epilogue::F32 { out: &mut y, stride: 2 }, &mut [])?;
//! assert_eq!(y, [8.5, -0.5]);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! | | |
//! | --- | --- |
//! | `table.rs` | **which kernel runs where**: a table of functions per instruction set, and when it may be used |
//! | `kernels.rs` | [`Kernels`], the public operations: check, then call through the table |
//! | `linear.rs`, `attention.rs`, `embedding.rs` | operands and their checks |
//! | `activation_layout.rs` | how int8 activations lie in memory; `tinybert-layout` says how weights do, and in which encodings |
//! | `simd/decode.rs` | turns a panel of weights in four bits or without zeros into int8 |
//! | `math.rs`, `scalar/` | **the specification**: plain loops, any weight layout; `docs/numerics.md` in the repository explains it |
//! | `simd/` | the same operations over vectors of any width, written once |
//! | `x86_64/`, `aarch64/` | per instruction set: a token, its vectors, and a file per micro-kernel |
//! | `detect.rs` | which extensions the CPU has |
//! | `crc32c.rs`, `crc32c_streams.rs` | CRC-32C by the CPU's instruction for it, the same result whichever it is |
//!
//! | instruction set | micro-kernel | weights `[nr][kr]` | activations |
//! | --- | --- | --- | --- |
//! | `scalar` | loops | any; `[1][16]` is best | row-major |
//! | `avx2` | `i8_6x8_pmaddwd` | `[48][4]` | row-major |
//! | `avx-vnni` | `i8_4x24_vpdpbusd` | `[48][4]` | row-major, plus 128 |
//! | `avx512-vnni` | `i8_8x48_vpdpbusd` | `[48][4]` | row-major, plus 128 |
//! | `neon` | `i8_4x4_smlal` | `[4][16]` | blocks `[4][16]` |
//! | `neon-dotprod-a55` | `i8_8x12_sdot_a55` | `[12][4]` | blocks `[8][4]` |
//! | `neon-dotprod` | `i8_8x12_sdot` | `[12][4]` | blocks `[8][4]` |
//! | `neon-i8mm` | `i8_8x12_smmla` | `[12][8]` | blocks `[8][8]` |
//!
//! `simd/` is generic over a token that proves an instruction set (trait `Simd`: f32 and i32 vectors) and its
//! integer micro-kernel (trait `MicroKernel`: `MR` rows of activations times `VECTORS` vectors of a panel's
//! columns). The linear layer and attention are both loops around that micro-kernel; what follows a product
//! (`simd/sink.rs`, `simd/softmax.rs`, `simd/context.rs`) takes its sums from registers and writes the next
//! product's input in its layout.
//!
//! # How to add a kernel
//!
//! 1. A micro-kernel gets its own file `{arch}/i8_{rows}x{columns}_{instruction}.rs` with two functions: `tile`,
//!    inlined, for a whole tile, and `edge` for any other. Both take checked `Operands`. A function that relies on
//!    anything else that its caller passes is `unsafe`. Sums must be exact in i32, without saturating instructions.
//! 2. A new instruction set also gets a token with `Simd` (one IEEE rounding per operation, never a fused
//!    multiply-add) and `MicroKernel`, whose panel is named in [`Panel`]. The macro `entry_points` compiles the
//!    operations for it. Generic code must be `#[inline(always)]` and without closures around vectors, because a
//!    closure is compiled without the instruction set.
//! 3. Name it in [`Isa`] (later in [`Isa::ALL`] means faster) and give it a table and a condition in `table.rs`. A
//!    single operation can be replaced there too, by any function of the same type.
//! 4. The tests in `tests/` compare every instruction set of the machine with the scalar kernels and need no change;
//!    `scripts/test-aarch64.sh` runs them for CPUs with and without the extension.
#![no_std]
#![warn(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod activation_layout;
mod attention;
mod crc32c;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod crc32c_streams;
mod detect;
mod embedding;
mod isa;
mod kernels;
mod linear;
pub mod math;
mod scalar;
mod scratch;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod simd;
mod table;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use attention::{AttentionShape, ContextOutput};
pub use crc32c::crc32c;
pub use embedding::Embedding;
pub use isa::Isa;
pub use kernels::Kernels;
pub use linear::{
    Activations, ActivationsMut, COLUMN_UNIT, Epilogue, LayerNorm, Linear, MAX_SIDE, Quantization, ROW_BLOCK,
    RowScale, activation_bytes, row_stride,
};
pub use tinybert_layout::{PackedWeights, Panel, ShapeMismatch, decode_row, pack, unpack};
