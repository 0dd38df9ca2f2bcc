//! Every backward pass against central finite differences in f64.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::attention::{AttentionGradient, AttentionSettings, attention, attention_backward};
use super::dropout::{Dropout, RowDropout};
use super::embedding::{Ids, Tables, embed, embed_backward};
use super::gelu::{bias_gelu, bias_gelu_backward};
use super::layer_norm::{Affine, add_norm, add_norm_backward, layer_norm, layer_norm_backward};
use super::rows::tensor;
use tinybert_base::random::{generator, normal};

fn values(name: &str, n: usize) -> Vec<f64> {
    normal(&mut generator(7, name), n, 1.0).into_iter().map(f64::from).collect()
}

/// A scalar that weighs every element of `y` differently: Σ w (y²/2 + y), and its gradient.
fn loss(y: &[f64]) -> f64 {
    values("weights", y.len()).iter().zip(y).map(|(w, y)| w * (0.5 * y * y + y)).sum()
}

fn loss_gradient(y: &[f64]) -> Vec<f64> {
    values("weights", y.len()).iter().zip(y).map(|(w, y)| w * (y + 1.0)).collect()
}

/// Compares a gradient with central differences of `f` at `x`.
fn check(what: &str, x: &[f64], gradient: &[f64], f: impl Fn(&[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    assert_eq!(x.len(), gradient.len(), "{what}");
    let mut moved = x.to_vec();
    for i in 0..x.len() {
        let mut at = |shift: f64| {
            moved[i] = x[i] + shift;
            f(&moved)
        };
        let numeric = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        at(0.0);
        let error = (numeric - gradient[i]).abs() / (1.0 + numeric.abs());
        assert!(error < 2e-8, "{what} {i}: {} but finite difference {numeric}", gradient[i]);
    }
}

fn dropout(samples: &[u64]) -> Dropout {
    Dropout { key: 99, rate: 0.4, samples: Arc::from(samples) }
}

#[test]
fn gelu_gradients() {
    // 37 rows: more than one piece of work.
    let (x, bias) = (values("x", 37 * 5), values("bias", 5));
    let run = |x: &[f64], bias: &[f64]| {
        let mut sum = x.to_vec();
        let y = bias_gelu(&mut sum, bias);
        (sum, y)
    };
    let (sum, y) = run(&x, &bias);
    let mut d_x = loss_gradient(&y);
    let d_bias = bias_gelu_backward(&sum, &mut d_x, 5);
    check("x", &x, &d_x, |x| loss(&run(x, &bias).1));
    check("bias", &bias, &d_bias, |bias| loss(&run(&x, bias).1));
}

#[test]
fn layer_norm_gradients() {
    // 19 columns: a tail beyond the 16 lanes.
    let (x, gamma, beta) = (values("x", 37 * 19), values("gamma", 19), values("beta", 19));
    let run = |x: &[f64], gamma: &[f64], beta: &[f64]| layer_norm(x, Affine { gamma, beta, eps: 1e-5 });
    let mut d_x = loss_gradient(&run(&x, &gamma, &beta));
    let affine = layer_norm_backward(&x, &mut d_x, &gamma, 1e-5);
    check("x", &x, &d_x, |x| loss(&run(x, &gamma, &beta)));
    check("gamma", &gamma, &affine.gamma, |gamma| loss(&run(&x, gamma, &beta)));
    check("beta", &beta, &affine.beta, |beta| loss(&run(&x, &gamma, beta)));
}

#[test]
fn add_norm_gradients_with_and_without_dropout() {
    let [x, residual] = ["x", "residual"].map(|name| values(name, 36 * 5));
    let [bias, gamma, beta] = ["bias", "gamma", "beta"].map(|name| values(name, 5));
    for dropout in [None, Some(dropout(&[5, 9]).by_rows(18))] {
        let run = |x: &[f64], bias: &[f64], residual: &[f64], gamma: &[f64], beta: &[f64]| {
            let mut sum = x.to_vec();
            let y = add_norm(&mut sum, bias, residual, dropout.as_ref(), Affine { gamma, beta, eps: 1e-5 });
            (sum, y)
        };
        let (sum, y) = run(&x, &bias, &residual, &gamma, &beta);
        let mut d_residual = loss_gradient(&y);
        let grad = add_norm_backward(&sum, &mut d_residual, &gamma, 1e-5, dropout.as_ref());
        let d_x = grad.product.unwrap_or_else(|| d_residual.clone());
        check("x", &x, &d_x, |x| loss(&run(x, &bias, &residual, &gamma, &beta).1));
        check("bias", &bias, &grad.bias, |bias| loss(&run(&x, bias, &residual, &gamma, &beta).1));
        check("residual", &residual, &d_residual, |residual| {
            loss(&run(&x, &bias, residual, &gamma, &beta).1)
        });
        check("gamma", &gamma, &grad.affine.gamma, |gamma| loss(&run(&x, &bias, &residual, gamma, &beta).1));
        check("beta", &beta, &grad.affine.beta, |beta| loss(&run(&x, &bias, &residual, &gamma, beta).1));
    }
}

#[test]
fn attention_gradients_with_and_without_dropout_and_relative_bias() {
    // Two samples of 4 and 2 real tokens, padded to 4; two heads of 3 columns, 7 distances.
    let (qkv, bias) = (values("qkv", 8 * 18), values("bias", 2 * 7));
    for (dropout, biased) in [(None, false), (Some(dropout(&[5, 9])), false), (Some(dropout(&[5, 9])), true)]
    {
        let settings = |bias: &[f64]| AttentionSettings {
            lengths: [4, 2].into(),
            tokens: 4,
            heads: 2,
            head_dim: 3,
            dropout: dropout.clone(),
            relative_bias: biased.then(|| tensor(bias.to_vec(), (2, 7)).unwrap()),
        };
        let attend = |qkv: &[f64], bias: &[f64]| {
            attention::<f64>(&tensor(qkv.to_vec(), (8, 18)).unwrap(), &settings(bias)).unwrap()
        };
        let run = |qkv: &[f64]| attend(qkv, &bias);
        let (scores, context) = run(&qkv);
        let backward = |of_context: bool, of_scores: bool| {
            let d_context = tensor(loss_gradient(&context), (8, 6)).unwrap();
            let d_scores = loss_gradient(&scores);
            let grad = AttentionGradient {
                context: of_context.then_some(&d_context),
                scores: of_scores.then_some(&d_scores[..]),
            };
            attention_backward(&tensor(qkv.clone(), (8, 18)).unwrap(), &scores, &grad, &settings(&bias))
                .unwrap()
        };
        check("context", &qkv, &backward(true, false).0, |qkv| loss(&run(qkv).1));
        check("scores", &qkv, &backward(false, true).0, |qkv| loss(&run(qkv).0));
        let (d_qkv, d_bias) = backward(true, true);
        check("both", &qkv, &d_qkv, |qkv| loss(&run(qkv).0) + loss(&run(qkv).1));
        assert_eq!(d_bias.is_some(), biased);
        if let Some(d_bias) = d_bias {
            let loss = |(scores, context): (Vec<f64>, Vec<f64>)| loss(&scores) + loss(&context);
            check("bias", &bias, &d_bias, |bias| loss(attend(&qkv, bias)));
        }
    }
}

#[test]
fn embedding_gradients_with_repeated_ids() {
    let (words, positions, types) = (values("word", 9 * 3), values("position", 5 * 3), values("type", 2 * 3));
    let ids = Ids { words: &[1, 4, 1, 8, 0, 1], types: &[0, 1, 1, 0, 0, 1], tokens: 3, first_position: 2 };
    let run = |words: &[f64], positions: &[f64], types: &[f64]| {
        embed(Tables { words, positions, types: Some(types) }, ids, 3)
    };
    let grad = loss_gradient(&run(&words, &positions, &types));
    let tables = embed_backward(&grad, ids, Tables { words: 9, positions: 5, types: Some(2) }, 3);
    check("words", &words, &tables.words, |words| loss(&run(words, &positions, &types)));
    check("positions", &positions, &tables.positions, |positions| loss(&run(&words, positions, &types)));
    check("types", &types, &tables.types.unwrap(), |types| loss(&run(&words, &positions, types)));
}

#[test]
fn embedding_refuses_ids_outside_its_tables() {
    let rows = Tables { words: 9, positions: 2, types: Some(1) };
    let refusal = |words: &[u32], types: &[u32]| {
        Ids { words, types, tokens: words.len(), first_position: 0 }.check(rows).unwrap_err().to_string()
    };
    assert!(refusal(&[9, 0], &[0, 0]).contains("token id 9"));
    assert!(refusal(&[8, 0], &[0, 1]).contains("type id 1"));
    assert!(refusal(&[0; 3], &[0; 3]).contains("3 tokens"));
    Ids { words: &[8, 0], types: &[0, 0], tokens: 2, first_position: 0 }.check(rows).unwrap();
}

#[test]
fn f32_agrees_with_f64() {
    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let gap = |exact: &[f64], fast: &[f32]| {
        exact.iter().zip(fast).map(|(exact, &fast)| (exact - f64::from(fast)).abs()).fold(0.0, f64::max)
    };
    let (x, gamma, beta) = (values("x", 40 * 19), values("gamma", 19), values("beta", 19));
    let exact = layer_norm(&x, Affine { gamma: &gamma, beta: &beta, eps: 1e-12 });
    let fast = layer_norm(&narrow(&x), Affine { gamma: &narrow(&gamma), beta: &narrow(&beta), eps: 1e-12 });
    assert!(gap(&exact, &fast) < 2e-6);
    let (exact, fast) = (bias_gelu(&mut x.clone(), &beta), bias_gelu(&mut narrow(&x), &narrow(&beta)));
    assert!(gap(&exact, &fast) < 1e-6);
    let settings = AttentionSettings {
        lengths: [4, 3].into(),
        tokens: 4,
        heads: 2,
        head_dim: 3,
        dropout: None,
        relative_bias: None,
    };
    let qkv = tensor(values("qkv", 8 * 18), (8, 18)).unwrap();
    let (_, exact) = attention::<f64>(&qkv, &settings).unwrap();
    let (_, fast) = attention::<f32>(&qkv.to_dtype(DType::F32).unwrap(), &settings).unwrap();
    assert!(gap(&exact, &fast) < 2e-6);
}

#[test]
fn dropout_keeps_the_mean_and_does_not_depend_on_the_batch() {
    let rows = |dropout: RowDropout, rows: usize| -> Vec<Vec<f64>> {
        let (dropped, sums) = dropout.apply_all(&vec![1.0; rows * 250], 250);
        let dropped: Vec<Vec<f64>> = dropped.chunks(250).map(<[f64]>::to_vec).collect();
        let expected = (0..250).map(|column| dropped.iter().map(|row| row[column]).sum::<f64>());
        assert!(expected.zip(sums).all(|(expected, sum)| (expected - sum).abs() < 1e-9));
        dropped
    };
    let all = rows(dropout(&[10, 20, 30, 40]).by_rows(100), 400);
    let fallen = all.iter().flatten().filter(|&&x| x == 0.0).count() as f64 / 1e5;
    // Four standard deviations of a binomial with n = 100000, p = 0.4.
    assert!((fallen - 0.4).abs() < 4.0 * (0.4f64 * 0.6 / 1e5).sqrt(), "{fallen}");
    let kept = 1.0 / 0.6;
    assert!(all.iter().flatten().all(|&x| x == 0.0 || x == kept));

    // Sample 30 alone, with only 60 of its rows: the same bits.
    let alone = rows(dropout(&[30]).by_rows(60), 60);
    assert_eq!(alone, all[200..260]);
    // Columns are not copies of each other, nor rows, nor samples.
    let agree =
        |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64;
    assert!((agree(&all[0], &all[1]) - 0.52).abs() < 0.15);
    assert!((agree(&all[0], &all[100]) - 0.52).abs() < 0.15);
}

#[test]
fn dropout_in_the_graph_of_a_head() {
    let x = candle_core::Var::from_tensor(&tensor(values("x", 6 * 5), (6, 5)).unwrap()).unwrap();
    let y = dropout(&[3, 1, 4]).by_rows(2).on(&x).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let expected: Vec<f64> = flat(&y).iter().map(|&y| if y == 0.0 { 0.0 } else { 1.0 / 0.6 }).collect();
    assert_eq!(flat(gradients.get(&x).unwrap()), expected);
}
