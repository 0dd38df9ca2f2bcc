//! Linear layers: the scalar kernel against a naive oracle on unpacked weights, every fast kernel against the
//! scalar one.

extern crate alloc;

mod checks;
mod common;

use checks::linear::{self, assert_encoded, f32s, scratch};
use checks::operands::{LinearCase, bits, values};
use common::{cases, fast};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, COLUMN_UNIT, Epilogue, Isa, Kernels, PackedWeights, Panel, Quantization, ROW_BLOCK,
    ShapeMismatch, activation_bytes, decode_row, math,
};

/// `y` by the definition, in i64 and with a rounding after each operation.
fn naive(layer: &LinearCase) -> Vec<f32> {
    let mut y = Vec::new();
    for m in 0..layer.m {
        for n in 0..layer.n {
            let a = &layer.a[m * layer.k..(m + 1) * layer.k];
            let w = &layer.w[n * layer.k..(n + 1) * layer.k];
            let products = a.iter().zip(w);
            let acc: i64 =
                products.map(|(&a, &w)| (i64::from(a) - i64::from(layer.zero_point)) * i64::from(w)).sum();
            let a_scale = if layer.per_row { layer.a_scale[m] } else { layer.a_scale[0] };
            y.push(acc as f32 * (a_scale * layer.scale[n]) + layer.bias[n]);
        }
    }
    y
}

const PANELS: [Panel; 7] = [
    Panel { nr: 1, kr: 1 },
    Panel::PORTABLE,
    Panel::X86,
    Panel::NEON,
    Panel::DOTPROD,
    Panel::I8MM,
    Panel { nr: 7, kr: 3 },
];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition_in_every_layout(m in 1usize..6, n in 1usize..40, k in 1usize..90, seed: u64) {
        let layer = LinearCase::random(m, n, k, seed);
        for panel in PANELS {
            prop_assert_eq!(bits(&f32s(&Kernels::scalar(), &layer, panel)), bits(&naive(&layer)));
        }
    }

    #[test]
    fn fast_kernels_give_the_scalar_bits(m in 1usize..41, n in 1usize..80, k in 1usize..401, seed: u64) {
        fast().for_each(|kernels| linear::check(&kernels, m, n, k, seed));
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn encoded_weights_give_the_bits_of_int8(m in 1usize..20, n in 1usize..80, k in 1usize..401, seed: u64) {
        let all = fast().chain([Kernels::scalar()]);
        all.for_each(|kernels| linear::check_encoded(&kernels, m, n, k, seed));
    }

    #[test]
    fn a_row_in_four_bits_is_a_panel_of_one_output(k in 1usize..200, seed: u64) {
        let layer = LinearCase::random(1, 1, k, seed).four_bits(seed);
        let stored = layer.stored_four_bits(Panel::PORTABLE);
        let mut row = vec![85; k];
        decode_row(&stored, &mut row).unwrap();
        prop_assert_eq!(&row, &layer.w);
        prop_assert_eq!(decode_row(&stored[1..], &mut row), Err(ShapeMismatch));
    }
}

#[test]
fn encoded_weights_of_the_model_of_every_tail_and_in_foreign_layouts() {
    let tails = (1..=50).map(|n| (9, n, 29)).chain((1..=70).map(|k| (2, 17, k)));
    let model = [(9, 936, 312), (5, 312, 312), (17, 1200, 312), (4, 312, 1200)];
    for (m, n, k) in tails.chain(model) {
        let seed = (m * 1_000_000 + n * 1000 + k) as u64;
        let layer = LinearCase::random(m, n, k, seed).four_bits(seed).sparse(128, seed);
        for kernels in fast().chain([Kernels::scalar()]) {
            assert_encoded(&kernels, &layer, kernels.native_panel(), seed);
        }
        if n * k < 2000 && (n + k).is_multiple_of(5) {
            for panel in PANELS {
                assert_encoded(&Kernels::detect().for_panel(panel), &layer, panel, seed);
            }
        }
    }
}

