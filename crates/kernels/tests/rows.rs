//! Row operations: LayerNorm, quantization, embeddings.

extern crate alloc;

mod checks;
mod common;

use checks::operands::{RandomOperands, values};
use checks::rows::{self, norm_of};
use common::{cases, fast};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, Embedding, Kernels, LayerNorm, Quantization, ShapeMismatch, activation_bytes, math,
};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_give_the_scalar_bits(m in 1usize..5, n in 1usize..400, seed: u64) {
        fast().for_each(|kernels| rows::check(&kernels, m, n, seed));
    }

    #[test]
    fn layer_norm_is_near_the_exact_one(n in 2usize..400, seed: u64) {
        let x = RandomOperands(seed).f32s(n, -4.0, 4.0);
        let exact: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let mean = exact.iter().sum::<f64>() / n as f64;
        let variance = exact.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
        let ours = norm_of(&Kernels::scalar(), &x, &vec![1.0; n], &vec![0.0; n]);
        for (ours, x) in ours.iter().zip(&exact) {
            let exact = (x - mean) / (variance + 1e-12).sqrt();
            // The absolute error of the mean, seen through the deviation, beside the relative error of the steps.
            prop_assert!((f64::from(*ours) - exact).abs() < 1e-6 * (1.0 + exact.abs() + 1.0 / variance.sqrt()));
        }
    }

    #[test]
    fn embed_gives_the_definition_everywhere(n in 1usize..400, seed: u64) {
        fast().chain([Kernels::scalar()]).for_each(|kernels| rows::check_embed(&kernels, n, seed));
    }
}

/// A row in the layout of `kernels`, read back through a linear layer with identity weights.
#[test]
fn quantize_row_reaches_127_and_keeps_half_a_step() {
    let x = RandomOperands(9).f32s(50, -3.0, 3.0);
    let mut scale = [0.0];
    let mut out = vec![0; activation_bytes(1, 50).unwrap()];
    Kernels::scalar()
        .quantize(&x, 50, Quantization::PerToken { scale: &mut scale }, ActivationsMut::new(&mut out, 50))
        .unwrap();
    let amax = x.iter().fold(0.0f32, |amax, x| amax.max(x.abs()));
    assert_eq!(scale[0], amax * (1.0 / 127.0));
    assert_eq!(out[..50].iter().map(|q| q.unsigned_abs()).max(), Some(127));
    for (&q, x) in out.iter().zip(&x) {
        assert!((f32::from(q) * scale[0] - x).abs() <= 0.501 * scale[0]);
    }
}

#[test]
fn special_values_quantize_alike() {
    let x = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        0.0,
        0.5,
        1.5,
        2.5,
        -0.5,
        -1.5,
        126.5,
        127.5,
        -126.5,
        -127.5,
        1e30,
        -1e30,
        1e-40,
        f32::MAX,
    ];
    let expected = [-127, -127, 127, -127, 0, 0, 0, 2, 2, 0, -2, 126, 127, -126, -127, 127, -127, 0, 127];
    for kernels in fast().chain([Kernels::scalar()]) {
        let mut out = vec![0; activation_bytes(1, x.len()).unwrap()];
        let quantization = Quantization::Static { inv_scale: 1.0, zero_point: 0 };
        kernels.quantize(&x, x.len(), quantization, ActivationsMut::new(&mut out, x.len())).unwrap();
        assert_eq!(values(&kernels, &out, 1, x.len()), expected, "{kernels:?}");
    }
}

#[test]
fn zero_rows_have_scale_zero() {
    for kernels in fast().chain([Kernels::scalar()]) {
        for tiny in [0.0, -0.0, 1e-31] {
            let mut scale = [1.0];
            let mut out = vec![99; activation_bytes(1, 5).unwrap()];
            let quantization = Quantization::PerToken { scale: &mut scale };
            kernels.quantize(&[tiny; 5], 5, quantization, ActivationsMut::new(&mut out, 5)).unwrap();
            assert_eq!((scale[0].to_bits(), values(&kernels, &out, 1, 5)), (0, vec![0; 5]));
        }
    }
}

#[test]
fn fused_layer_norm_is_the_two_steps() {
    let x = RandomOperands(1).f32s(3 * 20, -2.0, 2.0);
    let (gamma, beta) = (RandomOperands(2).f32s(20, 0.5, 1.5), RandomOperands(3).f32s(20, -0.5, 0.5));
    let norm = LayerNorm { gamma: &gamma, beta: &beta, eps: 1e-12 };
    for kernels in fast().chain([Kernels::scalar()]) {
        let quantization = || Quantization::Static { inv_scale: 40.0, zero_point: 3 };
        let mut fused = (x.clone(), vec![0; activation_bytes(3, 20).unwrap()]);
        kernels
            .layer_norm_quantize(&mut fused.0, &norm, quantization(), ActivationsMut::new(&mut fused.1, 20))
            .unwrap();
        let mut steps = (x.clone(), vec![0; activation_bytes(3, 20).unwrap()]);
        kernels.layer_norm(&mut steps.0, &norm).unwrap();
        kernels.quantize(&steps.0, 20, quantization(), ActivationsMut::new(&mut steps.1, 20)).unwrap();
        assert_eq!(fused.0, steps.0);
        let quantized: Vec<i8> = steps.0.iter().map(|&x| math::quantize(x, 40.0, 3)).collect();
        assert_eq!(values(&kernels, &fused.1, 3, 20), quantized);
        assert_eq!(values(&kernels, &steps.1, 3, 20), quantized);
    }
}

#[test]
fn wrong_sizes_are_refused() {
    for kernels in fast().chain([Kernels::scalar()]) {
        let fixed = || Quantization::Static { inv_scale: 1.0, zero_point: 0 };
        assert_eq!(
            kernels.quantize(&[0.0; 7], 3, fixed(), ActivationsMut::new(&mut [0; 999], 3)),
            Err(ShapeMismatch),
            "no whole rows"
        );
        assert_eq!(
            kernels.quantize(&[0.0; 6], 0, fixed(), ActivationsMut::new(&mut [0; 999], 3)),
            Err(ShapeMismatch),
            "no columns"
        );
        assert_eq!(
            kernels.quantize(&[0.0; 6], 3, fixed(), ActivationsMut::new(&mut [0; 127], 3)),
            Err(ShapeMismatch),
            "short output"
        );
        let per_token = Quantization::PerToken { scale: &mut [0.0; 3] };
        assert_eq!(
            kernels.quantize(&[0.0; 6], 3, per_token, ActivationsMut::new(&mut [0; 999], 3)),
            Err(ShapeMismatch),
            "a scale too many"
        );
        let norm = LayerNorm { gamma: &[1.0; 3], beta: &[0.0; 2], eps: 1e-12 };
        assert_eq!(kernels.layer_norm(&mut [0.0; 3], &norm), Err(ShapeMismatch), "beta shorter than gamma");
        let row = Embedding {
            word: &[1; 3],
            word_scale: 1.0,
            position: &[1; 3],
            position_scale: 1.0,
            kind: &[1.0; 2],
        };
        assert_eq!(kernels.embed(&row, &mut [0.0; 3]), Err(ShapeMismatch), "short type row");
    }
}
