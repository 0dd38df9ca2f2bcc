//! Settings of sparsity: how many zeros there will be, how they are chosen and when they are set.

use super::SparsityPattern;
use tinybert_base::{Error, Result};

/// How the weights are chosen that become 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SparsityMethod {
    /// The smallest weights (Zhu and Gupta, arXiv 1710.01878). A weight that became 0 stays 0.
    Magnitude,
    /// The weights that training moves towards 0 (Sanh et al., arXiv 2005.07683). While zeros are being
    /// added, a weight that became 0 may come back.
    Movement,
}

/// Zeros among the weights of the layers' linears, `share` of each matrix.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparsitySettings {
    /// Share of zeros in the end, at least 0 and below 1. With 0 none are added, and the zeros of a pruned
    /// model may change.
    pub share: f64,
    /// How the weights are chosen.
    pub method: SparsityMethod,
    /// The pattern of weights that may be 0.
    pub pattern: SparsityPattern,
    /// Fraction of the session after which the first zero is added.
    pub begin: f64,
    /// Fraction of the session after which all zeros are there. The zeros then stay, and the other weights recover.
    pub end: f64,
}

impl SparsitySettings {
    /// The default settings for this share of zeros.
    pub fn new(share: f64) -> Self {
        Self {
            share,
            method: SparsityMethod::Magnitude,
            pattern: SparsityPattern::Unstructured,
            begin: 0.1,
            end: 0.7,
        }
    }

    /// Makes sure that the numbers fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let Self { share, pattern, begin, end, .. } = *self;
        if !(0.0..1.0).contains(&share) {
            return Err(Error::Usage(format!("sparsity {share}: it must be at least 0 and below 1")));
        }
        if !(0.0 <= begin && begin < end && end <= 1.0) {
            return Err(Error::Usage(format!(
                "zeros come in from {begin} to {end} of the steps: the first must be at least 0 and below the second, the \
                 second at most 1"
            )));
        }
        match pattern.share() {
            Some(fixed) if share != 0.0 && share != fixed => Err(Error::Usage(format!(
                "sparsity {share}: the pattern {pattern} has a share of {fixed} of zeros"
            ))),
            _ => Ok(()),
        }
    }

    /// The fraction of the zeros, from 0 to 1, that is there when the fraction `done` of the session is done:
    /// `1 − (1 − x)³` between `begin` and `end` (Zhu and Gupta, eq. 1, for a model that begins without
    /// zeros). Zeros are added fast at first and slowly later, when each one costs more accuracy.
    pub fn reached(&self, done: f64) -> f64 {
        let left = 1.0 - ((done - self.begin) / (self.end - self.begin)).clamp(0.0, 1.0);
        1.0 - left.powi(3)
    }

    /// The mask of a matrix when the fraction `done` of the session is done: 1 where a weight stays, 0 for
    /// the lowest of the scores `ranked` `[_, inputs]` (row-major).
    pub(super) fn mask(&self, ranked: &[f32], inputs: usize, done: f64) -> Vec<u8> {
        self.pattern.mask_without_lowest(ranked, inputs, self.share, self.reached(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_come_in_by_a_cube() {
        let settings = SparsitySettings { begin: 0.2, end: 0.6, ..SparsitySettings::new(0.8) };
        // These values are worked out by hand for x = 0, 0, 1/4, 1/2, 3/4, 1, 1.
        for (done, reached) in [
            (0.0, 0.0),
            (0.2, 0.0),
            (0.3, 37.0 / 64.0),
            (0.4, 7.0 / 8.0),
            (0.5, 63.0 / 64.0),
            (0.6, 1.0),
            (1.0, 1.0),
        ] {
            assert!((settings.reached(done) - reached).abs() < 1e-12, "{done}");
        }
        // 0.8 · 7/8 of ten weights.
        let ranked: Vec<f32> = (0..10).map(|at| at as f32).collect();
        assert_eq!(settings.mask(&ranked, 10, 0.4), [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let fine = SparsitySettings::new(0.5);
        fine.check().unwrap();
        let two_of_four: SparsityPattern = "2:4".parse().unwrap();
        SparsitySettings { pattern: two_of_four, ..fine }.check().unwrap();
        SparsitySettings { share: 0.0, pattern: two_of_four, ..fine }.check().unwrap();
        for wrong in [
            SparsitySettings { share: 1.0, ..fine },
            SparsitySettings { share: -0.1, ..fine },
            SparsitySettings { share: f64::NAN, ..fine },
            SparsitySettings { share: 0.75, pattern: two_of_four, ..fine },
            SparsitySettings { begin: 0.7, ..fine },
            SparsitySettings { end: 1.1, ..fine },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
