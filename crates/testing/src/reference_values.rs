//! Reading the reference values in `reference/*.json`, and comparing our values with them.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use tinybert_model::Tensors;
use tinybert_nn::{BertOutput, Parameters, check_gradients};

/// The contents of a file in `reference/`.
pub fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The numbers of a JSON array.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The non-negative integers of a JSON array.
pub fn ints(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

/// The weights of a reference model as f32 tensors by name.
pub fn weights(reference: &Value) -> Tensors {
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

/// All values of a tensor in row-major order.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest absolute difference between two lists of numbers.
pub fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// States `[b, l, hidden]` with 0 at padded positions. PyTorch computes values there too, but they have no
/// meaning.
pub fn real_states(state: &Tensor, mask: &Tensor) -> Tensor {
    state.broadcast_mul(&mask.unsqueeze(2).unwrap()).unwrap()
}

/// Scores `[b, heads, l, l]` with 0 where query or key is padding.
pub fn real_scores(scores: &Tensor, mask: &Tensor) -> Tensor {
    let pairs = mask.unsqueeze(2).unwrap().broadcast_mul(&mask.unsqueeze(1).unwrap()).unwrap();
    scores.broadcast_mul(&pairs.unsqueeze(1).unwrap()).unwrap()
}

/// The loss of the reference script, which depends on all states, all scores and the logits.
pub fn reference_loss(output: &BertOutput, logits: &Tensor, classes: &Value) -> Tensor {
    let mask = &output.mask.to_dtype(logits.dtype()).unwrap();
    let square = |x: Tensor, scale: f64| (x.sqr().unwrap().sum_all().unwrap() * scale).unwrap();
    let states = output.states.iter().map(|state| square(real_states(state, mask), 0.01));
    let scores = output.scores.iter().map(|scores| square(real_scores(scores, mask), 0.1));
    let classes = Tensor::new(ints(classes), &Device::Cpu).unwrap();
    let prediction = candle_nn::loss::cross_entropy(logits, &classes).unwrap();
    states.chain(scores).fold(prediction, |sum, part| (sum + part).unwrap())
}

/// Asserts that states, scores, logits, loss and gradients agree with the reference. `canonical` translates the
/// reference's names of tensors into ours.
pub fn assert_agrees(
    reference: &Value,
    parameters: &Parameters,
    canonical: fn(&str) -> String,
    output: &BertOutput,
    logits: &Tensor,
) {
    assert!(difference(&values(logits), &numbers(&reference["logits"])) < 1e-5);
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

    let loss = reference_loss(output, logits, &reference["classes"]);
    let expected = reference["loss"].as_f64().unwrap();
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-5 * expected);
    let gradients = output.tape.backward(&loss).unwrap();
    check_gradients(parameters.iter(), &gradients).unwrap();
    for (name, expected) in reference["gradients"].as_object().unwrap() {
        let expected = numbers(expected);
        let largest = expected.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        let ours = values(gradients.get(parameters.get(&canonical(name)).unwrap()).unwrap());
        let ours: Vec<f64> = ours.into_iter().step_by(5).collect();
        let gap = difference(&ours, &expected);
        assert!(gap < 1e-5 * largest, "{name}: {gap}");
    }
}

/// The largest difference between the states and scores of a single sentence and the reference's samples of
/// them.
pub fn sample_difference(output: &BertOutput, case: &Value) -> f64 {
    let l = output.lengths[0];
    let mut largest = 0.0f64;
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
    largest
}
