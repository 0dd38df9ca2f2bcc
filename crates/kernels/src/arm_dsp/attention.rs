//! Self-attention by the micro-kernel of the linear layers: the keys of four tokens are weights of Q·K^T, four columns
//! of the values are weights of P·V. A block of queries is computed at a time.

use super::LAYOUT;
use super::i8_2x4_smlad::{COLUMNS, ROWS, Rows, Sums, add_products, add_unsigned_products};
use super::math::{probability, quantize_scaled};
use super::pairs::{MOST_INPUTS, Pairs, word_of};
use crate::attention::{AttentionOperands, ContextOutput};
use crate::linear::{ActivationsMut, row_stride};
use crate::scalar;
use crate::scratch::{QUERY_BLOCK, Scratch};

/// Tiles of a block of queries.
const TILES: usize = QUERY_BLOCK / ROWS;

/// Computes [`scalar::attention`]. Operands are checked.
pub(crate) fn attention(operands: &AttentionOperands, mut context: ContextOutput, scratch: Scratch) {
    let shape = operands.shape;
    let (Some(queries), Some(probabilities)) = (aligned(scratch.queries), aligned(scratch.probabilities))
    else {
        return scalar::attention(LAYOUT, operands, context, scratch);
    };
    let scale = match context {
        ContextOutput::F32 { scale, .. } | ContextOutput::I8 { scale, .. } => scale,
    };
    let mut pairs = Pairs::new();
    for head in 0..shape.heads {
        for first in (0..shape.queries).step_by(QUERY_BLOCK) {
            let count = QUERY_BLOCK.min(shape.queries - first);
            let mut block = Block { operands, head, first, count, pairs: &mut pairs };
            block.read_queries(queries);
            let scores = scratch.scores.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0;
            block.score(queries, scores);
            let factors = block.weigh(scores, probabilities, scale);
            block.write_context(probabilities, &factors, &mut context);
        }
    }
}

/// Returns memory as words' worth of bytes, if it begins with a whole word.
fn aligned(bytes: &mut [i8]) -> Option<&mut [i8]> {
    bytes.as_ptr().addr().is_multiple_of(4).then_some(bytes)
}

/// A block of queries of a head.
struct Block<'a> {
    operands: &'a AttentionOperands<'a>,
    head: usize,
    /// First query.
    first: usize,
    /// Queries, at most [`QUERY_BLOCK`].
    count: usize,
    /// Memory for weights.
    pairs: &'a mut Pairs,
}

