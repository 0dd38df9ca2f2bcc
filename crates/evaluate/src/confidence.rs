//! The choice of the temperature of probabilities, and of the threshold below which answers are rejected.

use crate::Answered;
use tinybert_base::{Error, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::metrics::confidence::JudgedAnswer;
use tinybert_data::task::{Example, Target};
use tinybert_image::Confidence;
use tinybert_kernels::math;

/// The least and the largest temperature that is chosen.
pub const TEMPERATURES: (f64, f64) = (0.05, 20.0);

/// Most steps of the search for a temperature. Halving alone gets below the spacing of f64 in fewer.
const STEPS: usize = 100;

/// The temperature with the least mean negative log-likelihood of `classes`, which are the right ones, by the softmax
/// of `logits`, `[outputs]` of each example, divided by the temperature. It is limited to [`TEMPERATURES`].
///
/// In the inverse β of the temperature the likelihood is convex: its derivative is the mean of `E[z] − z_class`, its
/// second derivative the mean variance of the logits z, both by the probabilities at β. Newton's method finds where the
/// derivative is 0, and halves the interval that holds this place where a step would leave it.
///
/// # Errors
/// [`Error::Input`] for no examples, and for logits that are not finite.
pub fn temperature(logits: &[impl AsRef<[f32]>], classes: &[u32]) -> Result<f64> {
    if logits.is_empty() {
        return Err(Error::Input("a temperature needs labelled examples".into()));
    }
    if let Some(at) = logits.iter().position(|row| !row.as_ref().iter().all(|logit| logit.is_finite())) {
        return Err(Error::Input(format!(
            "example {}: the model answers with logits that are not finite",
            at + 1
        )));
    }
    let (least, largest) = TEMPERATURES;
    let (mut low, mut high) = (1.0 / largest, 1.0 / least);
    if derivatives(logits, classes, low).0 >= 0.0 {
        return Ok(largest);
    }
    if derivatives(logits, classes, high).0 <= 0.0 {
        return Ok(least);
    }
    let mut inverse = 1.0;
    for _ in 0..STEPS {
        let (slope, curvature) = derivatives(logits, classes, inverse);
        if slope < 0.0 {
            low = inverse
        } else {
            high = inverse
        }
        let newton = inverse - slope / curvature;
        let next = if low < newton && newton < high { newton } else { (low + high) / 2.0 };
        if (next - inverse).abs() <= 1e-12 * inverse {
            break;
        }
        inverse = next;
    }
    Ok(1.0 / inverse)
}

/// Fewer labelled examples say little about a temperature.
const LEAST_EXAMPLES: usize = 20;

/// What a user has to know about a temperature that `examples` labelled examples have chosen.
pub fn doubt(temperature: f64, examples: usize) -> Option<String> {
    let (least, largest) = TEMPERATURES;
    if examples < LEAST_EXAMPLES {
        return Some(format!(
            "a temperature from {examples} labelled examples says little: give a development set of {LEAST_EXAMPLES} at least"
        ));
    }
    let why = match temperature {
        low if low <= least => "all answers are right",
        high if high >= largest => "the answers are no better than chance",
        _ => return None,
    };
    Some(format!(
        "the temperature {temperature} is the end of the range from {least} to {largest}, as where {why}: the development set \
         does not tell how sure the model may be"
    ))
}

/// First and second derivative of the mean negative log-likelihood by the inverse of the temperature.
fn derivatives(logits: &[impl AsRef<[f32]>], classes: &[u32], inverse: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, &class) in logits.iter().map(AsRef::as_ref).zip(classes) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for &logit in row {
            let below = f64::from(logit) - f64::from(largest);
            let exponential = (inverse * below).exp();
            weight += exponential;
            sum += exponential * below;
            squares += exponential * below * below;
        }
        let mean = sum / weight;
        slope += mean - (f64::from(row[class as usize]) - f64::from(largest));
        curvature += squares / weight - mean * mean;
    }
    let count = logits.len() as f64;
    (slope / count, curvature / count)
}

