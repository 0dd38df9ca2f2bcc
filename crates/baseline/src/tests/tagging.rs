//! Words with tags: the model of scikit-learn with the same features, and training from sentences on.

use std::sync::LazyLock;

use serde_json::Value;

use super::training::draw;
use crate::decoding::Transitions;
use crate::features::Counts;
use crate::lbfgs::{Stopping, minimize};
use crate::objective::{Objective, add_products};
use crate::sparse::Sparse;
use crate::training::{add_tags_before, golds};
use crate::vocabulary::Vocabulary;
use crate::{BaselineRow, train};
use tinybert_base::Context;
use tinybert_data::Split;
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, Example, Target, TaskKind};

static REFERENCE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/reference/tagging.json")).expect("the reference is JSON")
});

fn list<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_value(REFERENCE[name].clone()).expect("a list")
}

fn dataset(labels: Vec<String>, sentences: impl IntoIterator<Item = (String, Vec<u32>)>) -> Dataset {
    let example = |(text, tags)| Example { text, pair: None, target: Target::Tags(tags) };
    let examples = sentences.into_iter().map(example).collect();
    Dataset { examples, labels, kind: TaskKind::Tagging, sources: vec!["made-up.jsonl".into()] }
}

#[test]
fn features_probabilities_and_sequences_are_those_of_scikit_learn() {
    let data = dataset(list("labels"), list("train").into_iter().zip(list("tags")));
    let counts = Counts::of_examples(&data);
    let vocabulary = Vocabulary::new(data.kind, &counts);
    let mut rows = vocabulary.rows(&counts);
    let found: Vec<usize> = rows.iter().flatten().map(Vec::len).collect();
    assert_eq!(found, list::<usize>("features"));

    let others = add_tags_before(&mut rows, &data, vocabulary.len());
    let rows = rows.concat();
    let texts = Sparse::of_rows(&rows);
    let features = texts.transposed(vocabulary.len() + others);
    let targets: Vec<Target> = data.examples.iter().flat_map(|example| golds(&example.target)).collect();
    let (tags, penalty) = (data.labels.len(), REFERENCE["penalty"].as_f64().unwrap() as f32);
    let objective =
        Objective { texts: &texts, features: &features, targets: &targets, outputs: tags, penalty };
    let stopping = Stopping { gradient: 1e-4, decrease: 0.0, steps: 1000, stop: &|| false };
    let start = vec![0.0; objective.weights()];
    let weights =
        minimize(start, |at, gradient| objective.value(at, gradient), &objective.scales(), &stopping);

    let logits = |row: &[(u32, f32)]| {
        let mut sums = weights[weights.len() - tags..].to_vec();
        add_products(&mut sums, row, &weights);
        sums
    };
    for (word, (row, expected)) in rows.iter().zip(list::<Vec<f64>>("probabilities")).enumerate() {
        let exponentials: Vec<f64> = logits(row).iter().map(|logit| f64::from(*logit).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        for (found, expected) in exponentials.iter().zip(expected) {
            assert!((found / sum - expected).abs() < 1e-4, "word {word}: {} {expected}", found / sum);
        }
    }
    let transitions = &weights[vocabulary.len() * tags..][..others * tags];
    for (found, expected) in transitions.iter().zip(list::<Vec<f64>>("transitions").concat()) {
        // The objective is about 20 here. In f32, weights that are this near have the same objective.
        assert!((f64::from(*found) - expected).abs() < 5e-3, "{found} {expected}");
    }
    let transitions = Transitions::new(transitions, tags);
    for (sentence, expected) in list::<String>("new").iter().zip(list::<Vec<u32>>("most_likely")) {
        let words = Counts::new(data.kind, sentence, None);
        let logits: Vec<f32> = words.iter().flat_map(|word| logits(&vocabulary.row(word))).collect();
        assert_eq!(transitions.most_likely(&logits), expected, "{sentence}");
    }
}

/// Sentences with times and with names of one or two words. What comes first in a name is only known from the word
/// before, and the second word from the tag before.
fn sentences(range: std::ops::Range<u64>) -> Dataset {
    let labels = ["O", "B-name", "I-name", "B-time"].map(str::to_owned).to_vec();
    let sentence = |at: u64| {
        let mut words = vec!["play".to_owned(), "some".into()];
        words.truncate(1 + draw(at, 0, 2) as usize);
        let mut tags = vec![0; words.len()];
        for part in 0..1 + draw(at, 1, 2) {
            words.push(format!("n{}", draw(at, 10 + part, 400)));
            tags.push(if part == 0 { 1 } else { 2 });
        }
        if draw(at, 2, 2) == 0 {
            words.extend(["at".into(), format!("{}:{}", draw(at, 3, 24), draw(at, 4, 60))]);
            tags.extend([0, 3]);
        }
        (words.join(" "), tags)
    };
    dataset(labels, range.map(sentence))
}

#[test]
fn tags_are_learned_and_judged_by_entities() {
    let [train_set, dev] = [sentences(0..300), sentences(300..400)];
    let splits = [(Split::Dev, &dev)];
    let row = BaselineRow::measure((&train_set, &dev), MetricSet::Entities, &splits, &Context::default());
    let row = row.unwrap();
    assert!(row.estimate(Split::Dev).unwrap().value > 0.97, "{row:?}");
    assert!(row.splits["dev"].intervals.contains_key("f1") && row.microseconds > 0.0);

    let model = train(&train_set, &dev, MetricSet::Entities, &Context::default()).unwrap().model;
    // Numbers and names that training has not seen.
    assert_eq!(model.answer("play n900 n901 at 77:99", None), Target::Tags(vec![0, 1, 2, 0, 3]));
    assert_eq!(model.answer("", None), Target::Tags(Vec::new()));
    assert!(matches!(model.answer("ζ …", None), Target::Tags(tags) if tags.len() == 2));
    // At most a byte for each feature and tag; four bytes for each transition, scale and bias.
    let dense =
        model.features() as u64 * (3 + 4) + 4 * (5 * 4 + 4 + 4) + "O B-name I-name B-time ".len() as u64;
    assert!(model.bytes() <= dense, "{} {dense}", model.bytes());
}

#[test]
fn any_number_of_threads_tags_alike() {
    let [train_set, dev] = [sentences(0..300), sentences(300..400)];
    let models = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&train_set, &dev, MetricSet::Entities, &Context::default()).unwrap().model)
    });
    assert!(models[0] == models[1] && models[0] == models[2]);
}

#[test]
fn one_tag_is_always_the_answer() {
    let data = dataset(vec!["O".into()], [("a b".into(), vec![0, 0]), ("b c".into(), vec![0, 0])]);
    let model = train(&data, &data, MetricSet::Entities, &Context::default()).unwrap().model;
    assert_eq!(model.answer("a b c", None), Target::Tags(vec![0; 3]));
}
