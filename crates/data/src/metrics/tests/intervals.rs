//! Intervals and paired tests. `tests/reference/intervals.py` has the values of SciPy, scikit-learn and seqeval.

use proptest::prelude::*;

use super::*;
use crate::metrics::intervals::{of_shares, percentiles, resample, wilson};
use crate::metrics::paired::two_sided_p;

#[derive(serde::Deserialize)]
struct Reference {
    wilson: Vec<Wilson>,
    mcnemar: Vec<Tossed>,
    resamples: Vec<Vec<usize>>,
    classes: Classes,
    scores: Scores,
    label_sets: Sets,
    tags: Tags,
}

#[derive(serde::Deserialize)]
struct Wilson {
    part: u64,
    count: u64,
    interval: Interval,
}

#[derive(serde::Deserialize)]
struct Tossed {
    first: u64,
    second: u64,
    p_value: f64,
}

#[derive(serde::Deserialize)]
struct Classes {
    predictions: Vec<u32>,
    rivals: Vec<u32>,
    targets: Vec<u32>,
    difference: Interval,
    #[serde(flatten)]
    intervals: BTreeMap<String, Interval>,
}

#[derive(serde::Deserialize)]
struct Scores {
    predictions: Vec<f32>,
    targets: Vec<f32>,
    #[serde(flatten)]
    intervals: BTreeMap<String, Interval>,
}

#[derive(serde::Deserialize)]
struct Sets {
    labels: usize,
    predictions: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    #[serde(flatten)]
    intervals: BTreeMap<String, Interval>,
}

#[derive(serde::Deserialize)]
struct Tags {
    labels: Vec<String>,
    predictions: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    #[serde(flatten)]
    intervals: BTreeMap<String, Interval>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/reference/intervals.json"))
        .expect("valid reference file")
}

fn near_interval(found: Interval, wanted: Interval, what: &str) {
    for (found, wanted) in found.into_iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-9, "{what}: expected {wanted}, found {found}");
    }
}

/// How often each example is in the resample with these indices.
fn weights(indices: &[usize]) -> Vec<u32> {
    let mut weights = vec![0; indices.len()];
    indices.iter().for_each(|&at| weights[at] += 1);
    weights
}

#[test]
fn shares_agree_with_scipy() {
    for Wilson { part, count, interval } in reference().wilson {
        near_interval(wilson(part, count), interval, &format!("{part} of {count}"));
    }
}

#[test]
fn mcnemars_test_agrees_with_scipy() {
    for Tossed { first, second, p_value } in reference().mcnemar {
        let found = two_sided_p(first.min(second), first + second);
        assert!((found - p_value).abs() < 1e-9, "{first} and {second}: expected {p_value}, found {found}");
    }
}

#[test]
fn every_metric_of_a_resample_is_that_of_its_examples() {
    let Reference { resamples, classes, scores, label_sets, tags, .. } = reference();
    let check = |set: MetricSet,
                 labels: &[String],
                 predictions: &[Target],
                 targets: &[Target],
                 wanted: &BTreeMap<String, Interval>| {
        let outcomes = Outcomes::new(set, labels, predictions, targets).unwrap();
        let drawn: Vec<_> = resamples.iter().map(|indices| outcomes.values(&weights(indices))).collect();
        let mut checked = 0;
        for name in outcomes.metrics().values.keys() {
            let Some(wanted) = wanted.get(name) else { continue };
            let found = percentiles(drawn.iter().map(|values| values[name.as_str()]).collect());
            near_interval(found, *wanted, name);
            checked += 1;
        }
        checked
    };
    let (predictions, targets) = (class_targets(&classes.predictions), class_targets(&classes.targets));
    let of_classes = |set| check(set, &[], &predictions, &targets, &classes.intervals);
    assert_eq!(of_classes(MetricSet::MacroF1), 1);
    assert_eq!(of_classes(MetricSet::AccuracyAndF1 { positive: 1 }), 2);
    assert_eq!(of_classes(MetricSet::Matthews), 1);
    let (predictions, targets) = (score_targets(&scores.predictions), score_targets(&scores.targets));
    let set = MetricSet::PearsonAndSpearman;
    assert_eq!(check(set, &[], &predictions, &targets, &scores.intervals), 3);
    let names: Vec<String> = (0..label_sets.labels).map(|label| label.to_string()).collect();
    let (predictions, targets) = (set_targets(&label_sets.predictions), set_targets(&label_sets.targets));
    let set = MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 };
    assert_eq!(check(set, &names, &predictions, &targets, &label_sets.intervals), 2);
    let [predictions, targets] = [&tags.predictions, &tags.targets]
        .map(|rows| rows.iter().cloned().map(Target::Tags).collect::<Vec<_>>());
    assert_eq!(check(MetricSet::Entities, &tags.labels, &predictions, &targets, &tags.intervals), 2);
}

