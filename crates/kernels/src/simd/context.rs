//! The sinks of the context: f32 rows, or the next linear layer's input.

use core::ops::Range;

use super::Simd;
use super::micro_kernel::{MR_MAX, MicroKernel, TakeTile, Tile};
use crate::activation_layout::ActivationLayout;
use crate::attention::ContextOutput;
use crate::linear::ActivationsMut;

/// The context of the query rows, with its layout.
pub(super) struct ContextSink<'a> {
    context: ContextOutput<'a>,
    /// Columns, `heads · head_dim`.
    width: usize,
    /// Layout of int8 activations.
    layout: ActivationLayout,
}

/// A place in the context for a vector of each of some rows.
pub(super) struct ContextPlace {
    /// First row.
    pub row: usize,
    /// Rows.
    pub rows: usize,
    /// Column of the first lane.
    pub column: usize,
    /// Lanes that are the head's.
    pub lanes: Range<usize>,
}

impl<'a> ContextSink<'a> {
    /// Returns the sink and the scale of the values. If the context is int8, its scale divides the scale of the values.
    #[inline(always)]
    pub(super) fn new(context: ContextOutput<'a>, width: usize, layout: ActivationLayout) -> (Self, f32) {
        let (ContextOutput::F32 { scale, .. } | ContextOutput::I8 { scale, .. }) = context;
        (Self { context, width, layout }, scale)
    }

    /// Returns the number of columns that must stand before a head's first one so that its vectors begin where this
    /// sink needs them. In a blocked layout, a vector of four columns must not begin inside a word of four.
    #[inline(always)]
    pub(super) fn shift<S: Simd>(&self, first_column: usize) -> usize {
        match self.context {
            ContextOutput::I8 { .. } if self.layout.rows > 1 => first_column % S::LANES,
            _ => 0,
        }
    }

    /// Takes the vectors of `x` that belong to `place`.
    #[inline(always)]
    pub(super) fn put<S: Simd>(&mut self, s: S, place: ContextPlace, x: [S::F; 4]) {
        match &mut self.context {
            ContextOutput::F32 { out, .. } => {
                let ContextPlace { row, rows, column, lanes } = place;
                for (row, x) in (row..).zip(x).take(rows) {
                    let start = row * self.width + column;
                    s.store(x, out.get_mut(start..start + lanes.end).unwrap_or(&mut []));
                }
            }
            ContextOutput::I8 { out, .. } => put_i8(s, self.layout, out, place, x),
        }
    }
}

/// Rounds to int8, for [`ContextSink::put`].
#[inline(always)]
fn put_i8<S: Simd>(
    s: S,
    layout: ActivationLayout,
    out: &mut ActivationsMut,
    place: ContextPlace,
    x: [S::F; 4],
) {
    let ContextPlace { row, rows, column, lanes } = place;
    let (stride, flip) = (out.stride, layout.flip());
    let mut q = [s.splat_i32(0); 4];
    for (q, &x) in q.iter_mut().zip(&x).take(S::GROUP) {
        *q = s.round_i8(x);
    }
    // Columns after the head's belong to the next head, which is written later, or are padding.
    if rows == S::GROUP && column + S::LANES <= stride {
        let (at, step) = (layout.offset(row, column, stride), layout.step(stride));
        if lanes.start == 0 {
            return match S::GROUP {
                4 => s.store_i8(q, flip, out.data, at, step),
                _ => s.store_i8([q[0]], flip, out.data, at, step),
            };
        }
        let words_out = out.data.get_mut(at..).filter(|out| 3 * step + 4 <= out.len());
        if let (4, 4, 2, 4, Some(out)) = (S::GROUP, S::LANES, lanes.start, lanes.end, words_out) {
            // This is the usual case of even head dimensions: the second half of every word.
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
            let place = out.data.get_mut(layout.offset(row, column + lane, stride));
            if let (Some(place), Some(&byte)) = (place, bytes.get(lane)) {
                *place = byte;
            }
        }
    }
}

/// The context of one head and one block of query rows.
pub(super) struct HeadContext<'a, 'c> {
    pub sink: &'a mut ContextSink<'c>,
    /// The factor of each row's sums.
    pub factors: [f32; MR_MAX],
    /// First row.
    pub row: usize,
    /// Rows.
    pub rows: usize,
    /// Column of the context that belongs to column 0 of the product.
    pub first_column: usize,
    /// Columns of the product before the head's.
    pub shift: usize,
    /// Columns of the product.
    pub columns: usize,
}

impl<S: MicroKernel> TakeTile<S> for HeadContext<'_, '_> {
    #[inline(always)]
    fn take(&mut self, s: S, column: usize, vectors: usize, tile: &Tile<S::I>) {
        take(s.vectors(), self, column, vectors, tile);
    }
}

/// Does the work of [`TakeTile::take`].
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn take<S: Simd>(s: S, head: &mut HeadContext, column: usize, vectors: usize, tile: &Tile<S::I>) {
    for vector in 0..vectors {
        let column = column + vector * S::LANES;
        let lanes = head.shift.saturating_sub(column)..S::LANES.min(head.columns.saturating_sub(column));
        let mut group = 0;
        while group < head.rows {
            let mut x = [s.splat(0.0); 4];
            for (r, x) in x.iter_mut().enumerate().take(S::GROUP) {
                // A last group of a tile may reach beyond its rows.
                let (row, factor) = (tile.get(group + r), head.factors.get(group + r));
                if let (Some(&sum), Some(&factor)) = (row.and_then(|row| row.get(vector)), factor) {
                    *x = s.mul(s.to_f32(sum), s.splat(factor));
                }
            }
            let rows = S::GROUP.min(head.rows - group);
            let (row, column) = (head.row + group, head.first_column + column);
            head.sink.put(s, ContextPlace { row, rows, column, lanes: lanes.clone() }, x);
            group += S::GROUP;
        }
    }
}
