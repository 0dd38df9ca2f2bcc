//! The BERT encoder against Hugging Face transformers (numbers made by `reference/bert.py`).

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use tinybert_data::Batch;
use tinybert_model::{BertConfig, Checkpoint, Head, Tensors};
use tinybert_nn::{Bert, BertOutput, Mode, Parameters, TaskModel, check_gradients, init_parameters};
use tinybert_testing::reference_values::{
    assert_agrees, difference, ints, read, real_states, reference_loss, sample_difference, values, weights,
};
use tinybert_testing::toy;

fn config() -> BertConfig {
    BertConfig {
        vocab_size: 50,
        num_attention_heads: 4,
        intermediate_size: 48,
        initializer_range: 0.02,
        ..toy::config(2, 32)
    }
}

fn head() -> Head {
    Head::Classification { labels: ["a", "b", "c"].map(String::from).to_vec() }
}

fn batch(reference: &Value) -> Batch {
    let lengths: Vec<usize> = ints(&reference["lengths"]).iter().map(|&n| n as usize).collect();
    Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        samples: (0..lengths.len()).collect(),
        tokens: reference["ids"].as_array().unwrap().len() / lengths.len(),
        lengths,
        words: None,
    }
}

#[test]
fn tiny_model_agrees_with_hugging_face_in_outputs_and_gradients() {
    let reference = read("bert_tiny.json");
    let (tensors, batch) = (weights(&reference), batch(&reference));
    let parameters = Parameters::new(&tensors).unwrap();
    let model = TaskModel::trainable(&config(), &head(), &parameters).unwrap();
    let (output, logits) = model.forward(&batch, Mode::Eval).unwrap();

    assert_agrees(&reference, &parameters, str::to_owned, &output, &logits);
}

#[test]
fn padding_changes_no_real_token() {
    let reference = read("bert_tiny.json");
    let model = TaskModel::frozen(&config(), &head(), &weights(&reference)).unwrap();
    let padded = batch(&reference);
    let (together, logits) = model.forward(&padded, Mode::Eval).unwrap();
    let real = padded.lengths[1];
    let alone = Batch {
        ids: padded.ids[6..6 + real].to_vec(),
        type_ids: padded.type_ids[6..6 + real].to_vec(),
        lengths: vec![real],
        samples: vec![1],
        tokens: real,
        words: None,
    };
    // The same with dropout: masks follow the sample, not its place in the batch.
    for mode in [Mode::Eval, Mode::Train { seed: 3, step: 8 }] {
        let (together, logits) = model.forward(&padded, mode).unwrap();
        let (single, single_logits) = model.forward(&alone, mode).unwrap();
        assert!(difference(&values(&logits)[3..], &values(&single_logits)) < 2e-6);
        for (a, b) in together.states.iter().zip(&single.states) {
            let a = a.narrow(0, 1, 1).unwrap().narrow(1, 0, real).unwrap();
            assert!(difference(&values(&a), &values(b)) < 2e-6);
        }
        for (a, b) in together.scores.iter().zip(&single.scores) {
            let a = a.narrow(0, 1, 1).unwrap().narrow(2, 0, real).unwrap().narrow(3, 0, real).unwrap();
            assert!(difference(&values(&a), &values(b)) < 1e-5);
        }
    }
    // The token of the padding does not matter either.
    let mut other = padded.clone();
    other.ids[10..12].fill(41);
    let (changed, changed_logits) = model.forward(&other, Mode::Eval).unwrap();
    assert_eq!(values(&logits), values(&changed_logits));
    let last = |output: &BertOutput| values(&real_states(&output.states[2], &output.mask));
    assert_eq!(last(&together), last(&changed));
}

#[test]
fn dropout_differs_by_step_and_repeats_by_seed() {
    let reference = read("bert_tiny.json");
    let model = TaskModel::frozen(&config(), &head(), &weights(&reference)).unwrap();
    let logits =
        |seed, step| values(&model.forward(&batch(&reference), Mode::Train { seed, step }).unwrap().1);
    assert_eq!(logits(1, 1), logits(1, 1));
    assert_ne!(logits(1, 1), logits(1, 2));
    assert_ne!(logits(1, 1), logits(2, 1));
}

#[test]
fn frozen_model_builds_no_graph_and_follows_no_update() {
    let tensors = init_parameters(&config(), &head(), 5).unwrap();
    let parameters = Parameters::new(&tensors).unwrap();
    let snapshot = TaskModel::frozen(&config(), &head(), &parameters.to_tensors().unwrap()).unwrap();
    let live = TaskModel::trainable(&config(), &head(), &parameters).unwrap();
    let batch = batch(&read("bert_tiny.json"));
    let before = values(&snapshot.forward(&batch, Mode::Eval).unwrap().1);
    assert_eq!(before, values(&live.forward(&batch, Mode::Eval).unwrap().1));
    for (_, var) in parameters.iter() {
        var.set(&(var.as_tensor() * 1.5).unwrap()).unwrap();
    }
    let (output, logits) = snapshot.forward(&batch, Mode::Eval).unwrap();
    assert_eq!(before, values(&logits));
    assert_ne!(before, values(&live.forward(&batch, Mode::Eval).unwrap().1));
    assert!(!logits.track_op() && output.states.iter().chain(&output.scores).all(|t| !t.track_op()));
}

