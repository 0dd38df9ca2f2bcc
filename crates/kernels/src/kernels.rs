//! [`Kernels`]: the public operations. Each checks its operands, then calls the chosen instruction set's kernel.

use crate::attention::{Attention, AttentionShape, Context};
use crate::embedding::Embedding;
use crate::linear::{
    Activations, Epilogue, LayerNorm, Linear, Quantization, activation_bytes, ensure, row_stride,
};
use crate::table::{self, Table};
use crate::{Isa, Panel, Shape, attention, linear};

/// The kernels of one instruction set; having one proves that this CPU has the instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    table: &'static Table,
}

impl Kernels {
    /// The specification, available everywhere.
    pub const fn scalar() -> Self {
        Kernels { table: &table::SCALAR }
    }

    /// The fastest kernels for this CPU: asked of the CPU with the feature `std`, else those that the target's
    /// compile-time features promise.
    pub fn detect() -> Self {
        let fastest = Isa::ALL.into_iter().rev().find_map(Kernels::with_isa);
        fastest.unwrap_or(Kernels::scalar())
    }

    /// The kernels of the named instruction set; `None` if this build or this CPU lacks it.
    pub fn with_isa(isa: Isa) -> Option<Self> {
        Some(Kernels { table: table::available(isa)? })
    }

    /// The instruction set.
    pub const fn isa(&self) -> Isa {
        self.table.isa
    }

    /// The weight layout that the fast linear kernel reads; any other one is computed by the scalar kernel.
    pub const fn native_panel(&self) -> Panel {
        self.table.panel
    }

    /// Linear layer `[m, k] · [n, k]^T` and what follows it; see [`Epilogue`].
    ///
    /// # Errors
    /// [`Shape`] if a length does not fit `m`, `n` and `k`.
    pub fn linear(&self, a: &Activations, w: &Linear, epilogue: Epilogue) -> Result<(), Shape> {
        linear::check(a, w, &epilogue)?;
        let kernel = if w.panel == self.table.panel { self.table.linear } else { table::SCALAR.linear };
        // SAFETY: `self` proves that the CPU has the instruction set of its table.
        unsafe { kernel(a, w, epilogue) };
        Ok(())
    }

    /// LayerNorm of every row of `x` `[m, hidden]`, in place; `hidden` is the length of `norm.gamma`.
    ///
    /// # Errors
    /// [`Shape`] if `x` is no whole number of rows or `beta` has another length than `gamma`.
    pub fn layer_norm(&self, x: &mut [f32], norm: &LayerNorm) -> Result<(), Shape> {
        let hidden = norm.gamma.len();
        ensure(hidden > 0 && norm.beta.len() == hidden && x.len().is_multiple_of(hidden))?;
        for row in x.chunks_exact_mut(hidden) {
            // SAFETY: as in `linear`.
            unsafe { (self.table.layer_norm)(row, norm) };
        }
        Ok(())
    }

    /// Quantizes `x` `[m, k]` as the input of a linear layer into `out`, [`activation_bytes`]`(m, k)`.
    ///
    /// # Errors
    /// [`Shape`] if a length does not fit `m` and `k`.
    pub fn quantize(
        &self,
        x: &[f32],
        k: usize,
        quantization: Quantization,
        out: &mut [i8],
    ) -> Result<(), Shape> {
        ensure(k > 0 && x.len().is_multiple_of(k))?;
        let m = x.len() / k;
        ensure(activation_bytes(m, k).is_some_and(|bytes| bytes <= out.len()))?;
        quantization.check(m)?;
        let rows = x.chunks_exact(k).zip(out.chunks_exact_mut(row_stride(k)));
        match quantization {
            Quantization::Static { inv_scale, zero_point } => {
                for (x, out) in rows {
                    // SAFETY: as in `linear`.
                    unsafe { (self.table.quantize)(x, inv_scale, zero_point, out) };
                }
            }
            Quantization::PerToken { scale } => {
                for ((x, out), scale) in rows.zip(scale) {
                    // SAFETY: as in `linear`.
                    *scale = unsafe { (self.table.quantize_row)(x, out) };
                }
            }
        }
        Ok(())
    }

    /// [`layer_norm`](Self::layer_norm) in place, then [`quantize`](Self::quantize) of the result.
    ///
    /// # Errors
    /// [`Shape`], as these two.
    pub fn layer_norm_quantize(
        &self,
        x: &mut [f32],
        norm: &LayerNorm,
        quantization: Quantization,
        out: &mut [i8],
    ) -> Result<(), Shape> {
        self.layer_norm(x, norm)?;
        self.quantize(x, norm.gamma.len(), quantization, out)
    }

    /// Self-attention over `qkv` `[tokens, stride]`: a row holds query, key and value, each `[heads, head_dim]`.
    /// `coefficient` is `query scale · key scale · log2(e) / √head_dim`; `scratch` has
    /// [`AttentionShape::scratch_bytes`].
    ///
    /// # Errors
    /// [`Shape`] if a length does not fit `shape`, or `coefficient` is negative or not finite.
    pub fn attention(
        &self,
        qkv: &[i8],
        shape: AttentionShape,
        coefficient: f32,
        context: Context,
        scratch: &mut [u8],
    ) -> Result<(), Shape> {
        let attention = Attention { qkv, shape, coefficient };
        let scratch = attention::check(&attention, &context, scratch)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.attention)(&attention, context, scratch) };
        Ok(())
    }

    /// Sums the embeddings of one token into `out` `[hidden]`.
    ///
    /// # Errors
    /// [`Shape`] if the rows have another length than `out`.
    pub fn embed(&self, row: &Embedding, out: &mut [f32]) -> Result<(), Shape> {
        let hidden = out.len();
        ensure(row.word.len() == hidden && row.position.len() == hidden && row.kind.len() == hidden)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.embed)(row, out) };
        Ok(())
    }
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.debug_tuple("Kernels").field(&self.isa()).finish()
    }
}
