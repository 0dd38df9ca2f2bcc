//! Advanced SIMD: four lanes.

use core::arch::aarch64::*;

use crate::math::PROBABILITY;
use crate::simd::{Simd, partial};

/// Proof that the CPU has Advanced SIMD and what the micro-kernel of `K` needs beyond it.
#[derive(Clone, Copy)]
pub(super) struct Vector<K>(pub(super) K);

/// Evaluates an intrinsic that touches no memory.
macro_rules! neon {
    ($intrinsic:expr) => {
        // SAFETY: a `Vector` exists only where the CPU has Advanced SIMD; the intrinsic has no other precondition.
        unsafe { $intrinsic }
    };
}

impl<K: Copy> Simd for Vector<K> {
    const LANES: usize = 4;
    const GROUP: usize = 4;
    type F = float32x4_t;
    type I = int32x4_t;
    type Vectors = Vector<()>;

    #[inline(always)]
    fn vectors(self) -> Vector<()> {
        Vector(())
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        neon!(vdupq_n_f32(x))
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> float32x4_t {
        let mut place = [0.0; 4];
        let x = partial::first(x, 0.0, &mut place);
        // SAFETY: `x` has four elements; Advanced SIMD as above.
        unsafe { vld1q_f32(x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: float32x4_t, out: &mut [f32]) {
        let mut lanes = [0.0; 4];
        match out.first_chunk_mut::<4>() {
            // SAFETY: `out` has four elements; Advanced SIMD as above.
            Some(out) => unsafe { vst1q_f32(out.as_mut_ptr(), x) },
            None => {
                // SAFETY: `lanes` has four elements; Advanced SIMD as above.
                unsafe { vst1q_f32(lanes.as_mut_ptr(), x) };
                partial::copy(&lanes, out);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vaddq_f32(a, b))
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vsubq_f32(a, b))
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vmulq_f32(a, b))
    }

    // FMAXNM and FMINNM return the number when the other operand is a quiet NaN; arithmetic makes no other NaN, and
    // no second operand here ever is one.
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vmaxnmq_f32(a, b))
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        neon!(vminnmq_f32(a, b))
    }

