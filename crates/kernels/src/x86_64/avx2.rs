//! AVX2: eight lanes.

use core::arch::x86_64::*;

use super::i8_6x16_pmaddwd::i8_6x16_pmaddwd;
use crate::simd::{MicroKernel, Rows, Simd, Tile, partial};

/// Proof that the CPU has AVX2.
#[derive(Clone, Copy)]
struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2.
    #[inline(always)]
    unsafe fn new_unchecked() -> Self {
        Avx2(())
    }
}

/// Evaluates an intrinsic that touches no memory.
macro_rules! avx2 {
    ($intrinsic:expr) => {
        // SAFETY: an `Avx2` exists only where the CPU has AVX2, and the intrinsic has no other precondition.
        unsafe { $intrinsic }
    };
}

crate::simd::entry_points!(Avx2, "avx2");

impl Simd for Avx2 {
    const LANES: usize = 8;
    type F = __m256;
    type I = __m256i;

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
    fn store_i8(self, x: __m256i, out: &mut [i8]) {
        let words = avx2!(_mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)));
        let bytes = avx2!(_mm_packs_epi16(words, words));
        match out.first_chunk_mut::<8>() {
            // SAFETY: `out` has eight bytes; AVX2 as above.
            Some(out) => unsafe { _mm_storel_epi64(out.as_mut_ptr().cast(), bytes) },
            None => {
                let bytes = avx2!(_mm_cvtsi128_si64(bytes)).to_le_bytes().map(|byte| byte as i8);
                partial::copy(&bytes, out);
            }
        }
    }

    #[inline(always)]
    fn add_i32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(a, b))
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
}

impl MicroKernel for Avx2 {
    const MR: usize = 6;
    const NR: usize = 16;
    const KR: usize = 4;

    #[inline(always)]
    fn tile(self, rows: Rows, panel: &[i8], tile: &mut Tile) {
        // SAFETY: the token proves AVX2.
        unsafe { i8_6x16_pmaddwd(rows, panel, tile) }
    }
}
