//! Images with everything in them.
#![allow(dead_code, reason = "not every test uses everything")]

use tinybert_image::toy::{
    F32, INT8, PER_TOKEN, PER_TOKEN_INPUTS, STATIC_INPUTS, ToyLayer, calibrated, mixed, model,
};
use tinybert_image::{
    CalibrationData, CalibrationRecord, ImageBuilder, Metadata, ObservedRange, PerLinear, Provenance,
    SelfTestData,
};

/// A model whose two layers have different sizes and modes, with every section there that all kinds of heads may have;
/// the outputs of its self-tests are made up.
pub fn full_toy() -> ImageBuilder {
    let layers = [
        ToyLayer {
            heads: 2,
            head_dim: 3,
            ffn: 11,
            attention: INT8,
            inputs: PerLinear { up: PER_TOKEN, ..STATIC_INPUTS },
        },
        ToyLayer { heads: 1, head_dim: 5, ffn: 7, attention: F32, inputs: PER_TOKEN_INPUTS },
    ];
    let mut builder = model(7, 10, 13, b"any bytes", &layers);
    builder.config.workspace_bytes = 12_345;
    let range = ObservedRange { min: -1.5, max: 2.0 };
    let record = CalibrationRecord { inputs: [range; 4], query: 1.0, key: 2.0, value: 3.0, reserved: 0 };
    builder.calibration = Some(CalibrationData { examples: 9, layers: vec![record; 2] });
    builder.provenance = Some(Provenance { weights: [1; 32], vocabulary: [2; 32], calibration: [3; 32] });
    builder.self_tests = vec![
        SelfTestData { ids: vec![2, 12, 3], type_ids: vec![0, 0, 0], outputs: vec![0.5, -1.0, 0.25] },
        SelfTestData {
            ids: vec![2, 0, 3, 1, 3],
            type_ids: vec![0, 0, 0, 1, 1],
            outputs: vec![1.0, 2.0, 3.0],
        },
    ];
    builder
}

/// Metadata with every text.
pub fn metadata() -> Metadata<String> {
    let text = |text: &str| Some(text.to_owned());
    Metadata {
        name: text("Jäzz intents"),
        version: text("1.2.0-rc.1+5f3a"),
        license: text("MIT OR Apache-2.0"),
        created: text("2024-02-29T23:59:59Z"),
        security_version: 7,
    }
}

/// [`full_toy`] with an FFN of several groups of 32, weights in every encoding, a temperature and metadata.
pub fn mixed_toy() -> ImageBuilder {
    let layers = [
        ToyLayer { heads: 2, head_dim: 3, ffn: 70, attention: INT8, inputs: STATIC_INPUTS },
        ToyLayer { heads: 1, head_dim: 5, ffn: 38, attention: F32, inputs: PER_TOKEN_INPUTS },
        ToyLayer { heads: 3, head_dim: 4, ffn: 33, attention: INT8, inputs: PER_TOKEN_INPUTS },
    ];
    let full = full_toy();
    let mut builder = calibrated(mixed(model(8, 10, 13, b"any bytes", &layers)));
    builder.config.workspace_bytes = full.config.workspace_bytes;
    builder.self_tests = full.self_tests;
    builder.metadata = Some(metadata());
    builder
}
