//! Toy models with a real vocabulary, shared by the tests.
#![allow(dead_code, reason = "not every test uses everything")]

use tinybert_image::toy::{
    self, F32, INT8, PER_TOKEN, PER_TOKEN_INPUTS, PIECES, STATIC, STATIC_INPUTS, SYMMETRIC, ToyLayer,
};
use tinybert_image::{HeadKind, ImageBuilder, PerLinear};
use tinybert_kernels::{Isa, Kernels};
use tinybert_tokenizer::Options;

/// All instruction sets of this machine.
pub fn all_kernels() -> impl Iterator<Item = Kernels> {
    Isa::ALL.into_iter().filter_map(Kernels::with_isa)
}

/// A model that reads [`PIECES`].
pub fn toy_model(seed: u64, hidden: usize, layers: &[ToyLayer]) -> ImageBuilder {
    let vocabulary = tinybert_tokenizer::pack(&PIECES, Options::UNCASED).unwrap();
    with_workspace(toy::model(seed, hidden, PIECES.len(), &vocabulary, layers))
}

/// Three layers of different sizes and modes.
pub fn three_layers() -> ImageBuilder {
    let layers = [
        ToyLayer {
            heads: 2,
            head_dim: 3,
            ffn: 37,
            attention: INT8,
            inputs: PerLinear { up: PER_TOKEN, ..STATIC_INPUTS },
        },
        ToyLayer { heads: 1, head_dim: 26, ffn: 16, attention: F32, inputs: PER_TOKEN_INPUTS },
        ToyLayer {
            heads: 3,
            head_dim: 8,
            ffn: 50,
            attention: F32,
            inputs: PerLinear { attention_output: SYMMETRIC, up: STATIC, ..PER_TOKEN_INPUTS },
        },
    ];
    toy_model(11, 24, &layers)
}

/// Makes a regression model of it.
pub fn regression(mut builder: ImageBuilder) -> ImageBuilder {
    builder.config.head = HeadKind::Regression;
    builder.config.outputs = 1;
    builder.head.output.weights.truncate(builder.config.hidden);
    builder.head.output.scale.truncate(1);
    builder.head.output.bias.truncate(1);
    builder.labels.clear();
    builder
}

/// Gives it weights and word rows in every encoding.
pub fn mixed(builder: ImageBuilder) -> ImageBuilder {
    with_workspace(toy::mixed(builder))
}

/// Makes a token classifier of it.
pub fn token_classification(builder: ImageBuilder) -> ImageBuilder {
    with_workspace(toy::token_classification(builder))
}

/// Makes a multi-label classifier of it.
pub fn multi_label(builder: ImageBuilder) -> ImageBuilder {
    with_workspace(toy::multi_label(builder))
}

/// Makes a sentence encoder of it.
pub fn embedding(builder: ImageBuilder) -> ImageBuilder {
    with_workspace(toy::embedding(builder))
}

/// States the workspace that the model needs.
fn with_workspace(mut builder: ImageBuilder) -> ImageBuilder {
    let layers = builder.layers.iter().map(|layer| layer.config);
    let max_tokens = builder.config.max_tokens;
    builder.config.workspace_bytes =
        tinybert_runtime::workspace_bytes(&builder.config, layers, max_tokens).unwrap();
    builder
}
