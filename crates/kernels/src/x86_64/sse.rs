//! Operations on 16 bytes at a time by SSE2, which every x86-64 CPU has.

use core::arch::x86_64::*;

/// The methods of [`Simd`](crate::simd::Simd) that are the same for vectors of every width.
macro_rules! sixteen_bytes {
    () => {
        #[inline(always)]
        fn total<const R: usize>(self, totals: [Self::I; R], row: usize) -> i32 {
            let mut lanes = [0; 16];
            self.store_i32(totals[row], &mut lanes);
            lanes.into_iter().fold(0, i32::wrapping_add)
        }

        #[inline(always)]
        unsafe fn transpose_words(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
            // SAFETY: as is asked of the caller.
            unsafe { super::sse::transpose_words(rows, stride) }
        }

        #[inline(always)]
        unsafe fn transpose_bytes(self, rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
            // SAFETY: as is asked of the caller.
            unsafe { super::sse::transpose_bytes(rows, stride) }
        }

        #[inline(always)]
        unsafe fn write_words(self, words: [i8; 16], out: *mut i8, step: usize) {
            // SAFETY: as is asked of the caller.
            unsafe { super::sse::write_words(words, out, step) }
        }

        #[inline(always)]
        fn multiply_codes(self, codes: &[u8; 16], multipliers: &[u8; 16]) -> [[i8; 16]; 2] {
            super::sse::multiply_codes(codes, multipliers)
        }

        #[inline(always)]
        unsafe fn gather(self, values: *const i8, places: &[u8; 8], out: *mut i8) {
            // SAFETY: as is asked of the caller.
            unsafe { super::sse::gather(values, places, out) }
        }
    };
}
pub(super) use sixteen_bytes;

/// Computes [`Simd::transpose_words`](crate::simd::Simd::transpose_words).
///
/// # Safety
/// 16 bytes of every row must be valid for reads.
#[inline(always)]
pub(super) unsafe fn transpose_words(rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
    // SAFETY: as this function requires.
    let [a, b, c, d] = unsafe { load_rows(rows, stride) };
    // SAFETY: SSE2 is part of x86-64.
    let words = unsafe {
        let (ab0, ab1) = (_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
        [
            _mm_unpacklo_epi64(ab0, cd0),
            _mm_unpackhi_epi64(ab0, cd0),
            _mm_unpacklo_epi64(ab1, cd1),
            _mm_unpackhi_epi64(ab1, cd1),
        ]
    };
    words.map(to_bytes)
}

/// Computes [`Simd::transpose_bytes`](crate::simd::Simd::transpose_bytes).
///
/// # Safety
/// 16 bytes of every row must be valid for reads.
#[inline(always)]
pub(super) unsafe fn transpose_bytes(rows: *const i8, stride: usize) -> [[i8; 16]; 4] {
    // SAFETY: as this function requires.
    let [a, b, c, d] = unsafe { load_rows(rows, stride) };
    // SAFETY: SSE2 is part of x86-64.
    let words = unsafe {
        let (ab0, ab1) = (_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b));
        let (cd0, cd1) = (_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d));
        [
            _mm_unpacklo_epi16(ab0, cd0),
            _mm_unpackhi_epi16(ab0, cd0),
            _mm_unpacklo_epi16(ab1, cd1),
            _mm_unpackhi_epi16(ab1, cd1),
        ]
    };
    words.map(to_bytes)
}

/// Loads 16 bytes of each of four rows.
///
/// # Safety
/// They must be valid for reads.
#[inline(always)]
unsafe fn load_rows(rows: *const i8, stride: usize) -> [__m128i; 4] {
    // SAFETY: as this function requires; SSE2 is part of x86-64.
    unsafe {
        [
            _mm_loadu_si128(rows.cast()),
            _mm_loadu_si128(rows.add(stride).cast()),
            _mm_loadu_si128(rows.add(2 * stride).cast()),
            _mm_loadu_si128(rows.add(3 * stride).cast()),
        ]
    }
}

/// Computes [`Simd::write_words`](crate::simd::Simd::write_words).
///
/// # Safety
/// `out` must be valid for writes of 3·step + 4 bytes.
#[inline(always)]
pub(super) unsafe fn write_words(words: [i8; 16], out: *mut i8, step: usize) {
    if step == 4 {
        // SAFETY: as this function requires, 16 bytes.
        return unsafe { out.cast::<[i8; 16]>().write(words) };
    }
    for (index, word) in words.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: as this function requires, for index < 4.
        unsafe { out.add(index * step).cast::<[i8; 4]>().write(*word) }
    }
}

/// Computes [`Simd::multiply_codes`](crate::simd::Simd::multiply_codes).
#[inline(always)]
pub(super) fn multiply_codes(codes: &[u8; 16], multipliers: &[u8; 16]) -> [[i8; 16]; 2] {
    // SAFETY: the arrays have 16 bytes; SSE2 is part of x86-64.
    unsafe {
        let codes = _mm_loadu_si128(codes.as_ptr().cast());
        let multipliers = _mm_loadu_si128(multipliers.as_ptr().cast());
        [multiply(codes, multipliers), multiply(_mm_srli_epi16::<4>(codes), multipliers)].map(to_bytes)
    }
}

/// Multiplies the code in the lower half of each byte by a byte.
#[inline(always)]
fn multiply(codes: __m128i, multipliers: __m128i) -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        let sign = _mm_set1_epi8(8);
        let codes = _mm_sub_epi8(_mm_xor_si128(_mm_and_si128(codes, _mm_set1_epi8(15)), sign), sign);
        // A product's lower byte is that of the lower bytes.
        let even = _mm_and_si128(_mm_mullo_epi16(codes, multipliers), _mm_set1_epi16(255));
        let odd = _mm_mullo_epi16(_mm_srli_epi16::<8>(codes), _mm_srli_epi16::<8>(multipliers));
        _mm_or_si128(even, _mm_slli_epi16::<8>(odd))
    }
}

/// Computes [`Simd::gather`](crate::simd::Simd::gather).
///
/// # Safety
/// The CPU must have SSSE3; 8 bytes must be valid for reads at `values` and for writes at `out`.
#[inline(always)]
pub(super) unsafe fn gather(values: *const i8, places: &[u8; 8], out: *mut i8) {
    // PSHUFB gives 0 for a place with its highest bit set.
    // SAFETY: the array has 8 bytes; the rest as this function requires.
    unsafe {
        let values = _mm_loadl_epi64(values.cast());
        let places = _mm_loadl_epi64(places.as_ptr().cast());
        _mm_storel_epi64(out.cast(), _mm_shuffle_epi8(values, places));
    }
}

/// Returns the vector as an array, which stays in its register.
#[inline(always)]
fn to_bytes(x: __m128i) -> [i8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the array has 16 bytes; SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), x) };
    bytes
}
