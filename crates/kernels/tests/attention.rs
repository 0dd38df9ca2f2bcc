//! Self-attention: the scalar kernel against the definition, every fast kernel against the scalar one.

mod common;

use common::{RandomOperands, bits, cases, fast, values};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, AttentionShape, ContextOutput, Kernels, ShapeMismatch, activation_bytes, math, row_stride,
};

struct Case {
    shape: AttentionShape,
    qkv: Vec<i8>,
    coefficient: f32,
    scale: f32,
}

impl Case {
    fn random(tokens: usize, queries: usize, heads: usize, head_dim: usize, seed: u64) -> Case {
        let mut random = RandomOperands(seed);
        let stride = 3 * heads * head_dim + random.below(7);
        Case {
            shape: AttentionShape { queries, ..AttentionShape::all(tokens, heads, head_dim, stride) },
            qkv: random.i8s(tokens * stride),
            // From nearly uniform to nearly one-hot attention.
            coefficient: [0.0, 1e-6, 1e-4, 1e-3, 1e-2, 1e9][random.below(6)],
            scale: random.f32(0.01, 2.0),
        }
    }

    fn part(&self, part: usize, token: usize, head: usize) -> &[i8] {
        let AttentionShape { heads, head_dim, stride, .. } = self.shape;
        &self.qkv[token * stride + (part * heads + head) * head_dim..][..head_dim]
    }

    /// ContextOutput `[queries, heads · head_dim]` by the definition.
    fn naive(&self) -> Vec<f32> {
        let shape = self.shape;
        let mut out = Vec::new();
        for query in 0..shape.queries {
            for head in 0..shape.heads {
                let dot = |key: &[i8]| -> i64 {
                    self.part(0, query, head)
                        .iter()
                        .zip(key)
                        .map(|(&q, &k)| i64::from(q) * i64::from(k))
                        .sum()
                };
                let scores: Vec<i64> =
                    (0..shape.tokens).map(|token| dot(self.part(1, token, head))).collect();
                let largest = scores.iter().copied().max().unwrap();
                let weight = |&s: &i64| i64::from(math::probability((s - largest) as f32 * self.coefficient));
                let weights: Vec<i64> = scores.iter().map(weight).collect();
                let total: i64 = weights.iter().sum();
                for column in 0..shape.head_dim {
                    let values = (0..shape.tokens).map(|token| i64::from(self.part(2, token, head)[column]));
                    let acc: i64 = weights.iter().zip(values).map(|(p, v)| p * v).sum();
                    out.push(acc as f32 * ((1.0 / total as f32) * self.scale));
                }
            }
        }
        out
    }

    fn f32s(&self, kernels: &Kernels) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.shape.queries * self.shape.width()];
        let context = ContextOutput::F32 { out: &mut out, scale: self.scale };
        let mut scratch = vec![0xaa; self.shape.scratch_bytes().unwrap()];
        kernels.attention(&self.qkv, self.shape, self.coefficient, context, &mut scratch).unwrap();
        out
    }

    fn i8s(&self, kernels: &Kernels, misalign: usize) -> Vec<i8> {
        let mut out = vec![99; activation_bytes(self.shape.queries, self.shape.width()).unwrap()];
        let context =
            ContextOutput::I8 { out: ActivationsMut::new(&mut out, self.shape.width()), scale: self.scale };
        let mut scratch = vec![0x55; self.shape.scratch_bytes().unwrap() + misalign];
        let scratch = &mut scratch[misalign..];
        kernels.attention(&self.qkv, self.shape, self.coefficient, context, scratch).unwrap();
        values(kernels, &out, self.shape.queries, self.shape.width())
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(tokens in 1usize..30, heads in 1usize..4, head_dim in 1usize..40, seed: u64) {
        let case = Case::random(tokens, tokens, heads, head_dim, seed);
        prop_assert_eq!(bits(&case.f32s(&Kernels::scalar())), bits(&case.naive()));
    }

    #[test]
    fn fast_kernels_give_the_scalar_bits(
        tokens in 1usize..70, heads in 1usize..4, head_dim in 1usize..70, first_only: bool, seed: u64,
    ) {
        let case = Case::random(tokens, if first_only { 1 } else { tokens }, heads, head_dim, seed);
        for kernels in fast() {
            prop_assert_eq!(bits(&case.f32s(&kernels)), bits(&case.f32s(&Kernels::scalar())));
            prop_assert_eq!(case.i8s(&kernels, seed as usize % 5), case.i8s(&Kernels::scalar(), 0));
        }
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
