//! Thresholds of labels: an answer has the labels whose probability is at least their threshold.

/// The threshold of a label where nothing is known about it.
pub const DEFAULT_THRESHOLD: f64 = 0.5;

/// Whether a number can be a threshold: above 0 and below 1. With any other, an answer would always have the label, or
/// never.
pub fn is_threshold(probability: f64) -> bool {
    probability > 0.0 && probability < 1.0
}

/// The logit whose logistic function is `probability`, which is a threshold. Logits are compared with it, so that
/// nothing has to be computed on a device: the logistic function rises everywhere.
pub fn logit(probability: f64) -> f32 {
    (probability / (1.0 - probability)).ln() as f32
}

/// The labels that an answer with `logits` `[outputs]` has, in ascending order: those whose logit is at least their
/// threshold, which is a logit too (`[outputs]`).
pub fn label_set(logits: &[f32], thresholds: &[f32]) -> Vec<u32> {
    let pairs = (0..).zip(logits.iter().zip(thresholds));
    pairs.filter(|(_, (logit, threshold))| logit >= threshold).map(|(label, _)| label).collect()
}

/// The probability that a logit stands for.
pub fn probability(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_and_probabilities_belong_to_each_other() {
        assert_eq!(logit(0.5), 0.0);
        assert!((f64::from(logit(0.75)) - 3f64.ln()).abs() < 1e-7);
        for hundredth in 1..100 {
            let threshold = f64::from(hundredth) / 100.0;
            assert!((probability(logit(threshold)) - threshold).abs() < 1e-7);
        }
        for extreme in [f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0] {
            assert!(is_threshold(extreme) && logit(extreme).is_finite());
        }
        assert!([0.0, 1.0, -0.1, 1.5, f64::NAN].into_iter().all(|number| !is_threshold(number)));
    }
}
