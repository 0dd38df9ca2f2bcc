//! Budgets of a student whose calibration prefers the costlier attention; what the search measures.

use std::path::Path;

use candle_core::Tensor;

use tinybert_base::Context;
use tinybert_data::ScopedDataset;
use tinybert_data::metrics::MetricSet;
use tinybert_distill::{GeneralSettings, StageRecipe, TaskSettings};
use tinybert_evaluate::judge::Judge;
use tinybert_model::plan::WeightEncoding;
use tinybert_model::{BertConfig, Checkpoint};
use tinybert_nn::TaskModel;
use tinybert_quantize::sensitivity::{Sensitivity, SensitivitySettings, sensitivity};
use tinybert_search::{Compress, CompressOutcome, CompressSettings, DeviceBudget, SearchSettings};
use tinybert_testing::runs::{labelled, with_data};
use tinybert_testing::toy;
use tinybert_train::{FineTune, Output, TaskData};

/// A student with a key channel far larger than the others. All keys have the same in it, which softmax does
/// not see; but its int8 scale leaves the others nothing.
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

/// An image of the student as it is, whole or pruned and recovered for a pass.
fn compress(place: &Path, out: &str, budget: DeviceBudget) -> CompressOutcome {
    let folder = place.join(out);
    let defaults = TaskSettings::default();
    let passes = |epochs| TaskSettings {
        intermediate: StageRecipe { epochs: 0, ..defaults.intermediate.clone() },
        prediction: StageRecipe { epochs, ..defaults.prediction.clone() },
        max_tokens: 16,
        allow_weak_teacher: true,
        ..defaults.clone()
    };
    with_data(|data| {
        let student = student(&place.join("student"));
        // Every change of the student is a loss on these labels.
        let judge = Judge::new(&student.text, data.dev, data.metrics, 16).unwrap();
        let model = TaskModel::frozen(&student.config, &student.head, &student.tensors).unwrap();
        let mut dev = ScopedDataset::all_in_scope(data.dev.clone());
        for (example, answer) in
            dev.labelled.examples.iter_mut().zip(judge.predictions(&model, &Context::default()).unwrap())
        {
            example.target = answer;
        }
        let settings = CompressSettings {
            budget,
            max_tokens: 16,
            fine_tune: FineTune::default(),
            general: GeneralSettings::default(),
            distillation: passes(1),
            recovery: passes(1),
            prune_rounds: None,
            quantization_aware: passes(0),
            search: SearchSettings { examples: 20, measured_candidates: 1 },
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
            data: TaskData { dev: &dev.labelled, ..*data },
            floor: None,
            test: None,
            dev: &dev,
            confidence: None,
        };
        compress.run(&Output::from(&folder), &Context::default()).unwrap()
    })
}

/// The journal that a run wrote.
fn journal(place: &Path, out: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(place.join(out).join("compress.json")).unwrap()).unwrap()
}

#[test]
fn a_teacher_that_has_learned_nothing_is_refused_before_the_student_learns() {
    let place = tempfile::tempdir().unwrap();
    let error = with_data(|data| {
        let defaults = TaskSettings { max_tokens: 16, ..TaskSettings::default() };
        let teacher = toy::model(&place.path().join("teacher"), &toy::config(2, 32), &labelled());
        let settings = CompressSettings {
            budget: DeviceBudget::default(),
            max_tokens: 16,
            fine_tune: FineTune::default(),
            general: GeneralSettings::default(),
            distillation: defaults.clone(),
            recovery: defaults.clone(),
            prune_rounds: None,
            quantization_aware: defaults,
            search: SearchSettings::default(),
            importance_examples: 8,
            calibration_examples: 16,
        };
        let compress = Compress {
            settings,
            board: "cortex-a53@1.2GHz".parse().unwrap(),
            sizes: teacher.config.clone(),
            teacher,
            student: None,
            corpus: Vec::new(),
            data: *data,
            floor: None,
            test: None,
            dev: &ScopedDataset::all_in_scope(data.dev.clone()),
            confidence: None,
        };
        let out = Output::from(place.path().join("out"));
        compress.run(&out, &Context::default()).unwrap_err().to_string()
    });
    assert!(error.contains("it has not learned this task") && error.contains("fine-tune it"), "{error}");
    assert!(!place.path().join("out/student-fresh").exists());
}

#[test]
fn four_bits_lose_in_the_search_what_they_lose_in_the_image() {
    let place = tempfile::tempdir().unwrap();
    compress(place.path(), "out", DeviceBudget::default());
    let found = &journal(place.path(), "out")["found"];
    let settings = SensitivitySettings {
        max_tokens: 16,
        examples: 20,
        calibration_examples: 16,
        encodings: &[WeightEncoding::Int4],
        metrics: MetricSet::Accuracy,
    };
    let student = student(&place.path().join("student"));
    let rows = with_data(|data| sensitivity(&student, data.train, data.dev, &settings, &Context::default()))
        .unwrap();
    let check = |layer: Option<u64>, part: &str, change: &serde_json::Value| {
        let is_it =
            |row: &&Sensitivity| (row.layer.map(|layer| layer as u64), row.part.as_str()) == (layer, part);
        let expected = rows.iter().find(is_it).unwrap().logit_error;
        let measured = change["distance"].as_f64().unwrap();
        assert!((measured / expected - 1.0).abs() < 1e-6, "{layer:?} {part}: {measured}, not {expected}");
    };
    let linears = found["linears"].as_array().unwrap();
    assert_eq!(linears.len(), 8);
    for linear in linears {
        let at = |name: &str| linear[name].as_u64().unwrap();
        let part = ["qkv", "attention output", "up", "down"][at("linear") as usize];
        check(Some(at("layer") + 1), part, &linear["change"]);
    }
    check(None, "embeddings", &found["changes"][4][1]);
}

#[test]
fn what_int8_attention_can_keep_is_no_reason_to_refuse_or_to_prune() {
    let place = tempfile::tempdir().unwrap();
    let free = compress(place.path(), "free", DeviceBudget::default());
    assert!(free.notes.iter().any(|note| note.contains("f32 in 2 of the layers")), "{:?}", free.notes);

    // The search costed the whole student in int8.
    let costed = journal(place.path(), "free")["found"]["chosen"]["cost"]["latency_ms"].as_f64().unwrap();
    assert!(costed < free.cost.latency_ms, "{costed} {:?}", free.cost);
    let tight = DeviceBudget { latency_ms: Some(costed), ..DeviceBudget::default() };
    let kept = compress(place.path(), "tight", tight);
    assert_eq!(kept.cost.latency_ms, costed);
    assert!(kept.notes.iter().any(|note| note.contains("int8 in all layers")), "{:?}", kept.notes);
    assert!(!place.path().join("tight/pruned").exists());
}