/// The gradients of the reference loss for one batch, by name.
fn gradients_of(parameters: &Parameters, mode: Mode) -> Vec<(String, Tensor)> {
    let reference = read("bert_tiny.json");
    let model = TaskModel::trainable(&config(), &head(), parameters).unwrap();
    let (output, logits) = model.forward(&batch(&reference), mode).unwrap();
    let loss = reference_loss(&output, &logits, &reference["classes"]);
    let gradients = output.tape.backward(&loss).unwrap();
    parameters.iter().map(|(name, var)| (name.to_owned(), gradients.get(var).unwrap().clone())).collect()
}

#[test]
fn whole_model_gradients_agree_with_finite_differences_under_dropout() {
    let exact = |tensors: &Tensors| -> Tensors {
        tensors.iter().map(|(name, t)| (name.clone(), t.to_dtype(DType::F64).unwrap())).collect()
    };
    let reference = read("bert_tiny.json");
    let parameters = Parameters::new(&exact(&weights(&reference))).unwrap();
    let model = TaskModel::trainable(&config(), &head(), &parameters).unwrap();
    let mode = Mode::Train { seed: 4, step: 2 };
    let loss = || {
        let (output, logits) = model.forward(&batch(&reference), mode).unwrap();
        let loss = reference_loss(&output, &logits, &reference["classes"]);
        (output.tape, loss)
    };
    let (tape, total) = loss();
    let gradients = tape.backward(&total).unwrap();
    for (name, var) in parameters.iter() {
        let gradient = values(gradients.get(var).unwrap());
        let original = values(var);
        // A few elements of every tensor.
        for i in (0..original.len()).step_by(original.len().div_ceil(4)) {
            let at = |shift: f64| {
                let mut moved = original.clone();
                moved[i] += shift;
                var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                loss().1.to_scalar::<f64>().unwrap()
            };
            const STEP: f64 = 1e-5;
            let numeric = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            at(0.0);
            let error = (numeric - gradient[i]).abs() / (1.0 + numeric.abs());
            assert!(error < 1e-6, "{name} {i}: {} but finite difference {numeric}", gradient[i]);
        }
    }
}

#[test]
fn gradients_have_the_same_bits_for_any_number_of_threads() {
    let parameters = Parameters::new(&init_parameters(&config(), &head(), 5).unwrap()).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let bits = |t: &Tensor| {
                t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()
            };
            let gradients = gradients_of(&parameters, Mode::Train { seed: 3, step: 1 });
            gradients.iter().map(|(_, gradient)| bits(gradient)).collect::<Vec<Vec<u32>>>()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}

#[test]
fn gradient_guard_names_the_tensors_that_no_loss_reaches() {
    let parameters = Parameters::new(&init_parameters(&config(), &head(), 5).unwrap()).unwrap();
    let bert = Bert::trainable(&config(), &parameters).unwrap();
    let output = bert.forward(&batch(&read("bert_tiny.json")), Mode::Eval).unwrap();
    let loss = output.states[2].sqr().unwrap().sum_all().unwrap();
    let gradients = output.tape.backward(&loss).unwrap();
    let error = check_gradients(parameters.iter(), &gradients).unwrap_err().to_string();
    for name in ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"]
    {
        assert!(error.contains(name), "{error}");
    }
    assert!(error.contains("4 of "), "{error}");
}

#[test]
fn initial_weights_are_keyed_by_seed_and_name() {
    let all = init_parameters(&config(), &head(), 5).unwrap();
    let bare = init_parameters(&config(), &Head::None, 5).unwrap();
    for (name, tensor) in &bare {
        assert_eq!(values(tensor), values(&all[name]), "{name}");
    }
    let name = "bert.embeddings.word_embeddings.weight";
    assert_ne!(values(&all[name]), values(&init_parameters(&config(), &head(), 6).unwrap()[name]));
    let words = values(&all[name]);
    let n = words.len() as f64;
    let mean = words.iter().sum::<f64>() / n;
    let deviation = (words.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Four standard errors for 1600 draws.
    assert!(mean.abs() < 4.0 * 0.02 / n.sqrt() && (deviation - 0.02).abs() < 4.0 * 0.02 / (2.0 * n).sqrt());
    assert!(values(&all["bert.embeddings.LayerNorm.weight"]).iter().all(|&v| v == 1.0));
    assert!(values(&all["bert.encoder.layer.1.output.dense.bias"]).iter().all(|&v| v == 0.0));
}

#[test]
fn minilm_agrees_with_hugging_face() {
    let Ok(folder) = std::env::var("TINYBERT_TEACHER") else {
        println!("skipped: set TINYBERT_TEACHER to a folder with all-MiniLM-L6-v2");
        return;
    };
    let checkpoint = Checkpoint::load(Path::new(&folder)).unwrap();
    let bert = Bert::frozen(&checkpoint.config, &checkpoint.tensors).unwrap();
    let mut largest = 0.0f64;
    for case in read("bert_minilm.json")["cases"].as_array().unwrap() {
        let ids = ints(&case["ids"]);
        let l = ids.len();
        let batch = Batch {
            type_ids: ints(&case["type_ids"]),
            lengths: vec![l],
            samples: vec![0],
            tokens: l,
            ids,
            words: None,
        };
        let output = bert.forward(&batch, Mode::Eval).unwrap();
        largest = largest.max(sample_difference(&output, case));
    }
    println!("largest difference from transformers: {largest:.1e}");
    assert!(largest < 1e-4, "{largest}");
}
