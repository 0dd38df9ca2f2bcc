//! Self-attention in f32: the scalar kernel against the definition, every fast kernel against the scalar one.

extern crate alloc;

mod checks;
mod common;

use checks::attention_f32::Case;
use checks::operands::{RandomOperands, bits};
use common::{cases, fast};
use proptest::prelude::*;
use tinybert_kernels::{AttentionShape, ContextOutput, Kernels, ShapeMismatch, math};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(
        tokens in 1usize..30, first in 0usize..30, queries in 0usize..30, heads in 1usize..4,
        head_dim in 1usize..40, seed: u64,
    ) {
        let case = Case::random(tokens, first, queries, heads, head_dim, seed);
        let quantized: Vec<_> = case.naive().iter().map(|&x| math::quantize(x, 1.0, 0)).collect();
        prop_assert_eq!(bits(&case.f32s(&Kernels::scalar())), bits(&case.naive()));
        prop_assert_eq!(case.i8s(&Kernels::scalar(), seed as usize % 5), quantized);
    }

    #[test]
    fn fast_kernels_give_the_scalar_bits(
        tokens in 1usize..70, first in 0usize..70, queries in 0usize..70, heads in 1usize..4,
        head_dim in 1usize..70, seed: u64,
    ) {
        let case = Case::random(tokens, first, queries, heads, head_dim, seed);
        fast().for_each(|kernels| case.check(&kernels, seed as usize % 5));
    }
}

#[test]
fn fast_kernels_take_every_tail_and_the_model() {
    let lengths = (1..=34).map(|tokens| (tokens, 1, 26));
    let head_dims = (1..=70).map(|head_dim| (7, 2, head_dim));
    for (tokens, heads, head_dim) in lengths.chain(head_dims).chain([(128, 12, 26), (300, 1, 64)]) {
        let seed = (tokens * 1000 + head_dim) as u64;
        let case = Case::random(tokens, 0, tokens, heads, head_dim, seed);
        fast().for_each(|kernels| case.check(&kernels, 0));
    }
}

#[test]
fn numbers_beyond_f32_give_the_same_everywhere() {
    let mut case = Case::random(37, 0, 37, 2, 13, 9);
    let mut random = RandomOperands(1);
    for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, -f32::MAX, 1e-44, -0.0] {
        for _ in 0..4 {
            let at = random.below(case.qkv.len());
            case.qkv[at] = special;
        }
    }
    let (f32s, i8s) = (case.f32s(&Kernels::scalar()), case.i8s(&Kernels::scalar(), 0));
    assert!(f32s.iter().any(|x| x.is_nan()) && f32s.iter().any(|x| x.is_finite()));
    for kernels in fast() {
        // The sign and payload of a NaN are the processor's own.
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        assert!(case.f32s(&kernels).iter().zip(&f32s).all(same), "{kernels:?}");
        assert_eq!(case.i8s(&kernels, 1), i8s, "{kernels:?}");
    }
}

#[test]
fn f32_attention_is_softmax_attention() {
    let mut case = Case::random(60, 0, 60, 2, 26, 11);
    (case.coefficient, case.scale) = (core::f32::consts::LOG2_E / 26_f32.sqrt(), 1.0);
    let out = case.f32s(&Kernels::detect());
    for query in 0..60 {
        for head in 0..2 {
            let dot = |k: &[f32]| {
                case.part(0, query, head)
                    .iter()
                    .zip(k)
                    .map(|(&q, &k)| f64::from(q) * f64::from(k))
                    .sum::<f64>()
            };
            let weights: Vec<f64> =
                (0..60).map(|token| (dot(case.part(1, token, head)) / 26_f64.sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for column in 0..26 {
                let terms = weights
                    .iter()
                    .enumerate()
                    .map(|(token, p)| p / total * f64::from(case.part(2, token, head)[column]));
                let got = f64::from(out[query * 52 + head * 26 + column]);
                // Scores of up to 26·16 carry rounding errors of 26·2^-24 relative, values are up to 4.
                assert!(
                    (terms.sum::<f64>() - got).abs() < 2e-4,
                    "query {query}, head {head}, column {column}"
                );
            }
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let case = Case::random(4, 0, 4, 2, 3, 1);
    let scratch_bytes = case.shape.scratch_bytes_f32().unwrap();
    for kernels in fast().chain([Kernels::scalar()]) {
        let run = |shape: AttentionShape, coefficient: f32, out: usize, scratch: usize| {
            let context = ContextOutput::F32 { out: &mut vec![0.0; out], scale: 1.0 };
            kernels.attention_f32(&case.qkv, shape, coefficient, context, &mut vec![0; scratch])
        };
        assert_eq!(run(case.shape, 1.0, 24, scratch_bytes), Ok(()));
        assert_eq!(run(case.shape, 1.0, 23, scratch_bytes), Err(ShapeMismatch), "short context");
        assert_eq!(run(case.shape, 1.0, 24, scratch_bytes - 1), Err(ShapeMismatch), "short scratch memory");
        assert_eq!(run(case.shape, f32::NAN, 24, scratch_bytes), Err(ShapeMismatch), "coefficient");
        let longer = AttentionShape { tokens: 5, ..case.shape };
        assert_eq!(run(longer, 1.0, 24, scratch_bytes), Err(ShapeMismatch), "more tokens than qkv holds");
    }
    let huge = AttentionShape { head_dim: usize::MAX / 2, ..case.shape };
    assert_eq!(huge.scratch_bytes_f32(), None);
}
