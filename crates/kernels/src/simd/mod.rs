//! The operations written once for all vector instruction sets.
//!
//! A [`Simd`] token stands for an instruction set: its methods are safe because whoever made the token has
//! proved that the CPU has it. What is `#[inline(always)]` is compiled inside the instruction set's
//! `#[target_feature]` entry points; on x86-64 that is everything. On aarch64 the vectors are the baseline's,
//! and what does not contain a micro-kernel is a function of its own, where it can be one for all instruction
//! sets ([`Simd::Vectors`]): that keeps the code small. A vector narrower than 16 lanes takes several steps for
//! the same 16 elements, which keeps the fixed summation order of [`math::sum`](crate::math::sum) whatever the
//! width.

mod attention;
mod attention_f32;
mod context;
mod decode;
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
pub(crate) use attention_f32::attention_f32;
pub(crate) use decode::decode;
pub(crate) use embedding::embed;
pub(crate) use entry_points::{entry_points, micro_kernel};
pub(crate) use layer_norm::{layer_norm, layer_norm_quantize};
pub(crate) use linear::{linear, tiles};
pub(crate) use quantize::quantize;
pub(crate) use sink::LinearSink;

use core::marker::PhantomData;
use core::ops::Range;

use tinybert_layout::PanelWeights;

use crate::Panel;
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Linear};

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
    /// The same vectors by one name for all families that have them.
    type Vectors: Simd<F = Self::F, I = Self::I>;

    fn vectors(self) -> Self::Vectors;

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
    fn sub_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i32(self, a: Self::I, b: Self::I) -> Self::I;

    /// Nearest f32, ties to even.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Nearest integer, ties to even, of |x| < 2^22; of smaller x the smallest i32, or the nearest.
    fn round(self, x: Self::F) -> Self::I;
    /// Adds `n << 23` to the bits of `x`: `x · 2^n` for normal numbers.
    fn add_exponent(self, x: Self::F, n: Self::I) -> Self::F;
    /// Nearest integer, ties to even, of `x` or −127 where that is larger; what is above 127 need only stay above it.
    /// NaN gives −127.
    fn round_i8(self, x: Self::F) -> Self::I;

    /// Narrows `R` vectors (1 or [`GROUP`](Self::GROUP)) to i8, larger values to 127, flips the bits of `flip` in every
    /// byte, and writes vector `r` to `out + r·step`, a whole vector each.
    ///
    /// # Safety
    /// `out` must be valid for writes of (R − 1)·step + LANES bytes.
    unsafe fn write_i8<const R: usize>(self, x: [Self::I; R], flip: i8, out: *mut i8, step: usize);
    /// Probabilities of exponents in steps of 1/2048, see [`math::probability`](crate::math::probability);
    /// lower ones than an i16 has count as its lowest. They are added to `totals`, and written as bytes like
    /// [`write_i8`](Self::write_i8)'s.
    ///
    /// # Safety
    /// As [`write_i8`](Self::write_i8).
    unsafe fn write_probabilities<const R: usize>(
        self,
        exponents: [Self::I; R],
        totals: &mut [Self::I; R],
        flip: i8,
        out: *mut i8,
        step: usize,
    );
    /// What has been added to `totals` for vector `row`.
    fn total<const R: usize>(self, totals: [Self::I; R], row: usize) -> i32;

    /// [`write_i8`](Self::write_i8) to `out[at..]`; nothing if the vectors are not all inside `out`.
    #[inline(always)]
    fn store_i8<const R: usize>(self, x: [Self::I; R], flip: i8, out: &mut [i8], at: usize, step: usize) {
        let Some(out) = out.get_mut(at..) else { return };
        if (R - 1).saturating_mul(step).saturating_add(Self::LANES) <= out.len() {
            // SAFETY: as was checked.
            unsafe { self.write_i8(x, flip, out.as_mut_ptr(), step) }
        }
    }

    /// Four rows of four words, `stride` bytes apart, to columns of words: word `r` of result `w` is word `w`
    /// of row `r`.
    ///
    /// # Safety
    /// 16 bytes of every row must be valid for reads.
    unsafe fn transpose_words(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4];
    /// Four rows of 16 bytes to words: byte `r` of word `c` of result `w` is byte `4·w + c` of row `r`.
    ///
    /// # Safety
    /// As [`transpose_words`](Self::transpose_words).
    unsafe fn transpose_bytes(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4];
    /// Writes word `w` of four to `out + w·step`.
    ///
    /// # Safety
    /// `out` must be valid for writes of 3·step + 4 bytes.
    unsafe fn write_words(self, words: [i8; 16], out: *mut i8, step: usize);
    /// Codes of −7 to 7 in the lower and in the upper halves of bytes, times the multipliers.
    fn multiply_codes(self, codes: &[u8; 16], multipliers: &[u8; 16]) -> [[i8; 16]; 2];
    /// Writes `values[places[i]]` to `out + i`, 0 where a place is 128 or more; others are below 8.
    ///
    /// # Safety
    /// 16 bytes must be valid for reads at `values`, 8 for writes at `out`.
    unsafe fn gather(self, values: *const i8, places: &[u8; 8], out: *mut i8);
}

/// Most rows of a micro-kernel's tile.
pub(crate) const MR_MAX: usize = 8;
/// Most vectors in a row of a tile.
pub(crate) const VECTORS_MAX: usize = 3;

/// Sums of a micro-kernel, `[row][vector of columns]`. What lies beyond the tile's rows and vectors means nothing.
pub(crate) type Tile<I> = [[I; VECTORS_MAX]; MR_MAX];

