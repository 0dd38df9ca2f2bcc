//! Learning-rate schedules.

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Linear rise from 0 over the first `warmup` of the run, then linear fall to 0.
    Linear {
        /// Fraction of the run that rises, in `[0, 1)`.
        warmup: f64,
    },
}

impl Schedule {
    /// Factor in `[0, 1]` on the peak learning rate at `progress`, the fraction of the run that is done.
    ///
    /// Callers pass the middle of a step, `(step + 0.5) / steps`, so that neither the first nor the last
    /// step is wasted on a rate of 0.
    pub fn factor(self, progress: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear { warmup } if progress < warmup => progress / warmup,
            Self::Linear { warmup } => ((1.0 - progress) / (1.0 - warmup)).clamp(0.0, 1.0),
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

    #[test]
    fn constant_stays() {
        assert_eq!(Schedule::Constant.factor(0.0), 1.0);
        assert_eq!(Schedule::Constant.factor(0.99), 1.0);
    }
}
