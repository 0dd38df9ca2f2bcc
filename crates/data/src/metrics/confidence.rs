//! How far the probabilities of answers with one label can be trusted, and what is won if unlikely answers are
//! rejected.

use std::collections::BTreeMap;

use super::intervals::{Estimate, Interval, wilson};

/// Number of equal bins of the probabilities from 0 to 1 in a reliability diagram.
pub const BINS: usize = 15;

/// An answer with one label beside what is known about its example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedAnswer {
    /// The probability of the label.
    pub probability: f32,
    /// Whether the answer is accepted, and not rejected.
    pub accepted: bool,
    /// Whether the label is right; `None` if the model does not have the label of the example.
    pub right: Option<bool>,
    /// Whether the example belongs to one of the labels that are asked for, and is not out of scope.
    pub in_scope: bool,
}

/// How good the probabilities of a model are, and which answers it accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceMetrics {
    /// The values by name, without those for which no answer counts:
    ///
    /// * `expected_calibration_error`: see [`expected_calibration_error`];
    /// * `area_under_risk_coverage`: see [`area_under_risk_coverage`];
    /// * `coverage`: share of the examples in scope whose answers are accepted;
    /// * `accepted_accuracy`: share of the right ones among the accepted answers to examples in scope;
    /// * `in_scope_accuracy`: share of the examples in scope whose answers are right and accepted;
    /// * `out_of_scope_recall`: share of the examples out of scope whose answers are rejected.
    pub values: BTreeMap<&'static str, f64>,
    /// The 95 % interval of each share by Wilson. The first two values are no shares and have none.
    pub intervals: BTreeMap<&'static str, Interval>,
}

impl ConfidenceMetrics {
    /// The metrics of answers.
    pub fn of(answers: &[JudgedAnswer]) -> Self {
        let error = expected_calibration_error(answers).map(|value| ("expected_calibration_error", value));
        let area = area_under_risk_coverage(answers).map(|value| ("area_under_risk_coverage", value));
        let mut metrics =
            Self { values: error.into_iter().chain(area).collect(), intervals: BTreeMap::new() };
        let mut add = |name, part: fn(&JudgedAnswer) -> bool, all: fn(&JudgedAnswer) -> bool| {
            let all: Vec<&JudgedAnswer> = answers.iter().filter(|answer| all(answer)).collect();
            let part = all.iter().filter(|answer| part(answer)).count() as u64;
            let all = all.len() as u64;
            if all > 0 {
                metrics.values.insert(name, part as f64 / all as f64);
                metrics.intervals.insert(name, wilson(part, all));
            }
        };
        add("coverage", |answer| answer.accepted, |answer| answer.in_scope);
        add(
            "accepted_accuracy",
            |answer| answer.right == Some(true),
            |answer| answer.in_scope && answer.accepted,
        );
        add(
            "in_scope_accuracy",
            |answer| answer.accepted && answer.right == Some(true),
            |answer| answer.in_scope,
        );
        add("out_of_scope_recall", |answer| !answer.accepted, |answer| !answer.in_scope);
        metrics
    }
}

impl ConfidenceMetrics {
    /// The metrics of the probabilities alone, which do not depend on what is rejected: those that are no shares.
    #[must_use]
    pub fn of_probabilities(&self) -> Self {
        let is_share = |name: &str| self.intervals.contains_key(name);
        let values = self.values.iter().filter(|(name, _)| !is_share(name));
        Self { values: values.map(|(&name, &value)| (name, value)).collect(), intervals: BTreeMap::new() }
    }
}

impl std::fmt::Display for ConfidenceMetrics {
    /// `accepted_accuracy 0.9714 [0.9561, 0.9815], coverage 0.9500 [0.9312, 0.9638], …`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (name, value)) in self.values.iter().enumerate() {
            write!(f, "{}{name} ", if at == 0 { "" } else { ", " })?;
            match self.intervals.get(name) {
                Some(&interval) => write!(f, "{}", Estimate { value: *value, interval })?,
                None => write!(f, "{value:.4}")?,
            }
        }
        Ok(())
    }
}

