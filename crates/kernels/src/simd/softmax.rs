//! The function that turns scores into unnormalised probabilities, and its input.

use super::math::largest_i32;
use super::micro_kernel::{MR_MAX, MicroKernel, TakeTile, Tile};
use crate::attention::AttentionOperands;
use crate::linear::row_stride;
use crate::math::EXPONENT_STEPS;

/// Scores as the micro-kernel makes them: tile after tile of `[MR][columns of a tile]`.
pub(super) struct ScoreTiles<'a> {
    pub scores: &'a mut [i32],
}

/// Returns the number of columns of a whole tile.
const fn tile_columns<S: MicroKernel>() -> usize {
    S::VECTORS * S::LANES
}

impl<S: MicroKernel> TakeTile<S> for ScoreTiles<'_> {
    #[inline(always)]
    fn take(&mut self, s: S, column: usize, vectors: usize, tile: &Tile<S::I>) {
        let at = column * S::MR;
        let Some(place) = self.scores.get_mut(at..at + S::MR * tile_columns::<S>()) else { return };
        for (row, acc) in tile.iter().enumerate().take(S::MR) {
            for (vector, &acc) in acc.iter().enumerate().take(vectors) {
                let at = row * tile_columns::<S>() + vector * S::LANES;
                s.store_i32(acc, &mut place[at..at + S::LANES]);
            }
        }
    }
}

/// Turns the scores of `count` rows into probabilities: activations `[count, tokens]` in `out`. Returns `scale
/// / Σ p` of each row.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(super) fn probabilities<S: MicroKernel>(
    s: S,
    operands: &AttentionOperands,
    count: usize,
    scale: f32,
    scores: &[i32],
    out: &mut [i8],
) -> [f32; MR_MAX] {
    let mut factors = [0.0; MR_MAX];
    let mut row = 0;
    while row < count {
        if S::GROUP == 4 {
            rows::<S, 4>(s, operands, row, scale, scores, out, &mut factors);
        } else {
            rows::<S, 1>(s, operands, row, scale, scores, out, &mut factors);
        }
        row += S::GROUP;
    }
    factors
}

/// Computes [`probabilities`] of the `R` rows from `first` on. Rows without a query may hold anything.
#[inline(always)]
fn rows<S: MicroKernel, const R: usize>(
    s: S,
    operands: &AttentionOperands,
    first: usize,
    scale: f32,
    scores: &[i32],
    out: &mut [i8],
    factors: &mut [f32; MR_MAX],
) {
    let tokens = operands.shape.tokens;
    let (columns, size) = (tile_columns::<S>(), S::MR * tile_columns::<S>());
    // Each tile begins with these rows: first the whole tiles, then the last one.
    let whole_tiles = tokens / columns;
    let mut tiles = scores.chunks_exact(size).map(|tile| tile.get(first * columns..).unwrap_or(&[]));
    let (last_tile, last_columns) = (tiles.clone().nth(whole_tiles).unwrap_or(&[]), tokens % columns);

    let mut most = [s.splat_i32(i32::MIN); R];
    for tile in tiles.clone().take(whole_tiles) {
        let Some(tile) = tile.get(..R * columns) else { return };
        for vector in 0..S::VECTORS {
            for (row, most) in most.iter_mut().enumerate() {
                let at = row * columns + vector * S::LANES;
                *most = s.max_i32(*most, s.load_i32(&tile[at..at + S::LANES], 0));
            }
        }
    }
    for column in (0..last_columns).step_by(S::LANES) {
        for (row, most) in most.iter_mut().enumerate() {
            *most =
                s.max_i32(*most, part(s, last_tile, row * columns + column, last_columns - column, i32::MIN));
        }
    }
    let mut largest = [0; R];
    for (largest, most) in largest.iter_mut().zip(&mut most) {
        *largest = largest_i32(s, *most);
        *most = s.splat_i32(*largest);
    }

    let (stride, flip) = (row_stride(tokens), S::LAYOUT.flip() ^ i8::MIN);
    if S::LAYOUT.offset(first + R - 1, stride - 1, stride) >= out.len() {
        return;
    }
    // The factor is a power of two, so it changes no rounding. The limit changes only exponents far below the lowest
    // one.
    let coefficient = s.splat((operands.coefficient * EXPONENT_STEPS).min(f32::MAX));
    let mut totals = [s.splat_i32(0); R];
    let mut vector = 0;
    for tile in tiles.by_ref().take(whole_tiles) {
        let Some(tile) = tile.get(..R * columns) else { return };
        for inner in 0..S::VECTORS {
            let mut exponents = most;
            for (row, exponents) in exponents.iter_mut().enumerate() {
                let at = row * columns + inner * S::LANES;
                let below = s.sub_i32(s.load_i32(&tile[at..at + S::LANES], 0), most[row]);
                *exponents = s.round(s.mul(s.to_f32(below), coefficient));
            }
            let at = S::LAYOUT.offset(first, vector * S::LANES, stride);
            // SAFETY: the last column's element of the last row is inside, and offsets grow with rows and columns.
            unsafe {
                let (out, step) = (out.as_mut_ptr().add(at), S::LAYOUT.step(stride));
                s.write_probabilities(exponents, &mut totals, flip, out, step);
            }
            vector += 1;
        }
    }
    for column in (0..last_columns).step_by(S::LANES) {
        let mut exponents = most;
        for (row, exponents) in exponents.iter_mut().enumerate() {
            // A missing lane counts as the largest score, whose probability is 255.
            let scores = part(s, last_tile, row * columns + column, last_columns - column, largest[row]);
            *exponents = s.round(s.mul(s.to_f32(s.sub_i32(scores, most[row])), coefficient));
        }
        let at = S::LAYOUT.offset(first, vector * S::LANES, stride);
        // SAFETY: as above.
        unsafe {
            let (out, step) = (out.as_mut_ptr().add(at), S::LAYOUT.step(stride));
            s.write_probabilities(exponents, &mut totals, flip, out, step);
        }
        vector += 1;
    }
    let missing = 255 * (vector * S::LANES - tokens) as i32;
    for (row, factor) in factors.iter_mut().skip(first).enumerate().take(R) {
        *factor = (1.0 / (s.total(totals, row) - missing) as f32) * scale;
    }
}

/// Returns the vector from `at` on. Its first `valid` lanes are scores; the others become `missing`.
#[inline(always)]
fn part<S: MicroKernel>(s: S, scores: &[i32], at: usize, valid: usize, missing: i32) -> S::I {
    if valid >= S::LANES {
        // The compiler knows this length.
        return s.load_i32(scores.get(at..at + S::LANES).unwrap_or(&[0; 16]), missing);
    }
    s.load_i32(scores.get(at..at + valid.min(S::LANES)).unwrap_or(&[]), missing)
}