    #[inline(always)]
    fn abs(self, x: float32x4_t) -> float32x4_t {
        neon!(vabsq_f32(x))
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> int32x4_t {
        neon!(vdupq_n_s32(x))
    }

    #[inline(always)]
    fn load_i32(self, x: &[i32], missing: i32) -> int32x4_t {
        let mut place = [0; 4];
        let x = partial::first(x, missing, &mut place);
        // SAFETY: `x` has four elements; Advanced SIMD as above.
        unsafe { vld1q_s32(x.as_ptr()) }
    }

    #[inline(always)]
    fn store_i32(self, x: int32x4_t, out: &mut [i32]) {
        let mut lanes = [0; 4];
        match out.first_chunk_mut::<4>() {
            // SAFETY: `out` has four elements; Advanced SIMD as above.
            Some(out) => unsafe { vst1q_s32(out.as_mut_ptr(), x) },
            None => {
                // SAFETY: `lanes` has four elements; Advanced SIMD as above.
                unsafe { vst1q_s32(lanes.as_mut_ptr(), x) };
                partial::copy(&lanes, out);
            }
        }
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8]) -> int32x4_t {
        let mut place = [0; 4];
        let bytes = partial::first(x, 0, &mut place).map(|byte| byte as u8);
        let bytes = u64::from(u32::from_le_bytes(bytes));
        neon!(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))))
    }

    #[inline(always)]
    fn sub_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vsubq_s32(a, b))
    }

    #[inline(always)]
    fn max_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vmaxq_s32(a, b))
    }

    #[inline(always)]
    fn to_f32(self, x: int32x4_t) -> float32x4_t {
        neon!(vcvtq_f32_s32(x))
    }

    #[inline(always)]
    fn round(self, x: float32x4_t) -> int32x4_t {
        neon!(vcvtnq_s32_f32(x))
    }

    #[inline(always)]
    fn add_exponent(self, x: float32x4_t, n: int32x4_t) -> float32x4_t {
        neon!(vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), vshlq_n_s32::<23>(n))))
    }

    #[inline(always)]
    fn round_i8(self, x: float32x4_t) -> int32x4_t {
        neon!(vcvtnq_s32_f32(vmaxnmq_f32(x, vdupq_n_f32(-127.0))))
    }

    #[inline(always)]
    unsafe fn write_i8<const R: usize>(self, x: [int32x4_t; R], flip: i8, out: *mut i8, step: usize) {
        // The vectors that exist, and the first one again for each missing vector.
        let [a, b, c, d] = core::array::from_fn(|r| x[if r < R { r } else { 0 }]);
        let words = neon!([vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d)]);
        let bytes = neon!(vqmovn_high_s16(vqmovn_s16(words[0]), words[1]));
        // SAFETY: as is asked of the caller.
        unsafe { write::<R>(flipped(bytes, flip), out, step) }
    }

    #[inline(always)]
    unsafe fn write_probabilities<const R: usize>(
        self,
        exponents: [int32x4_t; R],
        totals: &mut [int32x4_t; R],
        flip: i8,
        out: *mut i8,
        step: usize,
    ) {
        // Two vectors at a time; the first one again for a missing vector.
        let at = |r: usize| exponents[if r < R { r } else { 0 }];
        let [first, second] =
            neon!([vqmovn_high_s32(vqmovn_s32(at(0)), at(1)), vqmovn_high_s32(vqmovn_s32(at(2)), at(3))]);
        let (first, second) = (probabilities(first), probabilities(second));
        totals[0] = neon!(vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(totals[0]), first)));
        if R > 2 {
            totals[1] = neon!(vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(totals[1]), second)));
        }
        let bytes = neon!(vuzp1q_s8(vreinterpretq_s8_u16(first), vreinterpretq_s8_u16(second)));
        // SAFETY: as is asked of the caller.
        unsafe { write::<R>(flipped(bytes, flip), out, step) }
    }

    #[inline(always)]
    fn total<const R: usize>(self, totals: [int32x4_t; R], row: usize) -> i32 {
        let mut lanes = [0; 4];
        self.store_i32(totals[row / 2], &mut lanes);
        lanes[row % 2 * 2].wrapping_add(lanes[row % 2 * 2 + 1])
    }

    #[inline(always)]
    unsafe fn transpose_words(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
        // SAFETY: as is asked of the caller.
        let [a, b, c, d] = unsafe { load_rows(rows, stride) }.map(|row| neon!(vreinterpretq_s32_s8(row)));
        let pairs = neon!([vtrn1q_s32(a, b), vtrn2q_s32(a, b), vtrn1q_s32(c, d), vtrn2q_s32(c, d)]);
        let [ab0, ab1, cd0, cd1] = pairs.map(|pair| neon!(vreinterpretq_s64_s32(pair)));
        let words =
            neon!([vzip1q_s64(ab0, cd0), vzip1q_s64(ab1, cd1), vzip2q_s64(ab0, cd0), vzip2q_s64(ab1, cd1)]);
        words.map(|words| to_bytes(neon!(vreinterpretq_s8_s64(words))))
    }

    #[inline(always)]
    unsafe fn transpose_bytes(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
        // SAFETY: as is asked of the caller.
        let [a, b, c, d] = unsafe { load_rows(rows, stride) };
        let pairs = neon!([vzip1q_s8(a, b), vzip1q_s8(c, d), vzip2q_s8(a, b), vzip2q_s8(c, d)]);
        let [ab0, cd0, ab1, cd1] = pairs.map(|pair| neon!(vreinterpretq_s16_s8(pair)));
        let words =
            neon!([vzip1q_s16(ab0, cd0), vzip2q_s16(ab0, cd0), vzip1q_s16(ab1, cd1), vzip2q_s16(ab1, cd1)]);
        words.map(|words| to_bytes(neon!(vreinterpretq_s8_s16(words))))
    }

    #[inline(always)]
    unsafe fn write_words(self, words: [i8; 16], out: *mut i8, step: usize) {
        // SAFETY: the array has 16 bytes; the rest is asked of the caller.
        unsafe { write::<4>(vld1q_s8(words.as_ptr()), out, step) }
    }

    #[inline(always)]
    fn multiply_codes(self, codes: &[u8; 16], multipliers: &[u8; 16]) -> [[i8; 16]; 2] {
        // SAFETY: the arrays have 16 bytes; Advanced SIMD as above.
        let (codes, multipliers) =
            unsafe { (vld1q_s8(codes.as_ptr().cast()), vld1q_s8(multipliers.as_ptr().cast())) };
        let low = neon!(vshrq_n_s8::<4>(vshlq_n_s8::<4>(codes)));
        let high = neon!(vshrq_n_s8::<4>(codes));
        [low, high].map(|codes| to_bytes(neon!(vmulq_s8(codes, multipliers))))
    }

    #[inline(always)]
    unsafe fn gather(self, values: *const i8, places: &[u8; 8], out: *mut i8) {
        // TBL gives 0 for a place beyond its table.
        // SAFETY: the array has 8 bytes; the rest is asked of the caller.
        unsafe { vst1_s8(out, vqtbl1_s8(vld1q_s8(values), vld1_u8(places.as_ptr()))) }
    }
}

