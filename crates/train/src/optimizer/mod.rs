//! Adam in two variants. On the CPU it updates parameters and moments in place.
//!
//! candle's own AdamW clips no gradients, has no parameter groups, hides its moments and allocates a dozen
//! temporaries per tensor.

mod moments;
mod ranks;
mod settings;

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

use self::moments::{AdamMoments, UpdateCoefficients};
pub use self::settings::{AdamMethod, OptimizerSettings};
use tinybert_base::{Error, Result, vectorised};
use tinybert_nn::check_gradients;
use tinybert_nn::ops::rows::with_slice;

/// Elements per unit of parallel work. Norms are summed per chunk and then in chunk order, so that the
/// result does not depend on the number of threads.
const CHUNK: usize = 1 << 15;

/// Prefixes of the two moments' names.
const MOMENTS: [&str; 2] = ["first-moment/", "second-moment/"];

/// The prefix of a moment, the name of its parameter, and its values.
pub(crate) type NamedMoment<'a> = (&'static str, &'a str, Cow<'a, [f32]>);

/// A parameter and its moments.
struct Slot {
    name: String,
    var: Var,
    decays: bool,
    moments: AdamMoments,
}

/// Adam over named f32 variables, each on its device.
pub struct Optimizer {
    settings: OptimizerSettings,
    /// The parameters in the order of their names, which is the order of every sum.
    slots: Vec<Slot>,
    steps: u64,
}

impl Optimizer {
    /// An optimizer with zero moments over `parameters`.
    ///
    /// # Errors
    /// An internal error where the parameters' device has no room.
    pub fn new(settings: OptimizerSettings, parameters: BTreeMap<String, Var>) -> Result<Self> {
        Self::with(settings, parameters, AdamMoments::new)
    }

    /// An optimizer whose moments are created by `moments`.
    fn with(
        settings: OptimizerSettings,
        parameters: BTreeMap<String, Var>,
        moments: fn(&Var) -> candle_core::Result<AdamMoments>,
    ) -> Result<Self> {
        let slot = |(name, var): (String, Var)| {
            let decays = !(name.ends_with("bias") || name.contains("LayerNorm"));
            Ok(Slot { decays, moments: moments(&var)?, name, var })
        };
        let slots = parameters.into_iter().map(slot).collect::<Result<_>>()?;
        Ok(Self { settings, slots, steps: 0 })
    }

    /// The parameters in the order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.slots.iter().map(|slot| (slot.name.as_str(), &slot.var))
    }

    /// All moments.
    ///
    /// # Errors
    /// An internal error where they cannot be read from their device.
    pub(crate) fn moments(&self) -> Result<Vec<NamedMoment<'_>>> {
        let mut all = Vec::with_capacity(2 * self.slots.len());
        for slot in &self.slots {
            let named = MOMENTS.into_iter().zip(slot.moments.values()?);
            all.extend(named.map(|(moment, values)| (moment, slot.name.as_str(), values)));
        }
        Ok(all)
    }

    /// Continues after `steps` steps with the moments that `find` returns for the names that
    /// [`Optimizer::moments`] gave.
    ///
    /// # Errors
    /// Returns the errors of `find`; [`Error::Input`] for a moment of another size than its parameter.
    pub(crate) fn restore(
        &mut self,
        steps: u64,
        mut find: impl FnMut(&str, &str) -> Result<Tensor>,
    ) -> Result<()> {
        for slot in &mut self.slots {
            let expected = slot.var.elem_count();
            let mut read = |moment: &str| {
                let found = find(moment, &slot.name)?.flatten_all()?.to_vec1::<f32>()?;
                match found.len() {
                    n if n == expected => Ok(found),
                    n => Err(Error::Input(format!(
                        "{moment}{}: expected {expected} values, found {n}",
                        slot.name
                    ))),
                }
            };
            let [first, second] = MOMENTS;
            slot.moments.set([read(first)?, read(second)?])?;
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
            AdamMethod::Paper => (1.0, 1.0),
            AdamMethod::AdamW => {
                (1.0 - settings.beta1.powf(self.steps as f64), 1.0 - settings.beta2.powf(self.steps as f64))
            }
        };
        for ((slot, gradient), square) in self.slots.iter_mut().zip(&gradients).zip(squares) {
            let scale = match settings.method {
                AdamMethod::Paper => clip(square.sqrt()),
                AdamMethod::AdamW => clip(global_norm),
            };
            let decay = if slot.decays { learning_rate * settings.weight_decay } else { 0.0 };
            let coefficients = UpdateCoefficients {
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
            slot.moments.update(&slot.var, gradient, coefficients)?;
        }
        Ok(global_norm)
    }

    /// Sets the moments of a parameter to 0 where `mask` (u8, of the parameter's shape) is 0.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub(crate) fn reset_moments(&mut self, name: &str, mask: &Tensor) -> Result<()> {
        match self.slots.iter_mut().find(|slot| slot.name == name) {
            Some(slot) => Ok(slot.moments.reset(mask)?),
            None => Ok(()),
        }
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

/// Sum of squares; on the CPU in f64 and the same for any number of threads.
fn squared_norm(gradient: &Tensor) -> candle_core::Result<f64> {
    if !gradient.device().is_cpu() {
        return gradient.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar();
    }
    let partial: Vec<f64> = with_slice(gradient, |values: &[f32]| {
        Ok(values.par_chunks(CHUNK).map(|chunk| vectorised(|| sum_of_squares(chunk))).collect())
    })?;
    Ok(partial.iter().sum())
}

/// Sum of squares in eight independent sums, so that the compiler can use vector instructions.
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

#[cfg(test)]
mod tests;
