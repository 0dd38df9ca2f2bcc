//! What becomes of a linear layer's results, a vector of columns at a time: one sink per epilogue.

use super::math::{Quantizer, gelu};
use super::{MicroKernel, Simd};
use crate::linear::ActivationsMut;

/// Takes the results of a linear layer.
pub(super) trait Sink<S: Simd> {
    /// Whether it has so many constants that a tile's sums better wait in memory for their turn.
    const MANY_CONSTANTS: bool = false;

    /// Whether there is room for `rows` rows of `columns` columns, multiples of a vector's, from a row and a column on, and
    /// nothing else may be hurt there.
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool;

    /// Takes the vector of columns that begins at `column` of the rows `row`, … `row + R − 1`.
    ///
    /// # Safety
    /// [`has_room`](Self::has_room) must have been found for a tile that holds it.
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]);

    /// The same of one row, of as many columns as there are.
    fn put_edge(&mut self, s: S, row: usize, column: usize, y: S::F);
}

/// Row-major f32, `n` columns of `[m, stride]`, stored or, if `ADD`, added to what is there.
pub(super) struct RowsF32<'a, const ADD: bool> {
    pub out: &'a mut [f32],
    pub n: usize,
    pub stride: usize,
}

impl<S: Simd, const ADD: bool> Sink<S> for RowsF32<'_, ADD> {
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
    fn put_edge(&mut self, s: S, row: usize, column: usize, y: S::F) {
        let start = row * self.stride + column;
        let width = S::LANES.min(self.n.saturating_sub(column));
        let Some(place) = self.out.get_mut(start..start + width) else { return };
        s.store(if ADD { s.add(s.load(place), y) } else { y }, place);
    }
}

/// GELU, then row-major f32 `[m, n]`.
pub(super) struct GeluRows<'a>(pub RowsF32<'a, false>);

impl<S: Simd> Sink<S> for GeluRows<'_> {
    #[inline(always)]
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool {
        Sink::<S>::has_room(&self.0, row, column, rows, columns)
    }

    #[inline(always)]
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        // SAFETY: as is asked of the caller.
        unsafe { self.0.put(s, row, column, gelu_all(s, y)) }
    }

    #[inline(always)]
    fn put_edge(&mut self, s: S, row: usize, column: usize, y: S::F) {
        self.0.put_edge(s, row, column, gelu(s, y));
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

impl<S: Simd> Sink<S> for RowsI8<'_> {
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
    fn put_edge(&mut self, s: S, row: usize, column: usize, y: S::F) {
        s.store_i8([s.round_i8(y)], 0, self.out, row * self.stride + column, self.stride);
    }
}

/// GELU, then the next linear layer's input in the kernel's layout.
pub(super) struct GeluActivations<'a, S: Simd> {
    pub out: ActivationsMut<'a>,
    pub quantizer: Quantizer<S>,
}

impl<S: MicroKernel> Sink<S> for GeluActivations<'_, S> {
    const MANY_CONSTANTS: bool = true;

    #[inline(always)]
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool {
        let last = S::LAYOUT.offset(row + rows - 1, column + columns - 1, self.out.stride);
        column + columns <= self.out.stride && last < self.out.data.len()
    }

    #[inline(always)]
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]) {
        let q = self.quantizer.apply(s, gelu_all(s, y));
        let (at, step) = (S::LAYOUT.offset(row, column, self.out.stride), S::LAYOUT.step(self.out.stride));
        // SAFETY: the tile's last element is inside, as the caller has found out, and offsets grow with row and column
        // within a tile, which holds whole blocks or, in row-major layout, any rows.
        unsafe { s.write_i8(q, S::LAYOUT.flip(), self.out.data.as_mut_ptr().add(at), step) }
    }

    #[inline(always)]
    fn put_edge(&mut self, s: S, row: usize, column: usize, y: S::F) {
        let (at, step) = (S::LAYOUT.offset(row, column, self.out.stride), S::LAYOUT.step(self.out.stride));
        let q = self.quantizer.apply(s, [gelu(s, y)]);
        s.store_i8(q, S::LAYOUT.flip(), self.out.data, at, step);
    }
}
