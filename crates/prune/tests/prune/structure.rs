//! Pruned heads and neurons are gone, and what they did not matter for stays as it was.

use std::path::Path;

use candle_core::{Device, Tensor};

use tinybert_base::Context;
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, Target};
use tinybert_data::{Batch, collate};
use tinybert_distill::{StageRecipe, TaskSettings, distill_task};
use tinybert_model::{Checkpoint, Head, Tensors};
use tinybert_nn::{Mode, TaskModel};
use tinybert_prune::{Importance, KeptParts, ShareScope, StructureSettings};
use tinybert_quantize::{QuantizeSettings, quantize};
use tinybert_testing::toy;
use tinybert_train::TaskData;

const HIDDEN: usize = 16;
const HEAD_DIM: usize = 8;

fn head() -> Head {
    Head::Classification { labels: toy::labels() }
}

fn model(folder: &Path) -> Checkpoint {
    toy::model(folder, &toy::config(2, HIDDEN), &head())
}

/// Multiplies columns of a matrix by a factor.
fn scale_columns(tensors: &mut Tensors, name: &str, columns: std::ops::Range<usize>, factor: f32) {
    let tensor = tensors.get_mut(name).unwrap();
    let (_, width) = tensor.dims2().unwrap();
    let factors: Vec<f32> = (0..width).map(|at| if columns.contains(&at) { factor } else { 1.0 }).collect();
    *tensor = tensor.broadcast_mul(&Tensor::new(factors, &Device::Cpu).unwrap()).unwrap();
}

fn reader(layer: usize, of: &str) -> String {
    match of {
        "heads" => format!("bert.encoder.layer.{layer}.attention.output.dense.weight"),
        _ => format!("bert.encoder.layer.{layer}.output.dense.weight"),
    }
}

fn batch(model: &Checkpoint, text: &str) -> Batch {
    collate(&[model.text.encode(text, None, 16).unwrap()], &[0], model.text.special().pad)
}

fn logits(model: &Checkpoint, text: &str) -> Vec<f32> {
    let task = TaskModel::frozen(&model.config, &model.head, &model.tensors).unwrap();
    let (_, logits) = task.forward(&batch(model, text), Mode::Eval).unwrap();
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// Cross-entropy of one example, by its definition.
fn loss(model: &Checkpoint, text: &str, class: usize) -> f64 {
    let logits: Vec<f64> = logits(model, text).into_iter().map(f64::from).collect();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    sum.ln() - logits[class]
}

fn settings(heads: f64, neurons: f64) -> StructureSettings {
    StructureSettings { heads, neurons, scope: ShareScope::Layer, multiple_of: 4 }
}

#[test]
fn parts_that_do_nothing_are_found_and_their_loss_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = model(&folder.path().join("before"));
    for layer in 0..2 {
        // The second head of the first layer and the first of the second; neurons 4 to 20.
        let head = 1 - layer;
        scale_columns(
            &mut before.tensors,
            &reader(layer, "heads"),
            head * HEAD_DIM..(head + 1) * HEAD_DIM,
            0.0,
        );
        scale_columns(&mut before.tensors, &reader(layer, "neurons"), 4..20, 0.0);
    }
    let data = toy::sentences(24, 3);
    for importance in [
        Importance::taylor(&before, &data, None, 24, 16, &Context::default()).unwrap(),
        Importance::magnitude(&before).unwrap(),
    ] {
        let kept = KeptParts::choose(&importance, &settings(0.5, 0.5)).unwrap();
        assert_eq!(kept.heads, [[0], [1]]);
        let neurons: Vec<usize> = (0..4).chain(20..32).collect();
        assert_eq!(kept.neurons, [neurons.clone(), neurons]);

        let after = kept.prune(&before).unwrap();
        let path = folder.path().join("after");
        tinybert_model::save(&path, &after.config, &after.head, &after.tensors, &after.text, &toy::record())
            .unwrap();
        let after = Checkpoint::load(&path).unwrap();
        assert_eq!(
            (after.config.heads(0), after.config.attention_width(1), after.config.ffn(0)),
            (1, HEAD_DIM, 16)
        );
        assert_eq!(after.config.head_numbers(0).collect::<Vec<_>>(), [0]);
        assert_eq!(after.config.head_numbers(1).collect::<Vec<_>>(), [1]);
        assert_eq!(after.tensors[&reader(1, "heads")].dims(), [HIDDEN, HEAD_DIM]);
        for text in ["the film was dull", "we saw a bright play today"] {
            for (was, is) in logits(&before, text).into_iter().zip(logits(&after, text)) {
                assert!((was - is).abs() < 1e-5, "{was} {is}");
            }
        }
    }
}

