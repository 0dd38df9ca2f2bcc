//! The answer to every example, as lines of JSON.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};
use tinybert_data::task::{Dataset, Example, NO_TAG, Target, TaskKind};
use tinybert_evaluate::predictor::{sigmoid, softmax};
use tinybert_evaluate::{Answered, JudgedConfidence};

use super::judged::Judged;
use crate::commands::run::by_label;

/// Most bytes of the line by which [`is_like`] decides.
const LONGEST_LINE: u64 = 1 << 20;

/// Whether a file begins as this command writes it.
pub fn is_like(file: &Path) -> bool {
    let mut first = String::new();
    let read =
        File::open(file).and_then(|file| BufReader::new(file).take(LONGEST_LINE).read_line(&mut first));
    read.is_ok() && serde_json::from_str::<Value>(&first).is_ok_and(|line| line.get("predicted").is_some())
}

/// One JSON object per line, in the order of the examples; at last those that are none of the model's labels, whose
/// label is the one that is out of scope.
pub fn lines(model: &Judged) -> String {
    let (data, answered) = (&model.judged_by.data, &model.answers.labelled.answered);
    let labelled = data.labelled.examples.iter().zip(answered);
    let mut lines: Vec<Value> =
        labelled.map(|(example, answered)| line(&data.labelled, example, answered)).collect();
    if let Some(JudgedConfidence { confidence, of_unknown, judged, .. }) = &model.answers.confidence {
        let unknown = data.unknown.examples.iter().zip(of_unknown);
        lines.extend(unknown.map(|(example, answered)| {
            let mut json = line(&data.unknown, example, answered);
            json["gold"] = json!(data.out_of_scope);
            json
        }));
        let outputs = answered.iter().chain(of_unknown).map(|answered| &answered.outputs);
        for ((json, judged), outputs) in lines.iter_mut().zip(judged).zip(outputs) {
            json["accepted"] = json!(judged.accepted);
            json["probabilities"] =
                by_label(&data.labelled.labels, &softmax(outputs, confidence.temperature));
        }
    }
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

fn line(data: &Dataset, example: &Example, Answered { answer, outputs }: &Answered) -> Value {
    let mut json = json!({
        "text": example.text,
        "gold": named(&data.labels, &example.target),
        "predicted": named(&data.labels, answer),
    });
    if let Some(pair) = &example.pair {
        json["pair"] = json!(pair);
    }
    let labels = &data.labels;
    match (data.kind, answer) {
        (TaskKind::Classification, _) => {
            json["logits"] = by_label(labels, outputs);
        }
        (TaskKind::MultiLabel, _) => {
            json["probabilities"] = by_label(labels, &sigmoid(outputs));
            json["logits"] = by_label(labels, outputs);
        }
        (_, Target::Tags(tags)) => {
            let mut tagged = outputs.chunks_exact(labels.len().max(1));
            let words = tags.iter().map(|&tag| if tag == NO_TAG { None } else { tagged.next() });
            let words: Vec<Option<&[f32]>> = words.collect();
            let of_words = |value: &dyn Fn(&[f32]) -> Value| -> Value {
                words.iter().map(|word| word.map_or(Value::Null, value)).collect()
            };
            json["probabilities"] = of_words(&|logits| by_label(labels, &softmax(logits, 1.0)));
            json["logits"] = of_words(&|logits| by_label(labels, logits));
        }
        _ => {}
    }
    json
}

/// An answer with the names of its labels; a word without a tag has `null`.
fn named(labels: &[String], answer: &Target) -> Value {
    let name = |&class: &u32| labels.get(class as usize).map_or(Value::Null, |name| json!(name));
    match answer {
        Target::Class(class) => name(class),
        Target::LabelSet(classes) | Target::Tags(classes) => classes.iter().map(name).collect(),
        Target::Score(score) => json!(score),
        Target::SoftLabels { .. } | Target::SoftLabelSet { .. } | Target::None => Value::Null,
    }
}
