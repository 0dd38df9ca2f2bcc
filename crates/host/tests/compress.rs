//! Budgets of a student whose calibration prefers the costlier attention.

mod toy;

use std::path::Path;

use candle_core::Tensor;
use tinybert_host::checkpoint::{BertConfig, Checkpoint};
use tinybert_host::compress::{Budget, Compress, Outcome, SearchSettings, Settings};
use tinybert_host::distill::{GeneralSettings, Stage, TaskSettings};
use tinybert_host::progress::Silent;
use tinybert_host::train::{FineTune, Output};
use toy::runs::{labelled, with_data};

/// A student with a key channel far larger than the others. All keys have the same in it, which softmax does not see; but its
/// int8 scale leaves the others nothing.
fn student(folder: &Path) -> Checkpoint {
    let config = BertConfig { initializer_range: 0.3, ..toy::config(2, 32) };
    let mut model = toy::model(folder, &config, &labelled());
    for layer in 0..2 {
        let name = format!("bert.encoder.layer.{layer}.attention.self.key.bias");
        let bias = &model.tensors[&name];
        let mut values = bias.to_vec1::<f32>().unwrap();
        values[0] += 300.0;
        let shifted = Tensor::from_vec(values, bias.shape(), bias.device()).unwrap();
        model.tensors.insert(name, shifted);
    }
    model
}

/// An image of the student as it is, whole or pruned, without any training.
fn compress(place: &Path, out: &str, budget: Budget) -> Outcome {
    let folder = place.join(out);
    let untrained = TaskSettings {
        prediction: Stage { epochs: 0, ..TaskSettings::default().prediction },
        ..TaskSettings::default()
    };
    with_data(|data| {
        let student = student(&place.join("student"));
        let settings = Settings {
            budget,
            max_tokens: 16,
            fine_tune: FineTune::default(),
            general: GeneralSettings::default(),
            distillation: TaskSettings::default(),
            recovery: TaskSettings::default(),
            prune_rounds: None,
            quantization_aware: untrained.clone(),
            search: SearchSettings { examples: 20, trials: 1 },
            importance_examples: 8,
            calibration_examples: 16,
        };
        let compress = Compress {
            settings,
            board: "cortex-a53@1.2GHz".parse().unwrap(),
            teacher: toy::model(&place.join("teacher"), &toy::config(2, 32), &labelled()),
            sizes: student.config.clone(),
            student: Some(student),
            corpus: Vec::new(),
            data: *data,
            test: None,
        };
        compress.run(&Output::from(&folder), &Silent).unwrap()
    })
}

#[test]
fn what_int8_attention_can_keep_is_no_reason_to_refuse_or_to_prune() {
    let place = tempfile::tempdir().unwrap();
    let free = compress(place.path(), "free", Budget::default());
    assert!(free.notes.iter().any(|note| note.contains("f32 in 2 of the layers")), "{:?}", free.notes);

    // What the whole student takes in int8, and no more.
    let journal = std::fs::read(place.path().join("free/compress.json")).unwrap();
    let journal: serde_json::Value = serde_json::from_slice(&journal).unwrap();
    let costed = journal["found"]["chosen"]["cost"]["latency_ms"].as_f64().unwrap();
    assert!(costed < free.cost.latency_ms, "{costed} {:?}", free.cost);
    let tight = Budget { latency_ms: Some(costed), ..Budget::default() };
    let kept = compress(place.path(), "tight", tight);
    assert_eq!(kept.cost.latency_ms, costed);
    assert!(kept.notes.iter().any(|note| note.contains("int8 in all layers")), "{:?}", kept.notes);
    assert!(!place.path().join("tight/pruned").exists());
}
