//! Scales: maps from values to user units, with round numbers at the ticks.

use std::ops::RangeInclusive;

use crate::format;

/// The start and the end of a scale in user units. A scale may run downwards.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub start: f64,
    pub end: f64,
}

impl Ends {
    pub const fn new(start: f64, end: f64) -> Self {
        Self { start, end }
    }
}

/// A map from an interval of values to an interval of user units.
#[derive(Debug, Clone)]
pub struct Scale {
    /// The ticks in ascending order. The first and the last one are the ends of the interval.
    ticks: Vec<f64>,
    spacing: Spacing,
    ends: Ends,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Spacing {
    /// A tick every so many units.
    Linear(f64),
    Logarithmic,
}

/// The scale is logarithmic if all values are positive and the largest is more than so many times the smallest.
const LOGARITHMIC_FROM: f64 = 50.0;

/// Approximate number of ticks of a scale.
const TICKS: f64 = 5.0;

impl Scale {
    /// A scale from an interval with round ends around all finite values.
    pub fn around(values: impl IntoIterator<Item = f64>, ends: Ends) -> Self {
        let (low, high) = extent(values).into_inner();
        if low > 0.0 && high / low > LOGARITHMIC_FROM {
            return Self { ticks: decades(low, high), spacing: Spacing::Logarithmic, ends };
        }
        Self::linear(low..=high, ends)
    }

    /// A scale from 0 to a round number above all values.
    pub fn from_zero(values: impl IntoIterator<Item = f64>, ends: Ends) -> Self {
        Self::linear(extent(values.into_iter().chain([0.0])), ends)
    }

    /// A linear scale from an interval with round ends around all finite values.
    pub fn linear_around(values: impl IntoIterator<Item = f64>, ends: Ends) -> Self {
        Self::linear(extent(values), ends)
    }

    fn linear(values: RangeInclusive<f64>, ends: Ends) -> Self {
        let (low, high) = values.into_inner();
        // A single value is in the middle of the interval.
        let margin = if high > low { 0.0 } else { (high.abs() * 0.1).max(1e-3) };
        let (low, high) = (low - margin, high + margin);
        let step = round_step((high - low) / TICKS);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let count = (last - first).max(1.0) as usize;
        let ticks = (0..=count).map(|tick| (first + tick as f64) * step).collect();
        Self { ticks, spacing: Spacing::Linear(step), ends }
    }

    /// The interval of values.
    pub fn domain(&self) -> RangeInclusive<f64> {
        self.ticks[0]..=self.ticks[self.ticks.len() - 1]
    }

    /// The position of a value in user units.
    pub fn position(&self, value: f64) -> f64 {
        let way = |value: f64| if self.spacing == Spacing::Logarithmic { value.ln() } else { value };
        let (low, high) = (way(*self.domain().start()), way(*self.domain().end()));
        let Ends { start, end } = self.ends;
        start + (end - start) * (way(value) - low) / (high - low)
    }

    /// Position and text of every tick.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        self.ticks.iter().map(|&tick| (self.position(tick), self.text(tick)))
    }

    fn text(&self, tick: f64) -> String {
        let decimals = match self.spacing {
            Spacing::Linear(step) => -step.log10().floor(),
            Spacing::Logarithmic => -tick.log10().floor(),
        };
        if decimals > 5.0 { format!("{tick:.0e}") } else { format::fixed(tick, decimals.max(0.0) as usize) }
    }
}

/// The smallest and the largest finite value; 0 and 1 if there is none.
fn extent(values: impl IntoIterator<Item = f64>) -> RangeInclusive<f64> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let widened = |ends: Option<(f64, f64)>, value: f64| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    };
    let (low, high) = finite.fold(None, widened).unwrap_or((0.0, 1.0));
    low..=high
}

/// The smallest number of the form 1, 2 or 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|times| times * power)
        .into_iter()
        .find(|&round| round >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// The powers of ten around an interval, and 2 and 5 times these powers if there is room for them.
fn decades(low: f64, high: f64) -> Vec<f64> {
    let [first, last] = [low.log10().floor() as i32, high.log10().ceil() as i32];
    let digits: &[f64] = if last - first <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let ticks: Vec<f64> =
        (first..=last).flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power))).collect();
    let start = ticks.iter().rposition(|&tick| tick <= low * (1.0 + 1e-9)).unwrap_or(0);
    let end = ticks.iter().position(|&tick| tick >= high * (1.0 - 1e-9)).unwrap_or(ticks.len() - 1);
    ticks[start..=end].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        let scale = Scale::around([0.93, 0.981], Ends::new(0.0, 100.0));
        assert_eq!(texts(&scale), ["0.92", "0.94", "0.96", "0.98", "1.00"]);
        // 0.93 is an eighth, 0.96 the middle of 0.92 to 1.00.
        assert!((scale.position(0.93) - 12.5).abs() < 1e-9);
        assert!((scale.position(0.96) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_range_may_run_downwards() {
        let scale = Scale::from_zero([3.0, 10.0], Ends::new(200.0, 0.0));
        assert_eq!(texts(&scale), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!([scale.position(0.0), scale.position(2.5), scale.position(10.0)], [200.0, 150.0, 0.0]);
    }

    #[test]
    fn wide_positive_values_are_logarithmic() {
        let scale = Scale::around([0.012, 4.0], Ends::new(0.0, 30.0));
        assert_eq!(texts(&scale), ["0.01", "0.1", "1", "10"]);
        // Three decades over 30 units.
        assert!((scale.position(0.1) - 10.0).abs() < 1e-9);
        let narrow = Scale::around([0.15, 8.0], Ends::new(0.0, 1.0));
        assert_eq!(texts(&narrow), ["0.1", "0.2", "0.5", "1", "2", "5", "10"]);
    }

    #[test]
    fn one_value_no_values_and_values_that_are_none() {
        let one = Scale::around([5.0], Ends::new(0.0, 10.0));
        assert!((one.position(5.0) - 5.0).abs() < 1e-9, "{one:?}");
        assert_eq!(Scale::around([], Ends::new(0.0, 10.0)).domain(), 0.0..=1.0);
        assert_eq!(
            Scale::around([f64::NAN, f64::INFINITY, 0.0, 1.0], Ends::new(0.0, 1.0)).domain(),
            0.0..=1.0
        );
        let zero = Scale::from_zero([0.0], Ends::new(0.0, 10.0));
        assert!(zero.position(0.0).is_finite());
    }

    #[test]
    fn large_values_keep_short_texts() {
        assert_eq!(
            texts(&Scale::from_zero([45_000.0], Ends::new(0.0, 1.0))),
            ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]
        );
    }
}
