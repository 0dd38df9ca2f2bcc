//! Operands of the linear layer, and the checks that every kernel may rely on.

use core::ops::Range;

use tinybert_layout::{PackedMatrix, PanelWeights};

use crate::activation_layout::ActivationLayout;
use crate::{PackedWeights, Panel, ShapeMismatch};

/// Longest row (`k`) and highest matrix (`m`, `n`) the kernels take: sums of 2^16 products of two bytes fit i32.
pub const MAX_SIDE: usize = 1 << 16;

/// Rows that a linear layer finishes together if it needs a whole row before it can quantize the row.
pub const ROW_BLOCK: usize = 8;

/// Columns from which on a part of an activation matrix can be written are multiples of this.
pub const COLUMN_UNIT: usize = 16;

/// int8 weights of a linear layer with `n` outputs and `k` inputs, used in place.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Outputs.
    pub n: usize,
    /// Inputs, at least 1.
    pub k: usize,
    /// Layout of `weights`.
    pub panel: Panel,
    /// Packed weights.
    pub weights: PackedWeights<'a>,
    /// Weight scale of each output `[n]`.
    pub scale: &'a [f32],
    /// Bias of each output `[n]`.
    pub bias: &'a [f32],
    /// Sum of each output's weights `[n]`, by which the input's zero point is taken out of the products.
    pub row_sum: &'a [i32],
}

/// Scales of an activation matrix.
#[derive(Clone, Copy, Debug)]
pub enum RowScale<'a> {
    /// One scale for the tensor, from calibration.
    Uniform(f32),
    /// A scale per row `[m]`, found at run time.
    PerRow(&'a [f32]),
}

/// An int8 activation matrix `[m, k]`, the input of a linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    /// int8 values in whole blocks of [`ROW_BLOCK`] rows. The [`Kernels`](crate::Kernels) value that reads them
    /// must have written them, because it alone knows the order of the bytes.
    pub data: &'a [i8],
    /// Bytes of a row, as they were written.
    pub stride: usize,
    /// Rows (tokens).
    pub m: usize,
    /// Columns.
    pub k: usize,
    /// The int8 value that stands for 0.
    pub zero_point: i8,
    /// f32 value of one step.
    pub scale: RowScale<'a>,
}

/// Where an int8 activation matrix `[m, k]` is written.
#[derive(Debug)]
pub struct ActivationsMut<'a> {
    /// Whole blocks of [`ROW_BLOCK`] rows.
    pub data: &'a mut [i8],
    /// Bytes of a row: a multiple of 16, at least `k`.
    pub stride: usize,
}

impl<'a> ActivationsMut<'a> {
    /// Returns rows of `k` columns without gaps. `data` has [`activation_bytes`]`(m, k)` bytes.
    pub fn new(data: &'a mut [i8], k: usize) -> Self {
        ActivationsMut { data, stride: row_stride(k) }
    }

    pub(crate) fn check(&self, m: usize, k: usize) -> Result<(), ShapeMismatch> {
        check_activations(self.data, self.stride, m, k)
    }

    /// Returns the columns from `first` on of a matrix in `layout`, where a linear layer writes its outputs from
    /// `first` on. `first` is a multiple of [`COLUMN_UNIT`], so that it begins a word of every layout.
    pub(crate) fn skip_columns(self, layout: ActivationLayout, first: usize) -> Result<Self, ShapeMismatch> {
        let Self { data, stride } = self;
        ensure(first.is_multiple_of(COLUMN_UNIT) && first < stride)?;
        let data = data.get_mut(layout.offset(0, first, stride)..).ok_or(ShapeMismatch)?;
        Ok(Self { data, stride })
    }

    /// Does the same as [`check`](Self::check) for a matrix that may be the columns from one on of a wider matrix. Its
    /// last block of rows then ends earlier.
    fn check_columns(&self, layout: ActivationLayout, m: usize, k: usize) -> Result<(), ShapeMismatch> {
        let Self { data, stride } = self;
        ensure(m <= MAX_SIDE && k <= MAX_SIDE && *stride >= row_stride(k) && stride.is_multiple_of(16))?;
        let before_last = m.next_multiple_of(ROW_BLOCK).saturating_sub(layout.rows).checked_mul(*stride);
        let bytes = before_last.and_then(|bytes| bytes.checked_add(layout.rows * row_stride(k)));
        ensure(m == 0 || bytes.is_some_and(|bytes| bytes <= data.len()))
    }
}

