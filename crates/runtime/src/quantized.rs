//! The int8 input of a linear, static or per token.

use tinybert_image::InputQuantization;
use tinybert_kernels::{Activations, ActivationsMut, Quantization, RowScale, ShapeMismatch};

/// Rows of int8 activations, and their scales if these are per token.
pub(crate) struct QuantizedRows<'w> {
    /// The int8 values, `stride` bytes a row.
    pub data: &'w mut [i8],
    /// Bytes of a row.
    pub stride: usize,
    /// Scales of the rows.
    pub scales: &'w mut [f32],
}

impl QuantizedRows<'_> {
    /// Returns the rows `first..first + m` for a kernel that writes them. `first` is the first row of a block.
    pub fn write(
        &mut self,
        input: InputQuantization,
        first: usize,
        m: usize,
    ) -> Result<(Quantization<'_>, ActivationsMut<'_>), ShapeMismatch> {
        let quantization = match input {
            InputQuantization::Static { scale, zero_point } => {
                Quantization::Static { inv_scale: 1.0 / scale, zero_point }
            }
            InputQuantization::PerToken => {
                let scale = self.scales.get_mut(first..).and_then(|scales| scales.get_mut(..m));
                Quantization::PerToken { scale: scale.ok_or(ShapeMismatch)? }
            }
        };
        let data = self.data.get_mut(first.saturating_mul(self.stride)..).ok_or(ShapeMismatch)?;
        Ok((quantization, ActivationsMut { data, stride: self.stride }))
    }

    /// Returns the rows from `first` on as the input `[m, k]` of a linear.
    pub fn read(
        &self,
        input: InputQuantization,
        first: usize,
        m: usize,
        k: usize,
    ) -> Result<Activations<'_>, ShapeMismatch> {
        QuantizedInput { data: self.data, stride: self.stride, scales: self.scales }.read(input, first, m, k)
    }
}

/// [`QuantizedRows`] that any number of threads read.
#[derive(Clone, Copy)]
pub(crate) struct QuantizedInput<'w> {
    pub data: &'w [i8],
    pub stride: usize,
    pub scales: &'w [f32],
}

impl<'w> QuantizedInput<'w> {
    /// Returns the same as [`QuantizedRows::read`].
    pub fn read(
        self,
        input: InputQuantization,
        first: usize,
        m: usize,
        k: usize,
    ) -> Result<Activations<'w>, ShapeMismatch> {
        let (zero_point, scale) = match input {
            InputQuantization::Static { scale, zero_point } => (zero_point, RowScale::Uniform(scale)),
            InputQuantization::PerToken => {
                let scales = self.scales.get(first..).and_then(|scales| scales.get(..m));
                (0, RowScale::PerRow(scales.ok_or(ShapeMismatch)?))
            }
        };
        let data = self.data.get(first.saturating_mul(self.stride)..).ok_or(ShapeMismatch)?;
        Ok(Activations { data, stride: self.stride, m, k, zero_point, scale })
    }
}
