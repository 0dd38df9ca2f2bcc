//! Linear layers: panels of weights outside, as pairs, rows inside.

use tinybert_layout::PanelWeights;

use super::LAYOUT;
use super::i8_2x4_smlad::{COLUMNS, ROWS, Rows, Sums, add_products};
use super::math::{Quantizer, gelu, quantize_scaled};
use super::pairs::{MOST_INPUTS, Pairs};
use crate::Panel;
use crate::linear::{Activations, Epilogue, Linear, Quantization, ROW_BLOCK, RowScale};
use crate::scalar;

/// Tiles of rows whose sums are on the stack at a time.
const TILES: usize = 16;

/// Four results of a row.
type Results = [f32; COLUMNS];

/// Computes [`scalar::linear`]. Operands are checked.
pub(crate) fn linear(a: &Activations, w: &Linear, epilogue: Epilogue, decoded: &mut [i8]) {
    if !a.data.as_ptr().addr().is_multiple_of(4) {
        // The micro-kernel reads words. Memory for activations is aligned everywhere but in tests.
        return scalar::linear(LAYOUT, a, w, epilogue, decoded);
    }
    let n = w.n;
    match epilogue {
        Epilogue::F32 { out, stride } => each(a, w, 0, a.m, decoded, |row, column, y| {
            store(out, row * stride + column, n - column, y);
        }),
        Epilogue::AddF32 { residual } => each(a, w, 0, a.m, decoded, |row, column, y| {
            let place = residual.get_mut(row * n + column..).unwrap_or(&mut []);
            if let (Some(place), true) = (place.first_chunk_mut::<COLUMNS>(), n - column >= COLUMNS) {
                place.iter_mut().zip(y).for_each(|(place, y)| *place += y);
            } else {
                place.iter_mut().zip(y).take(n - column).for_each(|(place, y)| *place += y);
            }
        }),
        // Rows have room for whole words.
        Epilogue::I8 { out, stride } => each(a, w, 0, a.m, decoded, |row, column, y| {
            store_word(out, row * stride + column, quantize_scaled(y));
        }),
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            let quantizer = Quantizer::new(inv_scale, zero_point);
            each(a, w, 0, a.m, decoded, |row, column, y| {
                store_word(out.data, LAYOUT.offset(row, column, out.stride), quantizer.apply(y.map(gelu)));
            });
        }
        Epilogue::Gelu { mut out, quantization: Quantization::PerToken { scale }, scratch } => {
            for (block, scale) in scale.chunks_mut(ROW_BLOCK).enumerate() {
                let first = block * ROW_BLOCK;
                each(a, w, first, scale.len(), decoded, |row, column, y| {
                    store(scratch, row * n + column, n - column, y.map(gelu));
                });
                for ((row, scale), x) in (first..).zip(scale).zip(scratch.chunks_exact(n.max(1))) {
                    *scale = super::rows::quantize_row(row, x, &mut out);
                }
            }
        }
    }
}

/// Writes those of four results that are among the `left` last ones of a row.
#[inline(always)]
fn store(out: &mut [f32], at: usize, left: usize, y: Results) {
    let place = out.get_mut(at..).unwrap_or(&mut []);
    match place.first_chunk_mut::<COLUMNS>() {
        Some(place) if left >= COLUMNS => *place = y,
        _ => place.iter_mut().zip(y).take(left).for_each(|(place, y)| *place = y),
    }
}

/// Writes four bytes.
#[inline(always)]
fn store_word(out: &mut [i8], at: usize, bytes: [i8; 4]) {
    if let Some(place) = out.get_mut(at..at + 4).and_then(|place| place.first_chunk_mut()) {
        *place = bytes;
    }
}

/// Calls `store(row − first, column, y)` for four columns of every row from `first` on, of which the last may be beyond
/// the outputs. `first` is even.
#[inline(always)]
fn each(
    a: &Activations,
    w: &Linear,
    first: usize,
    rows: usize,
    decoded: &mut [i8],
    mut store: impl FnMut(usize, usize, Results),
) {
    let Some(matrix) = Panel::CORTEX_M.matrix(w.n, w.k) else { return };
    let (mut pairs, mut sums) = (Pairs::new(), [[[0; COLUMNS]; ROWS]; TILES]);
    for index in 0..matrix.panel_count() {
        let Some(place) = matrix.panel(index) else { return };
        let weights = match w.panel_weights(matrix, index) {
            Some(sparse @ PanelWeights::Sparse { .. }) => {
                let Some(decoded) = decoded.get_mut(..place.weights()) else { return };
                sparse.decode(Panel::CORTEX_M, place.width, decoded);
                PanelWeights::Int8(decoded)
            }
            Some(weights) => weights,
            None => return,
        };
        let columns = Columns::new(a, w, place.first);
        for begin in (0..rows).step_by(TILES * ROWS) {
            let count = (rows - begin).min(TILES * ROWS);
            let sums = sums.get_mut(..count.div_ceil(ROWS)).unwrap_or_default();
            sums.fill([columns.init; ROWS]);
            add_all_products(a, first + begin, weights, place.depth, &mut pairs, sums);
            for (row, sums) in sums.as_flattened().iter().enumerate().take(count) {
                store(begin + row, place.first, columns.results(a, first + begin + row, sums));
            }
        }
    }
}

/// Adds the products of all inputs to the sums of tiles from row `first` on.
#[inline(never)]
fn add_all_products(
    a: &Activations,
    first: usize,
    weights: PanelWeights,
    depth: usize,
    pairs: &mut Pairs,
    sums: &mut [Sums],
) {
    for input in (0..depth).step_by(MOST_INPUTS) {
        pairs.write_panel(weights, input, MOST_INPUTS.min(depth - input));
        let Some(data) = a.data.get(LAYOUT.offset(first, input, a.stride)..) else { return };
        if add_products(Rows { data, block_bytes: ROWS * a.stride }, pairs, sums).is_none() {
            return;
        }
    }
}

/// The parameters of four columns; 0 beyond the last output.
struct Columns {
    /// The weight scales, multiplied by the activation scale if the tensor has one scale.
    scale: Results,
    bias: Results,
    /// `−zero point · row_sum`, with which the sums begin.
    init: [i32; COLUMNS],
}

impl Columns {
    #[inline(always)]
    fn new(a: &Activations, w: &Linear, first: usize) -> Self {
        let mut columns = Columns { scale: [0.0; COLUMNS], bias: [0.0; COLUMNS], init: [0; COLUMNS] };
        let parameters = w.scale.iter().zip(w.bias).zip(w.row_sum).skip(first);
        let places = columns.scale.iter_mut().zip(&mut columns.bias).zip(&mut columns.init);
        for (((scale, bias), init), ((&w_scale, &w_bias), row_sum)) in places.zip(parameters) {
            *scale = match a.scale {
                RowScale::Uniform(a_scale) => a_scale * w_scale,
                RowScale::PerRow(_) => w_scale,
            };
            *bias = w_bias;
            *init = row_sum.wrapping_mul(i32::from(a.zero_point)).wrapping_neg();
        }
        columns
    }

    /// Returns `sum · (activation scale · weight scale) + bias`.
    #[inline(always)]
    fn results(&self, a: &Activations, row: usize, sums: &[i32; COLUMNS]) -> Results {
        core::array::from_fn(|column| {
            let scale = match a.scale {
                RowScale::Uniform(_) => self.scale[column],
                RowScale::PerRow(_) => a.row_scale(row) * self.scale[column],
            };
            sums[column] as f32 * scale + self.bias[column]
        })
    }
}