/// How a f32 matrix becomes int8.
#[derive(Debug)]
pub enum Quantization<'a> {
    /// One scale and zero point for the tensor, from calibration.
    Static {
        /// 1 / scale.
        inv_scale: f32,
        /// The int8 value that stands for 0.
        zero_point: i8,
    },
    /// A scale per row such that its largest magnitude becomes 127; zero point 0.
    PerToken {
        /// Receives the scales, one per row `[m]`.
        scale: &'a mut [f32],
    },
}

/// The operation on a linear layer's result `y = acc · (activation scale · weight scale) + bias`, `[m, n]`.
#[derive(Debug)]
pub enum Epilogue<'a> {
    /// Stored as f32.
    F32 {
        /// Row-major `[m, stride]`, whose last row may end after `n`. Columns from `n` on do not change.
        out: &'a mut [f32],
        /// Elements from one row to the next, at least `n`.
        stride: usize,
    },
    /// Added to the residual stream.
    AddF32 {
        /// Row-major `[m, stride]`, whose last row may end after `n`. Columns from `n` on do not change.
        residual: &'a mut [f32],
        /// Elements from one row to the next, at least `n`.
        stride: usize,
    },
    /// Rounded to int8 rows, as attention reads them. The writer of the weights has divided `scale` and `bias` by
    /// the scale of this tensor.
    I8 {
        /// Row-major `[m, stride]`, whose last row may end after [`row_stride`]`(n)`. Columns from `n` on may change.
        out: &'a mut [i8],
        /// Bytes from one row to the next, at least [`row_stride`]`(n)`.
        stride: usize,
    },
    /// GELU, then quantized as the input `[m, n]` of the next linear layer.
    Gelu {
        /// `[m, n]`.
        out: ActivationsMut<'a>,
        /// Quantization of the next linear layer's input.
        quantization: Quantization<'a>,
        /// [`ROW_BLOCK`]` · n` values when the quantization is per token, else none.
        scratch: &'a mut [f32],
    },
}

/// LayerNorm's parameters.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// Gain `[hidden]`.
    pub gamma: &'a [f32],
    /// Bias `[hidden]`.
    pub beta: &'a [f32],
    /// Added to the variance, > 0.
    pub eps: f32,
}

/// Returns the number of bytes of a row of `k` int8 columns that kernels of every family may read and write.
pub const fn row_stride(k: usize) -> usize {
    k.next_multiple_of(16)
}

/// Returns the number of bytes that an int8 activation matrix `[m, k]` takes on every instruction set, or `None` beyond
/// [`MAX_SIDE`].
pub const fn activation_bytes(m: usize, k: usize) -> Option<usize> {
    if m > MAX_SIDE || k > MAX_SIDE {
        return None;
    }
    m.next_multiple_of(ROW_BLOCK).checked_mul(row_stride(k))
}

/// Returns `Ok` if the condition holds.
pub(crate) fn ensure(condition: bool) -> Result<(), ShapeMismatch> {
    if condition { Ok(()) } else { Err(ShapeMismatch) }
}

fn check_activations(data: &[i8], stride: usize, m: usize, k: usize) -> Result<(), ShapeMismatch> {
    ensure(m <= MAX_SIDE && k <= MAX_SIDE && stride >= row_stride(k) && stride.is_multiple_of(16))?;
    ensure(m.next_multiple_of(ROW_BLOCK).checked_mul(stride).is_some_and(|bytes| bytes <= data.len()))
}

impl<'a> Linear<'a> {
    /// Returns the same layer for a part of the outputs. It begins and ends at a multiple of the panel's `nr`, or ends
    /// with the last output.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if it does not, or there are fewer outputs.
    pub fn outputs(&self, outputs: Range<usize>) -> Result<Linear<'a>, ShapeMismatch> {
        if outputs == (0..self.n) {
            return Ok(*self);
        }
        let matrix = self.matrix().ok_or(ShapeMismatch)?;
        let end = if outputs.end == self.n { matrix.columns() } else { outputs.end };
        Ok(Linear {
            n: outputs.end.checked_sub(outputs.start).ok_or(ShapeMismatch)?,
            weights: self.weights.outputs(matrix, outputs.start..end)?,
            scale: self.scale.get(outputs.clone()).ok_or(ShapeMismatch)?,
            bias: self.bias.get(outputs.clone()).ok_or(ShapeMismatch)?,
            row_sum: self.row_sum.get(outputs).ok_or(ShapeMismatch)?,
            ..*self
        })
    }
}

