//! A parameter's moments, and the update of the parameter on its device.

use std::borrow::Cow;
use std::cell::RefCell;

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use super::CHUNK;
use tinybert_base::vectorised;
use tinybert_nn::ops::rows::slice;

/// First and second moment of a parameter.
pub(super) enum AdamMoments {
    /// Moments of a parameter on the CPU: one pass updates parameter and moments in place.
    Fused { first: Vec<f32>, second: Vec<f32> },
    /// Moments on any device: candle's own operations update them.
    Composed { first: Tensor, second: Tensor },
}

impl AdamMoments {
    /// Zero moments in the form that fits the parameter's device.
    pub fn new(parameter: &Var) -> Result<Self> {
        match parameter.device() {
            Device::Cpu => {
                let n = parameter.elem_count();
                Ok(Self::Fused { first: vec![0.0; n], second: vec![0.0; n] })
            }
            _ => Self::composed(parameter),
        }
    }

    /// Zero moments on the parameter's device, updated by candle's operations.
    pub fn composed(parameter: &Var) -> Result<Self> {
        let zeros = parameter.as_detached_tensor().zeros_like()?;
        Ok(Self::Composed { first: zeros.clone(), second: zeros })
    }

    /// The values of both moments.
    pub fn values(&self) -> Result<[Cow<'_, [f32]>; 2]> {
        match self {
            Self::Fused { first, second } => Ok([Cow::Borrowed(first), Cow::Borrowed(second)]),
            Self::Composed { first, second } => {
                let flat = |moment: &Tensor| moment.flatten_all()?.to_vec1();
                Ok([Cow::Owned(flat(first)?), Cow::Owned(flat(second)?)])
            }
        }
    }

    /// Replaces the values of both moments by as many new ones.
    pub fn set(&mut self, values: [Vec<f32>; 2]) -> Result<()> {
        let [new_first, new_second] = values;
        match self {
            Self::Fused { first, second } => (*first, *second) = (new_first, new_second),
            Self::Composed { first, second } => {
                *first = Tensor::from_vec(new_first, first.shape(), first.device())?;
                *second = Tensor::from_vec(new_second, second.shape(), second.device())?;
            }
        }
        Ok(())
    }

    /// Sets both moments to 0 where `mask` (u8, of the parameter's shape) is 0.
    pub fn reset(&mut self, mask: &Tensor) -> Result<()> {
        match self {
            Self::Fused { first, second } => {
                let mask = mask.flatten_all()?.to_vec1::<u8>()?;
                for ((first, second), _) in
                    first.iter_mut().zip(second).zip(mask).filter(|(_, mask)| *mask == 0)
                {
                    (*first, *second) = (0.0, 0.0);
                }
            }
            Self::Composed { first, second } => {
                for moment in [first, second] {
                    *moment = mask.where_cond(&*moment, &moment.zeros_like()?)?;
                }
            }
        }
        Ok(())
    }

    /// Updates the parameter and its moments by one step.
    pub fn update(
        &mut self,
        parameter: &Var,
        gradient: &Tensor,
        coefficients: UpdateCoefficients,
    ) -> Result<()> {
        match self {
            Self::Fused { first, second } => {
                let update = Update { moments: RefCell::new((first, second)), coefficients };
                parameter.inplace_op2(gradient, &update)
            }
            Self::Composed { first, second } => coefficients.compose(parameter, first, second, gradient),
        }
    }
}

/// The numbers of one tensor's update: `p = keep·p − rate·m / (√v·inverse_root_correction + ε)`.
#[derive(Clone, Copy)]
pub(super) struct UpdateCoefficients {
    pub gradient_scale: f32,
    pub beta1: f32,
    pub one_minus_beta1: f32,
    pub beta2: f32,
    pub one_minus_beta2: f32,
    pub keep: f32,
    pub rate: f32,
    pub inverse_root_correction: f32,
    pub epsilon: f32,
}

impl UpdateCoefficients {
    #[inline(always)]
    fn apply(&self, parameters: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        // Moments of rarely used embeddings fade into denormals, which are slow and sum to nothing.
        let flush = |x: f32| if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x };
        let moments = first.iter_mut().zip(second);
        for ((p, (m, v)), &g) in parameters.iter_mut().zip(moments).zip(gradient) {
            let g = g * self.gradient_scale;
            *m = flush(self.beta1 * *m + self.one_minus_beta1 * g);
            *v = flush(self.beta2 * *v + self.one_minus_beta2 * g * g);
            *p = self.keep * *p - self.rate * *m / (v.sqrt() * self.inverse_root_correction + self.epsilon);
        }
    }

    fn compose(
        &self,
        parameter: &Var,
        first: &mut Tensor,
        second: &mut Tensor,
        gradient: &Tensor,
    ) -> Result<()> {
        let [scale, beta1, beta2, keep] =
            [self.gradient_scale, self.beta1, self.beta2, self.keep].map(f64::from);
        let g = (gradient.detach() * scale)?;
        *first = ((&*first * beta1)? + (&g * f64::from(self.one_minus_beta1))?)?;
        *second = ((&*second * beta2)? + (g.sqr()? * f64::from(self.one_minus_beta2))?)?;
        let root = (second.sqrt()? * f64::from(self.inverse_root_correction))?;
        let step = ((&*first * f64::from(self.rate))? / (root + f64::from(self.epsilon))?)?;
        parameter.set(&((parameter.as_detached_tensor() * keep)? - step)?)
    }
}

/// [`UpdateCoefficients`] applied to a parameter and its moments as an in-place operation of candle's.
struct Update<'a> {
    /// First and second moment; a cell because candle hands out the operation by shared reference.
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
    coefficients: UpdateCoefficients,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        parameters: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let gradient = slice::<f32>(gradient, gradient_layout)?;
        let (CpuStorage::F32(parameters), Some((start, end))) = (parameters, layout.contiguous_offsets())
        else {
            candle_core::bail!("the optimizer expects contiguous f32 parameters")
        };
        let mut moments = self.moments.borrow_mut();
        let (first, second) = &mut *moments;
        let coefficients = self.coefficients;
        parameters[start..end]
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((p, m), v), g)| vectorised(|| coefficients.apply(p, m, v, g)));
        Ok(())
    }
}
