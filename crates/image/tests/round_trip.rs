//! What the writer writes, the reader reads.

mod common;

use common::full_toy;
use tinybert_image::toy::token_classification;
use tinybert_image::{AlignedBytes, Error, Field, HeadKind, Image, ImageBuilder, Panel, SectionKind, repack};

#[test]
fn everything_written_is_read_back() {
    let builder = full_toy();
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    assert_eq!(ImageBuilder::from_image(&image), builder);
    assert_eq!(image.layers().len(), 2);
    assert_eq!(image.labels().collect::<Vec<_>>(), ["yes", "no", "häufig"]);
    let expected = SectionKind::ALL.into_iter().filter(|kind| *kind != SectionKind::WordChecks);
    assert!(image.section_bytes().map(|(kind, _)| kind).eq(expected), "all but that of detached word rows");
}

#[test]
fn weights_lie_in_panels_with_zero_edges_and_their_row_sums() {
    let builder = full_toy();
    let file = builder.build().unwrap();
    let up = Image::from_bytes(&file).unwrap().layers().next().unwrap().up;
    let (n, k, nr, kr) = (11, 10, 8, 4);
    let plain = &builder.layers[0].up.weights;
    let mut position = 0;
    for panel in 0..2 {
        for block in 0..3 {
            for row in 0..nr {
                for lane in 0..kr {
                    let (output, input) = (panel * nr + row, block * kr + lane);
                    let inside = output < n && input < k;
                    let expected = if inside { plain[output * k + input] } else { 0 };
                    assert_eq!(up.weights[position], expected, "weight [{output}, {input}]");
                    position += 1;
                }
            }
        }
    }
    assert_eq!(up.weights.len(), position);
    let sum = |output: usize| plain[output * k..][..k].iter().map(|w| i32::from(*w)).sum::<i32>();
    assert_eq!(up.row_sum, (0..n).map(sum).collect::<Vec<_>>());
}

#[test]
fn every_panel_holds_the_same_model() {
    let builder = full_toy();
    let file = builder.build().unwrap();
    for (nr, kr) in [(1, 1), (12, 4), (16, 2), (4, 16), (64, 64)] {
        let repacked = repack(&Image::from_bytes(&file).unwrap(), Panel { nr, kr }).unwrap();
        let mut unpacked = ImageBuilder::from_image(&Image::from_bytes(&repacked).unwrap());
        assert_eq!(unpacked.config.panel, Panel { nr, kr });
        unpacked.config.panel = builder.config.panel;
        assert_eq!(unpacked, builder);
    }
}

#[test]
fn a_token_classifier_has_outputs_for_every_token_and_no_pooler() {
    let mut builder = token_classification(full_toy());
    for test in &mut builder.self_tests {
        test.outputs.resize(3 * test.ids.len(), 0.5);
    }
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    assert_eq!(image.config().head, HeadKind::TokenClassification);
    assert!(image.head().pooler.is_none() && image.labels().len() == 3);
    let lengths: Vec<_> = image.self_tests().map(|test| test.outputs.len()).collect();
    assert_eq!(lengths, [9, 15]);
    assert_eq!(ImageBuilder::from_image(&image), builder);

    let mut pooled = builder.clone();
    (pooled.config.pooler, pooled.head.pooler) = (true, full_toy().head.pooler);
    assert_eq!(pooled.build().err(), Some(Error::Invalid(Field::Flags)));
    builder.self_tests[1].outputs.truncate(3);
    assert_eq!(builder.build().err(), Some(Error::Invalid(Field::Length)));
}

#[test]
fn the_smallest_image_has_only_the_needed_sections() {
    let mut builder = full_toy();
    builder.config.head = HeadKind::Regression;
    builder.config.outputs = 1;
    builder.config.pooler = false;
    builder.head.pooler = None;
    builder.head.output.weights.truncate(10);
    builder.head.output.scale.truncate(1);
    builder.head.output.bias.truncate(1);
    (builder.labels, builder.self_tests) = (Vec::new(), Vec::new());
    (builder.calibration, builder.provenance) = (None, None);
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    assert_eq!(image.section_bytes().count(), 5);
    assert_eq!(ImageBuilder::from_image(&image), builder);
}

