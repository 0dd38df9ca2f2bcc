//! Advanced SIMD: four lanes.

use core::arch::aarch64::*;
use core::marker::PhantomData;

use crate::simd::{Simd, partial};

/// Proof that the CPU has Advanced SIMD and what the micro-kernel of `K` needs beyond it.
pub(super) struct Vector<K>(PhantomData<K>);

impl<K> Vector<K> {
    /// # Safety
    /// The CPU must have Advanced SIMD and what the micro-kernel of `K` needs beyond it.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Vector(PhantomData)
    }
}

impl<K> Clone for Vector<K> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Vector<K> {}

/// Evaluates an intrinsic that touches no memory.
macro_rules! neon {
    ($intrinsic:expr) => {
        // SAFETY: a `Vector` exists only where the CPU has Advanced SIMD; the intrinsic has no other precondition.
        unsafe { $intrinsic }
    };
}

impl<K> Simd for Vector<K> {
    const LANES: usize = 4;
    const GROUP: usize = 4;
    type F = float32x4_t;
    type I = int32x4_t;

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
    fn add_i32(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        neon!(vaddq_s32(a, b))
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
    fn store_i8<const R: usize>(self, x: [int32x4_t; R], flip: i8, out: &mut [i8], at: usize, step: usize) {
        // The vectors that are there, and the first again in place of those that are not.
        let [a, b, c, d] = core::array::from_fn(|r| x[if r < R { r } else { 0 }]);
        let words = neon!([vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d)]);
        let bytes = neon!(vqmovn_high_s16(vqmovn_s16(words[0]), words[1]));
        self.store_words::<R>(bytes, flip, out, at, step);
    }

    #[inline(always)]
    fn store_u8<const R: usize>(self, x: [int32x4_t; R], flip: i8, out: &mut [i8], at: usize, step: usize) {
        let [a, b, c, d] =
            core::array::from_fn(|r| neon!(vreinterpretq_s16_s32(x[if r < R { r } else { 0 }])));
        let words = neon!([vuzp1q_s16(a, b), vuzp1q_s16(c, d)]).map(|x| neon!(vreinterpretq_s8_s16(x)));
        let bytes = neon!(vuzp1q_s8(words[0], words[1]));
        self.store_words::<R>(bytes, flip, out, at, step);
    }
}

impl<K> Vector<K> {
    /// Writes the first `R` words of `bytes`, their bits of `flip` flipped, word `r` to `out[at + r·step..]`; nothing if
    /// they are not all inside.
    #[inline(always)]
    fn store_words<const R: usize>(self, bytes: int8x16_t, flip: i8, out: &mut [i8], at: usize, step: usize) {
        let bytes = if flip == 0 { bytes } else { neon!(veorq_s8(bytes, vdupq_n_s8(flip))) };
        let Some(out) = out.get_mut(at..) else { return };
        if R > 4 || (R - 1).saturating_mul(step).saturating_add(4) > out.len() {
            return;
        }
        if R == 4 && step == 4 {
            // SAFETY: `out` has 3·4 + 4 bytes.
            unsafe { vst1q_s8(out.as_mut_ptr(), bytes) };
            return;
        }
        let (words, out) = (neon!(vreinterpretq_s32_s8(bytes)), out.as_mut_ptr());
        // SAFETY: word r < R begins at r·step, and out has at least (R − 1)·step + 4 bytes; the intrinsic asks for no
        // alignment.
        unsafe {
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
}
