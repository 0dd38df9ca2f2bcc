//! Queries, keys and values in the type that a layer's attention mode asks for.

use tinybert_image::LayerConfig;
use tinybert_kernels::{
    AttentionShape, ContextOutput, Epilogue, Kernels, MAX_SIDE, ShapeMismatch, row_stride,
};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

/// An element of the matrix of queries, keys and values, with the operations on that matrix.
pub(crate) trait Qkv: Copy + FromBytes + IntoBytes + KnownLayout + Send + Sync {
    /// Returns the number of elements from one token's queries, keys and values to the next's.
    fn stride(layer: &LayerConfig) -> usize;

    /// Returns the number of bytes of scratch memory that attention needs.
    fn scratch_bytes(shape: &AttentionShape) -> Option<usize>;

    /// Returns the epilogue by which the qkv linear writes the matrix.
    fn epilogue(out: &mut [Self], stride: usize) -> Epilogue<'_>;

    /// Computes attention over the matrix.
    fn attention(
        kernels: Kernels,
        qkv: &[Self],
        shape: AttentionShape,
        coefficient: f32,
        context: ContextOutput<'_>,
        scratch: &mut [u8],
    ) -> Result<(), ShapeMismatch>;
}

/// [`AttentionMode::Int8`](tinybert_image::AttentionMode::Int8).
impl Qkv for i8 {
    /// Returns a stride that has room for a vector that begins with the last column, wherever in the row a linear's
    /// outputs begin.
    fn stride(layer: &LayerConfig) -> usize {
        row_stride(layer.attention_width().saturating_mul(3).min(MAX_SIDE) + 15)
    }

    fn scratch_bytes(shape: &AttentionShape) -> Option<usize> {
        shape.scratch_bytes()
    }

    fn epilogue(out: &mut [Self], stride: usize) -> Epilogue<'_> {
        Epilogue::I8 { out, stride }
    }

    fn attention(
        kernels: Kernels,
        qkv: &[Self],
        shape: AttentionShape,
        coefficient: f32,
        context: ContextOutput<'_>,
        scratch: &mut [u8],
    ) -> Result<(), ShapeMismatch> {
        kernels.attention(qkv, shape, coefficient, context, scratch)
    }
}

/// [`AttentionMode::F32`](tinybert_image::AttentionMode::F32).
impl Qkv for f32 {
    fn stride(layer: &LayerConfig) -> usize {
        layer.attention_width().saturating_mul(3).min(MAX_SIDE)
    }

    fn scratch_bytes(shape: &AttentionShape) -> Option<usize> {
        shape.scratch_bytes_f32()
    }

    fn epilogue(out: &mut [Self], stride: usize) -> Epilogue<'_> {
        Epilogue::F32 { out, stride }
    }

    fn attention(
        kernels: Kernels,
        qkv: &[Self],
        shape: AttentionShape,
        coefficient: f32,
        context: ContextOutput<'_>,
        scratch: &mut [u8],
    ) -> Result<(), ShapeMismatch> {
        kernels.attention_f32(qkv, shape, coefficient, context, scratch)
    }
}
