//! Self-attention around the micro-kernel of the linear layers: a head's keys are packed like the weights `[tokens,
//! head_dim]` of Q·K^T, its values like the weights `[head_dim, tokens]` of P·V. The queries of one tile are computed
//! at a time, so that no matrix of tokens by tokens is needed.

use super::context::{ContextSink, HeadContext};
use super::micro_kernel::{
    MR_MAX, MicroKernel, Operands, TakeTile, Tile, TileColumns, TileRows, VECTORS_MAX,
};
use super::pack;
use super::softmax::{ScoreTiles, probabilities};
use crate::attention::{AttentionOperands, ContextOutput};
use crate::linear::row_stride;
use crate::scratch::Scratch;

/// Computes [`crate::scalar::attention`], head by head, a block of query rows at a time. Operands are checked.
#[inline(always)]
pub(crate) fn attention<S: MicroKernel>(
    s: S,
    operands: &AttentionOperands,
    context: ContextOutput,
    scratch: Scratch,
) {
    let shape = operands.shape;
    let Scratch { scores, key_sums, value_sums, keys, values, queries, probabilities: p } = scratch;
    // Queries are stored plus the layout's bias, and probabilities are stored minus 128 plus the bias. The corrections
    // take these constants out of the sums of each column.
    let bias = i32::from(S::LAYOUT.bias);
    let (mut sink, scale) = ContextSink::new(context, shape.width(), S::LAYOUT);
    for head in shape.computed() {
        let first_column = head * shape.head_dim;
        let shift = sink.shift::<S>(first_column);
        let (tokens, columns) = (shape.tokens, shift + shape.head_dim);
        pack::keys(s, operands, head, keys);
        pack::values(s, operands, head, shift, values);
        let scores_shape = ProductShape { m: 1, n: tokens, k: shape.head_dim };
        let context_shape = ProductShape { m: 1, n: columns, k: tokens };
        corrections(s, keys, scores_shape, -bias, queries, key_sums);
        corrections(s, values, context_shape, 128 - bias, p, value_sums);
        let key_init = if bias == 0 { None } else { Some(&*key_sums) };
        for first in (0..shape.queries).step_by(S::MR) {
            let count = S::MR.min(shape.queries - first);
            pack::queries(s, operands, head, first, count, queries);
            let mut all = ScoreTiles { scores: &mut *scores };
            product(s, queries, keys, key_init, ProductShape { m: count, ..scores_shape }, &mut all);
            let factors = probabilities(s, operands, count, scale, scores, p);
            let (first_column, row) = (first_column - shift, first);
            let mut context =
                HeadContext { sink: &mut sink, factors, row, rows: count, first_column, shift, columns };
            product(s, p, values, Some(value_sums), ProductShape { m: count, ..context_shape }, &mut context);
        }
    }
}

/// The sizes of a [`product`].
#[derive(Clone, Copy)]
struct ProductShape {
    /// Rows, at most [`MicroKernel::MR`].
    m: usize,
    /// Columns.
    n: usize,
    /// Inputs.
    k: usize,
}

/// Computes `Σ_k a[m,k]·w[n,k] + init[n]` of activations and packed weights `[n, k]`, a tile at a time. Without `init`,
/// sums begin at 0.
#[inline(always)]
fn product<S: MicroKernel>(
    s: S,
    a: &[i8],
    weights: &[i8],
    init: Option<&[i32]>,
    shape: ProductShape,
    each: &mut impl TakeTile<S>,
) {
    let ProductShape { m, n, k } = shape;
    let (nr, Some(matrix)) = (usize::from(S::PANEL.nr), S::PANEL.matrix(n, k)) else { return };
    let depth = matrix.depth();
    let Some(rows) = TileRows::new(a, row_stride(k), m, depth) else { return };
    let whole_panels = matrix.columns() / nr;
    for (index, panel) in weights.chunks_exact((nr * depth).max(1)).enumerate().take(whole_panels) {
        for tile in 0..nr / (S::VECTORS * S::LANES) {
            let first = tile * S::VECTORS * S::LANES;
            let columns = TileColumns::new(panel, nr, depth, first);
            let Some(operands) = columns.and_then(|columns| Operands::new(rows, columns)) else { return };
            if m == S::MR {
                // SAFETY: `m` says that there are `MR` rows, and a whole panel has all vectors of each of its tiles.
                unsafe { whole_tile(s, operands, init, index * nr + first, each) }
            } else {
                edge_tile(s, operands, init, index * nr + first, each);
            }
        }
    }
    let Some(place) = matrix.panel(whole_panels) else { return };
    let Some(panel) = weights.get(place.start()..place.start() + place.weights()) else { return };
    let mut first = 0;
    while first < place.width {
        let columns = TileColumns::new(panel, place.width, depth, first);
        let Some(operands) = columns.and_then(|columns| Operands::new(rows, columns)) else { return };
        edge_tile(s, operands, init, place.first + first, each);
        first += operands.vectors() * S::LANES;
    }
}

