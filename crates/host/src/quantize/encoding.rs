//! How weights are stored, and the nearest weights that can be stored so.

use serde::{Deserialize, Serialize};
use tinybert_image::{self as image, MAX_MULTIPLIER};
use tinybert_kernels::math::round;

/// Consecutive inputs of a channel that share a multiplier in four bits.
pub use tinybert_image::GROUP;

/// What an image stores of a linear's weights, or of the word rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// A byte a weight.
    Int8,
    /// Four bits a weight and a multiplier for each [`GROUP`]: 4.25 bits.
    Int4,
    /// A bit a weight, and a byte for each that is not zero, where that takes less than a byte a weight. The values are those
    /// of int8.
    Sparse,
}

impl Encoding {
    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Sparse => "sparse",
        }
    }

    /// The largest magnitude of a code, and the largest multiplier of a group.
    fn range(self) -> (f32, i8) {
        match self {
            Self::Int8 | Self::Sparse => (127.0, 1),
            Self::Int4 => (7.0, MAX_MULTIPLIER.cast_signed()),
        }
    }

    /// What an image stores packed `weights` as: [`Sparse`](Self::Sparse) ones without their zeros where these are so many that
    /// a bit for every weight costs less.
    pub fn stored(self, weights: &[i8]) -> image::Encoding {
        let zeros = weights.iter().filter(|weight| **weight == 0).count();
        match self {
            Self::Int8 => image::Encoding::Int8,
            Self::Int4 => image::Encoding::Int4,
            Self::Sparse if zeros > weights.len().div_ceil(8) => image::Encoding::Sparse,
            Self::Sparse => image::Encoding::Int8,
        }
    }

    /// How many scales are tried, each 2 % of the full range below the one before. In four bits outliers are clipped by
    /// their group's multiplier, and what a smaller scale gives is finer steps of those.
    fn scales(self) -> usize {
        match self {
            Self::Int8 | Self::Sparse => 10,
            Self::Int4 => 16,
        }
    }
}

/// Quantizes one output channel's weights to int8 with the scale of least squared error, and returns the scale; 0 for a
/// channel of zeros. Weight `i` is then about `out[i] · scale`.
///
/// In four bits every value is `q · m` with a code `q` of −7 to 7 and its group's multiplier `m` of 1 to
/// [`MAX_MULTIPLIER`] (two-level quantization as in QServe, arXiv 2405.04532); otherwise it is −127 to 127. Zeros
/// stay zeros. `importance`, for instance the mean square of each input, weights the squared errors. `out` and
/// `importance` are as long as `weights`, which are finite.
#[inline(always)]
pub fn quantize_channel(
    weights: &[f32],
    encoding: Encoding,
    importance: Option<&[f32]>,
    out: &mut [i8],
) -> f32 {
    let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    if largest < 1e-30 {
        out.fill(0);
        return 0.0;
    }
    let (limit, multiplier) = encoding.range();
    let full = limit * f32::from(multiplier);
    let scales = (0..encoding.scales()).map(|i| largest * (1.0 - 0.02 * i as f32) / full);
    let tried = scales.map(|scale| (scale, quantize_at(weights, scale, encoding, importance, out)));
    let (best, _) = tried.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
    quantize_at(weights, best, encoding, importance, out);
    best
}

/// Quantizes a channel's weights at a given positive scale, in four bits with the best multiplier for each group; returns
/// the squared error.
#[inline(always)]
pub fn quantize_at(
    weights: &[f32],
    scale: f32,
    encoding: Encoding,
    importance: Option<&[f32]>,
    out: &mut [i8],
) -> f64 {
    let (limit, largest_multiplier) = encoding.range();
    let mut squared = 0.0;
    for (index, (weights, out)) in weights.chunks(GROUP).zip(out.chunks_mut(GROUP)).enumerate() {
        let importance = importance.map(|all| &all[index * GROUP..][..weights.len()]);
        let tried = (1..=largest_multiplier).map(|multiplier| {
            let step = scale * f32::from(multiplier);
            (multiplier, step, squared_error(weights, step, limit, importance))
        });
        let best = tried.min_by(|a, b| a.2.total_cmp(&b.2));
        let (multiplier, step, error) = best.unwrap_or((1, scale, 0.0));
        for (out, &w) in out.iter_mut().zip(weights) {
            *out = nearest(w, step, limit) as i8 * multiplier;
        }
        squared += error;
    }
    squared
}

/// The integer of at most `limit` in magnitude that is nearest to `weight / step`.
#[inline(always)]
fn nearest(weight: f32, step: f32, limit: f32) -> f32 {
    round((weight / step).clamp(-limit, limit))
}

