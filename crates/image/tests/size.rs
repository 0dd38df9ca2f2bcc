//! How large images are: the promise of 14.9 MB for TinyBERT-4L-312 with its vocabulary.

use tinybert_image::toy::{F32, INT8, Layer, PER_TOKEN, model};
use tinybert_image::{ImageBuilder, Panel};

/// Bytes of an image by the formula of the format's description.
fn formula(builder: &ImageBuilder) -> usize {
    let config = &builder.config;
    let pad = |bytes: usize| bytes.div_ceil(64) * 64;
    let linear = |n: usize, k: usize| {
        let common_with_8 =
            |side: usize| [8, 4, 2, 1].into_iter().find(|&by| side.is_multiple_of(by)).unwrap();
        let [rows, columns] = [(n, config.panel.nr), (k, config.panel.kr)]
            .map(|(length, side)| length.div_ceil(common_with_8(side)) * common_with_8(side));
        pad(rows * columns) + 3 * pad(4 * n)
    };
    let h = config.hidden;
    let norm = 2 * pad(4 * h);
    let rows = |rows: usize| pad(rows * h) + pad(2 * rows);
    let layer = |layer: &tinybert_image::LayerConfig| {
        let width = layer.heads * layer.head_dim;
        linear(3 * width, h) + linear(h, width) + norm + linear(layer.ffn, h) + linear(h, layer.ffn) + norm
    };
    let labels = 4 + builder.labels.iter().map(|label| 4 + label.len()).sum::<usize>();
    // Header, six table entries, configuration and its layer records.
    64 + pad(6 * 32)
        + 64 * (1 + config.layers)
        + pad(builder.vocabulary.len())
        + rows(config.vocab)
        + rows(config.positions)
        + pad(4 * config.types * h)
        + norm
        + builder.layers.iter().map(|data| layer(&data.config)).sum::<usize>()
        + linear(h, h)
        + linear(config.outputs, h)
        + pad(labels)
}

#[test]
fn images_have_the_size_the_format_says() {
    let layers = [
        Layer { heads: 2, head_dim: 3, ffn: 11, attention: INT8, inputs: [PER_TOKEN; 4] },
        Layer { heads: 3, head_dim: 9, ffn: 40, attention: F32, inputs: [PER_TOKEN; 4] },
    ];
    let builder = model(1, 18, 31, &[7; 100], &layers);
    assert_eq!(builder.build().unwrap().len(), formula(&builder));
}

#[test]
fn tinybert_4l_312_with_its_vocabulary_stays_below_14_9_megabytes() {
    let layer = Layer { heads: 12, head_dim: 26, ffn: 1200, attention: INT8, inputs: [PER_TOKEN; 4] };
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
