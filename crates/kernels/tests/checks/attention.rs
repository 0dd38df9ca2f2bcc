//! Self-attention in int8.

use alloc::vec;
use alloc::vec::Vec;

use tinybert_kernels::{ActivationsMut, AttentionShape, ContextOutput, Kernels, activation_bytes, math};

use super::operands::{RandomOperands, bits, values};

/// Operands of one call.
pub struct Case {
    pub shape: AttentionShape,
    pub qkv: Vec<i8>,
    pub coefficient: f32,
    pub scale: f32,
}

impl Case {
    pub fn random(tokens: usize, queries: usize, heads: usize, head_dim: usize, seed: u64) -> Case {
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

    pub fn part(&self, part: usize, token: usize, head: usize) -> &[i8] {
        let AttentionShape { heads, head_dim, stride, .. } = self.shape;
        &self.qkv[token * stride + (part * heads + head) * head_dim..][..head_dim]
    }

    /// ContextOutput `[queries, heads · head_dim]` by the definition.
    pub fn naive(&self) -> Vec<f32> {
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

    pub fn f32s(&self, kernels: &Kernels) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.shape.queries * self.shape.width()];
        let context = ContextOutput::F32 { out: &mut out, scale: self.scale };
        let mut scratch = vec![0xaa; self.shape.scratch_bytes().unwrap()];
        kernels.attention(&self.qkv, self.shape, self.coefficient, context, &mut scratch).unwrap();
        out
    }

    pub fn i8s(&self, kernels: &Kernels, misalign: usize) -> Vec<i8> {
        let mut out = vec![99; activation_bytes(self.shape.queries, self.shape.width()).unwrap()];
        let context =
            ContextOutput::I8 { out: ActivationsMut::new(&mut out, self.shape.width()), scale: self.scale };
        let mut scratch = vec![0x55; self.shape.scratch_bytes().unwrap() + misalign];
        let scratch = &mut scratch[misalign..];
        kernels.attention(&self.qkv, self.shape, self.coefficient, context, scratch).unwrap();
        values(kernels, &out, self.shape.queries, self.shape.width())
    }
}

/// Compares attention of all queries and of the first one.
pub fn check(kernels: &Kernels, tokens: usize, heads: usize, head_dim: usize, seed: u64) {
    let queries = if seed.is_multiple_of(4) { 1 } else { tokens };
    let case = Case::random(tokens, queries, heads, head_dim, seed);
    let scalar = Kernels::scalar();
    assert_eq!(bits(&case.f32s(kernels)), bits(&case.f32s(&scalar)), "{kernels:?} {:?}", case.shape);
    assert_eq!(case.i8s(kernels, seed as usize % 5), case.i8s(&scalar, 0), "{kernels:?} {:?}", case.shape);
}
