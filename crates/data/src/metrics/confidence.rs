//! How far the probabilities of answers with one label can be trusted, and what is won if unlikely answers are
//! rejected.

use std::collections::BTreeMap;

/// Number of equal bins of the probabilities from 0 to 1 for the expected calibration error.
const BINS: usize = 15;

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

/// How good the probabilities of a model are, and which answers it accepts. Each value is `None` if no answer counts
/// for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceMetrics {
    /// See [`expected_calibration_error`].
    pub expected_calibration_error: Option<f64>,
    /// See [`area_under_risk_coverage`].
    pub area_under_risk_coverage: Option<f64>,
    /// Share of the examples in scope whose answers are accepted.
    pub coverage: Option<f64>,
    /// Share of the right ones among the accepted answers to examples in scope.
    pub accepted_accuracy: Option<f64>,
    /// Share of the examples in scope whose answers are right and accepted.
    pub in_scope_accuracy: Option<f64>,
    /// Share of the examples out of scope whose answers are rejected.
    pub out_of_scope_recall: Option<f64>,
}

impl ConfidenceMetrics {
    /// The metrics of answers.
    pub fn of(answers: &[JudgedAnswer]) -> Self {
        let share = |part: fn(&JudgedAnswer) -> bool, all: fn(&JudgedAnswer) -> bool| {
            let all: Vec<&JudgedAnswer> = answers.iter().filter(|answer| all(answer)).collect();
            let count = all.iter().filter(|answer| part(answer)).count();
            (!all.is_empty()).then(|| count as f64 / all.len() as f64)
        };
        let is_right = |answer: &JudgedAnswer| answer.right == Some(true);
        Self {
            expected_calibration_error: expected_calibration_error(answers),
            area_under_risk_coverage: area_under_risk_coverage(answers),
            coverage: share(|answer| answer.accepted, |answer| answer.in_scope),
            accepted_accuracy: share(is_right, |answer| answer.in_scope && answer.accepted),
            in_scope_accuracy: share(
                |answer| answer.accepted && answer.right == Some(true),
                |answer| answer.in_scope,
            ),
            out_of_scope_recall: share(|answer| !answer.accepted, |answer| !answer.in_scope),
        }
    }

    /// The values that there are, by name.
    pub fn values(&self) -> BTreeMap<&'static str, f64> {
        [
            ("expected_calibration_error", self.expected_calibration_error),
            ("area_under_risk_coverage", self.area_under_risk_coverage),
            ("coverage", self.coverage),
            ("accepted_accuracy", self.accepted_accuracy),
            ("in_scope_accuracy", self.in_scope_accuracy),
            ("out_of_scope_recall", self.out_of_scope_recall),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// Mean difference of probability and accuracy, as Guo et al. (2017) define it: `Σ_b n_b / n · |accuracy_b − mean
/// probability_b|`. Bin b of 15 has the probabilities above b/15 up to (b + 1)/15, and the first one also 0. Answers to
/// examples whose label the model does not have do not count.
pub fn expected_calibration_error(answers: &[JudgedAnswer]) -> Option<f64> {
    // Of each bin: the sum of the probabilities, and the number of right answers.
    let mut bins = [(0.0, 0u64); BINS];
    let mut count = 0u64;
    for (probability, right) in answers.iter().filter_map(known) {
        let bin = (probability * BINS as f64).ceil() as usize;
        let (sum, right_answers) = &mut bins[bin.saturating_sub(1).min(BINS - 1)];
        *sum += probability;
        *right_answers += u64::from(right);
        count += 1;
    }
    let differences = bins.iter().map(|(sum, right)| (sum - *right as f64).abs());
    (count > 0).then(|| differences.sum::<f64>() / count as f64)
}

/// Mean share of wrong answers (risk) among the k most probable answers, over k from 1 to all of them: the area under
/// the curve of risk by coverage. Answers of equal probability count as if they came in random order. Answers to
/// examples whose label the model does not have do not count.
pub fn area_under_risk_coverage(answers: &[JudgedAnswer]) -> Option<f64> {
    let mut known: Vec<(f64, bool)> = answers.iter().filter_map(known).collect();
    known.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut accepted, mut wrong, mut area) = (0.0, 0.0, 0.0);
    for ties in known.chunk_by(|(a, _), (b, _)| a == b) {
        let wrong_of_ties = ties.iter().filter(|(_, right)| !right).count() as f64;
        let share = wrong_of_ties / ties.len() as f64;
        area += (1..=ties.len()).map(|k| (wrong + k as f64 * share) / (accepted + k as f64)).sum::<f64>();
        accepted += ties.len() as f64;
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
    }

    #[test]
    fn the_metrics_agree_with_numpy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/reference/confidence.json"))
            .expect("valid reference file");
        for Case { probabilities, accepted, right, in_scope, values } in cases {
            let answers: Vec<JudgedAnswer> = (0..probabilities.len())
                .map(|at| JudgedAnswer {
                    probability: probabilities[at],
                    accepted: accepted[at],
                    right: right[at],
                    in_scope: in_scope[at],
                })
                .collect();
            let found = ConfidenceMetrics::of(&answers).values();
            assert!(found.keys().copied().eq(values.keys().map(String::as_str)), "{found:?}, {values:?}");
            for (name, value) in &values {
                assert!((found[name.as_str()] - value).abs() < 1e-12, "{name}: {found:?}, {values:?}");
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
        assert!(ConfidenceMetrics::of(&[]).values().is_empty());
        let unknown = JudgedAnswer { right: None, in_scope: false, ..answer(0.5, false) };
        let found = ConfidenceMetrics::of(&[unknown]).values();
        assert_eq!(found, BTreeMap::from([("out_of_scope_recall", 0.0)]));
    }
}
