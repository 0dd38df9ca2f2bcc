//! The reader reads what the writer writes.

mod common;

use common::{full_toy, mixed_toy};
use tinybert_image::toy::{calibrated, embedding, multi_label, token_classification};
use tinybert_image::{
    AlignedBytes, Confidence, Encoding, Error, Field, HeadKind, Image, ImageBuilder, LinearData,
    PackedWeights, Panel, PerLinear, SectionKind, detach_words, repack, seal,
};

#[test]
fn everything_written_is_read_back() {
    let builder = mixed_toy();
    let file = builder.build().unwrap();
    assert_eq!(ImageBuilder::from_image(&Image::from_bytes(&file).unwrap()), builder);
    let builder = full_toy();
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    assert_eq!(ImageBuilder::from_image(&image), builder);
    assert_eq!(image.layers().len(), 2);
    assert_eq!(image.labels().collect::<Vec<_>>(), ["yes", "no", "häufig"]);
    let added_later =
        [SectionKind::Signature, SectionKind::WordChecks, SectionKind::Confidence, SectionKind::Metadata];
    let expected = SectionKind::ALL.into_iter().filter(|kind| !added_later.contains(kind));
    assert!(image.section_bytes().map(|(kind, _)| kind).eq(expected), "all that the writer writes at once");
}

#[test]
fn weights_lie_in_panels_with_zero_edges_and_their_row_sums() {
    let builder = full_toy();
    let file = builder.build().unwrap();
    let up = Image::from_bytes(&file).unwrap().layers().next().unwrap().up;
    let PackedWeights::Int8(weights) = up.weights else { panic!("{:?}", up.weights) };
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
                    assert_eq!(weights[position], expected, "weight [{output}, {input}]");
                    position += 1;
                }
            }
        }
    }
    assert_eq!(weights.len(), position);
    let sum = |output: usize| plain[output * k..][..k].iter().map(|w| i32::from(*w)).sum::<i32>();
    assert_eq!(up.row_sum, (0..n).map(sum).collect::<Vec<_>>());
}

/// The linears of all layers with their plain weights.
fn linears<'a>(
    builder: &'a ImageBuilder,
    image: &Image<'a>,
) -> impl Iterator<Item = (&'a LinearData, tinybert_image::LinearView<'a>)> {
    builder
        .layers
        .iter()
        .zip(image.layers())
        .flat_map(|(data, layer)| data.linears().into_iter().zip(layer.linears()))
}

/// Weight `[output, input]`; 0 beyond the matrix.
fn plain(data: &LinearData, output: usize, input: usize) -> i8 {
    let outputs = data.weights.len() / data.inputs;
    if output < outputs && input < data.inputs { data.weights[output * data.inputs + input] } else { 0 }
}

