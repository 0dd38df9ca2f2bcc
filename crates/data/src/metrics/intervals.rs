//! 95 % intervals: Wilson's for shares of examples, and percentiles of bootstrap resamples for everything else.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;

use super::outcomes::{Answers, Outcomes};
use super::{MetricSet, Metrics};
use tinybert_base::random::{derive, draw};

/// The lower and the upper end of an interval.
pub type Interval = [f64; 2];

/// A value with its 95 % interval; shown as `0.9686 [0.9547, 0.9783]`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// The ends of its interval.
    pub interval: Interval,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, interval: [low, high] } = self;
        write!(f, "{value:.4} [{low:.4}, {high:.4}]")
    }
}

/// The quantile of the normal distribution that 97.5 % are below.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// How many resamples an interval is the percentiles of.
const RESAMPLES: usize = 1000;

/// Fewer examples have no bootstrap interval. Its percentiles say 95 % and hold the mean of a normal distribution less
/// often, because no resample shows more than the examples do: of 10 examples in 90 % of all cases, of 5 in 84 %, of 2
/// in 50 % (`tests/reference/coverage.py`). Of one example the interval would be a point.
pub const LEAST_SAMPLES: usize = 10;

/// What the resamples are drawn from: the same for every model, so that models are compared on the same resamples.
const SEED: u64 = 42;

/// The shares of the resamples that are below the ends of an interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// Wilson's score interval of a share: `part` of `all` examples.
pub fn wilson(part: u64, all: u64) -> Interval {
    let (share, count) = (part as f64 / all as f64, all as f64);
    let squared = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let middle = share + squared / (2.0 * count);
    let spread = NORMAL_QUANTILE * (share * (1.0 - share) / count + squared / (4.0 * count * count)).sqrt();
    let scale = 1.0 + squared / count;
    // Rounding would move these ends off 0 and 1.
    let low = if part == 0 { 0.0 } else { (middle - spread) / scale };
    let high = if part == all { 1.0 } else { (middle + spread) / scale };
    [low, high]
}

/// The intervals that follow from recorded metrics of `samples` examples: those of shares of examples. The accuracy of
/// tags, which has a recall beside it, is a share of words.
pub fn of_shares(values: &BTreeMap<String, f64>, samples: u64) -> BTreeMap<String, Interval> {
    if samples == 0 || values.contains_key("recall") {
        return BTreeMap::new();
    }
    let of_share = |name: &str| {
        let part = (values.get(name)? * samples as f64).round();
        (0.0..=samples as f64).contains(&part).then(|| (name.to_owned(), wilson(part as u64, samples)))
    };
    SHARES.into_iter().filter_map(of_share).collect()
}

/// The metrics that are shares of examples, except for tags.
const SHARES: [&str; 2] = ["accuracy", "exact_match"];

/// How often the resample `number` has each of `samples` examples: as many draws as there are examples, each of any of
/// them. It depends on nothing else.
pub(super) fn resample(samples: usize, number: usize) -> Vec<u32> {
    let key = derive(SEED, number as u64);
    let mut weights = vec![0; samples];
    for counter in 0..samples as u32 {
        let at = (u64::from(draw(key, counter)) * samples as u64) >> 32;
        weights[at as usize] += 1;
    }
    weights
}

/// The percentiles of `values` at the ends of the interval, interpolated between neighbours as NumPy does.
pub(super) fn percentiles(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    ENDS.map(|share| {
        let place = share * (values.len() - 1) as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    })
}

/// What `value` is for every resample of `samples` examples.
pub(super) fn bootstrap<T: Send>(samples: usize, value: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
    (0..RESAMPLES).into_par_iter().map(|number| value(&resample(samples, number))).collect()
}

impl Outcomes {
    /// The metrics with the 95 % interval of each: Wilson's for accuracy and exact match, and the percentiles of 1,000
    /// resamples of the examples for everything else, of [`LEAST_SAMPLES`] examples or more. Of tags all are of the
    /// second kind, because the words of a sentence are not independent of each other.
    pub fn metrics_with_intervals(&self) -> Metrics {
        self.with_intervals(LEAST_SAMPLES)
    }

    /// The metrics with their intervals, those of the bootstrap from `least` examples on.
    fn with_intervals(&self, least: usize) -> Metrics {
        let metrics = self.metrics();
        let is_share = |name: &str| SHARES.contains(&name) && self.set != MetricSet::Entities;
        let mut intervals = BTreeMap::new();
        if let Answers::Labels(labels) = &self.answers {
            let right = labels.is_right().filter(|&right| right).count() as u64;
            let shares = metrics.values.keys().filter(|name| is_share(name));
            intervals.extend(shares.map(|name| (name.clone(), wilson(right, self.samples as u64))));
        }
        let others: Vec<&String> = metrics.values.keys().filter(|name| !is_share(name)).collect();
        if !others.is_empty() && self.samples >= least {
            let drawn = bootstrap(self.samples, |weights| self.values(weights));
            let of_name = |name: &str| percentiles(drawn.iter().map(|values| values[name]).collect());
            intervals.extend(others.into_iter().map(|name| (name.clone(), of_name(name))));
        }
        Metrics { intervals, ..metrics }
    }

    /// The metric that selects with its 95 % interval, of few examples too.
    pub fn estimate(&self) -> Estimate {
        let metrics = self.with_intervals(0);
        Estimate { value: metrics.primary(), interval: metrics.intervals[&metrics.primary] }
    }
}
