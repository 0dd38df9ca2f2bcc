//! The products of a linear layer, tile by tile: panels of weights outside, blocks of rows inside, so that a panel
//! stays in the first-level cache; the sink takes each tile while it is in registers.

use core::ops::Range;

use tinybert_layout::PanelWeights;

use super::Simd;
use super::micro_kernel::{
    EdgeSink, LinearSink, MR_MAX, MicroKernel, Operands, Tile, TileColumns, TileRows, VECTORS_MAX,
};
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Linear, RowScale};

/// The parameters that all rows of a tile share.
struct ColumnParameters<S: Simd> {
    /// The weight scale, multiplied by the activation scale if the tensor has one scale.
    scale: [S::F; VECTORS_MAX],
    bias: [S::F; VECTORS_MAX],
    /// `−(zero point + bias of the layout) · row_sum`, with which the sums begin.
    init: [S::I; VECTORS_MAX],
}

impl<S: Simd> ColumnParameters<S> {
    /// Returns the parameters of `vectors` vectors from column `first` on, with activations in `layout`.
    #[cfg_attr(target_arch = "aarch64", inline(never))]
    #[cfg_attr(not(target_arch = "aarch64"), inline(always))]
    fn new(
        s: S,
        a: &Activations,
        w: &Linear,
        first: usize,
        vectors: usize,
        layout: ActivationLayout,
    ) -> Self {
        let (scale, bias) = (w.scale.get(first..).unwrap_or(&[]), w.bias.get(first..).unwrap_or(&[]));
        let row_sum = w.row_sum.get(first..).unwrap_or(&[]);
        let zero = i32::from(a.zero_point) + i32::from(layout.bias);
        let mut parameters = ColumnParameters {
            scale: [s.splat(0.0); VECTORS_MAX],
            bias: [s.splat(0.0); VECTORS_MAX],
            init: [s.splat_i32(0); VECTORS_MAX],
        };
        let a_scale = match a.scale {
            RowScale::Uniform(scale) => s.splat(scale),
            RowScale::PerRow(_) => s.splat(1.0),
        };
        let places = parameters.scale.iter_mut().zip(&mut parameters.bias).zip(&mut parameters.init);
        for (vector, ((scale_place, bias_place), init)) in places.take(vectors).enumerate() {
            let first = vector * S::LANES;
            *scale_place = s.mul(a_scale, s.load(scale.get(first..).unwrap_or(&[])));
            *bias_place = s.load(bias.get(first..).unwrap_or(&[]));
            let mut zeros = [0_i32; 16];
            for (place, sum) in zeros.iter_mut().zip(row_sum.iter().skip(first)) {
                *place = sum.wrapping_mul(zero).wrapping_neg();
            }
            *init = s.load_i32(&zeros, 0);
        }
        parameters
    }
}