#[test]
fn a_difference_is_that_of_two_models_on_the_same_resamples() {
    let Reference { resamples, classes, .. } = reference();
    let outcomes = |predictions: &[u32]| {
        let (predictions, targets) = (class_targets(predictions), class_targets(&classes.targets));
        Outcomes::new(MetricSet::MacroF1, &[], &predictions, &targets).unwrap()
    };
    let (first, second) = (outcomes(&classes.predictions), outcomes(&classes.rivals));
    let value = |weights: &[u32]| first.values(weights)["macro_f1"] - second.values(weights)["macro_f1"];
    let found = percentiles(resamples.iter().map(|indices| value(&weights(indices))).collect());
    near_interval(found, classes.difference, "difference");

    let found = difference(&first, &second).unwrap();
    assert_eq!((found.metric, found.value), ("macro_f1", value(&vec![1; classes.targets.len()])));
    assert!(found.interval[0] <= found.value && found.value <= found.interval[1], "{found:?}");
    let none = difference(&first, &first).unwrap();
    assert_eq!((none.value, none.interval, none.is_more_than_chance()), (0.0, [0.0, 0.0], false));
}

#[test]
fn answers_are_paired_example_by_example() {
    let outcomes = |predictions: &[u32]| {
        Outcomes::new(MetricSet::Accuracy, &[], &class_targets(predictions), &class_targets(&[0, 1, 2, 0, 1]))
            .unwrap()
    };
    let (first, second) = (outcomes(&[0, 1, 2, 1, 0]), outcomes(&[0, 0, 0, 0, 2]));
    let found = McNemar::new(&first, &second).unwrap().unwrap();
    let McNemar { both, only_first, only_second, neither, p_value } = found;
    assert_eq!((both, only_first, only_second, neither), (1, 2, 1, 1));
    // Three tosses: at most one of a side is never more than half.
    assert_eq!(p_value, 1.0);
    let scores = score_targets(&[1.0, 2.0]);
    let of_scores = Outcomes::new(MetricSet::Pearson, &[], &scores, &scores).unwrap();
    assert_eq!(McNemar::new(&of_scores, &of_scores).unwrap(), None);
    assert!(McNemar::new(&first, &of_scores).is_err() && difference(&first, &of_scores).is_err());
}

