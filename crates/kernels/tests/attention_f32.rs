//! Self-attention in f32: the scalar kernel against the definition, every fast kernel against the scalar one.

mod common;

use common::{RandomOperands, bits, cases, fast, values};
use proptest::prelude::*;
use tinybert_kernels::{
    ActivationsMut, AttentionShape, ContextOutput, Kernels, ShapeMismatch, activation_bytes, math,
};

struct Case {
    shape: AttentionShape,
    qkv: Vec<f32>,
    coefficient: f32,
    scale: f32,
}

impl Case {
    /// `queries` is reduced to what follows the first one.
    fn random(
        tokens: usize,
        first_query: usize,
        queries: usize,
        heads: usize,
        head_dim: usize,
        seed: u64,
    ) -> Case {
        let mut random = RandomOperands(seed);
        let stride = 3 * heads * head_dim + random.below(7);
        let first_query = first_query % tokens;
        let queries = queries.min(tokens - first_query);
        Case {
            shape: AttentionShape {
                first_query,
                queries,
                ..AttentionShape::all(tokens, heads, head_dim, stride)
            },
            qkv: random.f32s(tokens * stride, -4.0, 4.0),
            // From uniform to one-hot attention.
            coefficient: [0.0, 1e-3, 0.1, 0.28, 3.0, 1e9][random.below(6)],
            scale: random.f32(0.5, 40.0),
        }
    }

    fn part(&self, part: usize, token: usize, head: usize) -> &[f32] {
        let AttentionShape { heads, head_dim, stride, .. } = self.shape;
        &self.qkv[token * stride + (part * heads + head) * head_dim..][..head_dim]
    }

    /// ContextOutput `[queries, heads · head_dim]` by the definition, sums in the documented order.
    fn naive(&self) -> Vec<f32> {
        let shape = self.shape;
        let mut out = Vec::new();
        for query in shape.first_query..shape.first_query + shape.queries {
            for head in 0..shape.heads {
                let mut weights = vec![0.0_f32; shape.tokens];
                for (token, score) in weights.iter_mut().enumerate() {
                    for d in 0..shape.head_dim {
                        *score += self.part(0, query, head)[d] * self.part(1, token, head)[d];
                    }
                }
                let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut lanes = [0.0_f32; 16];
                for (token, weight) in weights.iter_mut().enumerate() {
                    *weight = math::exp2((*weight - largest) * self.coefficient);
                    lanes[token % 16] += *weight;
                }
                for half in [8, 4, 2, 1] {
                    (0..half).for_each(|j| lanes[j] += lanes[j + half]);
                }
                for column in 0..shape.head_dim {
                    let mut acc = 0.0_f32;
                    for (token, weight) in weights.iter().enumerate() {
                        acc += weight * self.part(2, token, head)[column];
                    }
                    out.push(acc * ((1.0 / lanes[0]) * self.scale));
                }
            }
        }
        out
    }

    fn f32s(&self, kernels: &Kernels) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.shape.queries * self.shape.width()];
        let context = ContextOutput::F32 { out: &mut out, scale: self.scale };
        let mut scratch = vec![0xaa; self.shape.scratch_bytes_f32().unwrap()];
        kernels.attention_f32(&self.qkv, self.shape, self.coefficient, context, &mut scratch).unwrap();
        out
    }

    fn i8s(&self, kernels: &Kernels, misalign: usize) -> Vec<i8> {
        let mut out = vec![99; activation_bytes(self.shape.queries, self.shape.width()).unwrap()];
        let context =
            ContextOutput::I8 { out: ActivationsMut::new(&mut out, self.shape.width()), scale: self.scale };
        let mut scratch = vec![0x55; self.shape.scratch_bytes_f32().unwrap() + misalign];
        let scratch = &mut scratch[misalign..];
        kernels.attention_f32(&self.qkv, self.shape, self.coefficient, context, scratch).unwrap();
        values(kernels, &out, self.shape.queries, self.shape.width())
    }

    fn check_fast(&self, misalign: usize) {
        let (f32s, i8s) = (self.f32s(&Kernels::scalar()), self.i8s(&Kernels::scalar(), 0));
        for kernels in fast() {
            assert_eq!(bits(&self.f32s(&kernels)), bits(&f32s), "{kernels:?} {:?}", self.shape);
            assert_eq!(self.i8s(&kernels, misalign), i8s, "{kernels:?} {:?}", self.shape);
        }
    }
}

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
        Case::random(tokens, first, queries, heads, head_dim, seed).check_fast(seed as usize % 5);
    }
}

#[test]
fn fast_kernels_take_every_tail_and_the_model() {
    let lengths = (1..=34).map(|tokens| (tokens, 1, 26));
    let head_dims = (1..=70).map(|head_dim| (7, 2, head_dim));
    for (tokens, heads, head_dim) in lengths.chain(head_dims).chain([(128, 12, 26), (300, 1, 64)]) {
        let seed = (tokens * 1000 + head_dim) as u64;
        Case::random(tokens, 0, tokens, heads, head_dim, seed).check_fast(0);
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
