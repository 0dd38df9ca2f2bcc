//! Subnormal numbers, which some vectors flush to zero.
//!
//! The scalar kernels are compared with the definition, too: a compiler may make vectors of them. Here it cannot,
//! because every operation passes through `black_box`.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

use tinybert_kernels::{
    ActivationsMut, Embedding, Epilogue, Kernels, Quantization, activation_bytes, math, pack,
};

use super::operands::{LinearCase, RandomOperands, bits, values};
use super::rows::norm_of;

fn add(a: f32, b: f32) -> f32 {
    black_box(black_box(a) + black_box(b))
}

fn multiply(a: f32, b: f32) -> f32 {
    black_box(black_box(a) * black_box(b))
}

/// Numbers of which most are subnormal.
fn small(random: &mut RandomOperands, n: usize) -> Vec<f32> {
    random.f32s(n, -2e-38, 2e-38)
}

/// Compares embeddings, LayerNorm, quantization and linear layers with their definitions.
pub fn check(kernels: &Kernels, m: usize, n: usize, k: usize, seed: u64) {
    embed(kernels, n, seed);
    layer_norm(kernels, n, seed);
    quantize(kernels, n, seed);
    linear(kernels, m, n, k, seed);
}

fn embed(kernels: &Kernels, n: usize, seed: u64) {
    let mut random = RandomOperands(seed);
    let (word, position, kind) = (random.i8s(n), random.i8s(n), small(&mut random, n));
    let (word_scale, position_scale) = (random.f32(0.0, 1e-39), random.f32(0.0, 1e-40));
    let row = Embedding { word: &word, word_scale, position: &position, position_scale, kind: &kind };
    let products = |i: usize| {
        add(multiply(f32::from(word[i]), word_scale), multiply(f32::from(position[i]), position_scale))
    };
    let expected: Vec<f32> = (0..n).map(|i| add(products(i), kind[i])).collect();
    let mut out = vec![f32::NAN; n];
    kernels.embed(&row, &mut out).unwrap();
    assert_eq!(bits(&out), bits(&expected), "{kernels:?} {n}");
}

fn layer_norm(kernels: &Kernels, n: usize, seed: u64) {
    let mut random = RandomOperands(seed);
    let x = random.f32s(n, -4.0, 4.0);
    let (gamma, beta) = (small(&mut random, n), small(&mut random, n));
    let normalized = norm_of(kernels, &x, &vec![1.0; n], &vec![0.0; n]);
    let expected: Vec<f32> = (0..n).map(|i| add(multiply(normalized[i], gamma[i]), beta[i])).collect();
    assert_eq!(bits(&norm_of(kernels, &x, &gamma, &beta)), bits(&expected), "{kernels:?} {n}");
}

fn quantize(kernels: &Kernels, n: usize, seed: u64) {
    let mut random = RandomOperands(seed);
    let x = small(&mut random, n);
    // The last one is subnormal itself; others make numbers of int8's range of subnormal numbers.
    let inv_scale = [1e30, 1e37, 3e38, 1e-40][random.below(4)];
    let zero_point = random.bits() as i8;
    let mut out = vec![99; activation_bytes(1, n).unwrap()];
    let quantization = Quantization::Static { inv_scale, zero_point };
    kernels.quantize(&x, n, quantization, ActivationsMut::new(&mut out, n)).unwrap();
    let expected: Vec<i8> = x
        .iter()
        .map(|&x| math::quantize(add(multiply(x, inv_scale), f32::from(zero_point)), 1.0, 0))
        .collect();
    assert_eq!(values(kernels, &out, 1, n), expected, "{kernels:?} {n} {inv_scale}");
}

fn linear(kernels: &Kernels, m: usize, n: usize, k: usize, seed: u64) {
    let mut random = RandomOperands(seed);
    let layer = LinearCase {
        zero_point: 0,
        scale: random.f32s(n, 1e-44, 1e-38),
        bias: small(&mut random, n),
        ..LinearCase::random(m, n, k, seed)
    };
    let panel = kernels.native_panel();
    let mut packed = vec![0; panel.packed_bytes(n, k).unwrap()];
    pack(&layer.w, n, k, panel, &mut packed).unwrap();
    let (w, data) = (layer.linear(panel, &packed), layer.input(kernels));
    let mut expected = Vec::new();
    let mut residual = small(&mut random, m * n);
    let before = residual.clone();
    for row in 0..m {
        let scale = layer.a_scale[if layer.per_row { row } else { 0 }];
        for output in 0..n {
            let terms = layer.a[row * k..][..k].iter().zip(&layer.w[output * k..][..k]);
            let acc: i32 = terms.map(|(&a, &w)| i32::from(a) * i32::from(w)).sum();
            let product = multiply(black_box(acc) as f32, multiply(scale, layer.scale[output]));
            expected.push(add(product, layer.bias[output]));
        }
    }
    let mut out = vec![f32::NAN; m * n];
    let epilogue = Epilogue::F32 { out: &mut out, stride: n };
    kernels.linear(&layer.activations(&data), &w, epilogue, &mut []).unwrap();
    assert_eq!(bits(&out), bits(&expected), "{kernels:?} {m} {n} {k}");
    let epilogue = Epilogue::AddF32 { residual: &mut residual, stride: n };
    kernels.linear(&layer.activations(&data), &w, epilogue, &mut []).unwrap();
    let expected: Vec<f32> = before.iter().zip(&expected).map(|(&x, &y)| add(x, y)).collect();
    assert_eq!(bits(&residual), bits(&expected), "{kernels:?} {m} {n} {k}");
}
