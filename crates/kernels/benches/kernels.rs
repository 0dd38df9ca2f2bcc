//! The operations of one TinyBERT-4L-312 layer, on every instruction set of this machine.
//!
//!     cargo bench -p tinybert-kernels --features std -- 'linear/.*/64'

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tinybert_kernels::{
    Activations, ActivationsMut, AttentionShape, ContextOutput, Epilogue, Isa, Kernels, LayerNorm, Linear,
    PackedWeights, Quantization, RowScale, activation_bytes, row_stride,
};

const HIDDEN: usize = 312;
const FFN: usize = 1200;
const HEADS: usize = 12;
const TOKENS: [usize; 3] = [16, 64, 128];

fn all() -> impl Iterator<Item = Kernels> {
    Isa::ALL.into_iter().filter_map(Kernels::with_isa)
}

/// Bytes without a pattern; their values change no kernel's speed.
fn bytes(n: usize) -> Vec<i8> {
    (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as i8).map(|b| b.max(-127)).collect()
}

/// The four linear layers, each with the epilogue it has in the encoder.
fn linear(c: &mut Criterion) {
    let layers =
        [("qkv", HIDDEN, 3 * HIDDEN), ("output", HIDDEN, HIDDEN), ("up", HIDDEN, FFN), ("down", FFN, HIDDEN)];
    for (name, k, n) in layers {
        let mut group = c.benchmark_group(format!("linear/{name}"));
        let (scale, bias, row_sum) = (vec![1e-4; n], vec![0.1; n], vec![7; n]);
        for tokens in TOKENS {
            group.throughput(Throughput::Elements((tokens * n * k) as u64));
            let data = bytes(activation_bytes(tokens, k).unwrap());
            for kernels in all() {
                let panel = kernels.native_panel();
                let weights = bytes(panel.packed_bytes(n, k).unwrap());
                let w = Linear {
                    n,
                    k,
                    panel,
                    weights: PackedWeights::Int8(&weights),
                    scale: &scale,
                    bias: &bias,
                    row_sum: &row_sum,
                };
                let a = Activations {
                    data: &data,
                    stride: row_stride(k),
                    m: tokens,
                    k,
                    zero_point: 3,
                    scale: RowScale::Uniform(0.02),
                };
                let mut int8 = vec![0; activation_bytes(tokens, n).unwrap()];
                let mut float = vec![0.0; tokens * n];
                group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |b| {
                    b.iter(|| {
                        let epilogue = match name {
                            "qkv" => Epilogue::I8 { out: &mut int8, stride: row_stride(n) },
                            "up" => Epilogue::Gelu {
                                out: ActivationsMut::new(&mut int8, n),
                                quantization: Quantization::Static { inv_scale: 40.0, zero_point: -100 },
                                scratch: &mut [],
                            },
                            _ => Epilogue::AddF32 { residual: &mut float, stride: n },
                        };
                        kernels.linear(&a, &w, epilogue, &mut [])
                    });
                });
            }
        }
    }
}

fn attention(c: &mut Criterion) {
    let mut group = c.benchmark_group("attention");
    for tokens in TOKENS {
        let shape = AttentionShape::all(tokens, HEADS, HIDDEN / HEADS, row_stride(3 * HIDDEN));
        let qkv = bytes(tokens * shape.stride);
        let mut scratch = vec![0; shape.scratch_bytes().unwrap()];
        let mut out = vec![0; activation_bytes(tokens, HIDDEN).unwrap()];
        group.throughput(Throughput::Elements((2 * tokens * tokens * HIDDEN) as u64));
        for kernels in all() {
            group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |b| {
                b.iter(|| {
                    let context =
                        ContextOutput::I8 { out: ActivationsMut::new(&mut out, HIDDEN), scale: 0.5 };
                    kernels.attention(&qkv, shape, 1e-3, context, &mut scratch)
                });
            });
        }
    }
}

fn attention_f32(c: &mut Criterion) {
    let mut group = c.benchmark_group("attention_f32");
    for tokens in TOKENS {
        let shape = AttentionShape::all(tokens, HEADS, HIDDEN / HEADS, 3 * HIDDEN);
        let qkv: Vec<f32> =
            bytes(tokens * shape.stride).into_iter().map(|byte| f32::from(byte) / 64.0).collect();
        let mut scratch = vec![0; shape.scratch_bytes_f32().unwrap()];
        let mut out = vec![0; activation_bytes(tokens, HIDDEN).unwrap()];
        group.throughput(Throughput::Elements((2 * tokens * tokens * HIDDEN) as u64));
        for kernels in all() {
            group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |b| {
                b.iter(|| {
                    let context =
                        ContextOutput::I8 { out: ActivationsMut::new(&mut out, HIDDEN), scale: 20.0 };
                    kernels.attention_f32(&qkv, shape, 0.28, context, &mut scratch)
                });
            });
        }
    }
}

fn layer_norm(c: &mut Criterion) {
    let mut group = c.benchmark_group("layer_norm_quantize");
    let (gamma, beta) = (vec![1.01; HIDDEN], vec![0.1; HIDDEN]);
    let norm = LayerNorm { gamma: &gamma, beta: &beta, eps: 1e-12 };
    for tokens in TOKENS {
        let mut x: Vec<f32> = bytes(tokens * HIDDEN).into_iter().map(f32::from).collect();
        let mut out = vec![0; activation_bytes(tokens, HIDDEN).unwrap()];
        group.throughput(Throughput::Elements((tokens * HIDDEN) as u64));
        for kernels in all() {
            group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |b| {
                b.iter(|| {
                    let quantization = Quantization::Static { inv_scale: 30.0, zero_point: 0 };
                    kernels.layer_norm_quantize(
                        &mut x,
                        &norm,
                        quantization,
                        ActivationsMut::new(&mut out, HIDDEN),
                    )
                });
            });
        }
    }
}

criterion_group!(benches, linear, attention, attention_f32, layer_norm);
criterion_main!(benches);