#[test]
fn the_outputs_of_some_panels_are_a_layer_of_their_own() {
    let layer = LinearCase::random(3, 130, 75, 5).four_bits(5).sparse(100, 6);
    for kernels in fast().chain([Kernels::scalar()]) {
        let panel = kernels.native_panel();
        let nr = usize::from(panel.nr);
        let (plain, stored, (offsets, mask, values)) =
            (layer.packed(panel), layer.stored_four_bits(panel), layer.stored_sparse(panel));
        let sparse = PackedWeights::Sparse { offsets: &offsets, mask: &mask, values: &values };
        for weights in [PackedWeights::Int8(&plain), PackedWeights::Int4(&stored), sparse] {
            let w = layer.encoded(panel, weights);
            for outputs in [nr..130, 0..nr, nr..2 * nr, 0..130, 0..0] {
                let part = w.outputs(outputs.clone()).unwrap();
                let (data, n) = (layer.input(&kernels), outputs.len());
                // A residual stream, of which the part is some columns.
                let mut out = vec![-0.0; 3 * 130];
                let epilogue = Epilogue::AddF32 { residual: &mut out[outputs.start..], stride: 130 };
                kernels.linear(&layer.activations(&data), &part, epilogue, &mut scratch(&part)).unwrap();
                let mut expected = naive(&layer);
                for (place, y) in expected.iter_mut().enumerate() {
                    *y = if outputs.contains(&(place % 130)) { *y } else { -0.0 };
                }
                assert_eq!(bits(&out), bits(&expected), "{kernels:?}, {n} outputs from {}", outputs.start);
            }
            assert_eq!(w.outputs(0..131).err(), Some(ShapeMismatch), "more outputs than there are");
            if nr > 1 {
                assert_eq!(w.outputs(1..130).err(), Some(ShapeMismatch), "from within a panel");
                assert_eq!(w.outputs(0..nr + 1).err(), Some(ShapeMismatch), "to within a panel");
            }
        }
    }
}

#[test]
fn parts_of_the_outputs_make_the_whole_input_of_the_next_layer() {
    // A multiple of every kernel's panel and of COLUMN_UNIT.
    const UNIT: usize = 3 * COLUMN_UNIT;
    for (m, n) in [(1, 130), (8, 144), (21, 100)] {
        let layer = LinearCase::random(m, n, 75, 5);
        for kernels in fast().chain([Kernels::scalar()]) {
            let panel = kernels.native_panel();
            let (packed, data) = (layer.packed(panel), layer.input(&kernels));
            let w = layer.linear(panel, &packed);
            let run = |parts: &[std::ops::Range<usize>]| {
                let mut gelu = vec![0; activation_bytes(m, n).unwrap()];
                for part in parts {
                    let out = kernels.skip_columns(ActivationsMut::new(&mut gelu, n), part.start).unwrap();
                    let quantization = Quantization::Static { inv_scale: 20.0, zero_point: -9 };
                    let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut [] };
                    let w = w.outputs(part.clone()).unwrap();
                    kernels.linear(&layer.activations(&data), &w, epilogue, &mut []).unwrap();
                }
                values(&kernels, &gelu, m, n)
            };
            let parts = [0..UNIT, UNIT..2 * UNIT, 2 * UNIT..n];
            assert_eq!(run(&parts), run(std::slice::from_ref(&(0..n))), "{kernels:?}, {m} rows");
            let mut gelu = vec![0; activation_bytes(m, n).unwrap()];
            let within = kernels.skip_columns(ActivationsMut::new(&mut gelu, n), 8).err();
            assert_eq!(within, Some(ShapeMismatch), "within a unit");
        }
    }
}

