//! Training on small made-up tasks of every kind.

use std::sync::atomic::{AtomicU64, Ordering};

use tinybert_base::progress::Progress;
use tinybert_base::random::derive;
use tinybert_base::{Context, Error};
use tinybert_data::Split;
use tinybert_data::metrics::{LabelSetMetric, MetricSet};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};

use crate::{BaselineRow, Trained, check, train};

/// Five words that belong to each label.
const WORDS: [[&str; 5]; 3] = [
    ["song", "jazz", "album", "listen", "playlist"],
    ["rain", "snow", "forecast", "umbrella", "sunny"],
    ["table", "dinner", "restaurant", "reserve", "menu"],
];

/// A number below `end` that depends on the others.
pub fn draw(example: u64, part: u64, end: u64) -> u64 {
    derive(derive(17, example), part) % end
}

/// Words that belong to nothing: a letter and numbers.
fn noise(example: u64) -> String {
    (10..16).map(|part| format!(" w{}", draw(example, part, 300))).collect()
}

fn dataset(kind: TaskKind, labels: usize, examples: impl Iterator<Item = Example>) -> Dataset {
    let labels = ["music", "weather", "food"][..labels].iter().map(|label| (*label).to_owned()).collect();
    Dataset { examples: examples.collect(), labels, kind, sources: vec!["made-up.jsonl".into()] }
}

fn word(label: u64, example: u64, part: u64) -> &'static str {
    WORDS[label as usize][draw(example, part, 5) as usize]
}

/// One of `labels` labels for each text.
fn labelled(labels: usize, range: std::ops::Range<u64>) -> Dataset {
    let example = |at| {
        let label = draw(at, 0, labels as u64);
        let text = format!("{}{} {}", word(label, at, 1), noise(at), word(label, at, 2));
        Example { text, pair: None, target: Target::Class(label as u32) }
    };
    dataset(TaskKind::Classification, labels, range.map(example))
}

/// Any of the labels for each text.
fn sets(range: std::ops::Range<u64>) -> Dataset {
    let example = |at| {
        let labels: Vec<u32> = (0..3u32).filter(|label| draw(at, u64::from(*label), 2) == 0).collect();
        let words = labels.iter().map(|&label| format!("{} ", word(label.into(), at, 5)));
        Example { text: words.collect::<String>() + &noise(at), pair: None, target: Target::LabelSet(labels) }
    };
    dataset(TaskKind::MultiLabel, 3, range.map(example))
}

/// Pairs that share a number of words, which is the score.
fn pairs(range: std::ops::Range<u64>) -> Dataset {
    let example = |at| {
        let shared = draw(at, 0, 6);
        let words = |side: u64| -> String {
            (0..5)
                .map(|part| {
                    let side = if part < shared { 0 } else { side };
                    format!("w{} ", draw(at, 20 + 10 * side + part, 1000))
                })
                .collect()
        };
        Example { text: words(1), pair: Some(words(2)), target: Target::Score(shared as f32) }
    };
    dataset(TaskKind::Regression, 0, range.map(example))
}

fn trained(make: impl Fn(std::ops::Range<u64>) -> Dataset, metrics: MetricSet) -> Trained {
    train(&make(0..400), &make(400..500), metrics, &Context::default()).unwrap()
}

#[test]
fn every_kind_of_task_is_learned() {
    let set_metrics = MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 };
    let all = [
        trained(|range| labelled(3, range), MetricSet::Accuracy),
        trained(|range| labelled(2, range), MetricSet::Accuracy),
        trained(sets, set_metrics),
        trained(pairs, MetricSet::PearsonAndSpearman),
    ];
    for (kind, trained) in all.iter().enumerate() {
        assert!(trained.dev.primary() > 0.93, "{kind}: {:?}", trained.dev);
    }
    // Answers are those that were judged.
    let dev = labelled(3, 400..500);
    let right =
        dev.examples.iter().filter(|example| all[0].model.answer(&example.text, None) == example.target);
    assert_eq!(right.count() as f64 / 100.0, all[0].dev.primary());
    assert_eq!(all[0].model.evaluate(&dev, MetricSet::Accuracy).unwrap().values, all[0].dev.values);
    // One output tells two labels apart: a weight for each n-gram, where three labels have three.
    let bytes = |trained: &Trained, outputs: u64, labels: &[&str]| {
        let features = trained.model.features() as u64;
        let names: usize = labels.iter().map(|label| label.len() + 1).sum();
        assert_eq!(trained.model.bytes(), features * (4 + outputs) + 8 * outputs + 4 + names as u64);
    };
    bytes(&all[0], 3, &["music", "weather", "food"]);
    bytes(&all[1], 1, &["music", "weather"]);
}

