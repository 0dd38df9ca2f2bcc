//! The operations written once for all vector instruction sets.
//!
//! A [`Simd`] token stands for an instruction set: its methods are safe because whoever made the token has proved that
//! the CPU has it. Everything here is `#[inline(always)]`, so that it is compiled inside the instruction set's
//! `#[target_feature]` entry points. A vector narrower than 16 lanes takes several steps for the same 16 elements, which
//! keeps the fixed summation order of [`math::sum`](crate::math::sum) whatever the width.

mod attention;
mod embedding;
mod entry_points;
mod layer_norm;
mod linear;
mod math;
pub(crate) mod partial;
mod quantize;

pub(crate) use attention::attention;
pub(crate) use embedding::embed;
pub(crate) use entry_points::entry_points;
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use quantize::{quantize, quantize_row};

use crate::Panel;

/// Vectors of f32 and i32. Every operation rounds once, like its scalar counterpart in [`math`](crate::math).
///
/// Loads take the first [`LANES`](Self::LANES) elements of a slice and fill up what a shorter one lacks; stores write
/// as many lanes as the slice has room for.
pub(crate) trait Simd: Copy {
    /// Lanes of a vector; divides 16.
    const LANES: usize;
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
    /// Narrows values that fit i8.
    fn store_i8(self, x: Self::I, out: &mut [i8]);
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i32(self, a: Self::I, b: Self::I) -> Self::I;

    /// Nearest f32, ties to even.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Nearest integer, ties to even, of |x| < 2^22.
    fn round(self, x: Self::F) -> Self::I;
    /// Adds `n << 23` to the bits of `x`: `x · 2^n` for normal numbers.
    fn add_exponent(self, x: Self::F, n: Self::I) -> Self::F;
}

/// Most rows and columns of a micro-kernel's tile.
pub(crate) const MR_MAX: usize = 8;
pub(crate) const NR_MAX: usize = 16;

/// Result of a micro-kernel: the first `rows` rows and `NR` columns are written.
pub(crate) type Tile = [[i32; NR_MAX]; MR_MAX];

/// Rows of int8 activations, `stride` bytes apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub data: &'a [i8],
    pub stride: usize,
    pub count: usize,
}

impl Rows<'_> {
    /// Whether `depth` bytes of every row may be read.
    #[inline(always)]
    pub(crate) fn readable(&self, depth: usize) -> bool {
        self.count > 0 && (self.count - 1) * self.stride + depth <= self.data.len()
    }
}

/// A row-major matrix that a kernel writes, `stride` elements from one row to the next.
pub(crate) struct RowsMut<'a, T> {
    pub data: &'a mut [T],
    pub stride: usize,
}

impl<T> RowsMut<'_, T> {
    /// `len` elements of a row from `column` on; empty if they are not all there.
    #[inline(always)]
    fn part(&mut self, row: usize, column: usize, len: usize) -> &mut [T] {
        let start = row * self.stride + column;
        self.data.get_mut(start..start + len).unwrap_or(&mut [])
    }
}

/// The integer micro-kernel of an instruction set: up to `MR` rows of activations times one panel of `NR` outputs.
pub(crate) trait MicroKernel: Simd {
    /// Most rows, at most [`MR_MAX`].
    const MR: usize;
    /// Outputs of a panel: at most [`NR_MAX`], a multiple of `LANES`, divides 48.
    const NR: usize;
    /// Consecutive inputs of an output in a panel; divides 16.
    const KR: usize;
    /// The weight layout.
    const PANEL: Panel = Panel { nr: Self::NR as u16, kr: Self::KR as u16 };

    /// `tile[r][c] = Σ_k rows[r][k] · panel[k / KR][c][k mod KR]` over the whole panel `[groups][NR][KR]`.
    /// Every row has `groups · KR` bytes; what the panel pads with zeros may hold anything in the rows.
    fn tile(self, rows: Rows, panel: &[i8], tile: &mut Tile);
}
