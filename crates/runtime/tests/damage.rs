//! Damaged images behind right checksums: whatever opens also runs, without a panic.

mod common;

use proptest::prelude::*;
use tinybert_image::toy::{F32, INT8, PER_TOKEN, PER_TOKEN_INPUTS, STATIC_INPUTS, ToyLayer};
use tinybert_image::{AlignedBytes, PerLinear, seal};
use tinybert_runtime::{Answer, Input, Model, Reply};

/// Models with every kind of head, so small that every byte can be tried.
fn small() -> [AlignedBytes; 5] {
    let layers = [
        ToyLayer {
            heads: 2,
            head_dim: 3,
            ffn: 5,
            attention: INT8,
            inputs: PerLinear { up: PER_TOKEN, ..STATIC_INPUTS },
        },
        ToyLayer { heads: 1, head_dim: 4, ffn: 3, attention: F32, inputs: PER_TOKEN_INPUTS },
    ];
    let model = common::toy_model(2, 6, &layers);
    let heads = [
        common::mixed(model.clone()),
        model.clone(),
        common::token_classification(model.clone()),
        common::embedding(model.clone()),
        common::multi_label(model),
    ];
    heads.map(|model| model.build().unwrap())
}

/// Runs whatever is there, as an application would.
fn run(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    let limit = model.config().max_tokens.min(64);
    let Some(needed) = model.workspace_bytes(limit).filter(|needed| *needed < 1 << 24) else { return };
    let mut workspace = vec![0; needed];
    let mut session = model.session_for(limit, &mut workspace).unwrap();
    let _ = session.run(Input::pair("turn the lamp on, \u{e9}", "play some jazz!"));
    let _ = session.run(Input::ids(&[2, 5, 3], &[0, 1, 0]));
    match session.run(Input::text("turn the lamp on, \u{e9}")) {
        Ok(Reply { answer: Answer::Tags(tags), .. }) => tags.words().for_each(drop),
        Ok(Reply { answer: Answer::Labels(labels), .. }) => labels.labels().for_each(drop),
        _ => {}
    }
    let _ = model.label(1);
    let _ = model.self_test(&mut workspace);
}

#[test]
fn flipped_bits_behind_right_checksums_never_panic() {
    for original in small() {
        let mut file = original.clone();
        for position in 0..file.len() {
            for mask in [1, 0x80] {
                file[position] = original[position] ^ mask;
                seal(&mut file);
                run(&file);
            }
            file.copy_from_slice(&original);
        }
    }
}

/// Values at which sizes, counts and floats go wrong.
const EXTREMES: [u32; 12] =
    [0, 1, 2, 63, 64, 0xff, 0xffff, 0x1_0000, 0x7f7f_7f7f, 0x7f80_0000, 0x8000_0000, u32::MAX];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_words_behind_right_checksums_never_panic(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop_oneof![
                prop::sample::select(EXTREMES.to_vec()),
                any::<u32>(),
                0..100_u32,
            ]),
            1..4,
        ),
        model in 0..small().len(),
    ) {
        let mut file = small()[model].clone();
        // Header, section table, configuration with two layer records: where sizes and scales lie.
        let sizes_region = (64 + 6 * 32_usize).next_multiple_of(64) + 64 * 3;
        for (place, near, word) in changes {
            let words = if near { sizes_region } else { file.len() } / 4;
            let start = place.index(words) * 4;
            file[start..start + 4].copy_from_slice(&word.to_le_bytes());
        }
        seal(&mut file);
        run(&file);
    }
}