/// Computes the rows `rows` of `y` and hands them to `sink`, which counts from row `rows.start` on. That is a
/// multiple of [`ROW_BLOCK`](crate::linear::ROW_BLOCK). Weights that are not int8 are decoded into `decoded`, a panel
/// once.
#[inline(always)]
pub(crate) fn tiles<S: MicroKernel, K: LinearSink<S>>(
    s: S,
    a: &Activations,
    w: &Linear,
    rows: Range<usize>,
    decoded: &mut [i8],
    mut sink: K,
) {
    let Some(matrix) = S::PANEL.matrix(w.n, w.k) else { return };
    // `edges` computes all rows that have a scale each.
    let whole_end = match a.scale {
        RowScale::Uniform(_) => rows.end,
        RowScale::PerRow(_) => rows.start,
    };
    for index in 0..matrix.panel_count() {
        let Some(place) = matrix.panel(index) else { return };
        let (width, depth) = (place.width, place.depth);
        let weights: &[i8] = match w.panel_weights(matrix, index) {
            Some(PanelWeights::Int8(weights)) => weights,
            Some(stored) => {
                let Some(decoded) = decoded.get_mut(..place.weights()) else { return };
                s.decode(stored, width, decoded);
                decoded
            }
            None => return,
        };
        for first in (0..width).step_by(S::VECTORS * S::LANES) {
            let Some(columns) = TileColumns::<S>::new(weights, width, depth, first) else { return };
            let column = place.first + first;
            let parameters = ColumnParameters::new(s.vectors(), a, w, column, S::VECTORS, S::LAYOUT);
            let mut block = rows.start;
            if columns.vectors() == S::VECTORS {
                while block + S::MR <= whole_end {
                    let (row, width) = (block - rows.start, S::VECTORS * S::LANES);
                    if !sink.has_room(row, column, S::MR, width) {
                        break;
                    }
                    let Some(operands) = tile_operands(a, block, S::MR, columns) else { return };
                    debug_assert!(operands.are_whole());
                    // SAFETY: the operands have `MR` rows and, as was checked, `VECTORS` vectors.
                    let tile = unsafe { s.tile(operands, parameters.init) };
                    // SAFETY: the sink has room for the tile.
                    unsafe {
                        if K::MANY_CONSTANTS && S::VECTORS > 1 {
                            write_waiting_tile(s, &tile, &parameters, row, column, &mut sink);
                        } else if K::MANY_CONSTANTS {
                            // A small tile does not justify a call.
                            write_tile(s, core::hint::black_box(&tile), &parameters, row, column, &mut sink);
                        } else {
                            write_tile(s, &tile, &parameters, row, column, &mut sink);
                        }
                    }
                    block += S::MR;
                }
            }
            if block < rows.end {
                let sums = |first: usize, count: usize, init: &[S::I; VECTORS_MAX], tile: &mut Tile<S::I>| {
                    s.edge(tile_operands(a, first, count, columns)?, *init, tile);
                    Some(())
                };
                // Columns beyond the last output are not used.
                let vectors = columns.vectors().min((w.n - column).div_ceil(S::LANES));
                let part = EdgePart { base: rows.start, rows: block..rows.end, most: S::MR, column, vectors };
                edges(s.vectors(), &sums, a, w, S::LAYOUT, part, &mut sink.edges());
            }
        }
    }
}

/// Computes the sums of a tile: first row, number of rows, the values with which the sums of each vector begin, and the
/// tile.
type ComputeSums<'s, I> = dyn Fn(usize, usize, &[I; VECTORS_MAX], &mut Tile<I>) -> Option<()> + 's;

/// A part of a result that [`edges`] computes.
struct EdgePart {
    /// The row that the sink counts as its first.
    base: usize,
    /// Rows that make no whole tile or have a scale each.
    rows: Range<usize>,
    /// Most rows that are computed at a time.
    most: usize,
    /// First column.
    column: usize,
    /// Vectors of columns.
    vectors: usize,
}

/// Computes `part` of a result by `sums` and hands it to the sink, row by row.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn edges<S: Simd>(
    s: S,
    sums: &ComputeSums<S::I>,
    a: &Activations,
    w: &Linear,
    layout: ActivationLayout,
    part: EdgePart,
    sink: &mut impl EdgeSink<S>,
) {
    let EdgePart { base, rows, most, column, vectors } = part;
    // The parameters are computed again, so that those of the caller can stay in its registers.
    let parameters = ColumnParameters::new(s, a, w, column, vectors, layout);
    let mut block = rows.start;
    while block < rows.end {
        let count = most.min(rows.end - block);
        let mut tile = [[s.splat_i32(0); VECTORS_MAX]; MR_MAX];
        if sums(block, count, &parameters.init, &mut tile).is_none() {
            return;
        }
        for (row, acc) in (block..block + count).zip(&tile) {
            let scale = match a.scale {
                RowScale::Uniform(_) => s.splat(1.0),
                RowScale::PerRow(_) => s.splat(a.row_scale(row)),
            };
            let columns = parameters.scale.iter().zip(&parameters.bias).zip(acc);
            for (vector, ((&column_scale, &bias), &acc)) in columns.enumerate().take(vectors) {
                let scale = s.mul(scale, column_scale);
                let y = s.add(s.mul(s.to_f32(acc), scale), bias);
                sink.put(s, row - base, column + vector * S::LANES, y);
            }
        }
        block += count;
    }
}

