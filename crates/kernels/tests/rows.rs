//! Row operations: LayerNorm, quantization, embeddings.

mod common;

use common::{RandomOperands, bits, cases, fast, values};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, Embedding, Kernels, LayerNorm, Quantization, ShapeMismatch, activation_bytes, math,
};

/// A row as it may come: small, large, constant, with an outlier, zero.
fn row(n: usize, seed: u64) -> Vec<f32> {
    let mut random = RandomOperands(seed);
    let mut x = match random.below(5) {
        0 => random.f32s(n, -1e-3, 1e-3),
        1 => random.f32s(n, 100.0, 101.0),
        2 => vec![random.f32(-2.0, 2.0); n],
        3 => vec![0.0; n],
        _ => random.f32s(n, -4.0, 4.0),
    };
    if random.below(4) == 0 {
        x[random.below(n)] = random.f32(-1e6, 1e6);
    }
    x
}

fn norm_of(kernels: &Kernels, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let mut x = x.to_vec();
    kernels.layer_norm(&mut x, &LayerNorm { gamma, beta, eps: 1e-12 }).unwrap();
    x
}

fn quantized(kernels: &Kernels, x: &[f32], k: usize, seed: u64) -> (Vec<i8>, Vec<i8>, Vec<u32>) {
    let mut random = RandomOperands(seed);
    let m = x.len() / k;
    let mut fixed = vec![99; activation_bytes(m, k).unwrap()];
    let inv_scale = [0.0, 1e-3, 1.0, 40.0, 1e9][random.below(5)];
    let quantization = Quantization::Static { inv_scale, zero_point: random.bits() as i8 };
    kernels.quantize(x, k, quantization, ActivationsMut::new(&mut fixed, k)).unwrap();
    let (mut per_token, mut scale) = (vec![99; activation_bytes(m, k).unwrap()], vec![f32::NAN; m]);
    kernels
        .quantize(x, k, Quantization::PerToken { scale: &mut scale }, ActivationsMut::new(&mut per_token, k))
        .unwrap();
    (values(kernels, &fixed, m, k), values(kernels, &per_token, m, k), bits(&scale))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn layer_norm_gives_the_scalar_bits(n in 1usize..400, seed: u64) {
        let mut random = RandomOperands(seed);
        let (x, gamma, beta) = (row(n, seed), random.f32s(n, -2.0, 2.0), random.f32s(n, -2.0, 2.0));
        for kernels in fast() {
            let expected = norm_of(&Kernels::scalar(), &x, &gamma, &beta);
            prop_assert_eq!(bits(&norm_of(&kernels, &x, &gamma, &beta)), bits(&expected));
        }
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
    fn quantize_gives_the_scalar_bits(m in 1usize..5, k in 1usize..200, seed: u64) {
        let x = row(m * k, seed);
        for kernels in fast() {
            prop_assert_eq!(quantized(&kernels, &x, k, seed), quantized(&Kernels::scalar(), &x, k, seed));
        }
    }

    #[test]
    fn embed_gives_the_definition_everywhere(n in 1usize..400, seed: u64) {
        let mut random = RandomOperands(seed);
        let (word, position, kind) = (random.i8s(n), random.i8s(n), random.f32s(n, -1.0, 1.0));
        let (word_scale, position_scale) = (random.f32(0.0, 0.1), random.f32(0.0, 0.1));
        let row = Embedding { word: &word, word_scale, position: &position, position_scale, kind: &kind };
        let sum = |i: usize| (f32::from(word[i]) * word_scale + f32::from(position[i]) * position_scale) + kind[i];
        let expected: Vec<f32> = (0..n).map(sum).collect();
        for kernels in fast().chain([Kernels::scalar()]) {
            let mut out = vec![f32::NAN; n];
            kernels.embed(&row, &mut out).unwrap();
            prop_assert_eq!(bits(&out), bits(&expected));
        }
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
