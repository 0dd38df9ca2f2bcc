//! Whole answers of TinyBERT-4L-312 with random weights, on every instruction set of this machine.
//!
//!     cargo bench -p tinybert-runtime --features std -- '/128'

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tinybert_image::toy::{self, INT8, PIECES, STATIC_INPUTS, ToyLayer};
use tinybert_image::{AlignedBytes, Image, repack};
use tinybert_kernels::{Isa, Kernels};
use tinybert_runtime::{Input, Model};
use tinybert_tokenizer::Options;

const TOKENS: [usize; 5] = [16, 32, 64, 128, 256];
const LONGEST: usize = 256;

/// An image in the portable layout. Its few embeddings serve as positions, too, over and over.
fn image() -> AlignedBytes {
    let layer = ToyLayer { heads: 12, head_dim: 26, ffn: 1200, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = tinybert_tokenizer::pack(&PIECES, Options::UNCASED).unwrap();
    let mut builder = toy::model(42, 312, PIECES.len(), &vocabulary, &[layer; 4]);
    let (words, positions) = (&builder.embeddings.word, &mut builder.embeddings.position);
    let times = LONGEST.div_ceil(PIECES.len());
    (positions.rows, positions.scales) = (words.rows.repeat(times), words.scales.repeat(times));
    builder.config.positions = positions.scales.len();
    builder.config.max_tokens = LONGEST;
    builder.build().unwrap()
}

fn encoder(c: &mut Criterion) {
    let portable = image();
    let mut group = c.benchmark_group("encoder");
    for kernels in Isa::ALL.into_iter().filter_map(Kernels::with_isa) {
        let bytes = repack(&Image::from_bytes(&portable).unwrap(), kernels.native_panel()).unwrap();
        let model = Model::from_bytes(&bytes).unwrap().with_kernels(kernels);
        for tokens in TOKENS {
            let ids: Vec<u32> = (0..tokens).map(|i| (i * 7 % PIECES.len()) as u32).collect();
            let type_ids = vec![0; tokens];
            let mut workspace = vec![0; model.workspace_bytes(tokens).unwrap()];
            let mut session = model.session_for(tokens, &mut workspace).unwrap();
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(BenchmarkId::new(kernels.isa().name(), tokens), |b| {
                b.iter(|| session.run(Input::ids(&ids, &type_ids)).unwrap().tokens);
            });
        }
    }
}

criterion_group!(benches, encoder);
criterion_main!(benches);
