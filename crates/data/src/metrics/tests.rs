//! Metrics against values worked by hand, and against those of the libraries that everybody computes them with.

mod intervals;
mod reports;

use std::collections::BTreeSet;

use super::*;
use crate::task::{NO_TAG, TaskKind};

fn near(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-12, "expected {want}, got {got}");
}

fn class_targets(classes: &[u32]) -> Vec<Target> {
    classes.iter().copied().map(Target::Class).collect()
}

fn score_targets(scores: &[f32]) -> Vec<Target> {
    scores.iter().copied().map(Target::Score).collect()
}

fn set_targets(sets: &[Vec<u32>]) -> Vec<Target> {
    sets.iter().cloned().map(Target::LabelSet).collect()
}

fn of_classes(set: MetricSet, name: &str, predictions: &[u32], targets: &[u32]) -> f64 {
    evaluate(set, &[], &class_targets(predictions), &class_targets(targets)).unwrap().values[name]
}

fn accuracy(predictions: &[u32], targets: &[u32]) -> f64 {
    of_classes(MetricSet::Accuracy, "accuracy", predictions, targets)
}

fn f1(predictions: &[u32], targets: &[u32], positive: u32) -> f64 {
    of_classes(MetricSet::F1 { positive }, "f1", predictions, targets)
}

fn macro_f1(predictions: &[u32], targets: &[u32]) -> f64 {
    of_classes(MetricSet::MacroF1, "macro_f1", predictions, targets)
}

fn matthews(predictions: &[u32], targets: &[u32]) -> f64 {
    of_classes(MetricSet::Matthews, "matthews", predictions, targets)
}

/// Pearson's and Spearman's correlation.
fn correlations(predictions: &[f32], targets: &[f32]) -> [f64; 2] {
    let found =
        evaluate(MetricSet::Pearson, &[], &score_targets(predictions), &score_targets(targets)).unwrap();
    ["pearson", "spearman"].map(|name| found.values[name])
}

/// Three true positives, one false positive, one false negative, one true negative.
const PREDICTED: [u32; 6] = [1, 1, 1, 0, 0, 1];
const TRUE: [u32; 6] = [1, 1, 0, 0, 1, 1];

#[test]
fn accuracy_by_hand() {
    near(accuracy(&PREDICTED, &TRUE), 4.0 / 6.0);
}

#[test]
fn f1_by_hand() {
    near(f1(&PREDICTED, &TRUE, 1), 6.0 / 8.0);
    near(f1(&PREDICTED, &TRUE, 0), 2.0 / 4.0);
}

#[test]
fn f1_without_any_positive_is_zero() {
    near(f1(&[0, 0], &[0, 0], 1), 0.0);
    near(f1(&[0, 0], &[1, 0], 1), 0.0);
}

#[test]
fn matthews_by_hand() {
    // (tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn)) = (3 - 1) / sqrt(4 * 4 * 2 * 2)
    near(matthews(&PREDICTED, &TRUE), 0.25);
    near(matthews(&TRUE, &TRUE), 1.0);
    near(matthews(&[0, 1], &[1, 0]), -1.0);
}

#[test]
fn matthews_of_a_constant_side_is_zero() {
    near(matthews(&[1, 1, 1], &[1, 0, 1]), 0.0);
    near(matthews(&[1, 0, 1], &[1, 1, 1]), 0.0);
}

#[test]
fn pearson_by_hand() {
    // Deviations from 2.5: -1.5 -.5 .5 1.5 and -1.5 .5 -.5 1.5; products sum to 4, squares to 5 and 5.
    near(correlations(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0])[0], 0.8);
    near(correlations(&[1.0, 2.0, 3.0], &[30.0, 20.0, 10.0])[0], -1.0);
}

#[test]
fn spearman_by_hand() {
    // Ranks 1 2.5 2.5 4 and 1 2 3 4: products of deviations sum to 4.5, squares to 4.5 and 5.
    let found = correlations(&[0.1, 7.0, 7.0, 7.5], &[-3.0, 0.0, 1.0, 900.0]);
    near(found[1], 4.5 / (4.5f64 * 5.0).sqrt());
    near(correlations(&[1.0, 2.0, 3.0], &[1.0, 1e6, 1e9])[1], 1.0);
}

#[test]
fn correlation_with_a_constant_is_zero_not_nan() {
    // 0.1 is not exact: the mean of three differs from it, and so would a variance.
    let (constant, rising) = ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0]);
    assert_eq!(correlations(&constant, &rising), [0.0, 0.0]);
    assert_eq!(correlations(&rising, &constant), [0.0, 0.0]);
    assert_eq!(correlations(&[1.0], &[2.0]), [0.0, 0.0]);
}

