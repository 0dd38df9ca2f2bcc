//! What becomes of a linear layer's results, a vector of columns at a time: one sink per epilogue.

use super::math::{Quantizer, gelu};
use super::{MicroKernel, Simd};
use crate::linear::ActivationsMut;

/// Takes the results of a linear layer.
pub(super) trait Sink<S: Simd> {
    /// Takes the vector of columns that begins at `column` of the rows `row`, … `row + R − 1`.
    fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]);
}

/// Row-major f32 `[m, n]`, of which `store` makes what it wants.
pub(super) struct RowsF32<'a, F> {
    pub out: &'a mut [f32],
    pub n: usize,
    /// Gets the results and their place, a vector or what is left of the row.
    pub store: F,
}

impl<S: Simd, F: Fn(S::F, &mut [f32])> Sink<S> for RowsF32<'_, F> {
    #[inline(always)]
    fn put<const R: usize>(&mut self, _: S, row: usize, column: usize, y: [S::F; R]) {
        for (row, y) in (row..).zip(y) {
            let start = row * self.n + column;
            // Two branches, so that the length of a whole vector is known in one of them.
            let width = self.n - column;
            let place = if width >= S::LANES {
                self.out.get_mut(start..start + S::LANES)
            } else {
                self.out.get_mut(start..start + width)
            };
            (self.store)(y, place.unwrap_or(&mut []));
        }
    }
}

/// Row-major int8 `[m, stride]`.
pub(super) struct RowsI8<'a> {
    pub out: &'a mut [i8],
    pub stride: usize,
}

impl<S: Simd> Sink<S> for RowsI8<'_> {
    #[inline(always)]
    fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        let mut q = [s.splat_i32(0); R];
        for (q, &y) in q.iter_mut().zip(&y) {
            *q = s.round_i8(y);
        }
        s.store_i8(q, 0, self.out, row * self.stride + column, self.stride);
    }
}

/// GELU, then the next linear layer's input `[m, k]` in the kernel's layout.
pub(super) struct GeluActivations<'a, S: Simd> {
    pub out: ActivationsMut<'a>,
    pub quantizer: Quantizer<S>,
}

impl<S: MicroKernel> Sink<S> for GeluActivations<'_, S> {
    #[inline(always)]
    fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, mut y: [S::F; R]) {
        for y in &mut y {
            *y = gelu(s, *y);
        }
        let q = self.quantizer.apply(s, y);
        let (at, step) = (S::LAYOUT.offset(row, column, self.out.stride), S::LAYOUT.step(self.out.stride));
        s.store_i8(q, S::LAYOUT.flip(), self.out.data, at, step);
    }
}