/// The answers whose probabilities lie in one of 15 equal bins from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReliabilityBin {
    /// Number of answers.
    pub count: u64,
    /// Number of right ones.
    pub right: u64,
    /// Sum of the probabilities.
    pub probabilities: f64,
}

impl ReliabilityBin {
    /// Share of right answers and mean probability; `None` without answers.
    pub fn accuracy_and_confidence(&self) -> Option<(f64, f64)> {
        let count = self.count as f64;
        (self.count > 0).then(|| (self.right as f64 / count, self.probabilities / count))
    }
}

/// The reliability diagram. Bin b of 15 has the probabilities above b/15 up to (b + 1)/15, and the first one also 0.
/// Answers to examples whose label the model does not have do not count.
pub fn reliability(answers: &[JudgedAnswer]) -> [ReliabilityBin; BINS] {
    let mut bins = [ReliabilityBin::default(); BINS];
    for (probability, right) in answers.iter().filter_map(known) {
        let bin = (probability * BINS as f64).ceil() as usize;
        let bin = &mut bins[bin.saturating_sub(1).min(BINS - 1)];
        bin.count += 1;
        bin.right += u64::from(right);
        bin.probabilities += probability;
    }
    bins
}

/// Mean difference of probability and accuracy, as Guo et al. (2017) define it: `Σ_b n_b / n · |accuracy_b − mean
/// probability_b|` over the bins of the [reliability diagram](reliability).
pub fn expected_calibration_error(answers: &[JudgedAnswer]) -> Option<f64> {
    let bins = reliability(answers);
    let count: u64 = bins.iter().map(|bin| bin.count).sum();
    let differences = bins.iter().map(|bin| (bin.probabilities - bin.right as f64).abs());
    (count > 0).then(|| differences.sum::<f64>() / count as f64)
}

/// The answers that are at least so probable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveredAnswers {
    /// The least of their probabilities.
    pub probability: f64,
    /// Number of these answers.
    pub count: u64,
    /// Number of the wrong ones among them.
    pub wrong: u64,
}

impl CoveredAnswers {
    /// Share of wrong answers.
    pub fn risk(&self) -> f64 {
        self.wrong as f64 / self.count as f64
    }
}

/// The curve of risk by coverage: for each probability that an answer has, beginning with the largest, the answers that
/// are at least so probable. The last ones are all answers. Answers to examples whose label the model does not have do
/// not count.
pub fn risk_by_coverage(answers: &[JudgedAnswer]) -> Vec<CoveredAnswers> {
    let mut known: Vec<(f64, bool)> = answers.iter().filter_map(known).collect();
    known.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut count, mut wrong) = (0, 0);
    let ties = known.chunk_by(|(a, _), (b, _)| a == b);
    let covered = ties.map(|ties| {
        count += ties.len() as u64;
        wrong += ties.iter().filter(|(_, right)| !right).count() as u64;
        CoveredAnswers { probability: ties[0].0, count, wrong }
    });
    covered.collect()
}

/// Mean share of wrong answers (risk) among the k most probable answers, over k from 1 to all of them: the area under
/// the [curve of risk by coverage](risk_by_coverage). Answers of equal probability count as if they came in random
/// order.
pub fn area_under_risk_coverage(answers: &[JudgedAnswer]) -> Option<f64> {
    let (mut accepted, mut wrong, mut area) = (0.0, 0.0, 0.0);
    for CoveredAnswers { count, wrong: wrong_of_all, .. } in risk_by_coverage(answers) {
        let (ties, wrong_of_ties) = (count as f64 - accepted, wrong_of_all as f64 - wrong);
        let share = wrong_of_ties / ties;
        area += (1..=ties as u64).map(|k| (wrong + k as f64 * share) / (accepted + k as f64)).sum::<f64>();
        accepted += ties;
        wrong += wrong_of_ties;
    }
    (accepted > 0.0).then(|| area / accepted)
}

