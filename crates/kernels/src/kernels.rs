//! [`Kernels`]: the public operations. Each checks its operands, then calls the chosen instruction set's kernel.

use crate::attention::{AttentionOperands, AttentionShape, ContextOutput};
use crate::embedding::Embedding;
use crate::linear::{Activations, ActivationsMut, Epilogue, LayerNorm, Linear, Quantization, ensure};
use crate::table::{self, KernelTable};
use crate::{Isa, Panel, ShapeMismatch, attention, detect, linear};

/// The kernels of one instruction set. A value of this type proves that this CPU has the instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    table: &'static KernelTable,
}

impl Kernels {
    /// Returns the scalar kernels, which are the specification and run on every CPU.
    pub const fn scalar() -> Self {
        Kernels { table: &table::SCALAR }
    }

    /// Returns the fastest kernels for this CPU. With the feature `std` or `id-registers` the CPU is asked; without
    /// them, the compile-time features of the target decide.
    pub fn detect() -> Self {
        fastest(|_| true)
    }

    /// Returns these kernels if their linear layer reads weights in `panel`. Otherwise it returns the fastest kernels
    /// for this CPU that read such weights: those of another instruction set, or the scalar ones, which read every
    /// panel. The bits of the results are the same.
    ///
    /// Without the features `std` and `id-registers`, a program has the kernels of one instruction set and the scalar
    /// ones.
    #[must_use]
    pub fn for_panel(self, panel: Panel) -> Self {
        if self.reads(panel) {
            self
        } else if cfg!(any(feature = "std", feature = "id-registers")) {
            fastest(|kernels| kernels.reads(panel))
        } else {
            // Kernels that `detect` never returns stay out of the program.
            Kernels::scalar()
        }
    }

    /// Returns whether the linear layer reads weights in `panel`.
    fn reads(&self, panel: Panel) -> bool {
        self.isa() == Isa::Scalar || self.table.panel == panel
    }

    /// Returns the kernels of the named instruction set, or `None` if this build or this CPU lacks it.
    pub fn with_isa(isa: Isa) -> Option<Self> {
        Some(Kernels { table: table::available(isa)? })
    }

    /// Returns the instruction set.
    pub const fn isa(&self) -> Isa {
        self.table.isa
    }

    /// Returns the weight layout that the linear layer reads. The scalar kernels read every layout, and this one
    /// fastest.
    pub const fn native_panel(&self) -> Panel {
        self.table.panel
    }

    /// Computes a linear layer `[m, k] · [n, k]^T` and its [`Epilogue`]. `decoded` is scratch memory of
    /// [`Linear::scratch_bytes`]: none for [`PackedWeights::Int8`](crate::PackedWeights::Int8).
    ///
    /// # Errors
    /// [`ShapeMismatch`] if a length does not fit `m`, `n` and `k`, or if the weights are in a panel that these kernels
    /// do not read ([`for_panel`](Self::for_panel)).
    pub fn linear(
        &self,
        a: &Activations,
        w: &Linear,
        epilogue: Epilogue,
        decoded: &mut [i8],
    ) -> Result<(), ShapeMismatch> {
        linear::check(self.table.layout, a, w, &epilogue, decoded)?;
        ensure(self.reads(w.panel))?;
        // SAFETY: `self` proves that the CPU has the instruction set of its table.
        unsafe { (self.table.linear)(a, w, epilogue, decoded) };
        Ok(())
    }

