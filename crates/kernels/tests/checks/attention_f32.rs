//! Self-attention in f32.

use alloc::vec;
use alloc::vec::Vec;

use tinybert_kernels::{ActivationsMut, AttentionShape, ContextOutput, Kernels, activation_bytes, math};

use super::operands::{RandomOperands, bits, values};

/// Operands of one call.
pub struct Case {
    pub shape: AttentionShape,
    pub qkv: Vec<f32>,
    pub coefficient: f32,
    pub scale: f32,
}

impl Case {
    /// `queries` is reduced to what follows the first one.
    pub fn random(
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

    pub fn part(&self, part: usize, token: usize, head: usize) -> &[f32] {
        let AttentionShape { heads, head_dim, stride, .. } = self.shape;
        &self.qkv[token * stride + (part * heads + head) * head_dim..][..head_dim]
    }

    /// ContextOutput `[queries, heads · head_dim]` by the definition, sums in the documented order.
    pub fn naive(&self) -> Vec<f32> {
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

    pub fn f32s(&self, kernels: &Kernels) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.shape.queries * self.shape.width()];
        let context = ContextOutput::F32 { out: &mut out, scale: self.scale };
        let mut scratch = vec![0xaa; self.shape.scratch_bytes_f32().unwrap()];
        kernels.attention_f32(&self.qkv, self.shape, self.coefficient, context, &mut scratch).unwrap();
        out
    }

    pub fn i8s(&self, kernels: &Kernels, misalign: usize) -> Vec<i8> {
        let mut out = vec![99; activation_bytes(self.shape.queries, self.shape.width()).unwrap()];
        let context =
            ContextOutput::I8 { out: ActivationsMut::new(&mut out, self.shape.width()), scale: self.scale };
        let mut scratch = vec![0x55; self.shape.scratch_bytes_f32().unwrap() + misalign];
        let scratch = &mut scratch[misalign..];
        kernels.attention_f32(&self.qkv, self.shape, self.coefficient, context, scratch).unwrap();
        values(kernels, &out, self.shape.queries, self.shape.width())
    }

    pub fn check(&self, kernels: &Kernels, misalign: usize) {
        let scalar = Kernels::scalar();
        assert_eq!(bits(&self.f32s(kernels)), bits(&self.f32s(&scalar)), "{kernels:?} {:?}", self.shape);
        assert_eq!(self.i8s(kernels, misalign), self.i8s(&scalar, 0), "{kernels:?} {:?}", self.shape);
    }
}

/// Compares attention of some of the queries.
pub fn check(kernels: &Kernels, tokens: usize, heads: usize, head_dim: usize, seed: u64) {
    let [first, queries] = [seed >> 8, seed >> 16].map(|bits| bits as usize % 40);
    Case::random(tokens, first, queries, heads, head_dim, seed).check(kernels, seed as usize % 5);
}
