//! The BERT encoder against Hugging Face transformers (numbers made by `reference/bert.py`).

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use tinybert_host::checkpoint::{BertConfig, Checkpoint, Head, Tensors};
use tinybert_host::data::Batch;
use tinybert_host::nn::{Bert, BertOutput, Mode, Parameters, TaskModel, check_gradients, init_parameters};

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn ints(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn config() -> BertConfig {
    BertConfig {
        vocab_size: 50,
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 48,
        max_position_embeddings: 16,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.02,
    }
}

fn head() -> Head {
    Head::Classification { labels: ["a", "b", "c"].map(String::from).to_vec() }
}

fn weights(reference: &Value) -> Tensors {
    let tensor = |entry: &Value| {
        let shape: Vec<usize> = ints(&entry["shape"]).iter().map(|&d| d as usize).collect();
        Tensor::from_vec(numbers(&entry["values"]), shape, &Device::Cpu)
            .unwrap()
            .to_dtype(DType::F32)
            .unwrap()
    };
    reference["weights"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, entry)| (name.clone(), tensor(entry)))
        .collect()
}

fn batch(reference: &Value) -> Batch {
    let lengths: Vec<usize> = ints(&reference["lengths"]).iter().map(|&n| n as usize).collect();
    Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        samples: (0..lengths.len()).collect(),
        tokens: reference["ids"].as_array().unwrap().len() / lengths.len(),
        lengths,
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference of two lists of numbers.
fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Sets padded positions to 0: torch computes values there too, but they mean nothing.
fn real_states(state: &Tensor, mask: &Tensor) -> Tensor {
    state.broadcast_mul(&mask.unsqueeze(2).unwrap()).unwrap()
}

fn real_scores(scores: &Tensor, mask: &Tensor) -> Tensor {
    let pairs = mask.unsqueeze(2).unwrap().broadcast_mul(&mask.unsqueeze(1).unwrap()).unwrap();
    scores.broadcast_mul(&pairs.unsqueeze(1).unwrap()).unwrap()
}

/// The loss of the reference script: all states, all scores and the logits.
fn reference_loss(output: &BertOutput, logits: &Tensor, classes: &Value) -> Tensor {
    let mask = &output.mask.to_dtype(logits.dtype()).unwrap();
    let square = |x: Tensor, scale: f64| (x.sqr().unwrap().sum_all().unwrap() * scale).unwrap();
    let states = output.states.iter().map(|state| square(real_states(state, mask), 0.01));
    let scores = output.scores.iter().map(|scores| square(real_scores(scores, mask), 0.1));
    let classes = Tensor::new(ints(classes), &Device::Cpu).unwrap();
    let prediction = candle_nn::loss::cross_entropy(logits, &classes).unwrap();
    states.chain(scores).fold(prediction, |sum, part| (sum + part).unwrap())
}

#[test]
fn tiny_model_agrees_with_hugging_face_in_outputs_and_gradients() {
    let reference = read("bert_tiny.json");
    let (tensors, batch) = (weights(&reference), batch(&reference));
    let parameters = Parameters::new(&tensors).unwrap();
    let model = TaskModel::trainable(&config(), &head(), &parameters).unwrap();
    let (output, logits) = model.forward(&batch, Mode::Eval).unwrap();

    assert!(difference(&values(&logits), &numbers(&reference["logits"])) < 1e-5);
    let shape_of = |x: &Tensor| x.shape().clone();
    let theirs =
        |of: &Value, like: &Tensor| Tensor::from_vec(numbers(of), shape_of(like), &Device::Cpu).unwrap();
    let mask = &output.mask;
    let wide = mask.to_dtype(DType::F64).unwrap();
    assert_eq!(output.states.len(), 3);
    for (ours, values_) in output.states.iter().zip(reference["states"].as_array().unwrap()) {
        let gap = difference(
            &values(&real_states(ours, mask)),
            &values(&real_states(&theirs(values_, ours), &wide)),
        );
        assert!(gap < 1e-5, "{gap}");
    }
    assert_eq!(output.scores.len(), 2);
    for (ours, values_) in output.scores.iter().zip(reference["scores"].as_array().unwrap()) {
        let gap = difference(
            &values(&real_scores(ours, mask)),
            &values(&real_scores(&theirs(values_, ours), &wide)),
        );
        assert!(gap < 2e-5, "{gap}");
    }

    let loss = reference_loss(&output, &logits, &reference["classes"]);
    let expected = reference["loss"].as_f64().unwrap();
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-5 * expected);
    let gradients = output.tape.backward(&loss).unwrap();
    check_gradients(parameters.iter(), &gradients).unwrap();
    for (name, expected) in reference["gradients"].as_object().unwrap() {
        let expected = numbers(expected);
        let largest = expected.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        let ours = values(gradients.get(parameters.get(name).unwrap()).unwrap());
        let ours: Vec<f64> = ours.into_iter().step_by(5).collect();
        let gap = difference(&ours, &expected);
        assert!(gap < 1e-5 * largest, "{name}: {gap}");
    }
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
    // Nor does it matter which token the padding is.
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
        eprintln!("skipped: set TINYBERT_TEACHER to a folder with all-MiniLM-L6-v2");
        return;
    };
    let checkpoint = Checkpoint::load(Path::new(&folder)).unwrap();
    let bert = Bert::frozen(&checkpoint.config, &checkpoint.tensors).unwrap();
    let mut largest = 0.0f64;
    for case in read("bert_minilm.json")["cases"].as_array().unwrap() {
        let ids = ints(&case["ids"]);
        let l = ids.len();
        let batch =
            Batch { type_ids: ints(&case["type_ids"]), lengths: vec![l], samples: vec![0], tokens: l, ids };
        let output = bert.forward(&batch, Mode::Eval).unwrap();
        for (ours, theirs) in output.states.iter().zip(case["states"].as_array().unwrap()) {
            let ends = Tensor::new(&[0u32, l as u32 - 1], &Device::Cpu).unwrap();
            let ours = ours.squeeze(0).unwrap().index_select(&ends, 0).unwrap().narrow(1, 0, 8).unwrap();
            largest = largest.max(difference(&values(&ours), &numbers(theirs)));
        }
        for (ours, theirs) in output.scores.iter().zip(case["scores"].as_array().unwrap()) {
            let picked = Tensor::new(&[0u32, 11], &Device::Cpu).unwrap();
            let ours = ours.squeeze(0).unwrap().index_select(&picked, 0).unwrap().narrow(1, 1, 1).unwrap();
            largest = largest.max(difference(&values(&ours), &numbers(theirs)));
        }
    }
    println!("largest difference from transformers: {largest:.1e}");
    assert!(largest < 1e-4, "{largest}");
}
