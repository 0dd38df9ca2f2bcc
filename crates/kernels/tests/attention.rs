//! Self-attention: the scalar kernel against the definition, every fast kernel against the scalar one.

extern crate alloc;

mod checks;
mod common;

use checks::attention::{self, Case};
use checks::operands::{RandomOperands, bits, values};
use common::{cases, fast};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, AttentionShape, ContextOutput, Kernels, ShapeMismatch, activation_bytes, row_stride,
};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(tokens in 1usize..30, heads in 1usize..4, head_dim in 1usize..40, seed: u64) {
        let case = Case::random(tokens, tokens, heads, head_dim, seed);
        prop_assert_eq!(bits(&case.f32s(&Kernels::scalar())), bits(&case.naive()));
    }

    #[test]
    fn fast_kernels_give_the_scalar_bits(
        tokens in 1usize..70, heads in 1usize..4, head_dim in 1usize..70, seed: u64,
    ) {
        fast().for_each(|kernels| attention::check(&kernels, tokens, heads, head_dim, seed));
    }
}

#[test]
fn fast_kernels_take_every_tail_and_the_model() {
    let lengths = (1..=34).map(|tokens| (tokens, 1, 26));
    let head_dims = (1..=70).map(|head_dim| (7, 2, head_dim));
    // Heads wider than the inputs are long.
    let wide = [1, 2, 16, 17, 33].into_iter().flat_map(|tokens| {
        [96, 128, 129, 144, 256, 257, 312, 768].map(move |head_dim| (tokens, 2, head_dim))
    });
    let models = [(128, 12, 26), (300, 1, 64)];
    for (tokens, heads, head_dim) in lengths.chain(head_dims).chain(wide).chain(models) {
        let case = Case::random(tokens, tokens, heads, head_dim, (tokens * 1000 + head_dim) as u64);
        for kernels in fast() {
            let expected = bits(&case.f32s(&Kernels::scalar()));
            assert_eq!(
                bits(&case.f32s(&kernels)),
                expected,
                "{kernels:?} {tokens} tokens, head dim {head_dim}"
            );
        }
    }
}

#[test]
fn first_row_does_not_depend_on_the_number_of_queries() {
    let all = Case::random(20, 20, 2, 26, 5);
    let first = Case { shape: AttentionShape { queries: 1, ..all.shape }, qkv: all.qkv.clone(), ..all };
    for kernels in fast().chain([Kernels::scalar()]) {
        assert_eq!(bits(&first.f32s(&kernels)), bits(&all.f32s(&kernels)[..all.shape.width()]));
    }
}

#[test]
fn heads_and_blocks_of_queries_one_after_the_other_are_the_whole() {
    for (tokens, head_dim) in [(20, 26), (21, 7), (9, 16)] {
        let case = Case::random(tokens, tokens, 3, head_dim, 5);
        let width = case.shape.width();
        for kernels in fast().chain([Kernels::scalar()]) {
            let mut scratch = vec![0; case.shape.scratch_bytes().unwrap()];
            let mut i8s = vec![99; activation_bytes(tokens, width).unwrap()];
            let mut f32s = vec![f32::NAN; tokens * width];
            for first_head in 0..3 {
                for first_query in (0..tokens).step_by(8) {
                    let queries = 8.min(tokens - first_query);
                    let shape =
                        AttentionShape { first_query, queries, first_head, computed_heads: 1, ..case.shape };
                    let stride = row_stride(width);
                    let int8 = ActivationsMut { data: &mut i8s[first_query * stride..], stride };
                    let out = &mut f32s[first_query * width..][..queries * width];
                    let mut run = |context| {
                        kernels.attention(&case.qkv, shape, case.coefficient, context, &mut scratch).unwrap();
                    };
                    run(ContextOutput::F32 { out, scale: case.scale });
                    run(ContextOutput::I8 { out: int8, scale: case.scale });
                }
            }
            assert_eq!(bits(&f32s), bits(&case.f32s(&kernels)), "{kernels:?}");
            assert_eq!(values(&kernels, &i8s, tokens, width), case.i8s(&kernels, 0), "{kernels:?}");
        }
    }
}

#[test]
fn int8_attention_is_near_softmax_attention() {
    let mut case = Case::random(50, 50, 1, 26, 11);
    case.qkv = RandomOperands(12).i8s(50 * case.shape.stride);
    case.coefficient = 5e-4;
    case.scale = 1.0;
    let out = case.f32s(&Kernels::scalar());
    for query in 0..50 {
        let dot = |k: &[i8]| {
            case.part(0, query, 0).iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>()
        };
        let scores: Vec<f64> = (0..50).map(|token| dot(case.part(1, token, 0)) * 5e-4).collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp2()).collect();
        let total: f64 = weights.iter().sum();
        for column in 0..26 {
            let exact: f64 = weights
                .iter()
                .enumerate()
                .map(|(token, p)| p / total * f64::from(case.part(2, token, 0)[column]))
                .sum();
            let error = (exact - f64::from(out[query * 26 + column])).abs();
            // Each of the 50 weights is off by at most half of 1/255 of the largest one.
            assert!(
                error < 127.0 * 50.0 * 0.52 / 255.0 / total,
                "query {query}, column {column}: off by {error}"
            );
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let case = Case::random(4, 4, 2, 3, 1);
    let scratch_bytes = case.shape.scratch_bytes().unwrap();
    for kernels in fast().chain([Kernels::scalar()]) {
        let run = |shape: AttentionShape, coefficient: f32, out: usize, scratch: usize| {
            let context = ContextOutput::F32 { out: &mut vec![0.0; out], scale: 1.0 };
            kernels.attention(&case.qkv, shape, coefficient, context, &mut vec![0; scratch])
        };
        assert_eq!(run(case.shape, 1.0, 24, scratch_bytes), Ok(()));
        assert_eq!(run(case.shape, 1.0, 23, scratch_bytes), Err(ShapeMismatch), "short context");
        assert_eq!(run(case.shape, 1.0, 24, scratch_bytes - 1), Err(ShapeMismatch), "short scratch memory");
        for coefficient in [-1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(
                run(case.shape, coefficient, 24, scratch_bytes),
                Err(ShapeMismatch),
                "coefficient {coefficient}"
            );
        }
        let with = |change: fn(&mut AttentionShape)| {
            let mut shape = case.shape;
            change(&mut shape);
            run(shape, 1.0, 24, scratch_bytes)
        };
        assert_eq!(with(|shape| shape.stride = 17), Err(ShapeMismatch), "stride below 3 · heads · head_dim");
        assert_eq!(with(|shape| shape.tokens = 5), Err(ShapeMismatch), "more tokens than qkv holds");
        assert_eq!(with(|shape| shape.queries = 5), Err(ShapeMismatch), "more queries than tokens");
        assert_eq!(with(|shape| shape.first_head = 1), Err(ShapeMismatch), "more heads than there are");
        assert_eq!(with(|shape| shape.heads = usize::MAX), Err(ShapeMismatch), "overflow");
        assert_eq!(with(|shape| shape.head_dim = usize::MAX / 2), Err(ShapeMismatch), "overflow");
    }
}
