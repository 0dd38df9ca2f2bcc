//! The operations written once for all vector instruction sets.
//!
//! A [`Simd`] token stands for an instruction set: its methods are safe because whoever made the token has proved that
//! the CPU has it. Everything here is `#[inline(always)]`, so that it is compiled inside the instruction set's
//! `#[target_feature]` entry points. A vector narrower than 16 lanes takes several steps for the same 16 elements, which
//! keeps the fixed summation order of [`math::sum`](crate::math::sum) whatever the width.

mod attention;
mod context;
mod embedding;
mod entry_points;
mod layer_norm;
mod linear;
mod math;
mod pack;
pub(crate) mod partial;
mod quantize;
mod sink;
mod softmax;

pub(crate) use attention::attention;
pub(crate) use embedding::embed;
pub(crate) use entry_points::entry_points;
pub(crate) use layer_norm::{layer_norm, layer_norm_quantize};
pub(crate) use linear::linear;
pub(crate) use quantize::quantize;

use crate::Panel;
use crate::layout::Layout;

/// Vectors of f32 and i32. Every operation rounds once, like its scalar counterpart in [`math`](crate::math).
///
/// Loads take the first [`LANES`](Self::LANES) elements of a slice and fill up what a shorter one lacks; stores write
/// as many lanes as the slice has room for.
pub(crate) trait Simd: Copy {
    /// Lanes of a vector; divides 16.
    const LANES: usize;
    /// Rows whose results are narrowed to int8 together: 4 where that fills a vector of bytes, else 1.
    const GROUP: usize;
    /// `LANES` f32.
    type F: Copy;
    /// `LANES` i32.
    type I: Copy;

    fn splat(self, x: f32) -> Self::F;
    /// Missing lanes are +0.0.
    fn load(self, x: &[f32]) -> Self::F;
    fn store(self, x: Self::F, out: &mut [f32]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `b` where `a` is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `b` where `a` is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, x: Self::F) -> Self::F;

    fn splat_i32(self, x: i32) -> Self::I;
    fn load_i32(self, x: &[i32], missing: i32) -> Self::I;
    fn store_i32(self, x: Self::I, out: &mut [i32]);
    /// Widens; missing lanes are 0.
    fn load_i8(self, x: &[i8]) -> Self::I;
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i32(self, a: Self::I, b: Self::I) -> Self::I;

    /// Nearest f32, ties to even.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Nearest integer, ties to even, of |x| < 2^22.
    fn round(self, x: Self::F) -> Self::I;
    /// Adds `n << 23` to the bits of `x`: `x · 2^n` for normal numbers.
    fn add_exponent(self, x: Self::F, n: Self::I) -> Self::F;
    /// Nearest integer, ties to even, of `x` or −127 where that is larger; what is above 127 need only stay above it.
    /// NaN gives −127.
    fn round_i8(self, x: Self::F) -> Self::I;

    /// Narrows `R` vectors (1 or [`GROUP`](Self::GROUP)) to i8, larger values to 127, flips the bits of `flip` in every
    /// byte, and writes vector `r` to `out[at + r·step..]`, a whole vector each. Writes nothing if they are not all
    /// inside `out`.
    fn store_i8<const R: usize>(self, x: [Self::I; R], flip: i8, out: &mut [i8], at: usize, step: usize);
    /// Rows of four words to columns of words: word `r` of result `w` is word `w` of row `r`.
    fn transpose_words(self, rows: [[i8; 16]; 4]) -> [[i8; 16]; 4];
    /// Rows of bytes to words: byte `r` of word `c` of result `w` is byte `4·w + c` of row `r`.
    fn transpose_bytes(self, rows: [[i8; 16]; 4]) -> [[i8; 16]; 4];
    /// Writes word `w` of four to `out[at + w·step..]`; nothing if they are not all inside `out`.
    fn store_words(self, words: [i8; 16], out: &mut [i8], at: usize, step: usize);

    /// The same as [`store_i8`](Self::store_i8) for values 0 to 255.
    fn store_u8<const R: usize>(self, x: [Self::I; R], flip: i8, out: &mut [i8], at: usize, step: usize);
}

/// Most rows of a micro-kernel's tile.
pub(crate) const MR_MAX: usize = 8;
/// Most vectors in a row of a tile.
pub(crate) const VECTORS_MAX: usize = 3;

/// Sums of a micro-kernel, `[row][vector of columns]`. What lies beyond the tile's rows and vectors means nothing.
pub(crate) type Tile<I> = [[I; VECTORS_MAX]; MR_MAX];

/// Rows of int8 activations for a tile, in the kernel's [`Layout`]; `data` begins with the first row's block.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub data: &'a [i8],
    /// Bytes of a row.
    pub stride: usize,
    /// At least 1.
    pub count: usize,
}

impl Rows<'_> {
    /// Whether `depth` bytes of every row may be read: of `count` rows in row-major layout, of `block` rows otherwise.
    #[inline(always)]
    pub(crate) fn readable(&self, block: usize, depth: usize) -> bool {
        let bytes = if block == 1 { (self.count - 1) * self.stride + depth } else { block * depth };
        self.count > 0 && bytes <= self.data.len()
    }
}

/// Columns of a panel `[groups][width][kr]` for a tile.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub panel: &'a [i8],
    /// Columns of the panel: its `nr`, or what is left in the last one.
    pub width: usize,
    /// First column of the tile.
    pub first: usize,
    /// Vectors of columns in the tile.
    pub vectors: usize,
}

/// The integer micro-kernel of an instruction set: up to `MR` rows of activations times up to `VECTORS` vectors of a
/// panel's columns.
pub(crate) trait MicroKernel: Simd {
    /// Most rows, at most [`MR_MAX`]; `LAYOUT.rows` or, in row-major layout, any number.
    const MR: usize;
    /// Most vectors of columns, at most [`VECTORS_MAX`].
    const VECTORS: usize;
    /// The weight layout.
    const PANEL: Panel;
    /// The layout of activations.
    const LAYOUT: Layout;

    /// `init[v] + Σ_k (a[r][k] + LAYOUT.bias) · w[v][k]`, over all the panel holds, of `MR` rows and `VECTORS` vectors.
    fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I>;
    /// The same of any number of rows and vectors. Not inlined, as it is rare.
    fn edge(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX], tile: &mut Tile<Self::I>);
}
