//! The operations written once for all vector instruction sets.
//!
//! A [`Simd`] token stands for an instruction set. Its methods are safe because the code that made the token has proved
//! that the CPU has the instruction set. A function with `#[inline(always)]` is compiled inside the instruction set's
//! `#[target_feature]` entry points; on x86-64 every function is. On aarch64 the vectors are those of the baseline.
//! There, a function without a micro-kernel is compiled once for all instruction sets where that is possible
//! ([`Simd::Vectors`]), which keeps the code small. A vector narrower than 16 lanes takes several steps for the same 16
//! elements. The summation order is therefore that of [`math::sum`](crate::math::sum) for every width.

mod attention;
mod attention_f32;
mod context;
mod decode;
mod embedding;
mod entry_points;
mod layer_norm;
mod linear;
mod math;
mod micro_kernel;
mod pack;
pub(crate) mod partial;
mod quantize;
mod sink;
mod softmax;
mod tiles;

pub(crate) use attention::attention;
pub(crate) use attention_f32::attention_f32;
pub(crate) use decode::decode;
pub(crate) use embedding::embed;
pub(crate) use entry_points::{entry_points, micro_kernel};
pub(crate) use layer_norm::{layer_norm, layer_norm_quantize};
pub(crate) use linear::linear;
pub(crate) use micro_kernel::{LinearSink, MR_MAX, MicroKernel, Operands, Tile, VECTORS_MAX};
pub(crate) use quantize::quantize;
pub(crate) use tiles::tiles;

/// Vectors of f32 and i32. Every operation rounds once, like its scalar counterpart in [`math`](crate::math).
///
/// Loads take the first [`LANES`](Self::LANES) elements of a slice and fill up the lanes that a shorter slice lacks.
/// Stores write as many lanes as the slice has room for.
pub(crate) trait Simd: Copy {
    /// Lanes of a vector; divides 16.
    const LANES: usize;
    /// Rows whose results are narrowed to int8 together: 4 where that fills a vector of bytes, else 1.
    const GROUP: usize;
    /// `LANES` f32.
    type F: Copy;
    /// `LANES` i32.
    type I: Copy;
    /// A type that is the same for all instruction sets with these vectors.
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

    /// Returns the nearest f32, ties to even.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Returns the nearest integer, ties to even, of |x| < 2^22. For smaller x it returns the nearest integer or the
    /// smallest i32.
    fn round(self, x: Self::F) -> Self::I;
    /// Adds `n << 23` to the bits of `x`, which gives `x · 2^n` for normal numbers.
    fn add_exponent(self, x: Self::F, n: Self::I) -> Self::F;
    /// Returns the nearest integer, ties to even, of `x` or of −127, whichever is larger. A result above 127 need not
    /// be exact, but stays above 127. NaN gives −127.
    fn round_i8(self, x: Self::F) -> Self::I;

    /// Narrows `R` vectors (1 or [`GROUP`](Self::GROUP)) to i8, where values above 127 become 127, flips the bits of
    /// `flip` in every byte, and writes the whole vector `r` to `out + r·step`.
    ///
    /// # Safety
    /// `out` must be valid for writes of (R − 1)·step + LANES bytes.
    unsafe fn write_i8<const R: usize>(self, x: [Self::I; R], flip: i8, out: *mut i8, step: usize);
    /// Computes the probabilities of exponents in steps of 1/2048 as [`math::probability`](crate::math::probability)
    /// does; an exponent below the range of an i16 counts as the lowest i16. Adds the probabilities to `totals` and
    /// writes them as bytes, as [`write_i8`](Self::write_i8) does.
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
    /// Returns the sum of everything that was added to `totals` for vector `row`.
    fn total<const R: usize>(self, totals: [Self::I; R], row: usize) -> i32;

    /// Does the same as [`write_i8`](Self::write_i8), to `out[at..]`. Writes nothing if a vector would not lie inside
    /// `out`.
    #[inline(always)]
    fn store_i8<const R: usize>(self, x: [Self::I; R], flip: i8, out: &mut [i8], at: usize, step: usize) {
        let Some(out) = out.get_mut(at..) else { return };
        if (R - 1).saturating_mul(step).saturating_add(Self::LANES) <= out.len() {
            // SAFETY: as was checked.
            unsafe { self.write_i8(x, flip, out.as_mut_ptr(), step) }
        }
    }

    /// Transposes four rows of four words, which are `stride` bytes apart: word `r` of result `w` is word `w` of row
    /// `r`.
    ///
    /// # Safety
    /// 16 bytes of every row must be valid for reads.
    unsafe fn transpose_words(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4];
    /// Transposes four rows of 16 bytes to words: byte `r` of word `c` of result `w` is byte `4·w + c` of row `r`.
    ///
    /// # Safety
    /// As [`transpose_words`](Self::transpose_words).
    unsafe fn transpose_bytes(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4];
    /// Writes each of the four words to `out`: word `w` to `out + w·step`.
    ///
    /// # Safety
    /// `out` must be valid for writes of 3·step + 4 bytes.
    unsafe fn write_words(self, words: [i8; 16], out: *mut i8, step: usize);
    /// Multiplies the codes of −7 to 7 in the lower and in the upper halves of bytes by the multipliers.
    fn multiply_codes(self, codes: &[u8; 16], multipliers: &[u8; 16]) -> [[i8; 16]; 2];
    /// Writes `values[places[i]]` to `out + i`, or 0 if the place is 128 or more. All other places are below 8.
    ///
    /// # Safety
    /// 16 bytes must be valid for reads at `values`, 8 for writes at `out`.
    unsafe fn gather(self, values: *const i8, places: &[u8; 8], out: *mut i8);
}
