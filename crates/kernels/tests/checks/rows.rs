//! Row operations.

use alloc::vec;
use alloc::vec::Vec;

use tinybert_kernels::{ActivationsMut, Embedding, Kernels, LayerNorm, Quantization, activation_bytes};

use super::operands::{RandomOperands, bits, values};

/// A row as it may come: small, large, constant, subnormal, with an outlier, zero.
pub fn row(n: usize, seed: u64) -> Vec<f32> {
    let mut random = RandomOperands(seed);
    let mut x = match random.below(6) {
        0 => random.f32s(n, -1e-3, 1e-3),
        1 => random.f32s(n, 100.0, 101.0),
        2 => vec![random.f32(-2.0, 2.0); n],
        3 => vec![0.0; n],
        4 => random.f32s(n, -1e-38, 1e-38),
        _ => random.f32s(n, -4.0, 4.0),
    };
    if random.below(4) == 0 {
        x[random.below(n)] = random.f32(-1e6, 1e6);
    }
    x
}

pub fn norm_of(kernels: &Kernels, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let mut x = x.to_vec();
    kernels.layer_norm(&mut x, &LayerNorm { gamma, beta, eps: 1e-12 }).unwrap();
    x
}

pub fn quantized(kernels: &Kernels, x: &[f32], k: usize, seed: u64) -> (Vec<i8>, Vec<i8>, Vec<u32>) {
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

/// Compares LayerNorm, alone and with quantization, and quantization.
pub fn check(kernels: &Kernels, m: usize, n: usize, seed: u64) {
    let (mut random, scalar) = (RandomOperands(seed), Kernels::scalar());
    let (x, gamma, beta) = (row(m * n, seed), random.f32s(n, -2.0, 2.0), random.f32s(n, -2.0, 2.0));
    let [ours, expected] = [kernels, &scalar].map(|kernels| bits(&norm_of(kernels, &x, &gamma, &beta)));
    assert_eq!(ours, expected, "{kernels:?} {m} {n}");
    assert_eq!(quantized(kernels, &x, n, seed), quantized(&scalar, &x, n, seed), "{kernels:?} {m} {n}");
    let fused = |kernels: &Kernels| {
        let norm = LayerNorm { gamma: &gamma, beta: &beta, eps: 1e-12 };
        let (mut x, mut out) = (x.clone(), vec![99; activation_bytes(m, n).unwrap()]);
        let quantization = Quantization::Static { inv_scale: 30.0, zero_point: seed as i8 };
        let rows = ActivationsMut::new(&mut out, n);
        kernels.layer_norm_quantize(&mut x, &norm, quantization, rows).unwrap();
        (bits(&x), values(kernels, &out, m, n))
    };
    assert_eq!(fused(kernels), fused(&scalar), "{kernels:?} {m} {n}");
}

/// Compares the sum of embeddings with its definition.
pub fn check_embed(kernels: &Kernels, n: usize, seed: u64) {
    let mut random = RandomOperands(seed);
    let (word, position, kind) = (random.i8s(n), random.i8s(n), random.f32s(n, -1.0, 1.0));
    let (word_scale, position_scale) = (random.f32(0.0, 0.1), random.f32(0.0, 0.1));
    let row = Embedding { word: &word, word_scale, position: &position, position_scale, kind: &kind };
    let sum =
        |i: usize| (f32::from(word[i]) * word_scale + f32::from(position[i]) * position_scale) + kind[i];
    let expected: Vec<f32> = (0..n).map(sum).collect();
    let mut out = vec![f32::NAN; n];
    kernels.embed(&row, &mut out).unwrap();
    assert_eq!(bits(&out), bits(&expected), "{kernels:?} {n}");
}
