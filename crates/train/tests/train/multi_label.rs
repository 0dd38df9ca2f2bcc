//! A multi-label folder that transformers wrote: its probabilities and its loss, and the thresholds that training
//! chooses.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tinybert_base::Context;
use tinybert_data::metrics::{LabelSetMetric, MetricSet};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_evaluate::judge::{Judge, encode};
use tinybert_evaluate::predictor::{PredictedAnswer, Predictor};
use tinybert_model::{Checkpoint, Head};
use tinybert_nn::{Mode, TaskModel};
use tinybert_testing::{reference_values, runs, toy};
use tinybert_train::{GoldAnswers, TaskData, fine_tune};

/// Writes the folder of `crates/testing/reference/multi_label.py` as transformers wrote it.
fn folder(reference: &Value, place: &Path) {
    fs::write(place.join("config.json"), reference["config"].to_string()).unwrap();
    let pieces: Vec<&str> =
        reference["pieces"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    fs::write(place.join("vocab.txt"), pieces.join("\n") + "\n").unwrap();
    let tensors: HashMap<_, _> = reference_values::weights(reference).into_iter().collect();
    candle_core::safetensors::save(&tensors, place.join("model.safetensors")).unwrap();
}

/// The texts of the reference with their labels.
fn data(reference: &Value, labels: &[String]) -> Dataset {
    let texts = reference["texts"].as_array().unwrap().iter();
    let sets = reference["sets"].as_array().unwrap().iter();
    let example = |(text, set): (&Value, &Value)| Example {
        text: text.as_str().unwrap().into(),
        pair: None,
        target: Target::LabelSet(reference_values::ints(set)),
    };
    Dataset {
        examples: texts.zip(sets).map(example).collect(),
        labels: labels.to_vec(),
        kind: TaskKind::MultiLabel,
        sources: Vec::new(),
    }
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(reference_values::numbers).collect()
}

#[test]
fn a_folder_of_transformers_gives_its_probabilities_and_its_loss() {
    let reference = reference_values::read("multi_label.json");
    let place = tempfile::tempdir().unwrap();
    folder(&reference, place.path());
    let model = Checkpoint::load(place.path()).unwrap();
    let labels = ["music", "weather", "restaurant"].map(String::from).to_vec();
    assert_eq!(model.head, Head::multi_label(labels.clone()));
    let data = data(&reference, &labels);

    let predictor = Predictor::open(place.path(), 16, None).unwrap();
    let texts = data.examples.iter().map(|example| Ok((example.text.clone(), None)));
    let mut answers = Vec::new();
    predictor
        .answer_each(texts, |_, prediction| {
            answers.push(prediction);
            Ok(())
        })
        .unwrap();
    let (probabilities, tokens) =
        (rows(&reference["probabilities"]), reference_values::ints(&reference["tokens"]));
    for ((answer, theirs), tokens) in answers.iter().zip(probabilities).zip(tokens) {
        let PredictedAnswer::LabelSet { indices, probabilities } = &answer.answer else {
            panic!("{answer:?}")
        };
        for (ours, theirs) in probabilities.iter().zip(&theirs) {
            assert!((f64::from(*ours) - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        let above: Vec<usize> = (0..3).filter(|&label| theirs[label] >= 0.5).collect();
        assert_eq!((indices, answer.tokens), (&above, tokens as usize));
    }

    let set = encode(&model.text, &data, 16).unwrap();
    let task_model = TaskModel::frozen(&model.config, &model.head, &model.tensors).unwrap();
    let batch = set.collate(&(0..set.len()).collect::<Vec<_>>(), model.text.special().pad).unwrap();
    let (_, logits) = task_model.forward(&batch, Mode::Eval).unwrap();
    let theirs: Vec<f64> = rows(&reference["logits"]).concat();
    assert!(reference_values::difference(&reference_values::values(&logits), &theirs) < 1e-4);
    let gold = GoldAnswers::new(&data, None).unwrap();
    let loss = gold.loss(&logits, &batch, &set).unwrap().to_scalar::<f32>().unwrap();
    assert!((f64::from(loss) - reference["loss"].as_f64().unwrap()).abs() < 1e-5);
}

/// The toy task's sentences; one label says what the sentence is, the other one whether it has more than four words.
fn sentences(count: usize, seed: u64) -> Dataset {
    let mut data = toy::sentences(count, seed);
    for example in &mut data.examples {
        let is_long = example.text.split(' ').count() > 4;
        let classes = example.target.classes().to_vec();
        let labels = classes.into_iter().filter(|&class| class == 1).map(|_| 0).chain(is_long.then_some(1));
        example.target = Target::LabelSet(labels.collect());
    }
    Dataset {
        labels: ["positive", "long", "never"].map(String::from).into(),
        kind: TaskKind::MultiLabel,
        ..data
    }
}

#[test]
fn fine_tuning_keeps_the_thresholds_that_the_development_set_has_chosen() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("fresh"), &toy::config(2, 16), &Head::None);
    let (train, dev) = (sentences(80, 1), sentences(40, 2));
    let metrics = MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 };
    let data = TaskData { train: &train, dev: &dev, metrics };
    let out = place.path().join("out");
    let report =
        fine_tune(&runs::fine_tune_settings(), &model, &data, out.as_path(), &Context::default()).unwrap();
    let trained = Checkpoint::load(&out).unwrap();
    let Head::MultiLabel { labels, thresholds } = &trained.head else { panic!("{:?}", trained.head) };
    assert_eq!(labels, &train.labels);
    assert_eq!(thresholds[2], 0.5, "the label does not occur");

    // The folder reaches what was reported, and no hundredth does better for any label.
    let judge = Judge::new(&trained.text, &dev, metrics, 16).unwrap();
    let task_model = TaskModel::frozen(&trained.config, &trained.head, &trained.tensors).unwrap();
    let context = Context::default();
    assert_eq!(judge.judge(&task_model, &context).unwrap(), report.dev);
    let outputs = judge.outputs(&task_model, &context).unwrap();
    let f1 = |label: usize, threshold: f64| {
        let mut thresholds = thresholds.clone();
        thresholds[label] = threshold;
        let head = Head::MultiLabel { labels: labels.clone(), thresholds };
        let answers = judge.answers(&head, &outputs).unwrap();
        let has = |target: &Target| target.classes().contains(&(label as u32));
        let both = answers.iter().zip(&dev.examples).filter(|(a, e)| has(a) && has(&e.target)).count();
        let (said, there) = (
            answers.iter().filter(|a| has(a)).count(),
            dev.examples.iter().filter(|e| has(&e.target)).count(),
        );
        2.0 * both as f64 / (said + there).max(1) as f64
    };
    for (label, &threshold) in thresholds.iter().enumerate() {
        let best = (1..100).map(|step| f1(label, f64::from(step) / 100.0)).fold(0.0, f64::max);
        assert_eq!(f1(label, threshold), best);
    }
}
