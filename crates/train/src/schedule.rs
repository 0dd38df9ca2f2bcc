//! Learning-rate schedules.

use tinybert_base::{Error, Result};

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// A constant rate.
    Constant,
    /// A linear rise from 0 during warm-up, then a linear fall to 0.
    Linear {
        /// Fraction of the run that is warm-up, in `[0, 1)`.
        warmup: f64,
    },
    /// A linear rise from 0 during warm-up, then half a period of the cosine from 1 to 0.
    Cosine {
        /// Fraction of the run that is warm-up, in `[0, 1)`.
        warmup: f64,
    },
}

impl Schedule {
    /// The factor in `[0, 1]` on the peak learning rate when the fraction `progress` of the run is done.
    ///
    /// Callers pass the middle of a step, `(step + 0.5) / steps`, so that neither the first nor the last step
    /// has a rate of 0.
    pub fn factor(self, progress: f64) -> f64 {
        // This falls from 1 at the end of the warm-up to 0 at the end of the run.
        let left = |warmup: f64| ((1.0 - progress) / (1.0 - warmup)).clamp(0.0, 1.0);
        match self {
            Self::Constant => 1.0,
            Self::Linear { warmup } | Self::Cosine { warmup } if progress < warmup => progress / warmup,
            Self::Linear { warmup } => left(warmup),
            Self::Cosine { warmup } => (1.0 - (std::f64::consts::PI * left(warmup)).cos()) / 2.0,
        }
    }

    /// Makes sure that the warm-up is a fraction.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other warm-up.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Linear { warmup } | Self::Cosine { warmup } if !(0.0..1.0).contains(&warmup) => {
                Err(Error::Usage(format!("warm-up {warmup}: it is a fraction of the run, from 0 to below 1")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_rises_to_one_at_the_end_of_warmup_and_falls_to_zero() {
        let schedule = Schedule::Linear { warmup: 0.1 };
        for (progress, factor) in [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0), (1.2, 0.0)] {
            assert!((schedule.factor(progress) - factor).abs() < 1e-12, "at {progress}");
        }
        assert_eq!(Schedule::Linear { warmup: 0.0 }.factor(0.0), 1.0);
    }

    /// The values are those of `transformers.get_cosine_schedule_with_warmup` at the same fractions.
    #[test]
    fn cosine_rises_as_linear_and_falls_slowly_at_both_ends() {
        let schedule = Schedule::Cosine { warmup: 0.2 };
        for (progress, factor) in
            [(0.1, 0.5), (0.2, 1.0), (0.4, 0.853_553), (0.6, 0.5), (0.8, 0.146_447), (1.0, 0.0)]
        {
            assert!((schedule.factor(progress) - factor).abs() < 1e-6, "at {progress}");
        }
    }

    #[test]
    fn a_warmup_that_is_no_fraction_is_refused() {
        for warmup in [-0.1, 1.0, f64::NAN] {
            let error = Schedule::Linear { warmup }.check().unwrap_err();
            assert!(error.to_string().contains("warm-up"), "{error}");
        }
        Schedule::Cosine { warmup: 0.0 }.check().unwrap();
    }

    #[test]
    fn constant_stays() {
        assert_eq!(Schedule::Constant.factor(0.0), 1.0);
        assert_eq!(Schedule::Constant.factor(0.99), 1.0);
    }
}
