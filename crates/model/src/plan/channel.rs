//! The weights nearest to a channel's that an encoding can store: the scale of least squared error, and in
//! four bits the groups' multipliers of least squared error.
//!
//! Training for an image rounds all weights anew after every step, so the code is made for vectors: each lane
//! tries another scale on the same weight. Every lane adds in the order of the weights, whatever the width of
//! the CPU's vectors, so that all machines choose the same.

use std::array;

use super::encoding::WeightEncoding;
use tinybert_base::vectorised;
use tinybert_image::{Bf16, INPUTS_PER_MULTIPLIER};
use tinybert_kernels::math::{max, min, round};

/// How many scales are tried at once.
const LANES: usize = 16;

/// Quantizes one output channel's weights to int8 with the scale of least squared error, and returns the
/// scale; 0 for a channel of zeros. Weight `i` is then about `out[i] · scale`.
///
/// In four bits every value is `q · m` with a code `q` of −7 to 7 and its group's multiplier `m` of 1 to
/// [`MAX_MULTIPLIER`](tinybert_image::MAX_MULTIPLIER) (two-level quantization as in QServe, arXiv
/// 2405.04532); otherwise it is −127 to 127. Zeros stay zeros. `importance`, for instance the mean square of
/// each input, weights the squared errors. `out` and `importance` are as long as `weights`, which are finite.
pub fn quantize_channel(
    weights: &[f32],
    encoding: WeightEncoding,
    importance: Option<&[f32]>,
    out: &mut [i8],
) -> f32 {
    vectorised(
        #[inline(always)]
        || {
            let largest = weights.iter().fold(0f32, |largest, weight| max(weight.abs(), largest));
            if largest < 1e-30 {
                out.fill(0);
                return 0.0;
            }
            let (limit, multiplier) = encoding.range();
            let (full, last) = (limit * f32::from(multiplier), encoding.scales() - 1);
            let scale = |lane: usize| largest * (1.0 - 0.02 * lane.min(last) as f32) / full;
            let trial = ScaleTrials::new(weights, array::from_fn(scale), encoding, importance);
            let best = trial.best();
            trial.store(best, weights, encoding, out);
            trial.scales[best]
        },
    )
}

/// Quantizes a channel's weights at a given positive scale, in four bits with the best multiplier for each
/// group.
pub fn quantize_at(weights: &[f32], scale: f32, encoding: WeightEncoding, out: &mut [i8]) {
    vectorised(
        #[inline(always)]
        || ScaleTrials::new(weights, [scale; LANES], encoding, None).store(0, weights, encoding, out),
    );
}

/// A channel at several scales.
struct ScaleTrials {
    scales: [f32; LANES],
    /// Squared error of the channel at each of them.
    errors: [f64; LANES],
    /// The best multipliers, group by group.
    multipliers: Vec<[i8; LANES]>,
}

impl ScaleTrials {
    #[inline(always)]
    fn new(
        weights: &[f32],
        scales: [f32; LANES],
        encoding: WeightEncoding,
        importance: Option<&[f32]>,
    ) -> Self {
        let mut errors = [0f64; LANES];
        let mut multipliers = Vec::with_capacity(weights.len().div_ceil(INPUTS_PER_MULTIPLIER));
        for (index, weights) in weights.chunks(INPUTS_PER_MULTIPLIER).enumerate() {
            let importance = importance.map(|all| &all[index * INPUTS_PER_MULTIPLIER..][..weights.len()]);
            let group = WeightGroup { weights, importance, per_scale: scales.map(f32::recip) };
            let (error, multiplier) = group.best_multipliers(encoding);
            for (sum, error) in errors.iter_mut().zip(error) {
                *sum += f64::from(error);
            }
            multipliers.push(multiplier);
        }
        for (error, &scale) in errors.iter_mut().zip(&scales) {
            *error *= f64::from(scale) * f64::from(scale);
        }
        Self { scales, errors, multipliers }
    }

    /// The first lane of least error.
    fn best(&self) -> usize {
        (1..LANES).fold(0, |best, lane| if self.errors[lane] < self.errors[best] { lane } else { best })
    }

    /// The weights at the scale of a lane.
    #[inline(always)]
    fn store(&self, lane: usize, weights: &[f32], encoding: WeightEncoding, out: &mut [i8]) {
        let (limit, _) = encoding.range();
        let groups = weights
            .chunks(INPUTS_PER_MULTIPLIER)
            .zip(out.chunks_mut(INPUTS_PER_MULTIPLIER))
            .zip(&self.multipliers);
        for ((weights, out), multipliers) in groups {
            let multiplier = multipliers[lane];
            let step = self.scales[lane] * f32::from(multiplier);
            for (out, &weight) in out.iter_mut().zip(weights) {
                *out = nearest(weight / step, limit) as i8 * multiplier;
            }
        }
    }
}

