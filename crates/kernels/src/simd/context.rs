//! Where the context goes: f32 rows, or the next linear layer's input.

use core::ops::Range;

use super::attention::TakeTile;
use super::{MicroKernel, Tile};
use crate::linear::ActivationsMut;

/// Takes the context, a vector of columns of a group of rows at a time.
pub(super) trait Sink<S: MicroKernel> {
    /// Columns that must stand before a head's first one so that its vectors begin where this sink wants them.
    fn shift(&self, first_column: usize) -> usize;
    /// Takes `rows` rows of `x` from row `row` on; their first lane is `column`, and `lanes` are the head's.
    fn put(&mut self, s: S, row: usize, rows: usize, column: usize, lanes: Range<usize>, x: [S::F; 4]);
}

/// f32 rows of `width` columns.
pub(super) struct ContextRows<'a> {
    pub out: &'a mut [f32],
    pub width: usize,
}

impl<S: MicroKernel> Sink<S> for ContextRows<'_> {
    #[inline(always)]
    fn shift(&self, _: usize) -> usize {
        0
    }

    #[inline(always)]
    fn put(&mut self, s: S, row: usize, rows: usize, column: usize, lanes: Range<usize>, x: [S::F; 4]) {
        for (row, x) in (row..).zip(x).take(rows) {
            let start = row * self.width + column;
            s.store(x, self.out.get_mut(start..start + lanes.end).unwrap_or(&mut []));
        }
    }
}

/// Int8 activations.
pub(super) struct ContextI8<'a> {
    pub out: ActivationsMut<'a>,
}

impl<S: MicroKernel> Sink<S> for ContextI8<'_> {
    /// In a blocked layout a vector of four columns must not begin inside a word of four.
    #[inline(always)]
    fn shift(&self, first_column: usize) -> usize {
        if S::LAYOUT.rows == 1 { 0 } else { first_column % S::LANES }
    }

    #[inline(always)]
    fn put(&mut self, s: S, row: usize, rows: usize, column: usize, lanes: Range<usize>, x: [S::F; 4]) {
        let (stride, flip) = (self.out.stride, S::LAYOUT.flip());
        let mut q = [s.splat_i32(0); 4];
        for (q, &x) in q.iter_mut().zip(&x).take(S::GROUP) {
            *q = s.round_i8(x);
        }
        // Columns behind the head's are those of the next head, which comes later, or padding.
        if rows == S::GROUP && column + S::LANES <= stride {
            let (at, step) = (S::LAYOUT.offset(row, column, stride), S::LAYOUT.step(stride));
            if lanes.start == 0 {
                return match S::GROUP {
                    4 => s.store_i8(q, flip, self.out.data, at, step),
                    _ => s.store_i8([q[0]], flip, self.out.data, at, step),
                };
            }
            let there = self.out.data.get_mut(at..).filter(|out| 3 * step + 4 <= out.len());
            if let (4, 4, 2, 4, Some(out)) = (S::GROUP, S::LANES, lanes.start, lanes.end, there) {
                // The usual case of even head dimensions: the second half of every word.
                let mut words = [0; 16];
                s.store_i8(q, flip, &mut words, 0, 4);
                for (r, word) in words.as_chunks::<4>().0.iter().enumerate() {
                    // SAFETY: `out` has four words in steps of `step`.
                    unsafe { out.get_unchecked_mut(r * step + 2..r * step + 4) }.copy_from_slice(&word[2..]);
                }
                return;
            }
        }
        for (row, &q) in (row..).zip(&q).take(rows) {
            let mut bytes = [0; 16];
            s.store_i8([q], flip, &mut bytes, 0, 0);
            for lane in lanes.clone() {
                let place = self.out.data.get_mut(S::LAYOUT.offset(row, column + lane, stride));
                if let (Some(place), Some(&byte)) = (place, bytes.get(lane)) {
                    *place = byte;
                }
            }
        }
    }
}

/// The context of one head and one block of query rows.
pub(super) struct HeadContext<'a, T> {
    pub sink: &'a mut T,
    /// What the sums of each row are multiplied by.
    pub factors: [f32; super::MR_MAX],
    /// First row.
    pub row: usize,
    /// Rows.
    pub rows: usize,
    /// Column of the context that column 0 of the product is.
    pub first_column: usize,
    /// Columns of the product before the head's.
    pub shift: usize,
    /// Columns of the product.
    pub columns: usize,
}

impl<S: MicroKernel, T: Sink<S>> TakeTile<S> for HeadContext<'_, T> {
    #[inline(always)]
    fn take(&mut self, s: S, column: usize, vectors: usize, tile: &Tile<S::I>) {
        for vector in 0..vectors {
            let column = column + vector * S::LANES;
            let lanes = self.shift.saturating_sub(column)..S::LANES.min(self.columns.saturating_sub(column));
            let mut group = 0;
            while group < self.rows {
                let mut x = [s.splat(0.0); 4];
                for (r, x) in x.iter_mut().enumerate().take(S::GROUP) {
                    // A last group of a tile may reach beyond its rows.
                    let (row, factor) = (tile.get(group + r), self.factors.get(group + r));
                    if let (Some(row), Some(&factor)) = (row, factor) {
                        *x = s.mul(s.to_f32(row[vector]), s.splat(factor));
                    }
                }
                let rows = S::GROUP.min(self.rows - group);
                self.sink.put(s, self.row + group, rows, self.first_column + column, lanes.clone(), x);
                group += S::GROUP;
            }
        }
    }
}
