//! Choosing scales: the static ones by least squared error, and static against per token.

use super::sample::RowSample;
use tinybert_kernels::math;
use tinybert_model::plan::{InputChoice, StaticInput};

/// Fractions of the full range that the search for a clipping point tries, from 1 downwards.
const CLIP_STEPS: usize = 40;
const CLIP_STEP: f32 = 0.02;

/// A per-token scale follows each row, so it nearly always errs a little less than a static one, but it costs
/// the device a pass over every row. It is taken only where the static scale errs more than this factor above
/// it, and more than [`STATIC_GOOD`].
const STATIC_TOLERANCE: f64 = 2.5;
/// A mean squared error of 0.2 % of the mean square (27 dB) is of the size that the int8 weights of the same
/// linear bring in anyway.
const STATIC_GOOD: f64 = 2e-3;

/// Whether int8 values of a tensor lie evenly around zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symmetry {
    /// Zero point 0.
    Symmetric,
    /// The zero point follows the range; for GELU's outputs, which hardly go below zero.
    Asymmetric,
}

/// Chooses how a linear's input is quantized.
pub fn input_choice(sample: &RowSample, symmetry: Symmetry) -> InputChoice {
    let (fixed, static_error) = static_scale(sample, symmetry);
    let per_token_error = relative_error(sample, None);
    let keep_static = static_error <= STATIC_GOOD.max(STATIC_TOLERANCE * per_token_error);
    InputChoice { fixed: keep_static.then_some(fixed), static_error, per_token_error }
}

/// The static quantization with the least squared error over the sample, and that error relative to the mean
/// square.
pub fn static_scale(sample: &RowSample, symmetry: Symmetry) -> (StaticInput, f64) {
    let (min, max) = sample.range();
    let full = match symmetry {
        Symmetry::Symmetric => (-min.abs().max(max.abs()), min.abs().max(max.abs())),
        // Zero must be representable, whatever the range.
        Symmetry::Asymmetric => (min.min(0.0), max.max(0.0)),
    };
    let candidates = (0..CLIP_STEPS).map(|i| {
        let keep = 1.0 - CLIP_STEP * i as f32;
        // The lower end of an asymmetric range is GELU's floor, never an outlier: only the upper end is
        // clipped.
        let low = if symmetry == Symmetry::Symmetric { full.0 * keep } else { full.0 };
        from_range(low, full.1 * keep)
    });
    let scored = candidates.map(|fixed| (fixed, relative_error(sample, Some(fixed))));
    scored.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((from_range(full.0, full.1), 0.0))
}

/// The quantization that spans `[low, high]` (`low <= 0 <= high`) with 254 steps. A range of nothing gives
/// scale 1.
fn from_range(low: f32, high: f32) -> StaticInput {
    let scale = (high - low) / 254.0;
    if !(scale.is_finite() && scale > f32::MIN_POSITIVE) {
        return StaticInput { scale: 1.0, zero_point: 0 };
    }
    let zero_point = (-127.0 - low / scale).round_ties_even().clamp(-127.0, 127.0);
    StaticInput { scale, zero_point: zero_point as i8 }
}

/// Squared error of the device's own quantization of the sampled rows, static or (`None`) per token, relative
/// to the rows' squares.
fn relative_error(sample: &RowSample, fixed: Option<StaticInput>) -> f64 {
    let (mut error, mut power) = (0f64, 0f64);
    for row in sample.rows() {
        let (scale, inv_scale, zero_point) = match fixed {
            Some(StaticInput { scale, zero_point }) => (scale, 1.0 / scale, zero_point),
            None => {
                let amax = row.iter().fold(0.0, |amax, x| math::max(x.abs(), amax));
                let (scale, inv_scale) = math::row_scales(amax);
                (scale, inv_scale, 0)
            }
        };
        for &x in row {
            let q = math::quantize(x, inv_scale, zero_point);
            let back = (f32::from(q) - f32::from(zero_point)) * scale;
            error += f64::from(x - back).powi(2);
            power += f64::from(x).powi(2);
        }
    }
    if power > 0.0 { error / power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: &[Vec<f32>]) -> RowSample {
        let mut sample = RowSample::new(rows[0].len());
        rows.iter().for_each(|r| sample.push(r));
        sample
    }

    #[test]
    fn an_even_tensor_stays_static_and_full_range() {
        let rows: Vec<Vec<f32>> =
            (0..64).map(|r| (0..128).map(|i| ((i * 37 + r) % 255) as f32 - 127.0).collect()).collect();
        let choice = input_choice(&sample(&rows), Symmetry::Symmetric);
        let fixed = choice.fixed.expect("static");
        assert_eq!(fixed.zero_point, 0);
        assert!(
            (fixed.scale - 1.0).abs() < 1e-6,
            "integers in [-127, 127] are exact at scale 1, got {}",
            fixed.scale
        );
        assert!(choice.static_error < 1e-12);
    }

    #[test]
    fn rows_of_very_different_size_go_per_token() {
        let rows: Vec<Vec<f32>> = (0..64)
            .map(|r| (0..64).map(|i| (i as f32 - 31.5) * if r % 2 == 0 { 1.0 } else { 0.004 }).collect())
            .collect();
        // Weigh rows alike: a row 250 times smaller vanishes below one static step, but its energy hides that.
        let small: Vec<Vec<f32>> = rows.iter().skip(1).step_by(2).cloned().collect();
        let mut mixed = sample(&small);
        mixed.push(&rows[0]);
        let choice = input_choice(&mixed, Symmetry::Symmetric);
        assert!(choice.per_token_error < choice.static_error);
    }

    #[test]
    fn gelu_like_values_use_the_whole_int8_range() {
        let rows: Vec<Vec<f32>> = vec![(0..1000).map(|i| i as f32 * 0.004 - 0.17).collect()];
        let (fixed, _) = static_scale(&sample(&rows), Symmetry::Asymmetric);
        assert!(fixed.zero_point < -100, "zero point {}", fixed.zero_point);
        let span = 254.0 * fixed.scale;
        assert!((3.5..4.3).contains(&span), "span {span}");
    }

    #[test]
    fn outliers_are_clipped_when_that_errs_less() {
        let mut rows: Vec<Vec<f32>> =
            (0..400).map(|r| (0..100).map(|i| ((i * r) % 201) as f32 / 100.0 - 1.0).collect()).collect();
        rows[7][3] = 3.0;
        let (fixed, _) = static_scale(&sample(&rows), Symmetry::Symmetric);
        assert!(fixed.scale * 127.0 < 3.0, "clips at {}", fixed.scale * 127.0);
    }
}