/// Weights that share a multiplier.
struct WeightGroup<'a> {
    weights: &'a [f32],
    importance: Option<&'a [f32]>,
    /// One over each scale.
    per_scale: [f32; LANES],
}

impl WeightGroup<'_> {
    /// For each scale the least squared error, in squares of the scale, and the smallest multiplier that
    /// gives it.
    #[inline(always)]
    fn best_multipliers(&self, encoding: WeightEncoding) -> ([f32; LANES], [i8; LANES]) {
        let (limit, largest) = encoding.range();
        let (mut least, mut best) = ([f32::INFINITY; LANES], [1; LANES]);
        let heaviest = self.heaviest();
        for multiplier in (1..=largest).rev() {
            let step = f32::from(multiplier);
            // Smaller multipliers clip more of a weight that this one clips: its error alone can rule out all
            // that follow.
            let ruled_out = |lane: usize| {
                let clipped = max(heaviest.0 * self.per_scale[lane] - limit * step, 0.0);
                clipped * clipped * heaviest.1 > least[lane]
            };
            if (0..LANES).all(ruled_out) {
                break;
            }
            let errors = self.squared_errors(self.per_scale.map(|per_scale| per_scale / step), limit);
            for lane in 0..LANES {
                let error = errors[lane] * (step * step);
                let better = error <= least[lane];
                least[lane] = if better { error } else { least[lane] };
                best[lane] = if better { multiplier } else { best[lane] };
            }
        }
        (least, best)
    }

    /// Magnitude and importance of the weight whose clipping costs most.
    #[inline(always)]
    fn heaviest(&self) -> (f32, f32) {
        let importance = |at: usize| self.importance.map_or(1.0, |importance| importance[at]);
        let weighed = self.weights.iter().enumerate().map(|(at, weight)| (weight.abs(), importance(at)));
        weighed.fold((0.0, 0.0), |a, b| if a.0 * a.0 * a.1 < b.0 * b.0 * b.1 { b } else { a })
    }

    /// Squared errors of the whole group in integers of several steps up to `limit`, in squares of the step.
    #[inline(always)]
    fn squared_errors(&self, per_step: [f32; LANES], limit: f32) -> [f32; LANES] {
        let mut sums = [0f32; LANES];
        let mut add = |weight: f32, importance: f32| {
            for (sum, per_step) in sums.iter_mut().zip(per_step) {
                let exact = weight * per_step;
                let error = exact - nearest(exact, limit);
                *sum += error * error * importance;
            }
        };
        match self.importance {
            None => self.weights.iter().for_each(|&weight| add(weight, 1.0)),
            Some(importance) => {
                self.weights
                    .iter()
                    .zip(importance)
                    .for_each(|(&weight, &importance)| add(weight, importance));
            }
        }
        sums
    }
}

/// The integer of at most `limit` in magnitude that is nearest.
#[inline(always)]
fn nearest(exact: f32, limit: f32) -> f32 {
    round(max(min(exact, limit), -limit))
}