#[test]
fn sets_name_their_primary_value() {
    let (predicted, truth) = (class_targets(&PREDICTED), class_targets(&TRUE));
    let accuracy = evaluate(MetricSet::Accuracy, &[], &predicted, &truth).unwrap();
    assert_eq!((accuracy.primary.as_str(), accuracy.samples), ("accuracy", 6));
    near(accuracy.primary(), 4.0 / 6.0);

    let both = evaluate(MetricSet::AccuracyAndF1 { positive: 1 }, &[], &predicted, &truth).unwrap();
    near(both.primary(), (4.0 / 6.0 + 0.75) / 2.0);
    near(both.values["f1"], 0.75);

    near(evaluate(MetricSet::Matthews, &[], &predicted, &truth).unwrap().primary(), 0.25);

    let (predicted, truth) = (score_targets(&[0.1, 7.0, 7.0, 7.5]), score_targets(&[1.0, 2.0, 3.0, 4.0]));
    let scores = evaluate(MetricSet::PearsonAndSpearman, &[], &predicted, &truth).unwrap();
    near(scores.primary(), (scores.values["pearson"] + scores.values["spearman"]) / 2.0);
}

#[test]
fn what_cannot_be_judged_is_an_error() {
    let fault = |set, predictions: &[Target], targets: &[Target]| {
        evaluate(set, &[], predictions, targets).unwrap_err().to_string()
    };
    let class = [Target::Class(1)];
    assert!(fault(MetricSet::Accuracy, &[], &[]).contains("0 predictions by 0 targets"));
    assert!(
        fault(MetricSet::Accuracy, &class, &[Target::Class(0), Target::Class(0)])
            .contains("1 predictions by 2 targets")
    );
    assert!(fault(MetricSet::Accuracy, &class, &[Target::None]).contains("example 1 has no label"));
    assert!(fault(MetricSet::Matthews, &class, &[Target::Score(0.5)]).contains("expected a class"));
    let nan = [Target::Score(f32::NAN)];
    assert!(fault(MetricSet::PearsonAndSpearman, &nan, &[Target::Score(1.0)]).contains("finite score"));
}

/// `tests/reference/metrics.py`: scikit-learn's and scipy's values.
#[test]
fn agrees_with_scikit_learn_and_scipy() {
    #[derive(serde::Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Case {
        Classes {
            predictions: Vec<u32>,
            targets: Vec<u32>,
            accuracy: f64,
            matthews: f64,
            macro_f1: f64,
            f1: Option<f64>,
        },
        Scores {
            predictions: Vec<f32>,
            targets: Vec<f32>,
            pearson: f64,
            spearman: f64,
        },
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/reference/metrics.json"))
        .expect("valid reference file");
    for case in cases {
        match case {
            Case::Classes {
                predictions,
                targets,
                accuracy: want_accuracy,
                matthews: want_matthews,
                macro_f1: want_macro_f1,
                f1: want_f1,
            } => {
                near(accuracy(&predictions, &targets), want_accuracy);
                near(matthews(&predictions, &targets), want_matthews);
                near(macro_f1(&predictions, &targets), want_macro_f1);
                if let Some(want) = want_f1 {
                    near(f1(&predictions, &targets, 1), want);
                }
            }
            Case::Scores { predictions, targets, pearson, spearman } => {
                let found = correlations(&predictions, &targets);
                near(found[0], pearson);
                near(found[1], spearman);
            }
        }
    }
}

/// `tests/reference/label_sets.py`: scikit-learn's values.
#[test]
fn label_sets_agree_with_scikit_learn() {
    #[derive(serde::Deserialize)]
    struct Case {
        labels: usize,
        predictions: Vec<Vec<u32>>,
        targets: Vec<Vec<u32>>,
        micro_f1: f64,
        macro_f1: f64,
        exact_match: f64,
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/reference/label_sets.json"))
        .expect("valid reference file");
    for Case { labels, predictions, targets, micro_f1, macro_f1, exact_match } in cases {
        let names: Vec<String> = (0..labels).map(|label| label.to_string()).collect();
        let (predictions, targets) = (set_targets(&predictions), set_targets(&targets));
        let primary = LabelSetMetric::MacroF1;
        let found = evaluate(MetricSet::LabelSets { primary }, &names, &predictions, &targets).unwrap();
        assert_eq!((found.primary.as_str(), found.primary()), ("macro_f1", found.values["macro_f1"]));
        near(found.values["micro_f1"], micro_f1);
        near(found.values["macro_f1"], macro_f1);
        near(found.values["exact_match"], exact_match);
    }
}

#[test]
fn sets_of_labels_are_judged_by_sets_of_labels_alone() {
    let set = MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 };
    let fault = |prediction: Target, target: Target| {
        evaluate(set, &["a".into()], &[prediction], &[target]).unwrap_err().to_string()
    };
    let empty = || Target::LabelSet(Vec::new());
    assert!(fault(Target::Class(0), empty()).contains("example 1: expected a set of labels"));
    assert!(fault(empty(), Target::None).contains("example 1 has no label"));
    // No label predicted and none there: right, but without an F1.
    let found = evaluate(set, &["a".into()], &[empty()], &[empty()]).unwrap();
    assert_eq!((found.primary(), found.values["exact_match"]), (0.0, 1.0));
}