#[test]
fn encoded_weights_that_are_not_all_there_are_refused_or_harmless() {
    let layer = LinearCase::random(3, 20, 40, 5).four_bits(5).sparse(100, 6);
    for kernels in fast().chain([Kernels::scalar()]) {
        let panel = kernels.native_panel();
        let data = layer.input(&kernels);
        let run = |weights: PackedWeights, bytes: usize| {
            let (w, mut out) = (layer.encoded(panel, weights), [0.0; 60]);
            let epilogue = Epilogue::F32 { out: &mut out, stride: 20 };
            kernels.linear(&layer.activations(&data), &w, epilogue, &mut vec![0; bytes])
        };
        let stored = layer.stored_four_bits(panel);
        let bytes = panel.decoded_bytes(20, 40).unwrap();
        assert_eq!(run(PackedWeights::Int4(&stored), bytes), Ok(()));
        assert_eq!(run(PackedWeights::Int4(&stored), bytes - 1), Err(ShapeMismatch), "short scratch memory");
        assert_eq!(run(PackedWeights::Int4(&stored[1..]), bytes), Err(ShapeMismatch), "short codes");
        let (offsets, mask, values) = layer.stored_sparse(panel);
        let sparse = |offsets: &[u32], mask: &[u8], values: &[i8]| {
            run(PackedWeights::Sparse { offsets, mask, values }, bytes)
        };
        assert_eq!(sparse(&offsets, &mask, &values), Ok(()));
        assert_eq!(sparse(&offsets[1..], &mask, &values), Err(ShapeMismatch), "short offsets");
        assert_eq!(sparse(&offsets, &mask[1..], &values), Err(ShapeMismatch), "short mask");
        assert_eq!(sparse(&offsets, &mask, &values[..9]), Ok(()), "what is not there is zero");
        let full = vec![255; mask.len()];
        assert_eq!(sparse(&offsets, &full, &values), Ok(()), "more bits than values");
        let far = vec![u32::MAX; offsets.len()];
        assert_eq!(sparse(&far, &mask, &values), Ok(()), "offsets beyond the values");
    }
}

#[test]
fn fast_kernels_take_the_shapes_of_the_model_and_every_tail() {
    let tails = (1..=17).flat_map(|m| [(m, 50, 37), (m, 33, 16)]);
    let columns = (1..=50).map(|n| (3, n, 29));
    let depths = (1..=70).map(|k| (2, 17, k));
    let model = [(9, 936, 312), (5, 312, 312), (4, 1200, 312), (4, 312, 1200), (1, 312, 312), (1, 2, 312)];
    for (m, n, k) in tails.chain(columns).chain(depths).chain(model) {
        let layer = LinearCase::random(m, n, k, (m * 1_000_000 + n * 1000 + k) as u64);
        let expected = bits(&naive(&layer));
        for kernels in fast() {
            assert_eq!(
                bits(&f32s(&kernels, &layer, kernels.native_panel())),
                expected,
                "{kernels:?} {m} {n} {k}"
            );
        }
    }
}

#[test]
fn every_layout_has_kernels_that_read_it() {
    let layer = LinearCase::random(3, 21, 35, 7);
    let expected = bits(&naive(&layer));
    for kernels in fast().chain([Kernels::scalar()]) {
        for panel in PANELS {
            let reading = kernels.for_panel(panel);
            assert_eq!(bits(&f32s(&reading, &layer, panel)), expected, "{kernels:?}, {reading:?}, {panel:?}");
            let reads = kernels.isa() == Isa::Scalar || kernels.native_panel() == panel;
            assert_eq!(reading.isa() == kernels.isa(), reads, "{kernels:?}, {panel:?}");
            let fast_ones = fast().any(|kernels| kernels.native_panel() == panel);
            let scalar_last = kernels.isa() == Isa::Scalar || !fast_ones;
            assert_eq!(reading.isa() == Isa::Scalar, scalar_last, "{kernels:?}, {reading:?}, {panel:?}");
            if !reads {
                let (data, packed) = (layer.input(&kernels), layer.packed(panel));
                let (a, w) = (layer.activations(&data), layer.linear(panel, &packed));
                let epilogue = Epilogue::F32 { out: &mut [0.0; 63], stride: 21 };
                assert_eq!(kernels.linear(&a, &w, epilogue, &mut []), Err(ShapeMismatch), "{kernels:?}");
            }
        }
    }
}

#[test]
fn residual_adds_to_what_is_there() {
    let layer = LinearCase::random(2, 5, 9, 3);
    let scalar = Kernels::scalar();
    let (data, weights) = (layer.input(&scalar), layer.packed(Panel::PORTABLE));
    let mut residual = vec![1.5; 10];
    let epilogue = Epilogue::AddF32 { residual: &mut residual, stride: 5 };
    scalar
        .linear(&layer.activations(&data), &layer.linear(Panel::PORTABLE, &weights), epilogue, &mut [])
        .unwrap();
    let expected: Vec<f32> = naive(&layer).iter().map(|y| 1.5 + y).collect();
    assert_eq!(residual, expected);
}

