//! AVX-512 vectors: sixteen lanes, with masks for shorter slices.

use core::arch::x86_64::*;

use crate::math::PROBABILITY;
use crate::simd::Simd;

/// Proof that the CPU has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(super) struct Zmm(());

impl Zmm {
    /// # Safety
    /// The CPU must have AVX-512 F, BW, VL and VNNI.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Zmm(())
    }
}

/// Evaluates an intrinsic that touches no memory.
macro_rules! avx512 {
    ($intrinsic:expr) => {
        // SAFETY: a `Zmm` exists only where the CPU has AVX-512, and the intrinsic has no other precondition.
        unsafe { $intrinsic }
    };
}

/// Returns the mask of the first lanes, as many as there are elements.
#[inline(always)]
pub(super) fn first_lanes(elements: usize) -> __mmask16 {
    if elements >= 16 { 0xffff } else { (1 << elements) - 1 }
}

impl Simd for Zmm {
    const LANES: usize = 16;
    const GROUP: usize = 1;
    type F = __m512;
    type I = __m512i;
    type Vectors = Self;

    #[inline(always)]
    fn vectors(self) -> Self {
        self
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        avx512!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> __m512 {
        // SAFETY: only lanes of the mask are read, no more than `x` has elements; AVX-512 as above.
        unsafe { _mm512_maskz_loadu_ps(first_lanes(x.len()), x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m512, out: &mut [f32]) {
        // SAFETY: only lanes of the mask are written, no more than `out` has elements; AVX-512 as above.
        unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), first_lanes(out.len()), x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn abs(self, x: __m512) -> __m512 {
        avx512!(_mm512_abs_ps(x))
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m512i {
        avx512!(_mm512_set1_epi32(x))
    }

    #[inline(always)]
    fn load_i32(self, x: &[i32], missing: i32) -> __m512i {
        // SAFETY: as in `load`.
        unsafe { _mm512_mask_loadu_epi32(_mm512_set1_epi32(missing), first_lanes(x.len()), x.as_ptr()) }
    }

    #[inline(always)]
    fn store_i32(self, x: __m512i, out: &mut [i32]) {
        // SAFETY: as in `store`.
        unsafe { _mm512_mask_storeu_epi32(out.as_mut_ptr(), first_lanes(out.len()), x) }
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8]) -> __m512i {
        // SAFETY: as in `load`.
        unsafe { _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first_lanes(x.len()), x.as_ptr())) }
    }

    #[inline(always)]
    fn sub_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_sub_epi32(a, b))
    }

    #[inline(always)]
    fn max_i32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_max_epi32(a, b))
    }

    #[inline(always)]
    fn to_f32(self, x: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(x))
    }

    #[inline(always)]
    fn round(self, x: __m512) -> __m512i {
        avx512!(_mm512_cvtps_epi32(x))
    }

    #[inline(always)]
    fn add_exponent(self, x: __m512, n: __m512i) -> __m512 {
        avx512!(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_slli_epi32::<23>(n))))
    }

    #[inline(always)]
    fn round_i8(self, x: __m512) -> __m512i {
        let limited = self.min(self.max(x, self.splat(-127.0)), self.splat(127.0));
        avx512!(_mm512_cvtps_epi32(limited))
    }

    #[inline(always)]
    unsafe fn write_i8<const R: usize>(self, x: [__m512i; R], flip: i8, out: *mut i8, step: usize) {
        for (row, x) in x.into_iter().enumerate() {
            let bytes = avx512!(_mm512_cvtsepi32_epi8(x));
            // SAFETY: as is asked of the caller.
            unsafe { write(bytes, flip, out.add(row * step)) }
        }
    }

    #[inline(always)]
    unsafe fn write_probabilities<const R: usize>(
        self,
        exponents: [__m512i; R],
        totals: &mut [__m512i; R],
        flip: i8,
        out: *mut i8,
        step: usize,
    ) {
        let [c0, c1, c2, c3] = PROBABILITY;
        for (row, (exponents, total)) in exponents.into_iter().zip(totals).enumerate() {
            let exponents = avx512!(_mm512_cvtsepi32_epi16(exponents));
            let p = avx512!({
                let fraction = _mm256_srli_epi16::<1>(_mm256_slli_epi16::<5>(exponents));
                let power = _mm256_mulhrs_epi16(_mm256_set1_epi16(c3), fraction);
                let power = _mm256_mulhrs_epi16(_mm256_add_epi16(power, _mm256_set1_epi16(c2)), fraction);
                let power = _mm256_mulhrs_epi16(_mm256_add_epi16(power, _mm256_set1_epi16(c1)), fraction);
                let power = _mm256_add_epi16(power, _mm256_set1_epi16(c0));
                let less_one = _mm256_sub_epi16(_mm256_set1_epi16(5), _mm256_srai_epi16::<11>(exponents));
                let shift = _mm256_add_epi16(less_one, _mm256_set1_epi16(1));
                let half = _mm256_sllv_epi16(_mm256_set1_epi16(1), less_one);
                _mm256_srlv_epi16(_mm256_add_epi16(power, half), shift)
            });
            *total = avx512!(_mm512_add_epi32(*total, _mm512_cvtepu16_epi32(p)));
            let bytes = avx512!(_mm256_cvtepi16_epi8(p));
            // SAFETY: as is asked of the caller.
            unsafe { write(bytes, flip, out.add(row * step)) }
        }
    }

    super::sse::sixteen_bytes!();
}

/// Writes the first 16 bytes, their bits of `flip` flipped.
///
/// # Safety
/// `out` must be valid for writes of 16 bytes.
#[inline(always)]
unsafe fn write(x: __m128i, flip: i8, out: *mut i8) {
    // SAFETY: as this function requires; SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(out.cast(), _mm_xor_si128(x, _mm_set1_epi8(flip))) }
}