/// Sentences with their true and predicted tags, and seqeval's values.
#[derive(serde::Deserialize)]
struct TaggedCase {
    targets: Vec<Vec<String>>,
    predictions: Vec<Vec<String>>,
    precision: f64,
    recall: f64,
    f1: f64,
    accuracy: f64,
}

impl TaggedCase {
    /// The cases of `tests/reference/entities.py`.
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../tests/reference/entities.json"))
            .expect("valid reference file")
    }

    fn outcomes(&self) -> Outcomes {
        let all = self.targets.iter().chain(&self.predictions).flatten();
        let labels: Vec<String> = all.collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let index = |tag: &String| labels.iter().position(|label| label == tag).expect("a label") as u32;
        let tags = |sentences: &[Vec<String>]| -> Vec<Target> {
            sentences.iter().map(|tags| Target::Tags(tags.iter().map(index).collect())).collect()
        };
        Outcomes::new(MetricSet::Entities, &labels, &tags(&self.predictions), &tags(&self.targets)).unwrap()
    }
}

#[test]
fn entities_agree_with_seqeval() {
    for case in TaggedCase::all() {
        let found = case.outcomes().metrics();
        assert_eq!((found.primary.as_str(), found.samples), ("f1", case.targets.len()));
        let TaggedCase { precision, recall, f1, accuracy, .. } = case;
        for (name, want) in [("precision", precision), ("recall", recall), ("f1", f1), ("accuracy", accuracy)]
        {
            near(found.values[name], want);
        }
    }
}

#[test]
fn a_word_without_a_predicted_tag_is_outside_and_wrong() {
    let labels = ["B-x", "I-x", "O"].map(String::from);
    let truth = [Target::Tags(vec![0, 1, 2, 2])];
    let cut = [Target::Tags(vec![0, 1, 2, NO_TAG])];
    let found = evaluate(MetricSet::Entities, &labels, &cut, &truth).unwrap();
    assert_eq!((found.values["f1"], found.values["accuracy"]), (1.0, 0.75));
    let cut = [Target::Tags(vec![0, NO_TAG, NO_TAG, NO_TAG])];
    assert_eq!(evaluate(MetricSet::Entities, &labels, &cut, &truth).unwrap().values["f1"], 0.0);
    let fewer = [Target::Tags(vec![0])];
    let fault = evaluate(MetricSet::Entities, &labels, &fewer, &truth).unwrap_err();
    assert!(fault.to_string().contains("1 predicted tags for 4 words"), "{fault}");
}

#[test]
fn the_metric_that_selects_is_one_that_the_data_can_be_judged_by() {
    let labels = |count: usize| (0..count).map(|class| class.to_string()).collect::<Vec<_>>();
    let metrics = |name: &str, kind, count| {
        name.parse::<SelectionMetric>()
            .unwrap()
            .metrics(kind, &labels(count), MetricSet::Accuracy)
            .map_err(|error| error.to_string())
    };
    assert_eq!(metrics("macro-f1", TaskKind::Classification, 7), Ok(MetricSet::MacroF1));
    assert_eq!(metrics("mcc", TaskKind::Classification, 7), Ok(MetricSet::Matthews));
    assert_eq!(metrics("f1", TaskKind::Classification, 2), Ok(MetricSet::F1 { positive: 1 }));
    assert_eq!(metrics("f1", TaskKind::Tagging, 9), Ok(MetricSet::Entities));
    assert_eq!(metrics("spearman", TaskKind::Regression, 0), Ok(MetricSet::Spearman));
    assert!(metrics("f1", TaskKind::Classification, 3).unwrap_err().contains("macro-f1"));
    assert!(metrics("accuracy", TaskKind::Regression, 0).unwrap_err().contains("pearson or spearman"));
    assert!(metrics("pearson", TaskKind::Classification, 2).unwrap_err().contains("accuracy"));
    let label_sets = |primary| Ok(MetricSet::LabelSets { primary });
    assert_eq!(metrics("micro-f1", TaskKind::MultiLabel, 3), label_sets(LabelSetMetric::MicroF1));
    assert_eq!(metrics("macro-f1", TaskKind::MultiLabel, 1), label_sets(LabelSetMetric::MacroF1));
    assert_eq!(metrics("exact-match", TaskKind::MultiLabel, 3), label_sets(LabelSetMetric::ExactMatch));
    assert!(
        metrics("accuracy", TaskKind::MultiLabel, 3)
            .unwrap_err()
            .contains("micro-f1, macro-f1 or exact-match")
    );
    assert!(metrics("micro-f1", TaskKind::Classification, 3).unwrap_err().contains("accuracy"));
    assert!("F-score".parse::<SelectionMetric>().unwrap_err().to_string().contains("macro-f1"));
}

#[test]
fn the_cosine_does_not_depend_on_the_lengths() {
    let near =
        |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-6, "expected {want}, got {got}");
    near(cosine(&[0.6, 0.8], &[1.0, 0.0]), 0.6);
    near(cosine(&[3.0, 4.0], &[0.5, 0.0]), 0.6);
    near(cosine(&[1.0, 2.0], &[-2.0, -4.0]), -1.0);
    near(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
}