/// Loads 16 bytes of each of four rows.
///
/// # Safety
/// They must be valid for reads.
#[inline(always)]
unsafe fn load_rows(rows: *const i8, stride: usize) -> [int8x16_t; 4] {
    // SAFETY: as this function requires; a caller's vectors were made with Advanced SIMD.
    unsafe {
        [
            vld1q_s8(rows),
            vld1q_s8(rows.add(stride)),
            vld1q_s8(rows.add(2 * stride)),
            vld1q_s8(rows.add(3 * stride)),
        ]
    }
}

/// Computes the probabilities of eight exponents in steps of 1/2048.
#[inline(always)]
fn probabilities(exponents: int16x8_t) -> uint16x8_t {
    // SAFETY: a vector was made with Advanced SIMD.
    unsafe {
        let fraction =
            vreinterpretq_s16_u16(vshrq_n_u16::<1>(vreinterpretq_u16_s16(vshlq_n_s16::<5>(exponents))));
        let [c0, c1, c2, c3] = PROBABILITY.map(|c| vdupq_n_s16(c));
        let power = vaddq_s16(vqrdmulhq_s16(c3, fraction), c2);
        let power = vaddq_s16(vqrdmulhq_s16(power, fraction), c1);
        let power = vaddq_s16(vqrdmulhq_s16(power, fraction), c0);
        let shift = vsubq_s16(vshrq_n_s16::<11>(exponents), vdupq_n_s16(6));
        vrshlq_u16(vreinterpretq_u16_s16(power), shift)
    }
}

/// Returns the vector as an array, which stays in its register.
#[inline(always)]
fn to_bytes(x: int8x16_t) -> [i8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the array has 16 bytes; a vector was made with Advanced SIMD.
    unsafe { vst1q_s8(bytes.as_mut_ptr(), x) };
    bytes
}

/// Flips the bits of `flip` in every byte.
#[inline(always)]
fn flipped(bytes: int8x16_t, flip: i8) -> int8x16_t {
    if flip == 0 {
        return bytes;
    }
    // SAFETY: a vector was made with Advanced SIMD.
    unsafe { veorq_s8(bytes, vdupq_n_s8(flip)) }
}

/// Writes the first `R` words, at most 4, word `r` to `out + r·step`.
///
/// # Safety
/// `out` must be valid for writes of (R − 1)·step + 4 bytes.
#[inline(always)]
unsafe fn write<const R: usize>(bytes: int8x16_t, out: *mut i8, step: usize) {
    // SAFETY: as this function requires; four words in steps of 4 are 16 bytes. The intrinsics ask for no
    // alignment, and a vector was made with Advanced SIMD.
    unsafe {
        if R == 4 && step == 4 {
            return vst1q_s8(out, bytes);
        }
        let words = vreinterpretq_s32_s8(bytes);
        vst1q_lane_s32::<0>(out.cast(), words);
        if R > 1 {
            vst1q_lane_s32::<1>(out.add(step).cast(), words);
        }
        if R > 2 {
            vst1q_lane_s32::<2>(out.add(2 * step).cast(), words);
        }
        if R > 3 {
            vst1q_lane_s32::<3>(out.add(3 * step).cast(), words);
        }
    }
}
