//! Soft labels in the place of a teacher's answers.

use super::super::teacher::TeacherAnswers;
use super::TaskSettings;
use tinybert_base::{Error, Result};
use tinybert_data::task::{Dataset, Target};

/// Makes sure that soft labels can teach what `settings` ask for, and that all examples have some.
///
/// # Errors
/// Returns [`Error::Usage`] for an intermediate stage, and [`Error::Input`] naming the first example without soft
/// labels.
pub(super) fn check(settings: &TaskSettings, train: &Dataset) -> Result<()> {
    if settings.intermediate.epochs > 0 {
        let what = "soft labels are answers alone: only a model teaches intermediate layers (--intermediate-epochs 0)";
        return Err(Error::Usage(what.into()));
    }
    answers(train).map(drop)
}

/// The soft labels of a training set as the logits of a teacher, whose softmax is the soft labels; where an answer has
/// any number of labels, their logistic function is.
///
/// # Errors
/// Returns [`Error::Input`] naming the first example without soft labels.
pub(super) fn answers(train: &Dataset) -> Result<TeacherAnswers<'static>> {
    let mut logits = Vec::with_capacity(train.examples.len() * train.labels.len());
    for (at, example) in train.examples.iter().enumerate() {
        // 0 becomes the smallest normal number, whose logarithm is finite.
        let not_0 = |probability: &f32| probability.max(f32::MIN_POSITIVE);
        match &example.target {
            Target::SoftLabels { probabilities, .. } => {
                logits.extend(probabilities.iter().map(|probability| not_0(probability).ln()));
            }
            Target::SoftLabelSet { probabilities, .. } => {
                // 1 is as far from 1/2 as 0 is, so that a temperature moves both alike.
                let logit = |probability: f32| match probability < 1.0 {
                    true => (probability / (1.0 - probability)).ln(),
                    false => -f32::MIN_POSITIVE.ln(),
                };
                logits.extend(probabilities.iter().map(|probability| logit(not_0(probability))));
            }
            _ => {
                return Err(Error::Input(format!(
                    "training example {} has no soft labels, and there is no teacher to give them",
                    at + 1
                )));
            }
        }
    }
    let starts = (0..=train.examples.len()).collect();
    Ok(TeacherAnswers::Known { logits, outputs: train.labels.len(), starts })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use tinybert_data::task::{Example, TaskKind};

    fn logits_of(train: &Dataset) -> Vec<f32> {
        let TeacherAnswers::Known { logits, .. } = answers(train).unwrap() else { panic!() };
        logits
    }

    #[test]
    fn the_logistic_function_of_the_logits_is_the_soft_labels_of_a_set() {
        let probabilities = [0.5f32, 0.0, 1.0, 0.9, 0.01];
        let target = Target::SoftLabelSet { probabilities: probabilities.to_vec(), gold: None };
        let train = Dataset {
            examples: vec![Example { text: "x".into(), pair: None, target }],
            labels: ["a", "b", "c", "d", "e"].map(String::from).into(),
            kind: TaskKind::MultiLabel,
            sources: Vec::new(),
        };
        for (logit, wanted) in logits_of(&train).into_iter().zip(probabilities) {
            let found = 1.0 / (1.0 + (-f64::from(logit)).exp());
            assert!(logit.is_finite() && (found - f64::from(wanted)).abs() < 1e-6, "{logit} {wanted}");
        }
        // The label that is certain stays as certain as the one that is excluded, at any temperature.
        assert_eq!(logits_of(&train)[1], -logits_of(&train)[2]);
    }

    #[test]
    fn the_softmax_of_the_logits_is_the_soft_labels() {
        let probabilities = [[0.5f32, 0.25, 0.25], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9]];
        let example = |of_labels: &[f32; 3]| Example {
            text: "x".into(),
            pair: None,
            target: Target::SoftLabels { probabilities: of_labels.to_vec(), gold: None },
        };
        let mut train = Dataset {
            examples: probabilities.iter().map(example).collect(),
            labels: ["a", "b", "c"].map(String::from).into(),
            kind: TaskKind::Classification,
            sources: Vec::new(),
        };
        let TeacherAnswers::Known { logits, outputs, .. } = answers(&train).unwrap() else { panic!() };
        let logits = Tensor::from_vec(logits, (3, outputs), &Device::Cpu).unwrap();
        let found = candle_nn::ops::softmax(&logits, 1).unwrap().to_vec2::<f32>().unwrap();
        for (found, wanted) in found.iter().flatten().zip(probabilities.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
        train.examples[1].target = Target::Class(1);
        let error = answers(&train).err().unwrap().to_string();
        assert!(error.contains("training example 2 has no soft labels"), "{error}");
    }
}
