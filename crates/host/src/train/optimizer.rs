//! Adam in two forms, with an in-place update and moments in plain vectors.
//!
//! candle's own AdamW has no clipping, no parameter groups and hides its moments, and allocates a dozen
//! temporaries per tensor.

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;

use crate::nn::check_gradients;
use crate::nn::ops::rows::{slice, vectorised, with_slice};
use crate::{Error, Result};

/// Elements per unit of parallel work. Norms are summed per chunk and then in chunk order, so that the
/// result does not depend on the number of threads.
const CHUNK: usize = 1 << 15;

/// Names of the two moments.
const MOMENTS: [&str; 2] = ["first-moment/", "second-moment/"];

/// Which Adam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// BERT's and TinyBERT's: no bias correction, each tensor's gradient clipped by its own norm.
    Paper,
    /// Adam with decoupled weight decay (Loshchilov and Hutter): bias correction, clipping by the global norm.
    #[serde(rename = "adamw")]
    AdamW,
}

/// Settings of [`Optimizer`]; biases and LayerNorm parameters never decay.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OptimizerSettings {
    /// Which Adam.
    pub method: Method,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay per unit of learning rate.
    pub weight_decay: f64,
    /// Gradients of a larger Euclidean norm are scaled down to it.
    pub clip_norm: f64,
}

impl OptimizerSettings {
    /// The paper's: β 0.9/0.999, ε 1e-6, decay 0.01, per-tensor clipping to 1.
    pub fn paper() -> Self {
        Self {
            method: Method::Paper,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.01,
            clip_norm: 1.0,
        }
    }

    /// The usual AdamW for fine-tuning BERT: β 0.9/0.999, ε 1e-8, decay 0.01, global clipping to 1.
    pub fn adamw() -> Self {
        Self { method: Method::AdamW, epsilon: 1e-8, ..Self::paper() }
    }
}

impl OptimizerSettings {
    /// Makes sure that every number is one that Adam can work with.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value > 0.0 && value.is_finite();
        for (name, value, fits, needs) in [
            ("beta1", self.beta1, fraction(self.beta1), "from 0 to below 1"),
            ("beta2", self.beta2, fraction(self.beta2), "from 0 to below 1"),
            ("epsilon", self.epsilon, positive(self.epsilon), "positive"),
            (
                "weight decay",
                self.weight_decay,
                self.weight_decay == 0.0 || positive(self.weight_decay),
                "at least 0",
            ),
            ("clipping norm", self.clip_norm, self.clip_norm > 0.0, "positive"),
        ] {
            if !fits {
                return Err(Error::Usage(format!("{name} {value}: it must be {needs}")));
            }
        }
        Ok(())
    }
}

/// One parameter and its moments.
struct Slot {
    name: String,
    var: Var,
    decays: bool,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// Adam over named f32 variables on the CPU.
pub struct Optimizer {
    settings: OptimizerSettings,
    /// In the order of names, which is the order of every sum.
    slots: Vec<Slot>,
    steps: u64,
}

impl Optimizer {
    /// An optimizer with zero moments over `parameters`.
    pub fn new(settings: OptimizerSettings, parameters: BTreeMap<String, Var>) -> Self {
        let slots = parameters
            .into_iter()
            .map(|(name, var)| Slot {
                decays: !(name.ends_with("bias") || name.contains("LayerNorm")),
                first: vec![0.0; var.elem_count()],
                second: vec![0.0; var.elem_count()],
                name,
                var,
            })
            .collect();
        Self { settings, slots, steps: 0 }
    }

    /// The parameters in the order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.slots.iter().map(|slot| (slot.name.as_str(), &slot.var))
    }

    /// Every moment: which one, of which parameter, and its values.
    pub fn moments(&self) -> impl Iterator<Item = (&'static str, &str, &[f32])> {
        self.slots.iter().flat_map(|slot| {
            MOMENTS
                .into_iter()
                .zip([&slot.first, &slot.second])
                .map(|(moment, values)| (moment, slot.name.as_str(), values.as_slice()))
        })
    }

    /// Goes on after `steps` steps with the moments that `find` gives, named as by [`Optimizer::moments`].
    ///
    /// # Errors
    /// Those of `find`; [`Error::Input`] for a moment of another size than its parameter.
    pub fn restore(&mut self, steps: u64, mut find: impl FnMut(&str, &str) -> Result<Tensor>) -> Result<()> {
        for slot in &mut self.slots {
            for (moment, values) in MOMENTS.into_iter().zip([&mut slot.first, &mut slot.second]) {
                let found = find(moment, &slot.name)?.flatten_all()?.to_vec1::<f32>()?;
                if found.len() != values.len() {
                    return Err(Error::Input(format!(
                        "{moment}{}: expected {} values, found {}",
                        slot.name,
                        values.len(),
                        found.len()
                    )));
                }
                *values = found;
            }
        }
        self.steps = steps;
        Ok(())
    }

