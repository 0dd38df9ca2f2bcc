//! Features, objectives and their minima against scikit-learn.

use std::sync::LazyLock;

use serde_json::Value;

use crate::features::Counts;
use crate::lbfgs::{Stopping, minimize};
use crate::objective::Objective;
use crate::sparse::Sparse;
use crate::vocabulary::Vocabulary;
use tinybert_data::task::{Target, TaskKind};

static REFERENCE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/reference/linear.json")).expect("the reference is JSON")
});

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn rows(values: &Value) -> Vec<Vec<f64>> {
    values.as_array().unwrap().iter().map(numbers).collect()
}

/// Compares the features of the first texts with those of scikit-learn, which `expected` has.
fn check_features(texts: &[&str], expected: &Value) {
    let kind = TaskKind::Classification;
    let counts: Vec<Vec<Counts>> = texts.iter().map(|text| Counts::new(kind, text, None)).collect();
    let vocabulary = Vocabulary::new(kind, &counts);
    let [words, characters] = ["words", "characters"].map(|name| rows(&expected[name]));
    for (text, (words, characters)) in words.iter().zip(&characters).enumerate() {
        let mut found: Vec<f32> = vocabulary.row(&counts[text][0]).iter().map(|(_, value)| *value).collect();
        assert_eq!(found.len(), words.len() + characters.len());
        let (of_words, of_characters) = found.split_at_mut(words.len());
        for (found, expected) in [(of_words, words), (of_characters, characters)] {
            found.sort_by(f32::total_cmp);
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "text {text}: {found} {expected}");
            }
        }
    }
}

#[test]
fn features_are_those_of_tfidf_vectorizers() {
    let mut texts: Vec<&str> =
        REFERENCE["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    check_features(&texts, &REFERENCE["few"]);
    let many = &REFERENCE["many"];
    let more = many["times"].as_u64().unwrap() as usize;
    texts.extend(std::iter::repeat_n(many["text"].as_str().unwrap(), more));
    check_features(&texts, many);
}

/// The matrix of the reference by rows and by columns.
fn matrix() -> (Sparse, Sparse) {
    let entries = |row: &Vec<f64>| {
        let entries = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
        entries.map(|(column, value)| (column as u32, *value as f32)).collect()
    };
    let rows: Vec<_> = rows(&REFERENCE["matrix"]).iter().map(entries).collect();
    let texts = Sparse::of_rows(&rows);
    let features = texts.transposed(6);
    (texts, features)
}

/// Calls `check` with the objective of each case.
fn each_case(check: impl Fn(&Value, Objective)) {
    let (texts, features) = matrix();
    for case in REFERENCE["cases"].as_array().unwrap() {
        let target = |target: &Value| match target {
            Value::Array(_) => {
                Target::LabelSet(numbers(target).into_iter().map(|label| label as u32).collect())
            }
            _ if case["kind"] == "scores" => Target::Score(target.as_f64().unwrap() as f32),
            _ => Target::Class(target.as_u64().unwrap() as u32),
        };
        let targets: Vec<Target> = case["targets"].as_array().unwrap().iter().map(target).collect();
        let outputs = rows(&case["weights"])[0].len();
        let penalty = REFERENCE["penalty"].as_f64().unwrap() as f32;
        check(case, Objective { texts: &texts, features: &features, targets: &targets, outputs, penalty });
    }
}

#[test]
fn objectives_have_the_values_of_their_definitions() {
    let at: Vec<f32> = rows(&REFERENCE["at"]).concat().into_iter().map(|weight| weight as f32).collect();
    each_case(|case, objective| {
        let Some(expected) = case["value"].as_f64() else { return };
        let found = objective.value(&at, &mut vec![0.0; at.len()]);
        assert!((found / expected - 1.0).abs() < 1e-5, "{}: {found} {expected}", case["kind"]);
    });
}

#[test]
fn gradients_are_differences_of_values() {
    each_case(|case, objective| {
        let mut weights: Vec<f32> = (0..objective.weights()).map(|at| (at as f32 * 0.7).sin()).collect();
        let mut gradient = vec![0.0; weights.len()];
        objective.value(&weights, &mut gradient);
        let mut ignored = gradient.clone();
        for (at, found) in gradient.iter().enumerate() {
            const STEP: f32 = 1.0 / 64.0;
            let middle = weights[at];
            let values = [middle - STEP, middle + STEP].map(|weight| {
                weights[at] = weight;
                objective.value(&weights, &mut ignored)
            });
            weights[at] = middle;
            let expected = (values[1] - values[0]) / f64::from(2.0 * STEP);
            let difference = (f64::from(*found) - expected).abs();
            assert!(difference < 2e-3 * expected.abs().max(1.0), "{} {at}: {difference}", case["kind"]);
        }
    });
}

#[test]
fn minima_are_those_of_scikit_learn() {
    each_case(|case, objective| {
        let stopping = Stopping { gradient: 1e-4, decrease: 0.0, steps: 500, stop: &|| false };
        let start = vec![0.0; objective.weights()];
        let found =
            minimize(start, |at, gradient| objective.value(at, gradient), &objective.scales(), &stopping);
        let expected = rows(&case["weights"]).concat();
        // A constant added to all biases changes no probability, and scikit-learn's sum to 0.
        let outputs = objective.outputs;
        let mean = match case["kind"].as_str() {
            Some("labels") => found[found.len() - outputs..].iter().sum::<f32>() / outputs as f32,
            _ => 0.0,
        };
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let found = if at >= first_bias(&objective) { found - mean } else { *found };
            assert!((f64::from(found) - expected).abs() < 1e-3, "{} {at}: {found} {expected}", case["kind"]);
        }
    });
}

/// Where the biases begin.
fn first_bias(objective: &Objective) -> usize {
    objective.weights() - objective.outputs
}