/// The probability of an answer, and whether it is right, if that is known.
fn known(answer: &JudgedAnswer) -> Option<(f64, bool)> {
    Some((answer.probability.into(), answer.right?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/reference/confidence.py`: numpy, with bins by `digitize` and the risks of all orders of ties.
    #[derive(serde::Deserialize)]
    struct Case {
        probabilities: Vec<f32>,
        accepted: Vec<bool>,
        /// Null if the model does not have the label.
        right: Vec<Option<bool>>,
        in_scope: Vec<bool>,
        values: BTreeMap<String, f64>,
        /// Of each bin the number of answers, that of right ones, and the mean probability.
        reliability: Vec<(u64, u64, Option<f64>)>,
        /// Coverage and risk for each probability.
        risk_coverage: Vec<(f64, f64)>,
    }

    #[test]
    fn the_metrics_agree_with_numpy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/reference/confidence.json"))
            .expect("valid reference file");
        for Case { probabilities, accepted, right, in_scope, values, reliability, risk_coverage } in cases {
            let answers: Vec<JudgedAnswer> = (0..probabilities.len())
                .map(|at| JudgedAnswer {
                    probability: probabilities[at],
                    accepted: accepted[at],
                    right: right[at],
                    in_scope: in_scope[at],
                })
                .collect();
            let ConfidenceMetrics { values: found, intervals } = ConfidenceMetrics::of(&answers);
            assert!(found.keys().copied().eq(values.keys().map(String::as_str)), "{found:?}, {values:?}");
            for (name, value) in &values {
                assert!((found[name.as_str()] - value).abs() < 1e-12, "{name}: {found:?}, {values:?}");
                if let Some([low, high]) = intervals.get(name.as_str()) {
                    assert!(low <= value && value <= high, "{name}: {intervals:?}");
                }
            }
            for (bin, (count, right, mean)) in super::reliability(&answers).iter().zip(reliability) {
                assert_eq!((bin.count, bin.right), (count, right));
                let found = bin.accuracy_and_confidence().map_or(0.0, |(_, confidence)| confidence);
                assert!((found - mean.unwrap_or(0.0)).abs() < 1e-12, "{bin:?}, {mean:?}");
            }
            let curve = risk_by_coverage(&answers);
            let all = curve.last().map_or(0, |all| all.count) as f64;
            let points = curve.iter().map(|covered| (covered.count as f64 / all, covered.risk()));
            assert_eq!(curve.len(), risk_coverage.len());
            for (found, wanted) in points.zip(risk_coverage) {
                let differences = (found.0 - wanted.0).abs().max((found.1 - wanted.1).abs());
                assert!(differences < 1e-12, "{found:?}, {wanted:?}");
            }
        }
    }

    fn answer(probability: f32, right: bool) -> JudgedAnswer {
        JudgedAnswer { probability, accepted: true, right: Some(right), in_scope: true }
    }

    #[test]
    fn probabilities_that_are_right_as_often_as_they_say_have_no_error() {
        let answers: Vec<_> = (0..4).map(|at| answer(0.75, at > 0)).collect();
        assert_eq!(expected_calibration_error(&answers), Some(0.0));
        // Two bins: |1 - 1/2| of two answers and |0.25 - 1| of one.
        let answers = [answer(1.0, true), answer(1.0, false), answer(0.25, true)];
        assert_eq!(expected_calibration_error(&answers), Some((1.0 + 0.75) / 3.0));
        assert_eq!(expected_calibration_error(&[answer(0.0, false)]), Some(0.0));
    }

    #[test]
    fn the_risk_grows_with_the_coverage() {
        // Risks 0, 0, 1/3.
        let answers = [answer(0.5, false), answer(0.9, true), answer(0.7, true)];
        assert_eq!(area_under_risk_coverage(&answers), Some(1.0 / 9.0));
        // Of two equal ones, either may come first: (0 + 1) / 2, then 1/2.
        assert_eq!(area_under_risk_coverage(&[answer(0.5, false), answer(0.5, true)]), Some(0.5));
    }

    #[test]
    fn without_answers_there_are_no_values() {
        assert!(ConfidenceMetrics::of(&[]).values.is_empty());
        let unknown = JudgedAnswer { right: None, in_scope: false, ..answer(0.5, false) };
        let found = ConfidenceMetrics::of(&[unknown]).values;
        assert_eq!(found, BTreeMap::from([("out_of_scope_recall", 0.0)]));
    }
}
