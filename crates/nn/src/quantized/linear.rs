//! Linears with the device's weights and kernels, and their gradient straight through the rounding.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use rayon::prelude::*;

use super::steps::ActivationSteps;
use crate::linear::FloatLinear;
use crate::ops::rows::{ROWS_PER_PIECE, product, tensor, with_slice};
use crate::tape::add_gradient;
use tinybert_base::{Error, Result};
use tinybert_kernels::{
    Activations, ActivationsMut, Epilogue, Kernels, Linear, PackedWeights, Quantization, RowScale,
    ShapeMismatch, activation_bytes, pack, row_stride,
};
use tinybert_model::plan::{WeightEncoding, quantize_channel};

/// Weights of a linear `[outputs, inputs]` as the device has them.
pub struct QuantizedWeights {
    /// The float weights that were quantized.
    float: Vec<f32>,
    values: Vec<i8>,
    /// Real value of one step, by output.
    scale: Vec<f32>,
    inputs: usize,
    /// `values` in the layout of this machine's kernels.
    packed: Vec<i8>,
    row_sum: Vec<i32>,
}

/// The weights of a linear that were quantized last. Comparing the float weights takes less time than
/// quantizing them anew.
#[derive(Default)]
pub struct WeightCache(Mutex<Option<Arc<QuantizedWeights>>>);

impl WeightCache {
    /// The quantized weights of linears with the same inputs, one above the other.
    pub fn stored(
        &self,
        linears: &[&FloatLinear],
        encoding: WeightEncoding,
        importance: Option<&[f32]>,
    ) -> Result<Arc<QuantizedWeights>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stored) = &*last
            && stored.is_of(linears)?
        {
            return Ok(stored.clone());
        }
        let stored = Arc::new(QuantizedWeights::new(linears, encoding, importance)?);
        *last = Some(stored.clone());
        Ok(stored)
    }
}

impl QuantizedWeights {
    /// Quantizes by the function that images are made with.
    pub fn new(
        linears: &[&FloatLinear],
        encoding: WeightEncoding,
        importance: Option<&[f32]>,
    ) -> Result<Self> {
        let mut float = Vec::new();
        for linear in linears {
            with_slice(&linear.weight, |weight: &[f32]| {
                float.extend_from_slice(weight);
                Ok(())
            })?;
        }
        let inputs = linears[0].weight.dim(1)?;
        let outputs = float.len() / inputs;
        let (mut values, mut scale) = (vec![0i8; float.len()], vec![0f32; outputs]);
        let mut row_sum = vec![0i32; outputs];
        let panel = Kernels::detect().native_panel();
        let packed_len = |outputs| panel.packed_bytes(outputs, inputs).ok_or_else(|| refused(ShapeMismatch));
        let mut packed = vec![0; packed_len(outputs)?];
        // A panel of outputs at a time: its bytes stand together.
        let rows = usize::from(panel.nr);
        let panels = (
            float.par_chunks(rows * inputs),
            values.par_chunks_mut(rows * inputs),
            scale.par_chunks_mut(rows),
            row_sum.par_chunks_mut(rows),
            packed.par_chunks_mut(packed_len(rows)?),
        );
        panels
            .into_par_iter()
            .try_for_each(|(float, values, scale, row_sum, packed)| {
                let channels = float.chunks_exact(inputs).zip(values.chunks_exact_mut(inputs));
                for (((channel, values), scale), sum) in channels.zip(&mut *scale).zip(row_sum) {
                    *scale = quantize_channel(channel, encoding, importance, values);
                    *sum = values.iter().map(|&value| i32::from(value)).sum();
                }
                pack(values, scale.len(), inputs, panel, packed)
            })
            .map_err(refused)?;
        Ok(Self { float, values, scale, inputs, packed, row_sum })
    }

