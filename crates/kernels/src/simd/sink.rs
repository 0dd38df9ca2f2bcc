//! The sinks of a linear layer's results, one for each epilogue. A sink takes one vector of columns at a time.

use super::Simd;
use super::math::{Quantizer, gelu};
use super::micro_kernel::{EdgeSink, LinearSink, MicroKernel};
use crate::activation_layout::ActivationLayout;
use crate::linear::ActivationsMut;

/// Row-major f32, `n` columns of `[m, stride]`. The results are stored or, if `ADD`, added to the values there.
pub(super) struct RowsF32<'a, const ADD: bool> {
    pub out: &'a mut [f32],
    pub n: usize,
    pub stride: usize,
}

impl<S: MicroKernel, const ADD: bool> LinearSink<S> for RowsF32<'_, ADD> {
    #[inline(always)]
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool {
        column + columns <= self.n && (row + rows - 1) * self.stride + column + columns <= self.out.len()
    }

    #[inline(always)]
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        for (row, y) in (row..).zip(y) {
            let start = row * self.stride + column;
            // SAFETY: the tile's rows and columns are inside, as the caller has found out.
            let place = unsafe { self.out.get_unchecked_mut(start..start + S::LANES) };
            s.store(if ADD { s.add(s.load(place), y) } else { y }, place);
        }
    }

    #[inline(always)]
    fn edges(&mut self) -> impl EdgeSink<S::Vectors> {
        RowsF32::<ADD> { out: &mut *self.out, ..*self }
    }
}

impl<S: Simd, const ADD: bool> EdgeSink<S> for RowsF32<'_, ADD> {
    #[inline(always)]
    fn put(&mut self, s: S, row: usize, column: usize, y: S::F) {
        let start = row * self.stride + column;
        let width = S::LANES.min(self.n.saturating_sub(column));
        let Some(place) = self.out.get_mut(start..start + width) else { return };
        s.store(if ADD { s.add(s.load(place), y) } else { y }, place);
    }
}

#[inline(always)]
fn gelu_all<S: Simd, const R: usize>(s: S, mut y: [S::F; R]) -> [S::F; R] {
    for y in &mut y {
        *y = gelu(s, *y);
    }
    y
}

/// Row-major int8 `[m, stride]`.
pub(super) struct RowsI8<'a> {
    pub out: &'a mut [i8],
    pub stride: usize,
}

impl<S: MicroKernel> LinearSink<S> for RowsI8<'_> {
    #[inline(always)]
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool {
        column + columns <= self.stride && (row + rows - 1) * self.stride + column + columns <= self.out.len()
    }

    #[inline(always)]
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        let mut q = [s.splat_i32(0); R];
        for (q, &y) in q.iter_mut().zip(&y) {
            *q = s.round_i8(y);
        }
        // SAFETY: the tile's rows and columns are inside, as the caller has found out.
        unsafe {
            let out = self.out.as_mut_ptr().add(row * self.stride + column);
            s.write_i8(q, 0, out, self.stride);
        }
    }

    #[inline(always)]
    fn edges(&mut self) -> impl EdgeSink<S::Vectors> {
        RowsI8 { out: &mut *self.out, stride: self.stride }
    }
}

impl<S: Simd> EdgeSink<S> for RowsI8<'_> {
    #[inline(always)]
    fn put(&mut self, s: S, row: usize, column: usize, y: S::F) {
        s.store_i8([s.round_i8(y)], 0, self.out, row * self.stride + column, self.stride);
    }
}

/// GELU, then the next linear layer's input in the kernel's layout.
pub(super) struct GeluActivations<'a, S: MicroKernel> {
    pub out: ActivationsMut<'a>,
    pub quantizer: Quantizer<S::Vectors>,
}

impl<S: MicroKernel> LinearSink<S> for GeluActivations<'_, S> {
    const MANY_CONSTANTS: bool = true;

    #[inline(always)]
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool {
        let last = S::LAYOUT.offset(row + rows - 1, column + columns - 1, self.out.stride);
        column + columns <= self.out.stride && last < self.out.data.len()
    }

    #[inline(always)]
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        let q = self.quantizer.apply(s.vectors(), gelu_all(s.vectors(), y));
        let (at, step) = (S::LAYOUT.offset(row, column, self.out.stride), S::LAYOUT.step(self.out.stride));
        // SAFETY: the tile's last element is inside, as the caller has found out, and offsets grow with row and column
        // within a tile, which holds whole blocks or, in row-major layout, any rows.
        unsafe { s.write_i8(q, S::LAYOUT.flip(), self.out.data.as_mut_ptr().add(at), step) }
    }

    #[inline(always)]
    fn edges(&mut self) -> impl EdgeSink<S::Vectors> {
        let out = ActivationsMut { data: &mut *self.out.data, stride: self.out.stride };
        GeluEdges { out, layout: S::LAYOUT, quantizer: self.quantizer }
    }
}

/// The edges of [`GeluActivations`] in any layout.
struct GeluEdges<'a, S: Simd> {
    out: ActivationsMut<'a>,
    layout: ActivationLayout,
    quantizer: Quantizer<S>,
}

impl<S: Simd> EdgeSink<S> for GeluEdges<'_, S> {
    #[inline(always)]
    fn put(&mut self, s: S, row: usize, column: usize, y: S::F) {
        let (at, step) =
            (self.layout.offset(row, column, self.out.stride), self.layout.step(self.out.stride));
        let q = self.quantizer.apply(s, [gelu(s, y)]);
        s.store_i8(q, self.layout.flip(), self.out.data, at, step);
    }
}
