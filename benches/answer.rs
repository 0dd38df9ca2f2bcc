//! The time from text to answer on an image of the demo's sizes, for every instruction set of this machine.
//!
//! `cargo bench --bench answer`, or one part of it: `cargo bench --bench answer -- avx2/48`. Names are
//! `INSTRUCTION SET/TOKENS`. The throughput counts tokens, special ones included.

#[path = "support/demo.rs"]
mod demo;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tinybert_base::Context;
use tinybert_kernels::{Isa, Kernels};
use tinybert_model::image_file::ImageFile;
use tinybert_model::{Checkpoint, TextEncoder};
use tinybert_quantize::{QuantizeSettings, quantize};
use tinybert_runtime::Input;

/// Tokens of the answered texts.
const TOKENS: [usize; 3] = [16, 48, 128];

fn answer(c: &mut Criterion) {
    let student = demo::student();
    let text = sentences();
    let mut group = c.benchmark_group("answer");
    for kernels in Isa::ALL.into_iter().filter_map(Kernels::with_isa) {
        let image = image(&student).with_kernels(kernels).native().unwrap();
        let model = image.model().unwrap();
        let mut workspace = vec![0; model.max_workspace_bytes()];
        let mut session = model.session(&mut workspace).unwrap();
        for tokens in TOKENS {
            let text = beginning(&text, &student.text, tokens);
            assert_eq!(session.run(Input::text(text)).unwrap().tokens, tokens);
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |bencher| {
                bencher.iter(|| session.run(Input::text(text)).unwrap().tokens);
            });
        }
    }
}

fn image(student: &Checkpoint) -> ImageFile {
    let settings = QuantizeSettings {
        max_tokens: demo::MAX_TOKENS,
        calibration_examples: 32,
        ..QuantizeSettings::default()
    };
    let quantized = quantize(student, &demo::texts(), &settings, &Context::default()).unwrap();
    ImageFile::new(quantized.image).unwrap()
}

/// The sentences of the development set as one text.
fn sentences() -> String {
    demo::texts().examples.iter().map(|example| example.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The longest beginning of `text`, in whole words, that has `tokens` tokens with the special ones.
fn beginning<'a>(text: &'a str, encoder: &TextEncoder, tokens: usize) -> &'a str {
    let ends = text.match_indices(' ').map(|(end, _)| end);
    ends.map(|end| &text[..end])
        .find(|text| encoder.encode(text, None, usize::MAX).unwrap().ids.len() >= tokens)
        .expect("the development set has more tokens")
}

criterion_group!(benches, answer);
criterion_main!(benches);