/// In panels of 8 by 4, as the toy has them: step through the bytes as the format describes them.
#[test]
fn four_bits_lie_group_after_group_first_half_in_the_low_nibbles() {
    let builder = mixed_toy();
    let file = builder.build().unwrap();
    let mut seen = 0;
    for (data, linear) in linears(&builder, &Image::from_bytes(&file).unwrap()) {
        let PackedWeights::Int4(stored) = linear.weights else { continue };
        let mut stored = stored.iter().copied();
        let depth = linear.inputs.next_multiple_of(4);
        for panel in (0..linear.outputs).step_by(8) {
            for group in (0..depth).step_by(32) {
                let multipliers: Vec<i8> = stored.by_ref().take(8).map(|m| m as i8).collect();
                let runs = (depth - group).min(32) / 4;
                let low_runs = runs.div_ceil(2);
                let codes: Vec<u8> = stored.by_ref().take(low_runs * 32).collect();
                for (place, byte) in codes.iter().enumerate() {
                    for (code, run) in [(byte & 15, place / 32), (byte >> 4, place / 32 + low_runs)] {
                        let (lane, step) = (place % 32 / 4, place % 4);
                        let code = if code > 7 { code as i8 - 16 } else { code as i8 };
                        let expected =
                            if run < runs { plain(data, panel + lane, group + run * 4 + step) } else { 0 };
                        assert_eq!(code * multipliers[lane], expected);
                    }
                }
            }
        }
        assert_eq!(stored.next(), None);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn sparse_weights_are_a_mask_and_the_values_panel_by_panel() {
    let builder = mixed_toy();
    let file = builder.build().unwrap();
    let mut seen = 0;
    for (data, linear) in linears(&builder, &Image::from_bytes(&file).unwrap()) {
        let PackedWeights::Sparse { offsets, mask, values } = linear.weights else { continue };
        let depth = linear.inputs.next_multiple_of(4);
        let (mut bit, mut value) = (0, 0);
        assert_eq!(offsets.len(), linear.outputs.div_ceil(8) + 1);
        for (panel, offset) in offsets.iter().take(offsets.len() - 1).enumerate() {
            assert_eq!(*offset as usize, value);
            for run in 0..depth / 4 {
                for (lane, step) in (0..8).flat_map(|lane| (0..4).map(move |step| (lane, step))) {
                    let expected = plain(data, panel * 8 + lane, run * 4 + step);
                    assert_eq!(mask[bit / 8] >> (bit % 8) & 1 == 1, expected != 0);
                    if expected != 0 {
                        assert_eq!(values[value], expected);
                        value += 1;
                    }
                    bit += 1;
                }
            }
        }
        assert_eq!((offsets[offsets.len() - 1] as usize, values.len(), mask.len()), (value, value, bit / 8));
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn every_panel_holds_the_same_model() {
    let panels = [(1, 1), (1, 16), (12, 4), (12, 8), (48, 4), (16, 2), (4, 16), (7, 1), (64, 64)];
    for builder in [full_toy(), mixed_toy()] {
        let file = builder.build().unwrap();
        for (nr, kr) in panels {
            let repacked = repack(&Image::from_bytes(&file).unwrap(), Panel { nr, kr });
            if builder.config.words == Encoding::Int4 && kr == 64 {
                assert_eq!(
                    repacked.err(),
                    Some(Error::Invalid(Field::Panel)),
                    "64 inputs are more than a group"
                );
                continue;
            }
            let repacked = repacked.unwrap();
            let mut unpacked = ImageBuilder::from_image(&Image::from_bytes(&repacked).unwrap());
            assert_eq!(unpacked.config.panel, Panel { nr, kr });
            unpacked.config.panel = builder.config.panel;
            assert_eq!(unpacked, builder);
        }
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
fn a_multi_label_classifier_has_a_threshold_for_each_output() {
    let builder = multi_label(full_toy());
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    assert_eq!(image.config().head, HeadKind::MultiLabel);
    assert_eq!(image.head().thresholds, [-0.2, 0.0, 0.2]);
    assert!(image.head().pooler.is_some() && image.labels().len() == 3);
    assert_eq!(ImageBuilder::from_image(&image), builder);

    let refused = |field, change: fn(&mut ImageBuilder)| {
        let mut builder = builder.clone();
        change(&mut builder);
        assert_eq!(builder.build().err(), Some(Error::Invalid(field)));
    };
    refused(Field::Threshold, |builder| builder.head.thresholds[1] = f32::NAN);
    refused(Field::Threshold, |builder| builder.head.thresholds[2] = f32::NEG_INFINITY);
    refused(Field::Length, |builder| builder.head.thresholds.truncate(2));
    refused(Field::Length, |builder| builder.config.head = HeadKind::Classification);
    refused(Field::Outputs, |builder| builder.labels.truncate(2));
    refused(Field::Flags, |builder| builder.config.normalized = false);
}

#[test]
fn a_classifier_may_have_a_temperature_a_threshold_and_a_label_for_what_is_out_of_scope() {
    let builder = calibrated(full_toy());
    let file = builder.build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    let expected = Confidence { temperature: 0.5, threshold: 0.75, out_of_scope: Some(1) };
    assert_eq!(image.confidence(), Some(expected));
    assert_eq!(image.section_bytes().last(), Some((SectionKind::Confidence, 12)));
    assert_eq!(ImageBuilder::from_image(&image), builder);
    let repacked = repack(&image, Panel { nr: 4, kr: 8 }).unwrap();
    let (detached, _) = detach_words(&image).unwrap();
    for file in [&repacked, &detached] {
        assert_eq!(Image::from_bytes(file).unwrap().confidence(), Some(expected));
    }

    // The little-endian words that the format describes.
    let section = &file[file.len() - 64..];
    assert_eq!(section[..12], [0, 0, 0, 0x3f, 0, 0, 0x40, 0x3f, 1, 0, 0, 0]);
    let mut none = builder.clone();
    none.confidence = Some(Confidence::default());
    let file = none.build().unwrap();
    assert_eq!(file[file.len() - 64..][..12], [0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(Image::from_bytes(&file).unwrap().confidence(), Some(Confidence::default()));
    let file = full_toy().build().unwrap();
    assert_eq!(Image::from_bytes(&file).unwrap().confidence(), None);
}

#[test]
fn a_confidence_section_that_means_nothing_is_refused() {
    let build = |confidence| ImageBuilder { confidence: Some(confidence), ..full_toy() }.build().err();
    let good = Confidence { temperature: 2.0, threshold: 0.5, out_of_scope: None };
    for temperature in [0.0, -0.0, -1.0, f32::MIN_POSITIVE.next_down(), f32::INFINITY, f32::NAN] {
        assert_eq!(build(Confidence { temperature, ..good }), Some(Error::Invalid(Field::Temperature)));
    }
    for threshold in [-0.1, 1.0_f32.next_up(), f32::INFINITY, f32::NAN] {
        assert_eq!(build(Confidence { threshold, ..good }), Some(Error::Invalid(Field::Threshold)));
    }
    for label in [3, u32::MAX - 1] {
        let confidence = Confidence { out_of_scope: Some(label), ..good };
        assert_eq!(build(confidence), Some(Error::Invalid(Field::OutOfScope)));
    }
    for threshold in [0.0, 1.0] {
        assert_eq!(build(Confidence { threshold, out_of_scope: Some(2), ..good }), None);
    }
    for (temperature, threshold) in [(f32::MIN_POSITIVE, 0.0), (f32::MAX, 1.0)] {
        assert_eq!(build(Confidence { temperature, threshold, ..good }), None);
    }
    for head in [token_classification, multi_label, embedding] {
        let builder = head(ImageBuilder { self_tests: Vec::new(), ..calibrated(full_toy()) });
        assert_eq!(builder.build().err(), Some(Error::Invalid(Field::HeadKind)));
    }
}

#[test]
fn a_confidence_section_of_another_size_is_refused() {
    let file = calibrated(full_toy()).build().unwrap();
    for bytes in (0..=64_u64).filter(|bytes| *bytes != 12) {
        let mut changed = file.clone();
        let entry = 64 + 32 * 9;
        changed[entry + 16..entry + 24].copy_from_slice(&bytes.to_le_bytes());
        seal(&mut changed);
        // Bytes that the section no longer has are no padding.
        let expected = match bytes {
            ..9 => matches!(Image::from_bytes(&changed).err(), Some(Error::Padding | Error::FileSize { .. })),
            _ => Image::from_bytes(&changed).err() == Some(Error::SectionSize(SectionKind::Confidence)),
        };
        assert!(expected, "{bytes} bytes: {:?}", Image::from_bytes(&changed).err());
    }
}

#[test]
fn the_kind_of_the_head_says_how_large_its_section_is() {
    // The head's kind is the eighth word of the model record, behind header and section table.
    for (made, stated) in
        [(multi_label(full_toy()), HeadKind::Classification), (full_toy(), HeadKind::MultiLabel)]
    {
        let mut file = made.build().unwrap();
        let record = (64 + 9 * 32_usize).next_multiple_of(64);
        file[record + 28..record + 32].copy_from_slice(&(stated as u32).to_le_bytes());
        seal(&mut file);
        assert_eq!(Image::from_bytes(&file).err(), Some(Error::SectionSize(SectionKind::Head)));
    }
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
    refused(Field::Encoding, |builder| builder.config.words = Encoding::Sparse);
    refused(Field::Weight, |builder| builder.layers[0].config.encodings = PerLinear::all(Encoding::Int4));
    refused(Field::SelfTest, |builder| builder.self_tests[0].ids[1] = 13);
    refused(Field::SelfTest, |builder| builder.self_tests[1].type_ids[1] = 2);
    refused(Field::SelfTest, |builder| {
        builder.self_tests[0].ids.clear();
        builder.self_tests[0].type_ids.clear();
    });
}

/// Changes the stored weights of the first linear in an encoding, and expects that the reader refuses them.
#[track_caller]
fn stored_weights_refused(encoding: Encoding, change: impl FnOnce(&mut [u8])) {
    let mut file = mixed_toy().build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    let layers = image.layers().flat_map(|layer| layer.linears());
    let linear = layers.into_iter().find(|linear| linear.weights.encoding() == encoding).unwrap();
    let (start, length) = match linear.weights {
        PackedWeights::Int4(stored) => (stored.as_ptr() as usize, stored.len()),
        // The weights reach to the end of the values, padding included.
        PackedWeights::Sparse { offsets, values, .. } => {
            let start = offsets.as_ptr() as usize;
            (start, values.as_ptr() as usize + values.len() - start)
        }
        PackedWeights::Int8(_) => unreachable!(),
    };
    let start = start - file.as_ptr() as usize;
    change(&mut file[start..start + length]);
    seal(&mut file);
    assert_eq!(Image::from_bytes(&file).err(), Some(Error::Invalid(Field::Weight)));
}

#[test]
fn stored_weights_that_mean_nothing_are_refused() {
    // qkv of the first layer: 18 outputs of 10 inputs, panels of 8 by 12.
    stored_weights_refused(Encoding::Int4, |stored| stored[0] = 0);
    stored_weights_refused(Encoding::Int4, |stored| stored[3] = 19);
    stored_weights_refused(Encoding::Int4, |stored| stored[8] = 0x08);
    stored_weights_refused(Encoding::Int4, |stored| stored[9] = 0x80);
    // Three runs: two in the low nibbles, one in the high ones, then nothing; its last two inputs are edges.
    stored_weights_refused(Encoding::Int4, |stored| stored[8 + 32] |= 0x10);
    stored_weights_refused(Encoding::Int4, |stored| stored[8 + 3] |= 0x10);
    // Attention output of the first layer: 10 outputs of 6 inputs, panels of 8 by 8: three offsets, two masks
    // of 8 bytes.
    stored_weights_refused(Encoding::Sparse, |stored| stored[0] = 1);
    stored_weights_refused(Encoding::Sparse, |stored| stored[4] ^= 1);
    stored_weights_refused(Encoding::Sparse, |stored| stored[64] ^= 1);
    stored_weights_refused(Encoding::Sparse, |stored| stored[128] = 0);
    stored_weights_refused(Encoding::Sparse, |stored| stored[128] = 0x80);
    // The same number of bits, but one of them in an edge: inputs 6 and 7 of output 0 are bits 6 and 7 of the
    // second run.
    stored_weights_refused(Encoding::Sparse, |stored| {
        let bit = (0..32).find(|bit| stored[64 + bit / 8] >> (bit % 8) & 1 == 1).unwrap();
        stored[64 + bit / 8] ^= 1 << (bit % 8);
        stored[64 + 4] |= 1 << 2;
    });
}