/// The importance of a part is the slope of the loss as the part fades.
#[test]
fn importance_is_the_slope_of_the_loss() {
    const STEP: f32 = 1e-2;
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let data = Dataset { examples: toy::sentences(2, 9).examples, ..toy::sentences(1, 9) };
    let importance = Importance::taylor(&model, &data, None, 2, 16, &Context::default()).unwrap();
    let slope = |name: &str, columns: std::ops::Range<usize>| -> f64 {
        let slopes = data.examples.iter().map(|example| {
            let Target::Class(class) = example.target else { panic!("a class") };
            let at = |factor: f32| {
                let mut faded = Checkpoint::load(&model.folder).unwrap();
                scale_columns(&mut faded.tensors, name, columns.clone(), factor);
                loss(&faded, &example.text, class as usize)
            };
            ((at(1.0 + STEP) - at(1.0 - STEP)) / f64::from(2.0 * STEP)).abs()
        });
        slopes.sum::<f64>() / data.examples.len() as f64
    };
    for layer in 0..2 {
        for head in 0..2 {
            let expected = slope(&reader(layer, "heads"), head * HEAD_DIM..(head + 1) * HEAD_DIM);
            let found = importance.heads[layer][head];
            assert!((found - expected).abs() < 1e-4 + 0.02 * expected, "head {head}: {found} for {expected}");
        }
        for neuron in [0, 17, 31] {
            let expected = slope(&reader(layer, "neurons"), neuron..neuron + 1);
            let found = importance.neurons[layer][neuron];
            assert!(
                (found - expected).abs() < 1e-4 + 0.02 * expected,
                "neuron {neuron}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn a_pruned_student_learns_from_the_heads_that_it_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = model(&folder.path().join("teacher"));
    let importance = Importance::magnitude(&teacher).unwrap();
    let student = KeptParts::choose(&importance, &settings(0.5, 0.5)).unwrap().prune(&teacher).unwrap();
    let path = folder.path().join("student");
    tinybert_model::save(
        &path,
        &student.config,
        &student.head,
        &student.tensors,
        &student.text,
        &toy::record(),
    )
    .unwrap();
    let student = Checkpoint::load(&path).unwrap();

    let (train, dev) = (toy::sentences(32, 1), toy::sentences(16, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let defaults = TaskSettings::default();
    let stage = |stage| StageRecipe { epochs: 1, batch_size: 8, micro_batch: 8, ..stage };
    let settings = TaskSettings {
        intermediate: stage(defaults.intermediate.clone()),
        prediction: stage(defaults.prediction.clone()),
        max_tokens: 16,
        allow_weak_teacher: true,
        ..defaults
    };
    let out = folder.path().join("out");
    distill_task(&settings, &teacher, &student, &data, out.clone(), &Context::default()).unwrap();
    let distilled = Checkpoint::load(&out).unwrap();
    assert_eq!(distilled.config, student.config);

    // The image is as small as its layers.
    let image = quantize(
        &distilled,
        &train,
        &QuantizeSettings { max_tokens: 16, ..QuantizeSettings::default() },
        &Context::default(),
    )
    .unwrap()
    .image;
    let whole = quantize(
        &teacher,
        &train,
        &QuantizeSettings { max_tokens: 16, ..QuantizeSettings::default() },
        &Context::default(),
    )
    .unwrap()
    .image;
    assert!(image.len() < whole.len(), "{} for {}", image.len(), whole.len());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(&folder.path().join("model"));
    let importance = Importance::magnitude(&model).unwrap();
    for wrong in
        [settings(0.0, 1.0), settings(1.0, 1.5), StructureSettings { multiple_of: 0, ..settings(0.5, 0.5) }]
    {
        assert!(KeptParts::choose(&importance, &wrong).is_err(), "{wrong:?}");
    }
    let config = folder.path().join("model/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    for (key, value, expected) in [
        ("pruned_heads", r#"{"7": [0]}"#, "the layers are 0 to 1"),
        ("pruned_heads", r#"{"0": [0, 1]}"#, "not all"),
        ("intermediate_sizes", "[4]", "one for each of 2 layers"),
        ("intermediate_sizes", "[0, 4]", "expected 1 to"),
    ] {
        std::fs::write(&config, text.replacen('{', &format!("{{ \"{key}\": {value},"), 1)).unwrap();
        let error = Checkpoint::load(&folder.path().join("model")).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
