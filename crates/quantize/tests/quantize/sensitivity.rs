//! How far each part of a model moves the answers in few bits.

use candle_core::{Device, Tensor};

use tinybert_base::Context;
use tinybert_data::metrics::MetricSet;
use tinybert_model::plan::WeightEncoding;
use tinybert_model::{BertConfig, Checkpoint, Head};
use tinybert_quantize::sensitivity::{Sensitivity, SensitivitySettings, choose, sensitivity};
use tinybert_testing::toy;

fn measured(checkpoint: &Checkpoint) -> Vec<Sensitivity> {
    let settings = SensitivitySettings {
        max_tokens: 16,
        examples: 20,
        calibration_examples: 20,
        encodings: &[WeightEncoding::Int8, WeightEncoding::Int4],
        metrics: MetricSet::Accuracy,
    };
    sensitivity(checkpoint, &toy::sentences(40, 2), &toy::sentences(40, 1), &settings, &Context::default())
        .unwrap()
}

fn model(place: &std::path::Path) -> Checkpoint {
    let config = BertConfig { initializer_range: 0.3, ..toy::config(2, 32) };
    toy::model(place, &config, &Head::Classification { labels: toy::labels() })
}

fn row<'a>(found: &'a [Sensitivity], layer: Option<usize>, part: &str, encoding: &str) -> &'a Sensitivity {
    let mut rows =
        found.iter().filter(|row| row.layer == layer && row.part == part && row.encoding == encoding);
    let row = rows.next().unwrap();
    assert_eq!(rows.next(), None, "one row each");
    row
}

#[test]
fn four_bits_move_the_answers_more_than_eight_and_exact_weights_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let mut checkpoint = model(place.path());
    // All weights have one magnitude, which every encoding has exactly.
    let name = "bert.encoder.layer.1.intermediate.dense.weight";
    let shape = checkpoint.tensors[name].dims2().unwrap();
    let weight = |i: usize| if i * 7 % 15 < 7 { 0.25 } else { -0.25 };
    let exact: Vec<f32> = (0..shape.0 * shape.1).map(weight).collect();
    checkpoint.tensors.insert(name.into(), Tensor::from_vec(exact, shape, &Device::Cpu).unwrap());

    let found = measured(&checkpoint);
    assert_eq!(found.len(), 2 * (2 * 4 + 1) + 2 + 1);
    for layer in [Some(1), Some(2)] {
        for part in ["qkv", "attention output", "up", "down"] {
            let [int8, int4] =
                ["int8", "int4"].map(|encoding| row(&found, layer, part, encoding).logit_error);
            match (layer, part) {
                (Some(2), "up") => assert!(int8 < 1e-9 && int4 < 1e-9, "{int8} {int4}"),
                // A sixteenth of the steps: about 256 times the squared error.
                _ => assert!(int8 > 0.0 && int4 > 20.0 * int8, "{layer:?} {part}: {int8} {int4}"),
            }
        }
        assert!(row(&found, layer, "attention", "int8").logit_error > 0.0);
    }
    let [int8, int4] = ["int8", "int4"].map(|encoding| row(&found, None, "embeddings", encoding).logit_error);
    assert!(int8 > 0.0 && int4 > 20.0 * int8, "{int8} {int4}");
    assert!(row(&found, None, "head", "int8").logit_error > 0.0);
    assert!(found.iter().all(|row| row.metric.is_some_and(|metric| (0.0..=1.0).contains(&metric))));
}

#[test]
fn what_moves_least_for_its_bytes_gets_four_bits_within_the_limit() {
    let config = toy::config(1, 32);
    let row = |part: &str, logit_error| Sensitivity {
        layer: Some(1),
        part: part.into(),
        encoding: "int4".into(),
        logit_error,
        metric: None,
    };
    // Weights: qkv 3072, attention output 1024, up and down 2048 each.
    let found = [row("qkv", 0.003), row("attention output", 0.002), row("up", 0.001), row("down", 0.004)];
    let (int8, int4) = (WeightEncoding::Int8, WeightEncoding::Int4);
    assert_eq!(choose(&found, &config, 0.0), [[int8; 4].into()]);
    assert_eq!(choose(&found, &config, 0.0015), [[int8, int8, int4, int8].into()]);
    assert_eq!(choose(&found, &config, 0.0045), [[int4, int8, int4, int8].into()]);
    assert_eq!(choose(&found, &config, 1.0), [[int4; 4].into()]);
}