/// Counts the penalties that were tried.
#[derive(Default)]
struct Tried(AtomicU64);

impl Progress for Tried {
    fn advance(&self, done: u64, _note: &str) {
        self.0.fetch_add(done, Ordering::Relaxed);
    }
}

#[test]
fn every_penalty_is_tried_and_equal_metrics_are_decided_by_the_loss() {
    let [train_set, dev] = [labelled(3, 0..400), labelled(3, 400..420)];
    let tried = Tried::default();
    let context = Context { progress: &tried, ..Context::default() };
    let trained = train(&train_set, &dev, MetricSet::Accuracy, &context).unwrap();
    assert_eq!(tried.0.load(Ordering::Relaxed), 6);
    // Every penalty answers these few rightly. The strongest leaves each label a probability of nearly a third, whose
    // loss is 1.1.
    assert_eq!(trained.dev.primary(), 1.0);
    assert!(trained.loss < 0.3 && trained.penalty < 1.0, "{} {}", trained.penalty, trained.loss);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let models = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let labels = trained(|range| labelled(3, range), MetricSet::Accuracy);
            let scores = trained(pairs, MetricSet::PearsonAndSpearman);
            (labels.model, labels.penalty, scores.model, scores.penalty)
        })
    });
    assert!(models[0] == models[1] && models[0] == models[2]);
}

#[test]
fn a_row_has_every_split_and_survives_its_file() {
    let [train, dev, test] = [0..400, 400..500, 500..600].map(|range| labelled(3, range));
    let splits = [(Split::Dev, &dev), (Split::Test, &test)];
    let row = BaselineRow::measure((&train, &dev), MetricSet::MacroF1, &splits, &Context::default()).unwrap();
    assert_eq!(row.metric, "macro_f1");
    assert!(row.splits["test"].values["accuracy"] > 0.9 && row.splits["dev"].samples == 100);
    assert!(row.microseconds > 0.0 && row.seconds > 0.0);
    let again: BaselineRow = serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap();
    assert_eq!(again, row);
}

#[test]
fn soft_labels_with_gold_ones_are_learned_by_the_gold_ones() {
    let mut data = labelled(3, 0..200);
    let expected = train(&data, &data, MetricSet::Accuracy, &Context::default()).unwrap();
    let dev = data.clone();
    for example in &mut data.examples {
        let gold = example.target.classes().first().copied();
        example.target = Target::SoftLabels { probabilities: vec![0.2, 0.5, 0.3], gold };
    }
    let found = train(&data, &dev, MetricSet::Accuracy, &Context::default()).unwrap();
    assert!(found.model == expected.model);
}

#[test]
fn what_has_no_baseline_is_refused() {
    let data = Dataset { kind: TaskKind::Embedding, ..labelled(3, 0..10) };
    let error = check(&data).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("no linear baseline for")), "{error}");
    let mut data = labelled(3, 0..10);
    data.examples[4].target = Target::None;
    let labelled = labelled(3, 0..10);
    for (train_set, dev) in [(&data, &labelled), (&labelled, &data)] {
        let result = train(train_set, dev, MetricSet::Accuracy, &Context::default());
        let error = result.err().expect("an example has no label");
        assert!(error.to_string().contains("made-up.jsonl: example 5"), "{error}");
    }
}

#[test]
fn texts_without_any_known_ngram_get_an_answer() {
    let model = trained(|range| labelled(3, range), MetricSet::Accuracy).model;
    for text in ["", "…", "ζζζ", "\u{0}"] {
        assert!(matches!(model.answer(text, None), Target::Class(0..3)), "{text:?}");
    }
    // A training set without any n-gram.
    let mut data = labelled(2, 0..2);
    (data.examples[0].text, data.examples[1].text) = (String::new(), " ".into());
    let trained = train(&data, &data, MetricSet::Accuracy, &Context::default()).unwrap();
    assert_eq!(trained.model.features(), 0);
}