/// Quantizes a row of an embedding table; returns its scale. The scale is rounded to bf16 before the row is
/// quantized by it, so that the rounding adds no error.
pub fn scaled_row(float: &[f32], encoding: WeightEncoding, out: &mut [i8]) -> Bf16 {
    let scale = Bf16::from_f32(quantize_channel(float, encoding, None, out));
    if scale.to_f32() > 0.0 {
        quantize_at(float, scale.to_f32(), encoding, out);
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values within ±1, without a pattern.
    fn weights(count: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(|i| value(i) * value(i + 31)).collect()
    }

    fn quantized(weights: &[f32], encoding: WeightEncoding, importance: Option<&[f32]>) -> (f32, Vec<i8>) {
        let mut out = vec![0; weights.len()];
        (quantize_channel(weights, encoding, importance, &mut out), out)
    }

    fn error(weights: &[f32], scale: f32, q: &[i8], importance: &[f32]) -> f64 {
        let terms = weights.iter().zip(q).zip(importance);
        terms.map(|((&w, &q), &i)| f64::from(w - f32::from(q) * scale).powi(2) * f64::from(i)).sum()
    }

    /// The least error of a group over all multipliers and, weight by weight, all codes.
    fn least_error(weights: &[f32], scale: f32, encoding: WeightEncoding, importance: &[f32]) -> f64 {
        let (limit, multipliers) = if encoding == WeightEncoding::Int4 { (7, 18) } else { (127, 1) };
        let with = |m: i8| -> f64 {
            let least = |i: usize| {
                let errors =
                    (-limit..=limit).map(|q: i8| error(&weights[i..=i], scale, &[q * m], &importance[i..=i]));
                errors.fold(f64::INFINITY, f64::min)
            };
            (0..weights.len()).map(least).sum()
        };
        (1..=multipliers).map(with).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn four_bits_have_the_best_code_and_multiplier_of_every_group() {
        for (count, seed) in [(32, 1), (64, 2), (312, 3), (7, 4), (33, 5)] {
            let weights = weights(count, seed);
            let importance: Vec<f32> = (0..count).map(|i| 0.1 + (i % 5) as f32).collect();
            for importance in [vec![1.0; count], importance] {
                let (scale, q) = quantized(&weights, WeightEncoding::Int4, Some(&importance));
                for (at, q) in q.chunks(INPUTS_PER_MULTIPLIER).enumerate() {
                    let part = at * INPUTS_PER_MULTIPLIER..at * INPUTS_PER_MULTIPLIER + q.len();
                    let (weights, importance) = (&weights[part.clone()], &importance[part]);
                    let (got, least) = (
                        error(weights, scale, q, importance),
                        least_error(weights, scale, WeightEncoding::Int4, importance),
                    );
                    assert!(got <= least * (1.0 + 1e-5) + 1e-12, "{got} and not {least}");
                    let fits = |m: i8| q.iter().all(|q| q % m == 0 && (q / m).abs() <= 7);
                    assert!((1..=18).any(fits), "{q:?}");
                }
            }
        }
    }

    #[test]
    fn no_scale_that_is_tried_errs_less() {
        for encoding in [WeightEncoding::Int8, WeightEncoding::Int4, WeightEncoding::Sparse] {
            let (full, tried) = if encoding == WeightEncoding::Int4 { (126.0, 16) } else { (127.0, 10) };
            for (count, seed) in [(100, 6), (312, 9), (3, 10)] {
                let weights = weights(count, seed);
                let importance: Vec<f32> = (0..count).map(|i| 0.1 + (i % 7) as f32).collect();
                let largest = weights.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
                let least = |i: u8| -> f64 {
                    let scale = largest * (1.0 - 0.02 * f32::from(i)) / full;
                    let groups =
                        weights.chunks(INPUTS_PER_MULTIPLIER).zip(importance.chunks(INPUTS_PER_MULTIPLIER));
                    groups
                        .map(|(weights, importance)| least_error(weights, scale, encoding, importance))
                        .sum()
                };
                let (scale, q) = quantized(&weights, encoding, Some(&importance));
                let (got, least) = (
                    error(&weights, scale, &q, &importance),
                    (0..tried).map(least).fold(f64::INFINITY, f64::min),
                );
                assert!(got <= least * (1.0 + 1e-5) + 1e-12, "{encoding:?} {count}: {got} and not {least}");
            }
        }
    }

    #[test]
    fn what_is_important_errs_less() {
        let weights = weights(32, 7);
        let importance: Vec<f32> = (0..32).map(|i| if i < 4 { 1000.0 } else { 1.0 }).collect();
        let first = |(scale, q): (f32, Vec<i8>)| error(&weights[..4], scale, &q[..4], &[1.0; 4]);
        let (even, weighted) = (
            first(quantized(&weights, WeightEncoding::Int4, None)),
            first(quantized(&weights, WeightEncoding::Int4, Some(&importance))),
        );
        assert!(weighted < even, "{weighted} {even}");
    }

    #[test]
    fn eight_bits_err_half_a_step_at_most_and_zero_stays_zero() {
        let weights: Vec<f32> = (0..64).map(|i| ((i * 29) % 64) as f32 * 0.01 - 0.3).collect();
        for encoding in [WeightEncoding::Int8, WeightEncoding::Sparse] {
            let (scale, q) = quantized(&weights, encoding, None);
            for (&w, &q) in weights.iter().zip(&q) {
                let clipped = w.abs() > 127.0 * scale;
                assert!(clipped || (w - f32::from(q) * scale).abs() <= scale * 0.5001);
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        for encoding in [WeightEncoding::Int8, WeightEncoding::Int4, WeightEncoding::Sparse] {
            assert_eq!(quantized(&[0.0; 40], encoding, None), (0.0, vec![0; 40]));
            let mut weights = weights(70, 8);
            weights.iter_mut().step_by(3).for_each(|w| *w = 0.0);
            let (_, q) = quantized(&weights, encoding, None);
            assert!(q.iter().step_by(3).all(|&q| q == 0), "{encoding:?}");
        }
    }
}
