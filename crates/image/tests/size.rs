//! How large images are: the promise of 14.9 MB for TinyBERT-4L-312 with its vocabulary.

use proptest::prelude::*;
use tinybert_image::toy::{
    F32, INT8, PER_TOKEN_INPUTS, ToyLayer, ToyRandom, calibrated, embedding, mixed, model, multi_label,
    token_classification,
};
use tinybert_image::{
    CalibrationData, CalibrationRecord, Encoding, Image, ImageBuilder, ImageShape, LayerConfig, LayerData,
    Metadata, ObservedRange, Panel, Provenance, SelfTestData,
};

/// Bytes of an image by the formula of the format's description.
fn formula(builder: &ImageBuilder) -> usize {
    let config = &builder.config;
    let (nr, kr) = (usize::from(config.panel.nr), usize::from(config.panel.kr));
    let pad = |bytes: usize| bytes.div_ceil(64) * 64;
    let linear = |n: usize, k: usize, encoding: Encoding, weights: &[i8]| {
        let common_with_8 =
            |side: usize| [8, 4, 2, 1].into_iter().find(|&by| side.is_multiple_of(by)).unwrap();
        let [rows, columns] = [(n, nr), (k, kr)]
            .map(|(length, side)| length.div_ceil(common_with_8(side)) * common_with_8(side));
        let stored = match encoding {
            Encoding::Int8 => pad(rows * columns),
            // A multiplier and half of the groups of kr, of every output.
            Encoding::Int4 => {
                let halves = |depth: usize| depth.min(depth.div_ceil(kr).div_ceil(2) * kr);
                let (whole, rest) = (columns / 32, columns % 32);
                let rest = if rest > 0 { 1 + halves(rest) } else { 0 };
                pad(rows * (whole * (1 + halves(32)) + rest))
            }
            Encoding::Sparse => {
                let (panels, last) = (rows.div_ceil(nr), rows % nr * columns);
                let mask = rows / nr * (nr * columns).div_ceil(8) + last.div_ceil(8);
                let values = weights.iter().filter(|weight| **weight != 0).count();
                pad(4 * (panels + 1)) + pad(mask) + pad(values)
            }
        };
        stored + 3 * pad(4 * n)
    };
    let h = config.hidden;
    let norm = 2 * pad(4 * h);
    let rows = |rows: usize, bytes: usize| pad(rows * bytes) + pad(2 * rows);
    // A multiplier and 16 bytes for 32 channels, and for what is left.
    let left = match h % 32 {
        0 => 0,
        left => 1 + left.next_multiple_of(8).min(16),
    };
    let word_bytes = if config.words == Encoding::Int4 { h / 32 * 17 + left } else { h };
    let layer = |data: &LayerData| {
        let LayerConfig { heads, head_dim, ffn, encodings, .. } = data.config;
        let width = heads * head_dim;
        linear(3 * width, h, encodings.qkv, &data.qkv.weights)
            + linear(h, width, encodings.attention_output, &data.attention_output.weights)
            + norm
            + linear(ffn, h, encodings.up, &data.up.weights)
            + linear(h, ffn, encodings.down, &data.down.weights)
            + norm
    };
    let labels = 4 + builder.labels.iter().map(|label| 4 + label.len()).sum::<usize>();
    // Header, six table entries, configuration and its layer records.
    64 + pad(6 * 32)
        + 64 * (1 + config.layers)
        + pad(builder.vocabulary.len())
        + rows(config.vocab, word_bytes)
        + rows(config.positions, h)
        + pad(4 * config.types * h)
        + norm
        + builder.layers.iter().map(layer).sum::<usize>()
        + linear(h, h, Encoding::Int8, &[])
        + linear(config.outputs, h, Encoding::Int8, &[])
        + pad(labels)
}

#[test]
fn images_have_the_size_the_format_says() {
    let layers = [
        ToyLayer { heads: 2, head_dim: 3, ffn: 11, attention: INT8, inputs: PER_TOKEN_INPUTS },
        ToyLayer { heads: 3, head_dim: 9, ffn: 75, attention: F32, inputs: PER_TOKEN_INPUTS },
    ];
    let builder = model(1, 18, 31, &[7; 100], &layers);
    assert_eq!(builder.build().unwrap().len(), formula(&builder));
    let mut builder = mixed(builder);
    for (nr, kr) in [(1, 16), (8, 4), (48, 4), (4, 16), (12, 4), (12, 8), (7, 2)] {
        builder.config.panel = Panel { nr, kr };
        assert_eq!(builder.build().unwrap().len(), formula(&builder), "{nr} {kr}");
    }
}

