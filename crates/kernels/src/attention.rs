//! Operands of self-attention, and the checks that every kernel may rely on.

use crate::ShapeMismatch;
use crate::linear::{ActivationsMut, MAX_SIDE, ensure};
use crate::scratch::{Scratch, ScratchF32, ScratchSizes, ScratchSizesF32};

/// Most tokens, and most columns of a head: sums of 2^15 products of a u8 and an i8 fit i32.
const MAX_TOKENS: usize = 1 << 15;

/// Dimensions of one input's self-attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttentionShape {
    /// Tokens that are attended to. There is no padding and no mask.
    pub tokens: usize,
    /// The first token whose context is computed.
    pub first_query: usize,
    /// Tokens from there on whose context is computed.
    pub queries: usize,
    /// Heads of a row of `qkv`.
    pub heads: usize,
    /// The first head whose context is computed. The columns of earlier heads do not change.
    pub first_head: usize,
    /// Heads from there on whose context is computed. The columns of later heads may change.
    pub computed_heads: usize,
    /// Columns of a head.
    pub head_dim: usize,
    /// Elements from one token's row to the next, at least `3 · heads · head_dim`.
    pub stride: usize,
}

impl AttentionShape {
    /// Returns the number of columns of the context, `heads · head_dim`.
    pub const fn width(&self) -> usize {
        self.heads.saturating_mul(self.head_dim)
    }

    /// Returns the shape in which the context of every token and head is computed.
    pub const fn all(tokens: usize, heads: usize, head_dim: usize, stride: usize) -> Self {
        Self {
            tokens,
            first_query: 0,
            queries: tokens,
            heads,
            first_head: 0,
            computed_heads: heads,
            head_dim,
            stride,
        }
    }

    /// Returns the heads whose context is computed.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline]
    pub(crate) fn computed(&self) -> core::ops::Range<usize> {
        self.first_head..self.first_head + self.computed_heads
    }

    /// Returns the number of bytes of scratch memory that attention of this shape needs on any instruction set; the
    /// number grows with `tokens`. Returns `None` beyond the limits of the kernels.
    pub const fn scratch_bytes(&self) -> Option<usize> {
        if self.tokens > MAX_TOKENS || self.head_dim > MAX_TOKENS {
            return None;
        }
        ScratchSizes::new(self.tokens, self.head_dim).bytes()
    }

    /// Returns the same number for attention in f32.
    pub const fn scratch_bytes_f32(&self) -> Option<usize> {
        if self.tokens > MAX_TOKENS || self.head_dim > MAX_TOKENS {
            return None;
        }
        ScratchSizesF32::new(self.tokens, self.head_dim).bytes()
    }
}

/// Where the context goes.
#[derive(Debug)]
pub enum ContextOutput<'a> {
    /// f32, row-major `[queries, heads · head_dim]`.
    F32 {
        /// `[queries, heads · head_dim]`.
        out: &'a mut [f32],
        /// Scale of the values, 1 if they are f32.
        scale: f32,
    },
    /// Quantized as the input `[queries, heads · head_dim]` of the next linear layer, zero point 0.
    I8 {
        /// `[queries, heads · head_dim]`.
        out: ActivationsMut<'a>,
        /// Scale of the values divided by the scale of the context.
        scale: f32,
    },
}

/// Checks everything that attention kernels rely on, and returns the parts of the scratch memory.
pub(crate) fn check<'a>(
    attention: &AttentionOperands,
    context: &ContextOutput,
    scratch: &'a mut [u8],
) -> Result<Scratch<'a>, ShapeMismatch> {
    check_operands(attention, context)?;
    let AttentionShape { tokens, head_dim, .. } = attention.shape;
    Scratch::carve(scratch, ScratchSizes::new(tokens, head_dim)).ok_or(ShapeMismatch)
}

/// Does the same as [`check`] for attention in f32.
pub(crate) fn check_f32<'a>(
    attention: &AttentionOperands<f32>,
    context: &ContextOutput,
    scratch: &'a mut [u8],
) -> Result<ScratchF32<'a>, ShapeMismatch> {
    check_operands(attention, context)?;
    let AttentionShape { tokens, head_dim, .. } = attention.shape;
    ScratchF32::carve(scratch, ScratchSizesF32::new(tokens, head_dim)).ok_or(ShapeMismatch)
}

fn check_operands<T>(attention: &AttentionOperands<T>, context: &ContextOutput) -> Result<(), ShapeMismatch> {
    let &AttentionOperands { qkv, shape, coefficient } = attention;
    let AttentionShape { tokens, first_query, queries, heads, first_head, computed_heads, head_dim, stride } =
        shape;
    ensure(tokens <= MAX_TOKENS && head_dim <= MAX_TOKENS && heads <= MAX_SIDE)?;
    ensure(first_head.checked_add(computed_heads).is_some_and(|end| end <= heads))?;
    ensure(first_query.checked_add(queries).is_some_and(|end| end <= tokens))?;
    let width = heads.checked_mul(head_dim).ok_or(ShapeMismatch)?;
    ensure(width.checked_mul(3).is_some_and(|row| row <= stride))?;
    ensure(tokens.checked_mul(stride).is_some_and(|elements| elements <= qkv.len()))?;
    // Scores below the largest must not get probabilities above 255.
    ensure(coefficient >= 0.0 && coefficient.is_finite())?;
    match context {
        ContextOutput::F32 { out, .. } => ensure(queries.checked_mul(width) == Some(out.len())),
        ContextOutput::I8 { out, .. } => out.check(queries, width),
    }
}

/// The checked operands of attention; queries, keys and values are int8 or f32.
pub(crate) struct AttentionOperands<'a, T = i8> {
    pub qkv: &'a [T],
    pub shape: AttentionShape,
    pub coefficient: f32,
}

/// The part of a head that a column of `qkv` belongs to.
#[derive(Clone, Copy)]
pub(crate) enum QkvPart {
    Queries,
    Keys,
    Values,
}

/// The query, key and value of one token and head are `[head_dim]`, or empty if they are out of range.
impl<'a, T> AttentionOperands<'a, T> {
    /// Returns a query; the first query has the number 0.
    pub(crate) fn query(&self, query: usize, head: usize) -> &'a [T] {
        self.part(QkvPart::Queries, self.shape.first_query + query, head)
    }

    pub(crate) fn key(&self, token: usize, head: usize) -> &'a [T] {
        self.part(QkvPart::Keys, token, head)
    }

    pub(crate) fn value(&self, token: usize, head: usize) -> &'a [T] {
        self.part(QkvPart::Values, token, head)
    }

    /// Returns the first column of the part of a head in a row of `qkv`.
    pub(crate) fn column(&self, part: QkvPart, head: usize) -> usize {
        (part as usize * self.shape.heads + head) * self.shape.head_dim
    }

    #[inline]
    fn part(&self, part: QkvPart, token: usize, head: usize) -> &'a [T] {
        let start = token * self.shape.stride + self.column(part, head);
        self.qkv.get(start..start + self.shape.head_dim).unwrap_or(&[])
    }
}