/// Rows of int8 activations for a tile, in the layout of the micro-kernel `S`; `data` begins with the first
/// row's block.
#[derive(Clone, Copy)]
pub(crate) struct TileRows<'a, S> {
    data: &'a [i8],
    stride: usize,
    count: usize,
    depth: usize,
    kernel: PhantomData<S>,
}

impl<'a, S: MicroKernel> TileRows<'a, S> {
    /// `count` rows, at least 1, of `stride` bytes, of which micro-kernels read the first `depth`, rounded up
    /// to 16. `None` if the rows are not all there, in whole blocks of the layout.
    #[inline(always)]
    pub(crate) fn new(data: &'a [i8], stride: usize, count: usize, depth: usize) -> Option<Self> {
        let rows = count.next_multiple_of(S::LAYOUT.rows);
        let complete = rows.checked_mul(stride).is_some_and(|bytes| bytes <= data.len());
        let long_enough = depth.next_multiple_of(16) <= stride;
        (count > 0 && complete && long_enough).then_some(TileRows {
            data,
            stride,
            count,
            depth,
            kernel: PhantomData,
        })
    }
}

/// Columns of a panel `[groups][width][kr]` of the micro-kernel `S`, for a tile.
#[derive(Clone, Copy)]
pub(crate) struct TileColumns<'a, S> {
    panel: &'a [i8],
    width: usize,
    depth: usize,
    first: usize,
    vectors: usize,
    kernel: PhantomData<S>,
}

impl<'a, S: MicroKernel> TileColumns<'a, S> {
    /// The columns from `first` on, as many as make a tile or are left, of a panel of `width` columns by
    /// `depth` inputs. `None` if there are none, if `first` is no multiple of a vector's lanes, if the panel
    /// has another size, or if it is not padded as panels of `S` are.
    #[inline(always)]
    pub(crate) fn new(panel: &'a [i8], width: usize, depth: usize, first: usize) -> Option<Self> {
        let vectors = S::VECTORS.min(width.checked_sub(first)?.div_ceil(S::LANES));
        let padded =
            width.is_multiple_of(S::PANEL.output_padding()) && depth.is_multiple_of(S::PANEL.input_padding());
        let complete = padded
            && first.is_multiple_of(S::LANES)
            && width.checked_mul(depth) == Some(panel.len())
            && vectors > 0;
        complete.then_some(TileColumns { panel, width, depth, first, vectors, kernel: PhantomData })
    }

    /// Inputs of the panel.
    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Vectors of columns in the tile, at least 1.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }
}

/// The operands of a tile of the micro-kernel `S`, checked: what is said of a method here holds of every value
/// of this type, so that a micro-kernel may read accordingly.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a, S> {
    rows: TileRows<'a, S>,
    columns: TileColumns<'a, S>,
}

impl<'a, S: MicroKernel> Operands<'a, S> {
    /// `None` if the rows were made for another depth than the panel has.
    #[inline(always)]
    pub(crate) fn new(rows: TileRows<'a, S>, columns: TileColumns<'a, S>) -> Option<Self> {
        (rows.depth == columns.depth).then_some(Operands { rows, columns })
    }

    /// Number of rows, at least 1.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.rows.count
    }

    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "blocked layouts need no stride"))]
    /// Bytes of a row, at least [`depth`](Self::depth), rounded up to 16.
    #[inline(always)]
    pub(crate) fn stride(&self) -> usize {
        self.rows.stride
    }

    /// The first row's block. [`count`](Self::count) rows of [`stride`](Self::stride) bytes each can be read
    /// from here, in whole blocks of the layout of `S`.
    #[inline(always)]
    pub(crate) fn rows(&self) -> *const i8 {
        self.rows.data.as_ptr()
    }

    /// Columns of the panel: its `nr`, or what is left in the last one. A multiple of gcd(nr, 8).
    #[inline(always)]
    pub(crate) fn width(&self) -> usize {
        self.columns.width
    }

    /// Inputs of the panel. A multiple of gcd(kr, 8).
    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        self.columns.depth
    }

    /// First column of the tile, below the width. A multiple of a vector's lanes.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        self.columns.first
    }

    /// Vectors of columns in the tile, at least 1 and at most `VECTORS`. All columns of all but the last vector
    /// are inside the panel, and at least one column of the last vector is.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.columns.vectors
    }

    /// The panel: width · depth bytes can be read from here.
    #[inline(always)]
    pub(crate) fn panel(&self) -> *const i8 {
        self.columns.panel.as_ptr()
    }

    /// Whether these are the operands of a whole tile.
    #[inline(always)]
    pub(crate) fn are_whole(&self) -> bool {
        self.count() == S::MR && self.vectors() == S::VECTORS
    }
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
    const LAYOUT: ActivationLayout;

    /// `init[v] + Σ_k (a[r][k] + LAYOUT.bias) · w[v][k]`, over all the panel holds, of `MR` rows and `VECTORS` vectors.
    ///
    /// # Safety
    /// The operands must be those of a whole tile ([`Operands::are_whole`]).
    unsafe fn tile(self, operands: Operands<Self>, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I>;
    /// The same of any number of rows, up to `MR`, and vectors. Not inlined, as it is rare.
    fn edge(self, operands: Operands<Self>, init: [Self::I; VECTORS_MAX], tile: &mut Tile<Self::I>);
    /// [`decode()`] of a panel of `width` outputs. Not inlined.
    fn decode(self, stored: PanelWeights, width: usize, out: &mut [i8]);
    /// [`tiles()`] of the rows `rows`. Not inlined: one function for all sinks would need the stack of all of them.
    fn tiles<K: LinearSink<Self>>(
        self,
        a: &Activations,
        w: &Linear,
        rows: Range<usize>,
        decoded: &mut [i8],
        sink: K,
    );
}