impl<'a> Linear<'a> {
    /// Returns the sizes of the packed weights, or `None` if they overflow or a side of the panel is 0.
    #[inline]
    pub(crate) fn matrix(&self) -> Option<PackedMatrix> {
        self.panel.matrix(self.n, self.k)
    }

    /// Returns the number of bytes of scratch memory in which the weights are decoded, one panel at a time.
    pub fn scratch_bytes(&self) -> Option<usize> {
        match self.weights {
            PackedWeights::Int8(_) => Some(0),
            PackedWeights::Int4(_) | PackedWeights::Sparse { .. } => self.panel.decoded_bytes(self.n, self.k),
        }
    }

    /// Returns the stored weights of panel `index`.
    #[inline]
    pub(crate) fn panel_weights(&self, matrix: PackedMatrix, index: usize) -> Option<PanelWeights<'a>> {
        self.weights.panel(matrix, index)
    }

    fn check(&self) -> Result<(), ShapeMismatch> {
        ensure(self.n <= MAX_SIDE && (1..=MAX_SIDE).contains(&self.k))?;
        ensure(self.matrix().is_some_and(|matrix| self.weights.fit(matrix)))?;
        ensure(self.scale.len() == self.n && self.bias.len() == self.n && self.row_sum.len() == self.n)
    }
}

impl Activations<'_> {
    fn check(&self) -> Result<(), ShapeMismatch> {
        check_activations(self.data, self.stride, self.m, self.k)?;
        match self.scale {
            RowScale::Uniform(_) => Ok(()),
            RowScale::PerRow(scale) => ensure(scale.len() == self.m),
        }
    }

    /// Returns the scale of row `m`; 0 outside the matrix.
    #[inline]
    pub(crate) fn row_scale(&self, m: usize) -> f32 {
        match self.scale {
            RowScale::Uniform(scale) => scale,
            RowScale::PerRow(scale) => scale.get(m).copied().unwrap_or(0.0),
        }
    }
}

impl Quantization<'_> {
    pub(crate) fn check(&self, m: usize) -> Result<(), ShapeMismatch> {
        match self {
            Quantization::Static { .. } => Ok(()),
            Quantization::PerToken { scale } => ensure(scale.len() == m),
        }
    }
}

/// Checks that `len` elements hold `m` rows of `n`, each `stride` elements after the one before.
fn holds_rows(len: usize, m: usize, n: usize, stride: usize) -> Result<(), ShapeMismatch> {
    let before_last = m.saturating_sub(1).checked_mul(stride);
    let elements = before_last.and_then(|elements| elements.checked_add(n));
    ensure(m == 0 || elements.is_some_and(|elements| elements <= len))
}

/// Checks everything that linear kernels rely on: all slices have the lengths that follow from `m`, `n` and `k`, and
/// `decoded` has the length that the weights need. Activations lie in `layout`.
pub(crate) fn check(
    layout: ActivationLayout,
    a: &Activations,
    w: &Linear,
    epilogue: &Epilogue,
    decoded: &[i8],
) -> Result<(), ShapeMismatch> {
    w.check()?;
    ensure(w.scratch_bytes().is_some_and(|bytes| decoded.len() >= bytes))?;
    a.check()?;
    ensure(a.k == w.k)?;
    let (m, n) = (a.m, w.n);
    match epilogue {
        Epilogue::F32 { out, stride } | Epilogue::AddF32 { residual: out, stride } => {
            ensure(*stride >= n)?;
            holds_rows(out.len(), m, n, *stride)
        }
        Epilogue::I8 { out, stride } => {
            ensure(*stride >= row_stride(n))?;
            holds_rows(out.len(), m, row_stride(n), *stride)
        }
        Epilogue::Gelu { out, quantization, scratch } => {
            out.check_columns(layout, m, n)?;
            quantization.check(m)?;
            match quantization {
                Quantization::Static { .. } => Ok(()),
                Quantization::PerToken { .. } => ensure(scratch.len() >= ROW_BLOCK * n),
            }
        }
    }
}
