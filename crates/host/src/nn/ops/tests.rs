//! Every backward pass against central finite differences in f64.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;
use crate::nn::random::{generator, normal};

/// A variable of normal values.
fn variable(name: &str, shape: &[usize]) -> Var {
    let values = normal(&mut generator(7, name), shape.iter().product(), 1.0);
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).and_then(|t| t.to_dtype(DType::F64));
    Var::from_tensor(&tensor.unwrap()).unwrap()
}

/// A scalar that weighs every element of `y` differently.
fn loss(y: &Tensor) -> Result<Tensor> {
    let weights = variable("weights", y.dims()).detach();
    (y.sqr()? * 0.5)?.add(y)?.mul(&weights)?.sum_all()
}

/// Compares the gradient of every element of every variable with a central difference.
fn check(variables: &[&Var], f: impl Fn() -> Result<Tensor>) {
    const STEP: f64 = 1e-5;
    let value = || loss(&f().unwrap()).unwrap().to_scalar::<f64>().unwrap();
    let gradients = loss(&f().unwrap()).unwrap().backward().unwrap();
    for (which, var) in variables.iter().enumerate() {
        let gradient = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let original = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for i in 0..original.len() {
            let at = |shift: f64| {
                let mut moved = original.clone();
                moved[i] += shift;
                var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                value()
            };
            let numeric = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            at(0.0);
            let error = (numeric - gradient[i]).abs() / (1.0 + numeric.abs());
            assert!(
                error < 2e-8,
                "variable {which} element {i}: {} but finite difference {numeric}",
                gradient[i]
            );
        }
    }
}

fn heads(lengths: &[usize], tokens: usize) -> Heads {
    Heads { lengths: lengths.into(), tokens, heads: 2, head_dim: 3 }
}

fn dropout(samples: &[u64]) -> Dropout {
    Dropout { key: 99, rate: 0.4, samples: Arc::from(samples) }
}

#[test]
fn linear_gradients() {
    let (x, w, b) = (variable("x", &[37, 5]), variable("w", &[4, 5]), variable("b", &[4]));
    check(&[&x, &w, &b], || linear(&x, &w, &b));
}

#[test]
fn gelu_gradient() {
    let x = variable("x", &[5, 7]);
    check(&[&x], || gelu(&x));
}

#[test]
fn layer_norm_gradients() {
    // 37 rows: more than one piece. 19 columns: a tail beyond the 16 lanes.
    let (x, gamma, beta) = (variable("x", &[37, 19]), variable("gamma", &[19]), variable("beta", &[19]));
    check(&[&x, &gamma, &beta], || layer_norm(&x, &gamma, &beta, 1e-5));
}

#[test]
fn attention_score_gradients() {
    let (q, k) = (variable("q", &[8, 6]), variable("k", &[8, 6]));
    check(&[&q, &k], || attention_scores(&q, &k, &heads(&[4, 2], 4)));
}

#[test]
fn attention_context_gradients_with_and_without_dropout() {
    let (scores, v) = (variable("scores", &[2, 2, 4, 4]), variable("v", &[8, 6]));
    for dropout in [None, Some(dropout(&[5, 9]))] {
        check(&[&scores, &v], || attention_context(&scores, &v, &heads(&[4, 2], 4), dropout.clone()));
    }
}

#[test]
fn dropout_gradients() {
    let (x, residual) = (variable("x", &[6, 5]), variable("residual", &[6, 5]));
    for dropout in [None, Some(dropout(&[3, 1]))] {
        check(&[&x, &residual], || dropout_add(&x, &residual, dropout.clone()));
    }
    check(&[&x], || dropout(&[3, 1]).on(&x));
}

#[test]
fn embedding_gradients_with_repeated_ids() {
    let (word, position, types) =
        (variable("word", &[9, 3]), variable("position", &[5, 3]), variable("type", &[2, 3]));
    check(&[&word, &position, &types], || {
        embed(&word, &position, &types, &[1, 4, 1, 8, 0, 1], &[0, 1, 1, 0, 0, 1], 3)
    });
}

