//! AVX2 vectors: eight lanes.

use core::arch::x86_64::*;
use core::marker::PhantomData;

use crate::math::PROBABILITY;
use crate::simd::{Simd, partial};

/// Proof that the CPU has AVX2 and what the micro-kernel of `K` needs beyond it.
pub(super) struct Ymm<K>(PhantomData<K>);

impl<K> Ymm<K> {
    /// # Safety
    /// The CPU must have AVX2 and what the micro-kernel of `K` needs beyond it.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Ymm(PhantomData)
    }
}

impl<K> Clone for Ymm<K> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Ymm<K> {}

/// Chooses the micro-kernel of AVX2.
pub(super) enum Pmaddwd {}

/// Vectors, and the micro-kernel of AVX2.
pub(super) type Avx2 = Ymm<Pmaddwd>;

/// Chooses the micro-kernel of AVX-VNNI's dot product.
pub(super) enum Vpdpbusd {}

/// Vectors, and the micro-kernel of the dot product.
pub(super) type AvxVnni = Ymm<Vpdpbusd>;

/// Evaluates an intrinsic that touches no memory.
macro_rules! avx2 {
    ($intrinsic:expr) => {
        // SAFETY: a `Ymm` exists only where the CPU has AVX2, and the intrinsic has no other precondition.
        unsafe { $intrinsic }
    };
}

impl<K> Simd for Ymm<K> {
    const LANES: usize = 8;
    const GROUP: usize = 1;
    type F = __m256;
    type I = __m256i;
    type Vectors = Self;

    #[inline(always)]
    fn vectors(self) -> Self {
        self
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        avx2!(_mm256_set1_ps(x))
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> __m256 {
        let mut place = [0.0; 8];
        let x = partial::first(x, 0.0, &mut place);
        // SAFETY: `x` has eight elements; AVX2 as above.
        unsafe { _mm256_loadu_ps(x.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m256, out: &mut [f32]) {
        let mut lanes = [0.0; 8];
        match out.first_chunk_mut::<8>() {
            // SAFETY: `out` has eight elements; AVX2 as above.
            Some(out) => unsafe { _mm256_storeu_ps(out.as_mut_ptr(), x) },
            None => {
                // SAFETY: `lanes` has eight elements; AVX2 as above.
                unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), x) };
                partial::copy(&lanes, out);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn abs(self, x: __m256) -> __m256 {
        avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), x))
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m256i {
        avx2!(_mm256_set1_epi32(x))
    }

    #[inline(always)]
    fn load_i32(self, x: &[i32], missing: i32) -> __m256i {
        let mut place = [0; 8];
        let x = partial::first(x, missing, &mut place);
        // SAFETY: `x` has eight elements; AVX2 as above.
        unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store_i32(self, x: __m256i, out: &mut [i32]) {
        let mut lanes = [0; 8];
        match out.first_chunk_mut::<8>() {
            // SAFETY: `out` has eight elements; AVX2 as above.
            Some(out) => unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), x) },
            None => {
                // SAFETY: `lanes` has eight elements; AVX2 as above.
                unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), x) };
                partial::copy(&lanes, out);
            }
        }
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8]) -> __m256i {
        let mut place = [0; 8];
        let x = partial::first(x, 0, &mut place);
        // SAFETY: `x` has eight bytes; AVX2 as above.
        unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(x.as_ptr().cast())) }
    }

    #[inline(always)]
    fn sub_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_sub_epi32(a, b))
    }

    #[inline(always)]
    fn max_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_max_epi32(a, b))
    }

    #[inline(always)]
    fn to_f32(self, x: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(x))
    }

    #[inline(always)]
    fn round(self, x: __m256) -> __m256i {
        avx2!(_mm256_cvtps_epi32(x))
    }

    #[inline(always)]
    fn add_exponent(self, x: __m256, n: __m256i) -> __m256 {
        avx2!(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32::<23>(n))))
    }

    #[inline(always)]
    fn round_i8(self, x: __m256) -> __m256i {
        let limited = self.min(self.max(x, self.splat(-127.0)), self.splat(127.0));
        avx2!(_mm256_cvtps_epi32(limited))
    }

    #[inline(always)]
    unsafe fn write_i8<const R: usize>(self, x: [__m256i; R], flip: i8, out: *mut i8, step: usize) {
        for (row, x) in x.into_iter().enumerate() {
            let words = avx2!(_mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)));
            let bytes = avx2!(_mm_packs_epi16(words, words));
            // SAFETY: as is asked of the caller.
            unsafe { write(bytes, flip, out.add(row * step)) }
        }
    }

    #[inline(always)]
    unsafe fn write_probabilities<const R: usize>(
        self,
        exponents: [__m256i; R],
        totals: &mut [__m256i; R],
        flip: i8,
        out: *mut i8,
        step: usize,
    ) {
        let [c0, c1, c2, c3] = PROBABILITY;
        for (row, (exponents, total)) in exponents.into_iter().zip(totals).enumerate() {
            let exponents = avx2!(_mm_packs_epi32(
                _mm256_castsi256_si128(exponents),
                _mm256_extracti128_si256::<1>(exponents)
            ));
            let p = avx2!({
                let fraction = _mm_srli_epi16::<1>(_mm_slli_epi16::<5>(exponents));
                let power = _mm_mulhrs_epi16(_mm_set1_epi16(c3), fraction);
                let power = _mm_mulhrs_epi16(_mm_add_epi16(power, _mm_set1_epi16(c2)), fraction);
                let power = _mm_mulhrs_epi16(_mm_add_epi16(power, _mm_set1_epi16(c1)), fraction);
                // AVX2 shifts lanes by their own counts in 32 bits only.
                let power = _mm256_cvtepu16_epi32(_mm_add_epi16(power, _mm_set1_epi16(c0)));
                let n = _mm256_cvtepi16_epi32(_mm_srai_epi16::<11>(exponents));
                let less_one = _mm256_sub_epi32(_mm256_set1_epi32(5), n);
                let shift = _mm256_add_epi32(less_one, _mm256_set1_epi32(1));
                let half = _mm256_sllv_epi32(_mm256_set1_epi32(1), less_one);
                _mm256_srlv_epi32(_mm256_add_epi32(power, half), shift)
            });
            *total = avx2!(_mm256_add_epi32(*total, p));
            let words = avx2!(_mm_packs_epi32(_mm256_castsi256_si128(p), _mm256_extracti128_si256::<1>(p)));
            let bytes = avx2!(_mm_packus_epi16(words, words));
            // SAFETY: as is asked of the caller.
            unsafe { write(bytes, flip, out.add(row * step)) }
        }
    }

    super::sse::sixteen_bytes!();
}

/// Writes the first 8 bytes, their bits of `flip` flipped.
///
/// # Safety
/// `out` must be valid for writes of 8 bytes.
#[inline(always)]
unsafe fn write(x: __m128i, flip: i8, out: *mut i8) {
    // SAFETY: as this function requires; SSE2 is part of x86-64.
    unsafe { _mm_storel_epi64(out.cast(), _mm_xor_si128(x, _mm_set1_epi8(flip))) }
}