    /// Returns the columns of `out` from `first` on, a multiple of [`COLUMN_UNIT`](crate::COLUMN_UNIT): where a linear
    /// layer that computes the outputs from `first` on writes them ([`Epilogue::Gelu`], statically quantized).
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `first` is no such column.
    pub fn skip_columns<'a>(
        &self,
        out: ActivationsMut<'a>,
        first: usize,
    ) -> Result<ActivationsMut<'a>, ShapeMismatch> {
        out.skip_columns(self.table.layout, first)
    }

    /// Normalises every row of `x` `[m, hidden]` by LayerNorm, in place; `hidden` is the length of `norm.gamma`.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `x` is no whole number of rows or `beta` has another length than `gamma`.
    pub fn layer_norm(&self, x: &mut [f32], norm: &LayerNorm) -> Result<(), ShapeMismatch> {
        let hidden = norm.gamma.len();
        ensure(hidden > 0 && norm.beta.len() == hidden && x.len().is_multiple_of(hidden))?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.layer_norm)(x, norm) };
        Ok(())
    }

    /// Quantizes `x` `[m, k]` as the input of a linear layer.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if a length does not fit `m` and `k`.
    pub fn quantize(
        &self,
        x: &[f32],
        k: usize,
        quantization: Quantization,
        out: ActivationsMut,
    ) -> Result<(), ShapeMismatch> {
        check_rows(x, k, &quantization, &out)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.quantize)(x, k, quantization, out) };
        Ok(())
    }

    /// Computes [`layer_norm`](Self::layer_norm) in place, then [`quantize`](Self::quantize) of the result.
    ///
    /// # Errors
    /// [`ShapeMismatch`], as these two.
    pub fn layer_norm_quantize(
        &self,
        x: &mut [f32],
        norm: &LayerNorm,
        quantization: Quantization,
        out: ActivationsMut,
    ) -> Result<(), ShapeMismatch> {
        let hidden = norm.gamma.len();
        ensure(norm.beta.len() == hidden)?;
        check_rows(x, hidden, &quantization, &out)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.layer_norm_quantize)(x, norm, quantization, out) };
        Ok(())
    }

    /// Computes self-attention over `qkv` `[tokens, stride]`, of which a row holds query, key and value, each `[heads,
    /// head_dim]`. `coefficient` is `query scale · key scale · log2(e) / √head_dim`; `scratch` has
    /// [`AttentionShape::scratch_bytes`].
    ///
    /// # Errors
    /// [`ShapeMismatch`] if a length does not fit `shape`, or `coefficient` is negative or not finite.
    pub fn attention(
        &self,
        qkv: &[i8],
        shape: AttentionShape,
        coefficient: f32,
        context: ContextOutput,
        scratch: &mut [u8],
    ) -> Result<(), ShapeMismatch> {
        let attention = AttentionOperands { qkv, shape, coefficient };
        let scratch = attention::check(&attention, &context, scratch)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.attention)(&attention, context, scratch) };
        Ok(())
    }

    /// Computes self-attention as [`attention`](Self::attention) does, but in f32. The probabilities are f32, too, and
    /// sums have a fixed order. `coefficient` is `log2(e) / √head_dim`; `scratch` has
    /// [`AttentionShape::scratch_bytes_f32`].
    ///
    /// # Errors
    /// [`ShapeMismatch`] as there.
    pub fn attention_f32(
        &self,
        qkv: &[f32],
        shape: AttentionShape,
        coefficient: f32,
        context: ContextOutput,
        scratch: &mut [u8],
    ) -> Result<(), ShapeMismatch> {
        let attention = AttentionOperands { qkv, shape, coefficient };
        let scratch = attention::check_f32(&attention, &context, scratch)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.attention_f32)(&attention, context, scratch) };
        Ok(())
    }

    /// Sums the embeddings of one token into `out` `[hidden]`.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if the rows have another length than `out`.
    pub fn embed(&self, row: &Embedding, out: &mut [f32]) -> Result<(), ShapeMismatch> {
        let hidden = out.len();
        ensure(row.word.len() == hidden && row.position.len() == hidden && row.kind.len() == hidden)?;
        // SAFETY: as in `linear`.
        unsafe { (self.table.embed)(row, out) };
        Ok(())
    }
}

/// Returns the fastest kernels for this CPU that are `wanted`, or the scalar ones.
fn fastest(wanted: impl Fn(&Kernels) -> bool) -> Kernels {
    let mut here = Isa::ALL.into_iter().rev().filter_map(Kernels::with_isa);
    let fastest = here.find(wanted).unwrap_or(Kernels::scalar());
    match fastest.isa() {
        Isa::NeonDotprod if detect::in_order() => Kernels::with_isa(Isa::NeonDotprodA55).unwrap_or(fastest),
        _ => fastest,
    }
}

/// Checks that `x` is `[m, k]` and that its int8 form fits `out`.
fn check_rows(
    x: &[f32],
    k: usize,
    quantization: &Quantization,
    out: &ActivationsMut,
) -> Result<(), ShapeMismatch> {
    ensure(k > 0 && x.len().is_multiple_of(k))?;
    let m = x.len() / k;
    out.check(m, k)?;
    quantization.check(m)
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.debug_tuple("Kernels").field(&self.isa()).finish()
    }
}
