//! Whether two models differ on the same examples by more than chance.

use super::MetricSet;
use super::intervals::{Estimate, Interval, bootstrap, percentiles};
use super::outcomes::{Answers, Outcomes};
use tinybert_base::{Error, Result};

/// McNemar's exact test: how many examples each of two models is right on.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct McNemar {
    /// Both are right.
    pub both: u64,
    /// The first one alone is right.
    pub only_first: u64,
    /// The second one alone is right.
    pub only_second: u64,
    /// Neither is right.
    pub neither: u64,
    /// The probability of a difference at least as large if each of the examples on which one alone is right were as
    /// likely to be the first one's as the second one's.
    pub p_value: f64,
}

/// The difference of the metric that selects, first model minus second.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Name of the metric.
    pub metric: &'static str,
    /// The difference on all examples.
    pub value: f64,
    /// Its 95 % interval by resamples that both models share.
    pub interval: Interval,
}

impl Difference {
    /// The difference and its interval.
    pub fn estimate(&self) -> Estimate {
        Estimate { value: self.value, interval: self.interval }
    }

    /// Whether the interval leaves out 0.
    pub fn is_more_than_chance(&self) -> bool {
        let [low, high] = self.interval;
        low > 0.0 || high < 0.0
    }
}

impl McNemar {
    /// The test of two models' answers of one class to each of the same examples; `None` for other answers.
    ///
    /// # Errors
    /// [`Error::Input`] for different numbers of examples.
    pub fn new(first: &Outcomes, second: &Outcomes) -> Result<Option<Self>> {
        check_same(first, second)?;
        let (Answers::Labels(a), Answers::Labels(b)) = (&first.answers, &second.answers) else {
            return Ok(None);
        };
        if [first, second].iter().any(|of| !of.set.is_about_classes()) {
            return Ok(None);
        }
        let mut counts = [[0; 2]; 2];
        a.is_right().zip(b.is_right()).for_each(|(a, b)| counts[usize::from(a)][usize::from(b)] += 1);
        let [[neither, only_second], [only_first, both]] = counts;
        let p_value = two_sided_p(only_first.min(only_second), only_first + only_second);
        Ok(Some(Self { both, only_first, only_second, neither, p_value }))
    }
}

/// The paired bootstrap of the metric that selects.
///
/// # Errors
/// [`Error::Input`] for different metrics or numbers of examples.
pub fn difference(first: &Outcomes, second: &Outcomes) -> Result<Difference> {
    difference_by(first, second, |first, second| first - second)
}

/// The same for another comparison of the two values of the metric, such as the first one's distance from a share of
/// the second one.
///
/// # Errors
/// As [`difference`].
pub fn difference_by(
    first: &Outcomes,
    second: &Outcomes,
    compare: impl Fn(f64, f64) -> f64 + Sync,
) -> Result<Difference> {
    check_same(first, second)?;
    let metric = first.set.primary();
    if metric != second.set.primary() {
        let other = second.set.primary();
        return Err(Error::Input(format!("{metric} and {other} are not compared")));
    }
    let value = |weights: &[u32]| compare(first.values(weights)[metric], second.values(weights)[metric]);
    let interval = percentiles(bootstrap(first.samples, value));
    Ok(Difference { metric, value: value(&vec![1; first.samples]), interval })
}

fn check_same(first: &Outcomes, second: &Outcomes) -> Result<()> {
    match (first.samples, second.samples) {
        (a, b) if a == b => Ok(()),
        (a, b) => Err(Error::Input(format!("answers to {a} examples are not compared with answers to {b}"))),
    }
}

impl MetricSet {
    /// Whether every answer is one class.
    pub(super) fn is_about_classes(self) -> bool {
        matches!(
            self,
            Self::Accuracy | Self::F1 { .. } | Self::MacroF1 | Self::AccuracyAndF1 { .. } | Self::Matthews
        )
    }
}

/// The probability that `count` tosses of a fair coin give a side at most `least` times, for either side; `least` is at
/// most half of them.
pub(super) fn two_sided_p(least: u64, count: u64) -> f64 {
    // ln of the probability of exactly `least`: the binomial coefficient over 2^count.
    let coefficient: f64 = (1..=least).map(|i| ((count - least + i) as f64 / i as f64).ln()).sum();
    let mut term = (coefficient - count as f64 * std::f64::consts::LN_2).exp();
    let mut sum = 0.0;
    for i in (0..=least).rev() {
        sum += term;
        // The probability of one less.
        term *= i as f64 / (count - i + 1) as f64;
    }
    (2.0 * sum).min(1.0)
}