    /// Updates every parameter in place; returns the global norm of the gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Diverged`] naming the tensor if a gradient is not finite; nothing is changed then.
    /// [`Error::Usage`] naming every parameter without a gradient.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<f64> {
        check_gradients(self.slots.iter().map(|slot| (slot.name.as_str(), &slot.var)), gradients)?;
        let gradients = self
            .slots
            .iter()
            .filter_map(|slot| gradients.get(&slot.var))
            .map(Tensor::contiguous)
            .collect::<candle_core::Result<Vec<_>>>()?;
        let squares = gradients.iter().map(squared_norm).collect::<candle_core::Result<Vec<_>>>()?;
        if let Some(at) = squares.iter().position(|square| !square.is_finite()) {
            return Err(Error::Diverged(format!("the gradient of {} is not finite", self.slots[at].name)));
        }
        let global_norm = squares.iter().sum::<f64>().sqrt();

        self.steps += 1;
        let settings = self.settings;
        // The small constant is that of PyTorch's clip_grad_norm_.
        let clip = |norm: f64| (settings.clip_norm / (norm + 1e-6)).min(1.0);
        let (correction1, correction2) = match settings.method {
            Method::Paper => (1.0, 1.0),
            Method::AdamW => {
                (1.0 - settings.beta1.powf(self.steps as f64), 1.0 - settings.beta2.powf(self.steps as f64))
            }
        };
        for ((slot, gradient), square) in self.slots.iter_mut().zip(&gradients).zip(squares) {
            let scale = match settings.method {
                Method::Paper => clip(square.sqrt()),
                Method::AdamW => clip(global_norm),
            };
            let decay = if slot.decays { learning_rate * settings.weight_decay } else { 0.0 };
            let coefficients = Coefficients {
                gradient_scale: scale as f32,
                beta1: settings.beta1 as f32,
                one_minus_beta1: (1.0 - settings.beta1) as f32,
                beta2: settings.beta2 as f32,
                one_minus_beta2: (1.0 - settings.beta2) as f32,
                keep: (1.0 - decay) as f32,
                rate: (learning_rate / correction1) as f32,
                inverse_root_correction: (1.0 / correction2.sqrt()) as f32,
                epsilon: settings.epsilon as f32,
            };
            let update = Update { moments: RefCell::new((&mut slot.first, &mut slot.second)), coefficients };
            slot.var.inplace_op2(gradient, &update)?;
        }
        Ok(global_norm)
    }

    /// Adds the gradients of the parameters in `new` to those in `sum`.
    ///
    /// # Errors
    /// An internal error if one has no gradient.
    pub fn add_gradients(&self, mut sum: GradStore, new: &GradStore) -> Result<GradStore> {
        for slot in &self.slots {
            if let (Some(old), Some(new)) = (sum.remove(&slot.var), new.get(&slot.var)) {
                sum.insert(&slot.var, (old + new)?);
            }
        }
        Ok(sum)
    }
}

/// Sum of squares in f64, the same for any number of threads.
fn squared_norm(gradient: &Tensor) -> candle_core::Result<f64> {
    let partial: Vec<f64> = with_slice(gradient, |values: &[f32]| {
        Ok(values.par_chunks(CHUNK).map(|chunk| vectorised(|| sum_of_squares(chunk))).collect())
    })?;
    Ok(partial.iter().sum())
}

/// Eight independent sums let the compiler use vectors.
#[inline(always)]
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (blocks, rest) = values.as_chunks::<8>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>()
}

/// The numbers of one tensor's update: `p = keep·p − rate·m / (√v·inverse_root_correction + ε)`.
#[derive(Clone, Copy)]
struct Coefficients {
    gradient_scale: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    keep: f32,
    rate: f32,
    inverse_root_correction: f32,
    epsilon: f32,
}

impl Coefficients {
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
}

/// [`Coefficients`] applied to a parameter and its moments as an in-place operation of candle's.
struct Update<'a> {
    /// First and second moment; a cell because candle hands out the operation by shared reference.
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
    coefficients: Coefficients,
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

#[cfg(test)]
mod tests;
