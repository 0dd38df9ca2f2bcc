//! The composed forward pass and candle's gradients of it, against the fused ones and their own backward pass.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use crate::{Bert, BertOutput, Mode, Parameters, init_parameters, with_linears_in};
use tinybert_data::Batch;
use tinybert_model::{Architecture, BertConfig, Head, ModelSpecialIds, Tensors};

fn config(architecture: Architecture) -> BertConfig {
    BertConfig {
        architecture,
        vocab_size: 50,
        hidden_size: 24,
        embedding_size: None,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 40,
        max_position_embeddings: 16,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.2,
        attention_probs_dropout_prob: 0.3,
        initializer_range: 0.3,
        pruned: Default::default(),
    }
}

/// Two sequences, one of them padded.
fn batch() -> Batch {
    Batch {
        ids: vec![2, 7, 30, 7, 3, 2, 49, 3, 0, 0],
        type_ids: vec![0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
        lengths: vec![5, 3],
        samples: vec![11, 4],
        tokens: 5,
        words: None,
    }
}

/// A loss on every state and raw score, each element with a weight of its own; padding counts too.
fn loss(output: &BertOutput) -> Tensor {
    let parts: Vec<Tensor> = (1..)
        .zip(output.states.iter().chain(&output.scores))
        .map(|(i, x)| {
            let n = x.elem_count();
            let weights: Vec<f64> = (0..n).map(|at| (f64::from(i) * 0.7 + at as f64 * 0.9).sin()).collect();
            let weights = Tensor::from_vec(weights, x.shape(), x.device()).unwrap();
            (x.sqr().unwrap() * weights).unwrap().sum_all().unwrap()
        })
        .collect();
    Tensor::stack(&parts, 0).unwrap().sum_all().unwrap()
}

fn assert_near(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        let error = (found - expected).abs() / (1.0 + expected.abs());
        assert!(error < 1e-9, "{what}: {found}, not {expected}");
    }
}

/// Values and gradients of both ways in f64.
fn compare(config: &BertConfig, mode: Mode) {
    let tensors: Tensors = init_parameters(config, &Head::None, 3)
        .unwrap()
        .into_iter()
        .map(|(name, t)| (name, t.to_dtype(DType::F64).unwrap()))
        .collect();
    let parameters = Parameters::new(&tensors).unwrap();
    let bert = Bert::trainable(config, &parameters).unwrap();
    let (fused, composed) = (bert.forward(&batch(), mode).unwrap(), bert.composed(&batch(), mode).unwrap());
    let outputs = |output: &BertOutput| [output.states.clone(), output.scores.clone()].concat();
    for (i, (found, expected)) in outputs(&composed).iter().zip(&outputs(&fused)).enumerate() {
        assert_near(&format!("output {i}"), found, expected);
    }
    let gradients = |output: &BertOutput| -> BTreeMap<String, Tensor> {
        let store = output.tape.backward(&loss(output)).unwrap();
        parameters.iter().map(|(name, var)| (name.to_owned(), store.get(var).unwrap().clone())).collect()
    };
    let (found, expected) = (gradients(&composed), gradients(&fused));
    for (name, expected) in &expected {
        assert_near(name, &found[name], expected);
    }
}

#[test]
fn composed_layers_are_the_fused_ones() {
    compare(&config(Architecture::Bert), Mode::Eval);
}

#[test]
fn composed_layers_draw_the_same_dropout() {
    compare(&config(Architecture::Bert), Mode::Train { seed: 5, step: 8 });
}

#[test]
fn composed_relative_bias_is_the_fused_one() {
    let special = ModelSpecialIds { pad: 0, unk: 1, cls: 2, sep: 3, mask: Some(4) };
    compare(&config(Architecture::MpNet(special)), Mode::Train { seed: 5, step: 8 });
}

#[test]
fn a_composed_projection_of_the_embeddings_is_the_fused_one() {
    let config = BertConfig { embedding_size: Some(10), ..config(Architecture::Electra) };
    compare(&config, Mode::Train { seed: 5, step: 8 });
}

/// What a GPU does with bf16, which the CPU has no products for: only the operands of products are rounded.
#[test]
fn linears_in_half_precision_stay_near() {
    let config = config(Architecture::Bert);
    let tensors = init_parameters(&config, &Head::None, 3).unwrap();
    let whole = Bert::frozen(&config, &tensors).unwrap().composed(&batch(), Mode::Eval).unwrap();
    let half = with_linears_in(&tensors, DType::F16).unwrap();
    assert_eq!(half["bert.encoder.layer.0.intermediate.dense.weight"].dtype(), DType::F16);
    assert_eq!(half["bert.encoder.layer.0.output.LayerNorm.weight"].dtype(), DType::F32);
    let half = Bert::frozen(&config, &half).unwrap().composed(&batch(), Mode::Eval).unwrap();
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (half, whole) in half.states.iter().zip(&whole.states).skip(1) {
        let pairs = || values(half).into_iter().zip(values(whole));
        assert!(pairs().any(|(half, whole)| half != whole), "nothing was rounded");
        for (half, whole) in pairs() {
            assert!((half - whole).abs() < 0.02, "{half}, not {whole}");
        }
    }
}
