//! Adam in two forms, with an in-place update and moments in plain vectors on the CPU.
//!
//! candle's own AdamW has no clipping, no parameter groups and hides its moments, and allocates a dozen
//! temporaries per tensor.

mod moments;
mod ranks;

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

use self::moments::{Coefficients, Moments};
use tinybert_base::vectorised;
use tinybert_base::{Error, Result};
use tinybert_nn::check_gradients;
use tinybert_nn::ops::rows::with_slice;

/// Elements per unit of parallel work. Norms are summed per chunk and then in chunk order, so that the
/// result does not depend on the number of threads.
const CHUNK: usize = 1 << 15;

/// Names of the two moments.
const MOMENTS: [&str; 2] = ["first-moment/", "second-moment/"];

/// Which moment, of which parameter, and its values.
pub type NamedMoment<'a> = (&'static str, &'a str, Cow<'a, [f32]>);

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
    moments: Moments,
}

/// Adam over named f32 variables, each on its device.
pub struct Optimizer {
    settings: OptimizerSettings,
    /// In the order of names, which is the order of every sum.
    slots: Vec<Slot>,
    steps: u64,
}

impl Optimizer {
    /// An optimizer with zero moments over `parameters`.
    ///
    /// # Errors
    /// An internal error where the parameters' device has no room.
    pub fn new(settings: OptimizerSettings, parameters: BTreeMap<String, Var>) -> Result<Self> {
        Self::with(settings, parameters, Moments::new)
    }

    /// The same with the moments that `moments` gives a parameter.
    fn with(
        settings: OptimizerSettings,
        parameters: BTreeMap<String, Var>,
        moments: fn(&Var) -> candle_core::Result<Moments>,
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

    /// Every moment.
    ///
    /// # Errors
    /// An internal error where they cannot be read from their device.
    pub fn moments(&self) -> Result<Vec<NamedMoment<'_>>> {
        let mut all = Vec::with_capacity(2 * self.slots.len());
        for slot in &self.slots {
            let named = MOMENTS.into_iter().zip(slot.moments.values()?);
            all.extend(named.map(|(moment, values)| (moment, slot.name.as_str(), values)));
        }
        Ok(all)
    }

    /// Goes on after `steps` steps with the moments that `find` gives, named as by [`Optimizer::moments`].
    ///
    /// # Errors
    /// Those of `find`; [`Error::Input`] for a moment of another size than its parameter.
    pub fn restore(&mut self, steps: u64, mut find: impl FnMut(&str, &str) -> Result<Tensor>) -> Result<()> {
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
            slot.moments.update(&slot.var, gradient, coefficients)?;
        }
        Ok(global_norm)
    }

    /// Forgets the moments of a parameter where `mask` (u8, of its shape) is 0.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn forget(&mut self, name: &str, mask: &Tensor) -> Result<()> {
        match self.slots.iter_mut().find(|slot| slot.name == name) {
            Some(slot) => Ok(slot.moments.keep(mask)?),
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

#[cfg(test)]
mod tests;