/// How the threshold of the probability is chosen.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Answers below this probability are rejected; with 0 none is.
    Below(f32),
    /// This share of the examples in scope has accepted answers, at least.
    Coverage(f64),
    /// The mean of in-scope accuracy and out-of-scope recall is largest.
    BestForScope,
}

impl Rejection {
    /// The threshold for `answers`. Those that are not accepted stay rejected, whatever their probability is.
    ///
    /// [`Coverage`](Self::Coverage) takes the largest threshold that accepts enough; 0 if there are too few. The
    /// candidates of [`BestForScope`](Self::BestForScope) are 0 and the probabilities of the answers; of those that are
    /// equally good the lowest is taken, which accepts most.
    pub fn threshold(self, answers: &[JudgedAnswer]) -> f32 {
        match self {
            Self::Below(threshold) => threshold,
            Self::Coverage(share) => {
                let in_scope = answers.iter().filter(|answer| answer.in_scope);
                // What rounding adds to the product must not ask for one more.
                let wanted = (share * in_scope.clone().count() as f64 - 1e-9).ceil() as usize;
                let accepted = in_scope.filter(|answer| answer.accepted);
                let mut probabilities: Vec<f32> = accepted.map(|answer| answer.probability).collect();
                probabilities.sort_by(|a, b| b.total_cmp(a));
                probabilities.get(wanted.saturating_sub(1)).copied().unwrap_or(0.0)
            }
            Self::BestForScope => best_for_scope(answers),
        }
    }
}

fn best_for_scope(answers: &[JudgedAnswer]) -> f32 {
    let count = |in_scope: bool| answers.iter().filter(|answer| answer.in_scope == in_scope).count().max(1);
    let (in_scope, out_of_scope) = (count(true), count(false));
    // Right answers in scope that are accepted, and answers out of scope that are rejected. The sum of both shares,
    // times the product of the counts, is a whole number: no rounding decides a tie.
    let score = |right: usize, rejected: usize| right * out_of_scope + rejected * in_scope;
    let mut by_probability: Vec<&JudgedAnswer> = answers.iter().filter(|answer| answer.accepted).collect();
    by_probability.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let is_right = |answer: &&JudgedAnswer| answer.in_scope && answer.right == Some(true);
    let mut right = by_probability.iter().copied().filter(|answer| is_right(answer)).count();
    let mut rejected = answers.iter().filter(|answer| !answer.in_scope && !answer.accepted).count();
    let mut best = (0.0, score(right, rejected));
    for ties in by_probability.chunk_by(|a, b| a.probability == b.probability) {
        // At the probability of these answers they are accepted, and all before them rejected.
        let found = score(right, rejected);
        if found > best.1 {
            best = (ties[0].probability, found);
        }
        right -= ties.iter().copied().filter(|answer| is_right(answer)).count();
        rejected += ties.iter().filter(|answer| !answer.in_scope).count();
    }
    best.0
}

/// The answers of a model with `confidence` to the examples of `data`: `answered` to the labelled ones, then
/// `of_unknown`.
pub fn judged(
    confidence: Confidence,
    data: &ScopedDataset,
    answered: &[Answered],
    of_unknown: &[Answered],
) -> Vec<JudgedAnswer> {
    let labelled = data.labelled.examples.iter().zip(answered);
    let labelled = labelled.map(|(Example { target, .. }, answered)| JudgedAnswer {
        in_scope: data.is_in_scope(target),
        ..judged_answer(confidence, answered, Some(target))
    });
    let unknown = of_unknown.iter().map(|answered| judged_answer(confidence, answered, None));
    labelled.chain(unknown).collect()
}