#[test]
fn shares_have_wilsons_interval_and_everything_else_that_of_resamples() {
    let predictions: Vec<u32> = (0..700).map(|at| u32::from(at < 683)).collect();
    let (predictions, targets) = (class_targets(&predictions), class_targets(&[1; 700]));
    let outcomes =
        Outcomes::new(MetricSet::AccuracyAndF1 { positive: 1 }, &[], &predictions, &targets).unwrap();
    assert!(outcomes.metrics().intervals.is_empty());
    let found = outcomes.metrics_with_intervals();
    assert_eq!(found.intervals.keys().collect::<Vec<_>>(), found.values.keys().collect::<Vec<_>>());
    assert_eq!(found.intervals["accuracy"], wilson(683, 700));
    assert_ne!(found.intervals["accuracy_f1"], wilson(683, 700));
    // The tags of a sentence are not independent: theirs is no share of examples.
    let tags = vec![Target::Tags(vec![0, 0, 1]); 10];
    let of = |tags: &[Target]| {
        let labels = ["B-x", "O"].map(String::from);
        Outcomes::new(MetricSet::Entities, &labels, tags, tags).unwrap().metrics_with_intervals()
    };
    assert_eq!(of(&tags).intervals["accuracy"], [1.0, 1.0]);
    // Of few examples the resamples would all be alike, and claim what they cannot know. Wilson's interval knows.
    assert!(of(&tags[1..]).intervals.is_empty());
    let few = Outcomes::new(MetricSet::AccuracyAndF1 { positive: 1 }, &[], &predictions[..2], &targets[..2])
        .unwrap();
    assert_eq!(few.metrics_with_intervals().intervals.keys().collect::<Vec<_>>(), [&"accuracy"]);
}

#[test]
fn what_was_recorded_gives_the_intervals_of_its_shares() {
    let values = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).into(), *value)).collect();
    let found = of_shares(&values(&[("accuracy", 683.0 / 700.0), ("f1", 0.5)]), 700);
    assert_eq!(found, BTreeMap::from([("accuracy".into(), wilson(683, 700))]));
    assert!(of_shares(&values(&[("accuracy", 0.5), ("recall", 0.5)]), 700).is_empty(), "tags");
    assert!(of_shares(&values(&[("accuracy", f64::NAN), ("exact_match", 1.5)]), 700).is_empty());
    assert!(of_shares(&values(&[("accuracy", 0.5)]), 0).is_empty());
}

#[test]
fn resamples_draw_every_example_equally_often() {
    let (samples, resamples) = (50, 2000);
    let mut drawn = vec![0u64; samples];
    for number in 0..resamples {
        let weights = resample(samples, number);
        assert_eq!(weights.iter().sum::<u32>() as usize, samples);
        drawn.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += u64::from(weight));
    }
    // 2,000 times each, with a deviation of 44: five of them.
    assert!(drawn.iter().all(|&count| count.abs_diff(2000) < 220), "{drawn:?}");
    assert_eq!(resample(samples, 7), resample(samples, 7));
    assert_ne!(resample(samples, 7), resample(samples, 8));
}

/// Answers of `classes` classes, of which one in four is wrong.
fn drawn_classes(samples: usize, classes: u32, seed: u64) -> Outcomes {
    let draw = |at: usize, of: u64| tinybert_base::random::draw(seed + of, at as u32);
    let targets: Vec<u32> = (0..samples).map(|at| draw(at, 0) % classes).collect();
    let wrong = |at: usize| u32::from(draw(at, 1).is_multiple_of(4));
    let predictions: Vec<u32> = (0..samples).map(|at| (targets[at] + wrong(at)) % classes).collect();
    Outcomes::new(MetricSet::MacroF1, &[], &class_targets(&predictions), &class_targets(&targets)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn intervals_contain_the_value_and_narrow_with_more_data(
        samples in 60usize..120,
        classes in 2u32..5,
        seed in 0u64..1 << 40,
    ) {
        let width = |samples| {
            let found = drawn_classes(samples, classes, seed).metrics_with_intervals();
            found.values.iter().map(|(name, &value)| {
                let [low, high] = found.intervals[name];
                assert!((0.0..=value).contains(&low) && (value..=1.0).contains(&high), "{name}");
                high - low
            }).collect::<Vec<_>>()
        };
        let (few, many) = (width(samples), width(samples * 16));
        prop_assert!(few.iter().zip(&many).all(|(few, many)| many < few), "{few:?} {many:?}");
    }
}
