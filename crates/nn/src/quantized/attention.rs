//! Attention as the device computes it, and the gradient of attention in f32 at the same queries, keys and
//! values.

use candle_core::Tensor;
use rayon::prelude::*;

use super::linear::refused;
use super::steps::ActivationSteps;
use crate::ops::attention::{AttentionGradient, AttentionSettings, attention, attention_backward};
use crate::ops::rows::{tensor, with_slice};
use tinybert_base::Result;
use tinybert_image::{AttentionMode, LayerConfig};
use tinybert_kernels::{AttentionShape, ContextOutput, Kernels, ShapeMismatch, math};
use tinybert_model::PerProjection;

/// How a layer's attention rounds.
#[derive(Clone, Copy)]
pub struct AttentionRounding<'a> {
    /// The mode of attention, and the constants of the kernels.
    pub config: &'a LayerConfig,
    /// Real values of one step of queries, keys and values; 1 in f32.
    pub scales: PerProjection<f32>,
}

impl AttentionRounding<'_> {
    /// The context `[b * l, width]` of queries, keys and values `[b * l, 3 * width]`, which are in steps of
    /// their scales. The context is in steps of its own scale if it has one. Rows of padding are 0.
    pub fn forward(&self, qkv: &[f32], settings: &AttentionSettings) -> Result<Vec<f32>> {
        let width = settings.heads * settings.head_dim;
        let mut context = vec![0f32; qkv.len() / 3];
        context
            .par_chunks_mut(settings.tokens * width)
            .zip(qkv.par_chunks(settings.tokens * 3 * width))
            .zip(settings.lengths.par_iter())
            .try_for_each(|((context, qkv), &length)| {
                self.sample(&qkv[..length * 3 * width], settings, &mut context[..length * width])
            })
            .map_err(refused)?;
        Ok(context)
    }

    /// [`forward`](Self::forward) for one sample without padding.
    fn sample(
        &self,
        qkv: &[f32],
        settings: &AttentionSettings,
        context: &mut [f32],
    ) -> std::result::Result<(), ShapeMismatch> {
        let &AttentionSettings { heads, head_dim, .. } = settings;
        let (kernels, stride) = (Kernels::detect(), 3 * heads * head_dim);
        let tokens = qkv.len() / stride;
        let shape = AttentionShape::all(tokens, heads, head_dim, stride);
        let coefficient = self.config.attention_coefficient;
        let out = ContextOutput::F32 { out: context, scale: self.config.context_scale };
        match self.config.attention {
            AttentionMode::Int8 => {
                let bytes: Vec<i8> = qkv.iter().map(|&x| math::quantize(x, 1.0, 0)).collect();
                let mut scratch = vec![0; shape.scratch_bytes().ok_or(ShapeMismatch)?];
                kernels.attention(&bytes, shape, coefficient, out, &mut scratch)
            }
            AttentionMode::F32 => {
                let mut scratch = vec![0; shape.scratch_bytes_f32().ok_or(ShapeMismatch)?];
                kernels.attention_f32(qkv, shape, coefficient, out, &mut scratch)
            }
        }
    }

    /// The gradient of queries, keys and values in real units, from the gradient of the context. It is the
    /// gradient of attention in f32: it passes all rounding unchanged.
    pub fn backward(
        &self,
        qkv: &Tensor,
        d_context: &Tensor,
        settings: &AttentionSettings,
    ) -> Result<Vec<f32>> {
        let (_, columns) = qkv.dims2()?;
        let int8 = self.config.attention == AttentionMode::Int8;
        let real = match int8 {
            true => tensor(with_slice(qkv, |qkv| Ok(self.real(qkv, columns)))?, qkv.shape())?,
            false => qkv.clone(),
        };
        let (scores, _) = attention::<f32>(&real, settings)?;
        let grad = AttentionGradient { context: Some(d_context), scores: None };
        let (mut d_qkv, _) = attention_backward(&real, &scores, &grad, settings)?;
        if int8 {
            with_slice(qkv, |qkv| {
                ActivationSteps::of_scale(1.0).clip(&mut d_qkv, qkv);
                Ok(())
            })?;
        }
        Ok(d_qkv)
    }

    /// Queries, keys and values after their rounding, in real units.
    fn real(&self, qkv: &[f32], columns: usize) -> Vec<f32> {
        let mut real = ActivationSteps::of_scale(1.0).seen(qkv, columns);
        real.par_chunks_exact_mut(columns).for_each(|row| {
            for (part, scale) in row.chunks_exact_mut(columns / 3).zip(self.scales) {
                part.iter_mut().for_each(|x| *x *= scale);
            }
        });
        real
    }
}