    fn is_of(&self, linears: &[&FloatLinear]) -> Result<bool> {
        let mut rest = self.float.as_slice();
        for linear in linears {
            let same = with_slice(&linear.weight, |weight: &[f32]| Ok(rest.strip_prefix(weight)))?;
            match same {
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The weights that the device computes with, `[outputs, inputs]`.
    pub fn dequantized(&self) -> Result<Tensor> {
        let mut weights = vec![0f32; self.values.len()];
        let rows = weights.par_chunks_exact_mut(self.inputs).zip(self.values.par_chunks_exact(self.inputs));
        rows.zip(&self.scale).for_each(|((weights, values), &scale)| {
            weights.iter_mut().zip(values).for_each(|(weight, &value)| *weight = f32::from(value) * scale);
        });
        Ok(tensor(weights, (self.scale.len(), self.inputs))?)
    }

    /// `x · weightᵀ + bias` for x `[rows, inputs]`, to the bit as on the device: `[rows, outputs]`. The
    /// outputs are in steps of `output_scales`, which hold for equal parts of them.
    pub fn forward(
        &self,
        x: &[f32],
        steps: ActivationSteps,
        bias: &[f32],
        output_scales: &[f32],
    ) -> Result<Vec<f32>> {
        let outputs = self.scale.len();
        // The writer of an image folds the scales into the weights in the same way.
        let scale_of = |output: usize| output_scales[output * output_scales.len() / outputs];
        let divided = |values: &[f32]| -> Vec<f32> {
            values.iter().enumerate().map(|(output, value)| value / scale_of(output)).collect()
        };
        let (scale, bias) = (divided(&self.scale), divided(bias));
        let kernels = Kernels::detect();
        let linear = Linear {
            n: outputs,
            k: self.inputs,
            panel: kernels.native_panel(),
            weights: PackedWeights::Int8(&self.packed),
            scale: &scale,
            bias: &bias,
            row_sum: &self.row_sum,
        };
        let mut y = vec![0f32; x.len() / self.inputs * outputs];
        y.par_chunks_mut(outputs * ROWS_PER_PIECE)
            .zip(x.par_chunks(self.inputs * ROWS_PER_PIECE))
            .try_for_each(|(y, x)| rows(kernels, &linear, x, steps, y))
            .map_err(refused)?;
        Ok(y)
    }

    /// Adds the gradients of the weights of `linears`, from the input `x` and the gradient `grad` of the
    /// output; returns the gradient of `x`.
    pub fn backward(
        &self,
        linears: &[&FloatLinear],
        x: &Tensor,
        steps: ActivationSteps,
        grad: &Tensor,
        grads: &mut GradStore,
    ) -> Result<Vec<f32>> {
        let seen = with_slice(x, |x| Ok(steps.seen(x, self.inputs)))?;
        let d_weight = product::<f32>(&grad.t()?, &tensor(seen, x.shape())?)?;
        for (linear, d_weight) in linears.iter().zip(d_weight.chunks_exact(d_weight.len() / linears.len())) {
            add_gradient(grads, &linear.weight, d_weight.to_vec())?;
        }
        let mut d_x = product::<f32>(grad, &self.dequantized()?)?;
        with_slice(x, |x| {
            steps.clip(&mut d_x, x);
            Ok(())
        })?;
        Ok(d_x)
    }
}

/// Computes some rows of a linear's output.
fn rows(
    kernels: Kernels,
    linear: &Linear,
    x: &[f32],
    steps: ActivationSteps,
    y: &mut [f32],
) -> std::result::Result<(), ShapeMismatch> {
    let (k, m) = (linear.k, x.len() / linear.k);
    let mut data = vec![0i8; activation_bytes(m, k).ok_or(ShapeMismatch)?];
    let mut row_scales = vec![0f32; m];
    let (quantization, zero_point) = match steps {
        ActivationSteps::Static { inv_scale, zero_point, .. } => {
            (Quantization::Static { inv_scale, zero_point }, zero_point)
        }
        ActivationSteps::PerToken => (Quantization::PerToken { scale: &mut row_scales }, 0),
    };
    kernels.quantize(x, k, quantization, ActivationsMut::new(&mut data, k))?;
    let scale = match steps {
        ActivationSteps::Static { scale, .. } => RowScale::Uniform(scale),
        ActivationSteps::PerToken => RowScale::PerRow(&row_scales),
    };
    let a = Activations { data: &data, stride: row_stride(k), m, k, zero_point, scale };
    kernels.linear(&a, linear, Epilogue::F32 { out: y, stride: linear.n }, &mut [])
}

/// The error for sizes that the kernels do not take.
pub fn refused(_: ShapeMismatch) -> Error {
    Error::Usage("the model is larger than the device code can address".into())
}