/// Returns `columns` with the `count` rows from row `first` on, which is the first row of a block.
#[inline(always)]
fn tile_operands<'a, S: MicroKernel>(
    a: &Activations<'a>,
    first: usize,
    count: usize,
    columns: TileColumns<'a, S>,
) -> Option<Operands<'a, S>> {
    let rows = TileRows::new(a.data.get(first * a.stride..)?, a.stride, count, columns.depth())?;
    Operands::new(rows, columns)
}

/// Calls [`write_tile`] for a tile that waits in memory, so that the registers are free for the sink's constants.
///
/// # Safety
/// The sink must have room for it.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
unsafe fn write_waiting_tile<S: MicroKernel>(
    s: S,
    tile: &Tile<S::I>,
    parameters: &ColumnParameters<S::Vectors>,
    row: usize,
    column: usize,
    sink: &mut impl LinearSink<S>,
) {
    // SAFETY: as this function requires.
    unsafe { write_tile(s, core::hint::black_box(tile), parameters, row, column, sink) }
}

/// Computes `y = acc · scale + bias` of a whole tile. It takes every vector by itself, so that the sums stay in
/// registers.
///
/// # Safety
/// The sink must have room for it.
#[inline(always)]
unsafe fn write_tile<S: MicroKernel>(
    s: S,
    tile: &Tile<S::I>,
    parameters: &ColumnParameters<S::Vectors>,
    row: usize,
    column: usize,
    sink: &mut impl LinearSink<S>,
) {
    // SAFETY: as this function requires.
    unsafe {
        write_vector::<S, 0>(s, tile, parameters, row, column, sink);
        if S::VECTORS > 1 {
            write_vector::<S, 1>(s, tile, parameters, row, column, sink);
        }
        if S::VECTORS > 2 {
            write_vector::<S, 2>(s, tile, parameters, row, column, sink);
        }
    }
}

/// # Safety
/// The sink must have room for the tile.
#[inline(always)]
unsafe fn write_vector<S: MicroKernel, const V: usize>(
    s: S,
    tile: &Tile<S::I>,
    parameters: &ColumnParameters<S::Vectors>,
    row: usize,
    column: usize,
    sink: &mut impl LinearSink<S>,
) {
    let (scale, bias) = (parameters.scale[V], parameters.bias[V]);
    let column = column + V * S::LANES;
    // SAFETY: as this function requires.
    unsafe {
        if S::GROUP == 4 {
            sink.put(s, row, column, four_rows::<S, V>(s, tile, 0, scale, bias));
            if S::MR > 4 {
                sink.put(s, row + 4, column, four_rows::<S, V>(s, tile, 4, scale, bias));
            }
        } else {
            for (r, acc) in tile.iter().enumerate().take(S::MR) {
                sink.put(s, row + r, column, [s.add(s.mul(s.to_f32(acc[V]), scale), bias)]);
            }
        }
    }
}

/// Returns `y` of the four rows from `first` on.
#[inline(always)]
fn four_rows<S: MicroKernel, const V: usize>(
    s: S,
    tile: &Tile<S::I>,
    first: usize,
    scale: S::F,
    bias: S::F,
) -> [S::F; 4] {
    let mut y = [scale; 4];
    for (r, y) in y.iter_mut().enumerate() {
        *y = s.add(s.mul(s.to_f32(tile[first + r][V]), scale), bias);
    }
    y
}