/// Squared error of a group of weights in integers of `step`, up to `limit`.
#[inline(always)]
fn squared_error(weights: &[f32], step: f32, limit: f32, importance: Option<&[f32]>) -> f64 {
    // All errors, then their sum, so that the compiler can use vectors for what takes long.
    let mut errors = [0f32; GROUP];
    for (error, &w) in errors.iter_mut().zip(weights) {
        *error = w - nearest(w, step, limit) * step;
    }
    let squares = errors.into_iter().map(|error| f64::from(error).powi(2));
    match importance {
        None => squares.sum(),
        Some(importance) => squares.zip(importance).map(|(square, &weight)| square * f64::from(weight)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values within ±1, without a pattern.
    fn weights(count: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(|i| value(i) * value(i + 31)).collect()
    }

    fn quantized(weights: &[f32], encoding: Encoding, importance: Option<&[f32]>) -> (f32, Vec<i8>) {
        let mut out = vec![0; weights.len()];
        (quantize_channel(weights, encoding, importance, &mut out), out)
    }

    fn error(weights: &[f32], scale: f32, q: &[i8], importance: &[f32]) -> f64 {
        let terms = weights.iter().zip(q).zip(importance);
        terms.map(|((&w, &q), &i)| f64::from(w - f32::from(q) * scale).powi(2) * f64::from(i)).sum()
    }

    /// The least error of a group over all multipliers and, weight by weight, all codes.
    fn least_error(weights: &[f32], scale: f32, importance: &[f32]) -> f64 {
        let with = |m: i8| -> f64 {
            let least = |i: usize| {
                let errors =
                    (-7..=7).map(|q: i8| error(&weights[i..=i], scale, &[q * m], &importance[i..=i]));
                errors.fold(f64::INFINITY, f64::min)
            };
            (0..weights.len()).map(least).sum()
        };
        (1..=18).map(with).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn four_bits_have_the_best_code_and_multiplier_of_every_group() {
        for (count, seed) in [(32, 1), (64, 2), (312, 3), (7, 4), (33, 5)] {
            let weights = weights(count, seed);
            let importance: Vec<f32> = (0..count).map(|i| 0.1 + (i % 5) as f32).collect();
            for importance in [vec![1.0; count], importance] {
                let (scale, q) = quantized(&weights, Encoding::Int4, Some(&importance));
                for (at, q) in q.chunks(GROUP).enumerate() {
                    let part = at * GROUP..at * GROUP + q.len();
                    let (weights, importance) = (&weights[part.clone()], &importance[part]);
                    let (got, least) =
                        (error(weights, scale, q, importance), least_error(weights, scale, importance));
                    assert!(got <= least * (1.0 + 1e-5) + 1e-12, "{got} and not {least}");
                    let fits = |m: i8| q.iter().all(|q| q % m == 0 && (q / m).abs() <= 7);
                    assert!((1..=18).any(fits), "{q:?}");
                }
            }
        }
    }

    #[test]
    fn no_other_scale_that_is_tried_errs_less() {
        for encoding in [Encoding::Int8, Encoding::Int4, Encoding::Sparse] {
            let weights = weights(100, 6);
            let (scale, q) = quantized(&weights, encoding, None);
            let best = error(&weights, scale, &q, &[1.0; 100]);
            let mut other = vec![0; 100];
            for factor in [0.8, 0.9, 0.95, 1.05, 1.2] {
                quantize_at(&weights, scale * factor, encoding, None, &mut other);
                // Scales between those that are tried may be a little better.
                assert!(
                    error(&weights, scale * factor, &other, &[1.0; 100]) > 0.9 * best,
                    "{encoding:?} {factor}"
                );
            }
        }
    }

    #[test]
    fn what_is_important_errs_less() {
        let weights = weights(32, 7);
        let importance: Vec<f32> = (0..32).map(|i| if i < 4 { 1000.0 } else { 1.0 }).collect();
        let first = |(scale, q): (f32, Vec<i8>)| error(&weights[..4], scale, &q[..4], &[1.0; 4]);
        let (even, weighted) = (
            first(quantized(&weights, Encoding::Int4, None)),
            first(quantized(&weights, Encoding::Int4, Some(&importance))),
        );
        assert!(weighted < even, "{weighted} {even}");
    }

    #[test]
    fn eight_bits_err_half_a_step_at_most_and_zero_stays_zero() {
        let weights: Vec<f32> = (0..64).map(|i| ((i * 29) % 64) as f32 * 0.01 - 0.3).collect();
        for encoding in [Encoding::Int8, Encoding::Sparse] {
            let (scale, q) = quantized(&weights, encoding, None);
            for (&w, &q) in weights.iter().zip(&q) {
                let clipped = w.abs() > 127.0 * scale;
                assert!(clipped || (w - f32::from(q) * scale).abs() <= scale * 0.5001);
            }
        }
    }

    #[test]
    fn zeros_are_left_out_where_there_are_more_than_an_eighth() {
        let weights = |zeros: usize| (0..64).map(|i| i8::from(i >= zeros)).collect::<Vec<_>>();
        assert_eq!(Encoding::Sparse.stored(&weights(8)), image::Encoding::Int8);
        assert_eq!(Encoding::Sparse.stored(&weights(9)), image::Encoding::Sparse);
        assert_eq!(Encoding::Int8.stored(&weights(64)), image::Encoding::Int8);
        assert_eq!(Encoding::Int4.stored(&weights(64)), image::Encoding::Int4);
    }

    #[test]
    fn zeros_stay_zeros() {
        for encoding in [Encoding::Int8, Encoding::Int4, Encoding::Sparse] {
            assert_eq!(quantized(&[0.0; 40], encoding, None), (0.0, vec![0; 40]));
            let mut weights = weights(70, 8);
            weights.iter_mut().step_by(3).for_each(|w| *w = 0.0);
            let (_, q) = quantized(&weights, encoding, None);
            assert!(q.iter().step_by(3).all(|&q| q == 0), "{encoding:?}");
        }
    }
}