impl Block<'_> {
    /// Copies the queries to `out`, `[QUERY_BLOCK, head_dim]` in [`LAYOUT`], with zeros beyond the last column.
    fn read_queries(&self, out: &mut [i8]) {
        let stride = row_stride(self.operands.shape.head_dim);
        for row in 0..self.count {
            let query = self.operands.query(self.first + row, self.head);
            let places = out.get_mut(LAYOUT.offset(row, 0, stride)..).unwrap_or(&mut []);
            let words = places.chunks_mut(LAYOUT.rows * LAYOUT.depth).take(stride / LAYOUT.depth);
            let (fours, rest) = query.as_chunks::<4>();
            let mut tail = [0; 4];
            tail.iter_mut().zip(rest).for_each(|(place, x)| *place = *x);
            let fours = fours.iter().chain([&tail]).chain(core::iter::repeat(&[0; 4]));
            for (place, four) in words.zip(fours) {
                if let Some(place) = place.first_chunk_mut() {
                    *place = *four;
                }
            }
        }
    }

    /// Computes `q·k` of every token: for four tokens at a time the tiles of the block.
    fn score(&mut self, queries: &[i8], scores: &mut [[Sums; TILES]]) {
        let shape = self.operands.shape;
        let stride = row_stride(shape.head_dim);
        let tiles = self.count.div_ceil(ROWS);
        for (index, scores) in scores.iter_mut().enumerate().take(shape.tokens.div_ceil(COLUMNS)) {
            scores.iter_mut().for_each(|sums| *sums = [[0; COLUMNS]; ROWS]);
            let keys: [&[i8]; COLUMNS] = core::array::from_fn(|column| {
                let token = COLUMNS * index + column;
                if token < shape.tokens { self.operands.key(token, self.head) } else { &[] }
            });
            for slab in (0..shape.head_dim).step_by(MOST_INPUTS) {
                let inputs = MOST_INPUTS.min(shape.head_dim - slab);
                self.pairs.write_words(inputs, |four, output| word_at(keys[output], slab + 4 * four));
                let (Some(data), Some(sums)) =
                    (queries.get(LAYOUT.offset(0, slab, stride)..), scores.get_mut(..tiles))
                else {
                    return;
                };
                if add_products(Rows { data, block_bytes: ROWS * stride }, self.pairs, sums).is_none() {
                    return;
                }
            }
        }
    }

    /// Turns scores into probabilities, `[QUERY_BLOCK, tokens]` in [`LAYOUT`]; returns `scale / Σ p` of each query.
    fn weigh(&self, scores: &[[Sums; TILES]], probabilities: &mut [i8], scale: f32) -> [f32; QUERY_BLOCK] {
        let tokens = self.operands.shape.tokens;
        let stride = row_stride(tokens);
        let (whole, left) = (tokens / COLUMNS, tokens % COLUMNS);
        core::array::from_fn(|row| {
            if row >= self.count {
                return 0.0;
            }
            let four = |tiles: &[Sums; TILES]| tiles[row / ROWS][row % ROWS];
            let mut fours = scores.iter().map(four);
            let mut largest = i32::MIN;
            for scores in fours.clone().take(whole) {
                scores.iter().for_each(|score| largest = largest.max(*score));
            }
            if let Some(scores) = fours.clone().nth(whole) {
                scores.iter().take(left).for_each(|score| largest = largest.max(*score));
            }
            let begin = LAYOUT.offset(row, 0, stride);
            let places = probabilities.get_mut(begin..).unwrap_or(&mut []);
            let mut places = places.chunks_mut(LAYOUT.rows * LAYOUT.depth);
            let coefficient = self.operands.coefficient;
            let weigh = |score: i32| probability((score - largest) as f32 * coefficient);
            let mut total = 0;
            for (scores, place) in fours.by_ref().take(whole).zip(places.by_ref()) {
                let weights = scores.map(weigh);
                weights.iter().for_each(|weight| total += weight);
                if let Some(place) = place.first_chunk_mut() {
                    *place = weights.map(|weight| weight as i8);
                }
            }
            if let (Some(scores), Some(place)) = (fours.next(), places.next()) {
                for (score, place) in scores.into_iter().zip(place).take(left) {
                    let weight = weigh(score);
                    total += weight;
                    *place = weight as i8;
                }
            }
            (1.0 / total as f32) * scale
        })
    }

    /// Writes `Σ p·v · factor` of every column of the head.
    fn write_context(
        &mut self,
        probabilities: &[i8],
        factors: &[f32; QUERY_BLOCK],
        context: &mut ContextOutput,
    ) {
        let shape = self.operands.shape;
        let stride = row_stride(shape.tokens);
        let tiles = self.count.div_ceil(ROWS);
        for column in (0..shape.head_dim).step_by(COLUMNS) {
            let mut sums = [[[0; COLUMNS]; ROWS]; TILES];
            for slab in (0..shape.tokens).step_by(MOST_INPUTS) {
                let inputs = MOST_INPUTS.min(shape.tokens - slab);
                let (operands, head) = (self.operands, self.head);
                self.pairs.write_columns(inputs, |four| {
                    core::array::from_fn(|token| {
                        let token = slab + 4 * four + token;
                        if token < shape.tokens { word_at(operands.value(token, head), column) } else { 0 }
                    })
                });
                let (Some(data), Some(sums)) =
                    (probabilities.get(LAYOUT.offset(0, slab, stride)..), sums.get_mut(..tiles))
                else {
                    return;
                };
                let rows = Rows { data, block_bytes: ROWS * stride };
                if add_unsigned_products(rows, self.pairs, sums).is_none() {
                    return;
                }
            }
            let rows = sums.as_flattened().iter().zip(factors).enumerate().take(self.count);
            let width = COLUMNS.min(shape.head_dim - column);
            let column = self.head * shape.head_dim + column;
            for (row, (sums, factor)) in rows {
                let y = sums.map(|sum| sum as f32 * factor);
                match context {
                    ContextOutput::F32 { out, .. } => {
                        let at = (self.first + row) * shape.width() + column;
                        let places = out.get_mut(at..at + width).unwrap_or(&mut []);
                        places.iter_mut().zip(y).for_each(|(place, y)| *place = y);
                    }
                    ContextOutput::I8 { out, .. } => {
                        write_row(out, self.first + row, column, width, quantize_scaled(y));
                    }
                }
            }
        }
    }
}

/// Writes the first `width` of four bytes to a row, from a column on.
#[inline(always)]
fn write_row(out: &mut ActivationsMut, row: usize, column: usize, width: usize, bytes: [i8; COLUMNS]) {
    let at = LAYOUT.offset(row, column, out.stride);
    if width == COLUMNS && column.is_multiple_of(LAYOUT.depth) {
        if let Some(place) = out.data.get_mut(at..).and_then(|place| place.first_chunk_mut()) {
            *place = bytes;
        }
        return;
    }
    for (column, byte) in (column..).zip(bytes).take(width) {
        if let Some(place) = out.data.get_mut(LAYOUT.offset(row, column, out.stride)) {
            *place = byte;
        }
    }
}

/// Returns four bytes from `at` on; those beyond the end are 0.
#[inline(always)]
fn word_at(bytes: &[i8], at: usize) -> u32 {
    let rest = bytes.get(at..).unwrap_or(&[]);
    match rest.first_chunk() {
        Some(bytes) => word_of(*bytes),
        None => {
            let mut word = [0; 4];
            word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            word_of(word)
        }
    }
}