#[test]
fn an_included_image_is_aligned() {
    let bytes = tinybert_image::include_model!("../Cargo.toml");
    assert_eq!(bytes.as_ptr() as usize % tinybert_image::ALIGNMENT, 0);
    assert!(bytes.starts_with(b"[package]"));
}

#[test]
fn a_misaligned_base_address_is_refused() {
    let file = full_toy().build().unwrap();
    let mut shifted = AlignedBytes::zeroed(file.len() + 8);
    shifted[8..].copy_from_slice(&file);
    assert_eq!(Image::from_bytes(&shifted[8..]).err(), Some(Error::Misaligned));
}

/// Changes a good builder and expects that it does not build.
#[track_caller]
fn refused(field: Field, change: impl FnOnce(&mut ImageBuilder)) {
    let mut builder = full_toy();
    change(&mut builder);
    assert_eq!(builder.build().err(), Some(Error::Invalid(field)));
}

#[test]
fn the_writer_refuses_what_does_not_fit_together() {
    refused(Field::Length, |builder| builder.layers[1].up.bias.truncate(6));
    refused(Field::Length, |builder| builder.layers[0].qkv.weights.push(0));
    refused(Field::Length, |builder| builder.embeddings.word.scales.push(tinybert_image::Bf16(0)));
    refused(Field::Length, |builder| builder.self_tests[0].outputs.truncate(2));
    refused(Field::Length, |builder| builder.self_tests[0].type_ids.truncate(2));
    refused(Field::Layers, |builder| builder.layers.truncate(1));
    refused(Field::Flags, |builder| builder.head.pooler = None);
    refused(Field::Outputs, |builder| builder.labels.truncate(2));
}

#[test]
fn values_that_would_break_the_arithmetic_are_refused() {
    use tinybert_image::InputQuantization::Static;
    refused(Field::Weight, |builder| builder.layers[0].down.weights[5] = -128);
    refused(Field::ChannelScale, |builder| builder.layers[0].down.scale[1] = f32::NAN);
    refused(Field::Bias, |builder| builder.head.output.bias[0] = f32::INFINITY);
    refused(Field::LayerNorm, |builder| builder.layers[1].output_norm.gamma[9] = f32::NEG_INFINITY);
    refused(Field::TypeRow, |builder| builder.embeddings.types[3] = f32::NAN);
    refused(Field::RowScale, |builder| builder.embeddings.word.scales[3].0 = 0x7f80);
    refused(Field::AttentionCoefficient, |builder| builder.layers[0].config.attention_coefficient = -1.0);
    refused(Field::ContextScale, |builder| builder.layers[0].config.context_scale = f32::INFINITY);
    refused(Field::InputQuantization, |builder| {
        builder.layers[0].config.qkv_input = Static { scale: 1e-42, zero_point: 0 };
    });
    refused(Field::InputQuantization, |builder| {
        builder.layers[0].config.qkv_input = Static { scale: 1.0, zero_point: -128 };
    });
    refused(Field::InputQuantization, |builder| {
        builder.layers[0].config.attention_output_input = Static { scale: 1.0, zero_point: 1 };
    });
    refused(Field::LayerNormEps, |builder| builder.config.layer_norm_eps = 0.0);
    refused(Field::MaxTokens, |builder| builder.config.max_tokens = 25);
    refused(Field::Panel, |builder| builder.config.panel.nr = 0);
    refused(Field::Panel, |builder| builder.config.panel.kr = 65);
    refused(Field::SelfTest, |builder| builder.self_tests[0].ids[1] = 13);
    refused(Field::SelfTest, |builder| builder.self_tests[1].type_ids[1] = 2);
    refused(Field::SelfTest, |builder| {
        builder.self_tests[0].ids.clear();
        builder.self_tests[0].type_ids.clear();
    });
}
