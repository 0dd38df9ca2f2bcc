//! Quantization of a model of the demo's sizes: calibration, the search for scales, packing and self-tests.
//!
//! `cargo bench --bench quantization`. Names are the encodings of the weights.

#[path = "support/demo.rs"]
mod demo;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tinybert_base::Context;
use tinybert_model::plan::{LayerEncodings, Precision, WeightEncoding};
use tinybert_quantize::{QuantizeSettings, quantize};

fn quantization(c: &mut Criterion) {
    let (student, texts) = (demo::student(), demo::texts());
    let mut group = c.benchmark_group("quantization");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for encoding in [WeightEncoding::Int8, WeightEncoding::Int4, WeightEncoding::Sparse] {
        let precision =
            Precision { weights: LayerEncodings::Alike(encoding), embeddings: WeightEncoding::Int8 };
        let settings =
            QuantizeSettings { max_tokens: demo::MAX_TOKENS, precision, ..QuantizeSettings::default() };
        group.bench_function(encoding.name(), |bencher| {
            bencher.iter(|| quantize(&student, &texts, &settings, &Context::default()).unwrap());
        });
    }
}

criterion_group!(benches, quantization);
criterion_main!(benches);
