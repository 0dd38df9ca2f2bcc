//! The runtime against the oracle, bit by bit, on every instruction set of the machine.

mod common;
#[path = "common/oracle.rs"]
mod oracle;

use common::{all_kernels, embedding, mixed, regression, three_layers, token_classification, toy_model};
use tinybert_image::toy::{
    F32, INT8, PER_TOKEN, PER_TOKEN_INPUTS, PIECES, STATIC, STATIC_INPUTS, SYMMETRIC, ToyLayer, ToyRandom,
};
use tinybert_image::{Image, ImageBuilder, InputQuantization, Panel, PerLinear, repack};
use tinybert_kernels::Kernels;
use tinybert_runtime::{Input, Model};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn outputs(bytes: &[u8], kernels: Kernels, ids: &[u32], type_ids: &[u8]) -> Vec<f32> {
    let model = Model::from_bytes(bytes).unwrap().with_kernels(kernels);
    let mut workspace = vec![0xa5; model.workspace_bytes(model.config().max_tokens).unwrap()];
    let mut session = model.session(&mut workspace).unwrap();
    session.run(Input::ids(ids, type_ids)).unwrap().answer.outputs().to_vec()
}

fn random_tokens(random: &mut ToyRandom, count: usize) -> (Vec<u32>, Vec<u8>) {
    let second = random.below(count + 1);
    let ids = (0..count).map(|_| random.below(PIECES.len()) as u32).collect();
    (ids, (0..count).map(|token| u8::from(token >= second)).collect())
}

/// Compares all instruction sets with the oracle for inputs of these lengths.
fn check(builder: &ImageBuilder, lengths: &[usize]) {
    let bytes = builder.build().unwrap();
    let random = &mut ToyRandom(lengths.len() as u64);
    for tokens in lengths {
        let (ids, type_ids) = random_tokens(random, *tokens);
        let expected = oracle::outputs(builder, &ids, &type_ids);
        assert!(expected.iter().all(|x| x.is_finite()));
        for kernels in all_kernels() {
            let got = outputs(&bytes, kernels, &ids, &type_ids);
            assert_eq!(bits(&got), bits(&expected), "{kernels:?}, {tokens} tokens: {got:?} and {expected:?}");
        }
    }
}

/// Every length is of use: a block of rows may be full, begun, or several.
fn set_max_tokens(builder: &mut ImageBuilder, tokens: usize) {
    let hidden = builder.config.hidden;
    let rows = &mut builder.embeddings.position;
    let mut random = ToyRandom(tokens as u64);
    rows.rows.extend(random.weights((tokens - rows.scales.len()) * hidden));
    rows.scales.resize(tokens, rows.scales[0]);
    (builder.config.positions, builder.config.max_tokens) = (tokens, tokens);
    let layers = builder.layers.iter().map(|layer| layer.config);
    builder.config.workspace_bytes =
        tinybert_runtime::workspace_bytes(&builder.config, layers, tokens).unwrap();
}

#[test]
fn layers_of_different_sizes_and_modes() {
    check(&three_layers(), &(1..=20).collect::<Vec<_>>());
    check(&regression(three_layers()), &[1, 7, 20]);
}

#[test]
fn weights_and_word_rows_in_every_encoding() {
    let mut builder = mixed(three_layers());
    check(&builder, &(1..=20).collect::<Vec<_>>());
    set_max_tokens(&mut builder, 130);
    check(&builder, &[64, 65, 130]);
}

#[test]
fn every_token_has_its_logits_in_a_token_classifier() {
    let mut builder = token_classification(three_layers());
    check(&builder, &[1, 2, 7, 20]);
    set_max_tokens(&mut builder, 130);
    check(&builder, &[64, 65, 130]);
}

#[test]
fn an_embedding_is_the_projected_mean_of_all_tokens() {
    let mut builder = embedding(three_layers());
    check(&builder, &[1, 2, 7, 20]);
    set_max_tokens(&mut builder, 130);
    check(&builder, &[65, 130]);
}

#[test]
fn inputs_of_several_row_blocks() {
    let mut builder = three_layers();
    set_max_tokens(&mut builder, 200);
    check(&builder, &[63, 64, 65, 127, 128, 129, 200]);
}

#[test]
fn a_model_without_a_pooler() {
    let mut builder = three_layers();
    (builder.config.pooler, builder.head.pooler) = (false, None);
    check(&builder, &[5, 20]);
}

