//! The int8 input of a linear, static or per token.

use tinybert_image::InputQuantization;
use tinybert_kernels::{Activations, Kernels, Quantization, RowScale, Shape};

/// Where the input of a linear is written and then read.
pub(crate) struct Quantized<'w> {
    /// The int8 values.
    pub data: &'w mut [i8],
    /// Scales of the rows, if they are per token.
    pub scales: &'w mut [f32],
    /// How they are quantized.
    pub input: InputQuantization,
}

impl Quantized<'_> {
    /// Quantizes `x` `[m, k]`.
    pub fn write(&mut self, kernels: &Kernels, x: &[f32], k: usize) -> Result<(), Shape> {
        let rows = x.len().checked_div(k).ok_or(Shape)?;
        let (quantization, data) = self.target(rows)?;
        kernels.quantize(x, k, quantization, data)
    }

    /// For a kernel that writes `m` rows itself.
    pub fn target(&mut self, m: usize) -> Result<(Quantization<'_>, &mut [i8]), Shape> {
        let quantization = match self.input {
            InputQuantization::Static { scale, zero_point } => {
                Quantization::Static { inv_scale: 1.0 / scale, zero_point }
            }
            InputQuantization::PerToken => {
                Quantization::PerToken { scale: self.scales.get_mut(..m).ok_or(Shape)? }
            }
        };
        Ok((quantization, self.data))
    }

    /// As the input `[m, k]` of a linear.
    pub fn read(&self, m: usize, k: usize) -> Result<Activations<'_>, Shape> {
        let (zero_point, scale) = match self.input {
            InputQuantization::Static { scale, zero_point } => (zero_point, RowScale::Uniform(scale)),
            InputQuantization::PerToken => (0, RowScale::PerRow(self.scales.get(..m).ok_or(Shape)?)),
        };
        Ok(Activations { data: self.data, m, k, zero_point, scale })
    }
}