/// Returns the values with which the sums of the tile whose first column is `column` begin.
#[inline(always)]
fn initial_sums<S: MicroKernel>(s: S, init: Option<&[i32]>, column: usize) -> [S::I; VECTORS_MAX] {
    let mut start = [s.splat_i32(0); VECTORS_MAX];
    if let Some(init) = init.and_then(|init| init.get(column..column + S::VECTORS * S::LANES)) {
        for (start, init) in start.iter_mut().zip(init.chunks_exact(S::LANES)) {
            *start = s.load_i32(init, 0);
        }
    }
    start
}

/// Computes the tile whose first column is `column`.
///
/// # Safety
/// The operands must be those of a whole tile.
#[inline(always)]
unsafe fn whole_tile<S: MicroKernel>(
    s: S,
    operands: Operands<S>,
    init: Option<&[i32]>,
    column: usize,
    each: &mut impl TakeTile<S>,
) {
    debug_assert!(operands.are_whole());
    // SAFETY: as this function requires.
    let tile = unsafe { s.tile(operands, initial_sums(s, init, column)) };
    each.take(s, column, S::VECTORS, &tile);
}

/// Computes the tile whose first column is `column`, of any number of rows and vectors.
#[inline(always)]
fn edge_tile<S: MicroKernel>(
    s: S,
    operands: Operands<S>,
    init: Option<&[i32]>,
    column: usize,
    each: &mut impl TakeTile<S>,
) {
    let mut tile = [[s.splat_i32(0); VECTORS_MAX]; MR_MAX];
    s.edge(operands, initial_sums(s, init, column), &mut tile);
    each.take(s, column, operands.vectors(), &tile);
}

/// Computes `factor · Σ_k w[n,k]` of packed weights `[n, k]`, as the product with one row of ones. `ones` is the memory
/// for that row, with room for a block of rows of `k`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn corrections<S: MicroKernel>(
    s: S,
    weights: &[i8],
    shape: ProductShape,
    factor: i32,
    ones: &mut [i8],
    out: &mut [i32],
) {
    if factor == 0 {
        return out.fill(0);
    }
    // The bytes contain the layout's bias, so that the micro-kernel reads them as 1.
    let Some(ones) = ones.get_mut(..S::LAYOUT.rows * row_stride(shape.k)) else { return };
    ones.fill(1);
    product(s, ones, weights, None, shape, &mut Corrections { out, factor });
}

struct Corrections<'a> {
    out: &'a mut [i32],
    factor: i32,
}

impl<S: MicroKernel> TakeTile<S> for Corrections<'_> {
    #[inline(always)]
    fn take(&mut self, s: S, column: usize, vectors: usize, [first, ..]: &Tile<S::I>) {
        for (vector, &acc) in first.iter().enumerate().take(vectors) {
            let mut sums = [0; 16];
            s.store_i32(acc, &mut sums);
            let column = column + vector * S::LANES;
            for (out, sum) in self.out.iter_mut().skip(column).zip(sums).take(S::LANES) {
                *out = self.factor * sum;
            }
        }
    }
}