/// The answer of a model with `confidence` to an example whose right answer is `gold`; without that the example is out
/// of scope.
fn judged_answer(confidence: Confidence, answered: &Answered, gold: Option<&Target>) -> JudgedAnswer {
    let label = answered.answer.classes().first().map_or(usize::MAX, |&label| label as usize);
    // The probability is 0 for an answer that is no label.
    let probability = math::softmax_at(&answered.outputs, label, confidence.temperature);
    JudgedAnswer {
        probability,
        accepted: confidence.accepts(label, probability),
        right: gold.map(|gold| gold.classes() == answered.answer.classes()),
        in_scope: gold.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/reference/confidence.py`: SciPy's `minimize_scalar` and a search over all thresholds.
    #[derive(serde::Deserialize)]
    struct Reference {
        temperatures: Vec<TemperatureCase>,
        thresholds: Vec<ThresholdCase>,
    }

    #[derive(serde::Deserialize)]
    struct TemperatureCase {
        logits: Vec<Vec<f32>>,
        classes: Vec<u32>,
        temperature: f64,
    }

    #[derive(serde::Deserialize)]
    struct ThresholdCase {
        probabilities: Vec<f32>,
        accepted: Vec<bool>,
        right: Vec<Option<bool>>,
        in_scope: Vec<bool>,
        best_for_scope: f32,
        /// Share and threshold.
        coverage: Vec<(f64, f32)>,
    }

    fn reference() -> Reference {
        serde_json::from_str(include_str!("../tests/reference/confidence.json"))
            .expect("valid reference file")
    }

    #[test]
    fn the_temperature_agrees_with_scipy() {
        for TemperatureCase { logits, classes, temperature: expected } in reference().temperatures {
            let found = temperature(&logits, &classes).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} and {expected}");
        }
    }

    #[test]
    fn the_thresholds_are_those_of_a_search_over_all() {
        for case in reference().thresholds {
            let answers: Vec<JudgedAnswer> = (0..case.probabilities.len())
                .map(|at| JudgedAnswer {
                    probability: case.probabilities[at],
                    accepted: case.accepted[at],
                    right: case.right[at],
                    in_scope: case.in_scope[at],
                })
                .collect();
            assert_eq!(Rejection::BestForScope.threshold(&answers), case.best_for_scope);
            for (share, threshold) in case.coverage {
                assert_eq!(Rejection::Coverage(share).threshold(&answers), threshold, "{share}");
            }
            assert_eq!(Rejection::Below(0.3).threshold(&answers), 0.3);
        }
    }

    #[test]
    fn answers_that_are_always_right_or_never_better_than_chance_have_the_last_temperature() {
        let rows = vec![vec![1.0, 0.0], vec![0.0, 2.0]];
        assert_eq!(temperature(&rows, &[0, 1]).unwrap(), 0.05);
        assert_eq!(temperature(&rows, &[1, 0]).unwrap(), 20.0);
        assert_eq!(temperature(&[[3.0; 4]], &[2]).unwrap(), 20.0, "equal logits");
    }

    #[test]
    fn temperatures_at_the_ends_and_of_few_examples_are_doubted() {
        let doubts = |temperature, examples| doubt(temperature, examples).unwrap_or_default();
        assert!(doubts(1.0, 19).contains("19 labelled examples") && doubts(0.05, 0).contains("0 labelled"));
        assert!(doubts(0.05, 20).contains("all answers are right"));
        assert!(doubts(20.0, 20).contains("no better than chance"));
        assert_eq!(doubts(0.0501, 20) + &doubts(19.9, 1000), "");
    }

    #[test]
    fn logits_that_are_no_numbers_have_no_temperature() {
        let error = temperature(&[vec![0.0, 1.0], vec![f32::NAN, 1.0]], &[0, 1]).unwrap_err();
        assert!(error.to_string().contains("example 2"), "{error}");
        assert!(temperature(&[[0.0; 2]; 0], &[]).is_err());
    }

    #[test]
    fn of_thresholds_that_are_equally_good_the_lowest_is_chosen() {
        let answer = |probability: f32, in_scope: bool| JudgedAnswer {
            probability,
            accepted: true,
            right: in_scope.then_some(true),
            in_scope,
        };
        // 0.5 rejects one of two and keeps both; 0.9 rejects both and keeps one of two.
        let answers = [answer(0.4, false), answer(0.5, true), answer(0.7, false), answer(0.9, true)];
        assert_eq!(Rejection::BestForScope.threshold(&answers), 0.5);
        // Nothing is out of scope.
        assert_eq!(Rejection::BestForScope.threshold(&answers[1..2]), 0.0);
        assert_eq!(Rejection::BestForScope.threshold(&[]), 0.0);
    }
}