#[test]
fn tinybert_4l_312_with_its_vocabulary_stays_below_14_9_megabytes() {
    let layer = ToyLayer { heads: 12, head_dim: 26, ffn: 1200, attention: INT8, inputs: PER_TOKEN_INPUTS };
    let mut builder = model(1, 312, 30_522, &vec![0; 325_000], &[layer; 4]);
    let row = |rows: usize| rows * 312;
    builder.config.positions = 512;
    builder.embeddings.position.rows.resize(row(512), 0);
    builder.embeddings.position.scales.resize(512, tinybert_image::Bf16(0));
    for panel in
        [Panel { nr: 48, kr: 4 }, Panel { nr: 4, kr: 16 }, Panel { nr: 12, kr: 4 }, Panel { nr: 12, kr: 8 }]
    {
        builder.config.panel = panel;
        let bytes = builder.build().unwrap().len();
        assert_eq!(bytes, formula(&builder));
        assert!(bytes <= 14_900_000, "{bytes} bytes with panels of {panel:?}");
    }
}

/// A model of random sizes, with or without the sections that an image may lack.
fn any_model(seed: u64) -> ImageBuilder {
    let random = &mut ToyRandom(seed);
    let mut size = |largest: usize| 1 + random.below(largest);
    let layers: Vec<ToyLayer> = (0..size(3))
        .map(|_| ToyLayer {
            heads: size(4),
            head_dim: size(12),
            ffn: size(90),
            attention: INT8,
            inputs: PER_TOKEN_INPUTS,
        })
        .collect();
    let mut builder = model(seed, size(70), size(300), &vec![1; size(500)], &layers);
    let panels = [(48, 4), (4, 16), (12, 4), (12, 8), (1, 1)].map(|(nr, kr)| Panel { nr, kr });
    builder.config.panel = panels[size(5) - 1];
    builder = match size(5) {
        1 => builder,
        5 => calibrated(builder),
        2 => token_classification(builder),
        3 => multi_label(builder),
        _ => embedding(builder),
    };
    if size(2) == 1 {
        builder = mixed(builder);
        let encodings = builder.layers.iter_mut().flat_map(|layer| layer.config.encodings.iter_mut());
        // A shape does not say how many weights of a sparse linear are not zero.
        encodings
            .filter(|(_, encoding)| **encoding == Encoding::Sparse)
            .for_each(|(_, encoding)| *encoding = Encoding::Int8);
    }
    if size(2) == 1 {
        let range = ObservedRange { min: -1.0, max: 1.0 };
        let record = CalibrationRecord { inputs: [range; 4], query: 1.0, key: 1.0, value: 1.0, reserved: 0 };
        builder.calibration = Some(CalibrationData { examples: 1, layers: vec![record; layers.len()] });
    }
    if size(2) == 1 {
        builder.provenance = Some(Provenance { weights: [1; 32], vocabulary: [2; 32], calibration: [3; 32] });
    }
    for _ in 1..size(4) {
        let tokens = 3 + size(10);
        let outputs = builder.config.head.answers(tokens) * builder.config.outputs;
        builder.self_tests.push(SelfTestData {
            ids: vec![0; tokens],
            type_ids: vec![0; tokens],
            outputs: vec![0.5; outputs],
        });
    }
    if size(2) == 1 {
        let license = Some("l".repeat(size(255)));
        builder.metadata = Some(Metadata { license, ..Metadata::default() });
    }
    builder
}

proptest! {
    #[test]
    fn the_size_of_a_shape_is_that_of_the_file(seed: u64) {
        let builder = any_model(seed);
        let file = builder.build().unwrap();
        let image = Image::from_bytes(&file).unwrap();
        let layers: Vec<_> = builder.layers.iter().map(|layer| layer.config).collect();
        let labels: Vec<usize> = builder.labels.iter().map(String::len).collect();
        let self_tests: Vec<usize> = builder.self_tests.iter().map(|test| test.ids.len()).collect();
        let shape = ImageShape {
            config: &builder.config,
            layers: &layers,
            vocabulary: builder.vocabulary.len(),
            labels: &labels,
            calibration: builder.calibration.is_some(),
            provenance: builder.provenance.is_some(),
            self_tests: &self_tests,
            confidence: builder.confidence.is_some(),
            metadata: image.metadata(),
        };
        prop_assert_eq!(shape.bytes(), Some(file.len()));
        prop_assert_eq!(shape.sections().unwrap(), image.section_bytes().collect::<Vec<_>>());
    }
}
