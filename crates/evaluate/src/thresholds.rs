//! The choice of the thresholds of labels.

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::LabelCounts;
use tinybert_data::task::{Dataset, Target};
use tinybert_model::thresholds::logit;
use tinybert_runtime::Model;

use crate::image;

/// Thresholds are hundredths: 0.01 to 0.99.
const STEPS: u64 = 100;

/// For each label the threshold with the largest F1 on `targets`, which are the right sets of labels, of a model that
/// answers with `logits`, `[outputs]` of each sample.
///
/// The candidates are 0.01, 0.02 to 0.99. Of those with the same F1 the one nearest to 0.5 is chosen, and of two that
/// are as near the lower one. `None` for a label that no target has: nothing is known about it.
///
/// # Errors
/// [`Error::Input`] for a target that is no set of labels.
pub fn choose(logits: &[Vec<f32>], targets: &[Target], outputs: usize) -> Result<Vec<Option<f64>>> {
    let candidates: Vec<f32> = (1..STEPS).map(|step| logit(probability(step))).collect();
    // By label, and by the number of candidates that a logit reaches.
    let mut reached = vec![vec![(0u64, 0u64); candidates.len() + 1]; outputs];
    for (at, (row, target)) in logits.iter().zip(targets).enumerate() {
        let Target::LabelSet(gold) = target else {
            return Err(Error::Input(format!(
                "example {} has no set of labels to choose thresholds by",
                at + 1
            )));
        };
        for (label, (logit, counts)) in (0..).zip(row.iter().zip(&mut reached)) {
            let (all, right) = &mut counts[candidates.partition_point(|candidate| logit >= candidate)];
            *all += 1;
            *right += u64::from(gold.contains(&label));
        }
    }
    Ok(reached.iter().map(|counts| best(counts)).collect())
}

/// The best threshold of a label. `counts` are the samples whose logit reaches so many candidates, and those of them
/// that have the label.
fn best(counts: &[(u64, u64)]) -> Option<f64> {
    let actual: u64 = counts.iter().map(|(_, right)| right).sum();
    if actual == 0 {
        return None;
    }
    let at_threshold = |step: u64| {
        let reaching = &counts[step as usize..];
        let (predicted, true_positives) =
            reaching.iter().fold((0, 0), |(all, right), (more, of_them)| (all + more, right + of_them));
        LabelCounts { predicted, actual, true_positives }.f1()
    };
    let mut steps: Vec<u64> = (1..STEPS).collect();
    // The sort is stable: of two steps at the same distance from the middle the lower one comes first.
    steps.sort_by_key(|step| step.abs_diff(STEPS / 2));
    let better = |best: (u64, f64), step: u64| {
        let f1 = at_threshold(step);
        if f1 > best.1 { (step, f1) } else { best }
    };
    Some(probability(steps.into_iter().fold((STEPS / 2, f64::NEG_INFINITY), better).0))
}

/// The probability of a step.
fn probability(step: u64) -> f64 {
    step as f64 / STEPS as f64
}

/// The thresholds that [`choose`] gives for the answers of an image to `data`, as logits. A label that no example has
/// keeps the threshold of the image.
///
/// # Errors
/// A data set that asks for something else than the image answers; an example without labels;
/// [`Error::Interrupted`].
pub fn of_image(model: &Model<'_>, data: &Dataset, context: &Context) -> Result<Vec<f32>> {
    data.check_labelled()?;
    let logits: Vec<_> =
        image::answers(model, data, context)?.into_iter().map(|answered| answered.outputs).collect();
    let chosen = choose(&logits, &data.targets(), model.config().outputs)?;
    let present = model.image().head().thresholds;
    Ok(chosen.into_iter().zip(present).map(|(chosen, &present)| chosen.map_or(present, logit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(sets: &[&[u32]]) -> Vec<Target> {
        sets.iter().map(|set| Target::LabelSet(set.to_vec())).collect()
    }

    /// Logits of probabilities.
    fn rows(probabilities: &[&[f64]]) -> Vec<Vec<f32>> {
        probabilities.iter().map(|row| row.iter().map(|&p| logit(p)).collect()).collect()
    }

    /// `tests/reference/thresholds.py`: every candidate tried with scikit-learn's F1.
    #[test]
    fn the_choice_agrees_with_scikit_learn() {
        #[derive(serde::Deserialize)]
        struct Case {
            logits: Vec<Vec<f32>>,
            sets: Vec<Vec<u32>>,
            thresholds: Vec<f64>,
        }
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/reference/thresholds.json"))
            .expect("valid reference file");
        for Case { logits, sets, thresholds } in cases {
            let targets: Vec<Target> = sets.into_iter().map(Target::LabelSet).collect();
            let found = choose(&logits, &targets, thresholds.len()).unwrap();
            let found: Vec<f64> = found.into_iter().map(|threshold| threshold.unwrap_or(0.5)).collect();
            assert_eq!(found, thresholds);
        }
    }

    #[test]
    fn the_threshold_of_each_label_has_the_largest_f1() {
        let found = choose(
            &rows(&[&[0.305, 0.955, 0.7], &[0.205, 0.905, 0.6], &[0.105, 0.605, 0.8]]),
            &sets(&[&[0], &[1], &[]]),
            3,
        );
        // 0: all from 0.21 to 0.30 are right, and 0.30 is nearest to 0.5. 1: with two of three the F1 is 2/3, with all
        // 1/2; from 0.61 to 0.90. 2: does not occur.
        assert_eq!(found.unwrap(), [Some(0.3), Some(0.61), None]);
    }

    #[test]
    fn ties_go_to_the_middle_and_then_to_the_lower_threshold() {
        // From 0.51 on one of four is found, 2·1 / (1 + 4); at 0.50 a wrong one is added; up to 0.49 a right one and
        // three wrong ones more, 2·2 / (6 + 4).
        let logits = rows(&[&[0.995], &[0.505], &[0.495], &[0.495], &[0.495], &[0.495], &[0.005], &[0.005]]);
        let gold: [&[u32]; 8] = [&[0], &[], &[0], &[], &[], &[], &[0], &[0]];
        assert_eq!(choose(&logits, &sets(&gold), 1).unwrap(), [Some(0.49)]);
        // Every threshold is as good as any other.
        assert_eq!(choose(&rows(&[&[0.999], &[0.999]]), &sets(&[&[0], &[0]]), 1).unwrap(), [Some(0.5)]);
        assert_eq!(choose(&rows(&[&[0.001], &[0.001]]), &sets(&[&[0], &[0]]), 1).unwrap(), [Some(0.5)]);
    }

    #[test]
    fn a_threshold_is_reached_by_its_own_logit() {
        let found = choose(&rows(&[&[0.42], &[0.41]]), &sets(&[&[0], &[]]), 1).unwrap();
        assert_eq!(found, [Some(0.42)]);
    }

    #[test]
    fn targets_of_another_kind_are_refused() {
        let error = choose(&rows(&[&[0.5]]), &[Target::Class(0)], 1).unwrap_err();
        assert!(error.to_string().contains("example 1 has no set of labels"), "{error}");
    }
}
