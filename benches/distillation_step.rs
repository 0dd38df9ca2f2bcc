//! One step of the intermediate stage: forward passes of teacher and student, all losses, backward pass,
//! optimizer.
//!
//! `cargo bench --bench distillation_step`. The throughput counts tokens without padding.

#[path = "support/steps.rs"]
#[allow(dead_code, reason = "other benches use the other steps")]
mod steps;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tinybert_data::Batch;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn distillation_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("distillation step");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for (name, batches) in steps::general_batches() {
        let tokens: usize = batches.iter().map(Batch::real_tokens).sum();
        group.throughput(Throughput::Elements(tokens as u64));
        let mut step = steps::distillation_step().unwrap();
        let mut number = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for batch in &batches {
                    step(batch, number).unwrap();
                    number += 1;
                }
            });
        });
    }
}

criterion_group!(benches, distillation_step);
criterion_main!(benches);