#[test]
fn quantized_epilogues_are_the_definition() {
    let layer = LinearCase::random(11, 19, 23, 4);
    let y = naive(&layer);
    let scalar = Kernels::scalar();
    let (data, weights) = (layer.input(&scalar), layer.packed(Panel::NEON));
    let (a, w) = (layer.activations(&data), layer.linear(Panel::NEON, &weights));

    let mut rows = vec![77; 11 * 32];
    scalar.linear(&a, &w, Epilogue::I8 { out: &mut rows, stride: 32 }, &mut []).unwrap();
    for (row, y) in rows.chunks(32).zip(y.chunks(19)) {
        let expected: Vec<i8> = y.iter().map(|&y| math::quantize(y, 1.0, 0)).collect();
        assert_eq!(row[..19], expected);
    }

    let (mut gelu, mut scale) = (vec![0; activation_bytes(11, 19).unwrap()], vec![0.0; 11]);
    let quantization = Quantization::PerToken { scale: &mut scale };
    let out = ActivationsMut::new(&mut gelu, 19);
    let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut vec![0.0; ROW_BLOCK * 19] };
    scalar.linear(&a, &w, epilogue, &mut []).unwrap();
    let gelu = values(&scalar, &gelu, 11, 19);
    for ((gelu, y), scale) in gelu.chunks(19).zip(y.chunks(19)).zip(&scale) {
        for (&gelu, &y) in gelu.iter().zip(y) {
            let back = f32::from(gelu) * scale;
            assert!(
                (back - math::gelu(y)).abs() <= scale * 0.501,
                "{back} is not gelu({y}) within half a step {scale}"
            );
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let layer = LinearCase::random(3, 5, 9, 1);
    for kernels in fast().chain([Kernels::scalar()]) {
        let panel = kernels.native_panel();
        let (data, weights) = (layer.input(&kernels), layer.packed(panel));
        let (a, w) = (layer.activations(&data), layer.linear(panel, &weights));
        let run = |a, w, len: usize| {
            kernels.linear(&a, &w, Epilogue::F32 { out: &mut vec![0.0; len], stride: 5 }, &mut [])
        };
        assert_eq!(run(a, w, 15), Ok(()));
        for len in [0, 14] {
            assert_eq!(run(a, w, len), Err(ShapeMismatch), "out of length {len}");
        }
        let mut short = a;
        short.data = &data[..activation_bytes(3, 9).unwrap() - 1];
        assert_eq!(run(short, w, 15), Err(ShapeMismatch), "short activations");
        let mut deep = a;
        deep.k = 10;
        assert_eq!(run(deep, w, 15), Err(ShapeMismatch), "k of the input is not k of the weights");
        let mut huge = a;
        huge.m = usize::MAX / 8;
        assert_eq!(run(huge, w, 15), Err(ShapeMismatch), "rows overflow");
        let mut bare = w;
        bare.bias = &[];
        assert_eq!(run(a, bare, 15), Err(ShapeMismatch), "no bias");
        let mut cut = w;
        cut.weights = PackedWeights::Int8(&weights[1..]);
        assert_eq!(run(a, cut, 15), Err(ShapeMismatch), "short weights");
        let mut flat = w;
        flat.panel = Panel { nr: 0, kr: 4 };
        assert_eq!(run(a, flat, 15), Err(ShapeMismatch), "panel without rows");
        let rows = Epilogue::I8 { out: &mut [0; 30], stride: 4 };
        assert_eq!(kernels.linear(&a, &w, rows, &mut []), Err(ShapeMismatch), "stride below n");
        let rows = Epilogue::F32 { out: &mut [0.0; 30], stride: 4 };
        assert_eq!(kernels.linear(&a, &w, rows, &mut []), Err(ShapeMismatch), "stride below n");
        let mut scale = [0.0; 3];
        let quantization = Quantization::PerToken { scale: &mut scale };
        let (mut data, scratch) = ([0; 128], &mut [0.0; 39]);
        let gelu = Epilogue::Gelu { out: ActivationsMut::new(&mut data, 5), quantization, scratch };
        assert_eq!(
            kernels.linear(&a, &w, gelu, &mut []),
            Err(ShapeMismatch),
            "scratch of less than ROW_BLOCK rows"
        );
    }
}