#[test]
fn tinybert_s_own_shape() {
    let layer = ToyLayer { heads: 12, head_dim: 26, ffn: 1200, attention: INT8, inputs: STATIC_INPUTS };
    let per_token = ToyLayer { inputs: PER_TOKEN_INPUTS, ..layer };
    let [f32_layer, f32_per_token] = [layer, per_token].map(|layer| ToyLayer { attention: F32, ..layer });
    let model = toy_model(3, 312, &[layer, f32_per_token, f32_layer, per_token]);
    check(&model, &[17]);
    check(&mixed(model), &[17]);
}

#[test]
fn random_shapes() {
    let models = std::env::var("TINYBERT_RANDOM_MODELS").map_or(60, |count| count.parse().unwrap());
    for seed in 0..models {
        let random = &mut ToyRandom(seed);
        let layers: Vec<_> = (0..1 + random.below(3))
            .map(|_| {
                let mut input = |fixed| if random.below(2) == 0 { PER_TOKEN } else { fixed };
                let inputs = PerLinear {
                    qkv: input(STATIC),
                    attention_output: input(SYMMETRIC),
                    up: input(STATIC),
                    down: input(STATIC),
                };
                let (heads, head_dim) = (1 + random.below(4), 1 + random.below(40));
                let attention = [INT8, F32][random.below(2)];
                ToyLayer { heads, head_dim, ffn: 1 + random.below(100), attention, inputs }
            })
            .collect();
        let mut builder = toy_model(seed, 1 + random.below(80), &layers);
        let native: Vec<_> = all_kernels().map(|kernels| kernels.native_panel()).collect();
        let panel = native[random.below(native.len())];
        builder.config.panel = panel;
        if random.below(2) == 0 {
            builder = mixed(builder);
        }
        check(&builder, &[1 + random.below(20)]);
    }
}

#[test]
fn saturated_activations() {
    let mut builder = three_layers();
    for layer in &mut builder.layers {
        for input in [&mut layer.config.qkv_input, &mut layer.config.up_input, &mut layer.config.down_input] {
            *input = InputQuantization::Static { scale: 1e-4, zero_point: 127 };
        }
        layer.qkv.scale.iter_mut().for_each(|scale| *scale *= 1e6);
        layer.config.attention_coefficient *= 1e3;
    }
    check(&builder, &[1, 9, 20]);
}

#[test]
fn numbers_beyond_f32_give_the_same_bits_everywhere() {
    let mut builder = three_layers();
    builder.layers[0].down.scale.iter_mut().for_each(|scale| *scale = f32::MAX);
    let bytes = builder.build().unwrap();
    let expected = outputs(&bytes, Kernels::scalar(), &[2, 5, 3], &[0; 3]);
    for kernels in all_kernels() {
        let got = outputs(&bytes, kernels, &[2, 5, 3], &[0; 3]);
        // The sign and payload of a NaN are the processor's own.
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        assert!(got.iter().zip(&expected).all(same), "{kernels:?}: {got:?} and {expected:?}");
    }
}

#[test]
fn every_weight_layout_gives_the_same_bits() {
    every_layout_gives_the_same_bits(&three_layers(), &[(1, 1), (12, 4), (4, 16), (7, 3)]);
    every_layout_gives_the_same_bits(&mixed(three_layers()), &[(1, 1), (12, 4), (4, 16), (7, 2)]);
}

fn every_layout_gives_the_same_bits(builder: &ImageBuilder, others: &[(u16, u16)]) {
    let bytes = builder.build().unwrap();
    let (ids, type_ids) = random_tokens(&mut ToyRandom(5), 13);
    let expected = bits(&oracle::outputs(builder, &ids, &type_ids));
    let native = all_kernels().map(|kernels| kernels.native_panel());
    let panels = native.map(|panel| (panel.nr, panel.kr));
    for (nr, kr) in panels.chain(others.iter().copied()) {
        let repacked = repack(&Image::from_bytes(&bytes).unwrap(), Panel { nr, kr }).unwrap();
        for kernels in all_kernels() {
            let got = outputs(&repacked, kernels, &ids, &type_ids);
            assert_eq!(bits(&got), expected, "{kernels:?} on panels of {nr} by {kr}");
        }
    }
}