#[test]
fn embedding_refuses_ids_outside_its_tables() {
    let (word, position, types) =
        (variable("word", &[9, 3]), variable("position", &[2, 3]), variable("type", &[1, 3]));
    assert!(
        embed(&word, &position, &types, &[9, 0], &[0, 0], 2).unwrap_err().to_string().contains("token id 9")
    );
    assert!(
        embed(&word, &position, &types, &[8, 0], &[0, 1], 2).unwrap_err().to_string().contains("type id 1")
    );
    assert!(
        embed(&word, &position, &types, &[0; 3], &[0; 3], 3).unwrap_err().to_string().contains("3 tokens")
    );
}

#[test]
fn f32_agrees_with_f64() {
    let (x, gamma, beta) = (variable("x", &[40, 19]), variable("gamma", &[19]), variable("beta", &[19]));
    let (scores, v) = (variable("scores", &[2, 2, 4, 4]), variable("v", &[8, 6]));
    let narrow = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let difference = |exact: Tensor, fast: Tensor| {
        let gap = (exact - fast.to_dtype(DType::F64).unwrap()).unwrap().abs().unwrap();
        gap.max_all().unwrap().to_scalar::<f64>().unwrap()
    };
    let sizes = heads(&[4, 3], 4);
    let exact = layer_norm(&x, &gamma, &beta, 1e-12).unwrap();
    assert!(
        difference(exact, layer_norm(&narrow(&x), &narrow(&gamma), &narrow(&beta), 1e-12).unwrap()) < 2e-6
    );
    assert!(difference(gelu(&x).unwrap(), gelu(&narrow(&x)).unwrap()) < 1e-6);
    let exact = attention_context(&scores, &v, &sizes, None).unwrap();
    assert!(
        difference(exact, attention_context(&narrow(&scores), &narrow(&v), &sizes, None).unwrap()) < 2e-6
    );
}

#[test]
fn dropout_keeps_the_mean_and_does_not_depend_on_the_batch() {
    let ones = Tensor::ones((4 * 100, 250), DType::F64, &Device::Cpu).unwrap();
    let rows = |x: Tensor| x.to_vec2::<f64>().unwrap();
    let all = rows(dropout(&[10, 20, 30, 40]).on(&ones).unwrap());
    let fallen = all.iter().flatten().filter(|&&x| x == 0.0).count() as f64 / 1e5;
    // Four standard deviations of a binomial with n = 100000, p = 0.4.
    assert!((fallen - 0.4).abs() < 4.0 * (0.4f64 * 0.6 / 1e5).sqrt(), "{fallen}");
    let kept = 1.0 / 0.6;
    assert!(all.iter().flatten().all(|&x| x == 0.0 || x == kept));

    // Sample 30 alone, with only 60 of its rows: the same bits.
    let alone = rows(dropout(&[30]).on(&ones.narrow(0, 0, 60).unwrap().contiguous().unwrap()).unwrap());
    assert_eq!(alone, all[200..260]);
    // Columns are not copies of each other, nor rows, nor samples.
    let agree =
        |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64;
    assert!((agree(&all[0], &all[1]) - 0.52).abs() < 0.15);
    assert!((agree(&all[0], &all[100]) - 0.52).abs() < 0.15);
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let (x, gamma, beta) = (variable("x", &[200, 32]), variable("gamma", &[32]), variable("beta", &[32]));
    let w = variable("w", &[32, 32]);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let narrow = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
            let y = layer_norm(&narrow(&x), &narrow(&gamma), &narrow(&beta), 1e-12).unwrap();
            let y = gelu(&linear(&y, &narrow(&w), &narrow(&beta)).unwrap()).unwrap();
            let sizes = Heads { lengths: [40; 5].into(), tokens: 40, heads: 4, head_dim: 8 };
            let scores = attention_scores(&y, &y, &sizes).unwrap();
            let y = attention_context(&scores, &y, &sizes, None).unwrap();
            let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&x, &gamma, &beta, &w].map(|var| {
                let values = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
                values.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            })
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}
