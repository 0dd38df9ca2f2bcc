//! Settings of the optimizer.

use tinybert_base::{Error, Result};

/// The variant of Adam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdamMethod {
    /// The variant of BERT and TinyBERT: no bias correction, and each tensor's gradient is clipped by its own
    /// norm.
    Paper,
    /// Adam with decoupled weight decay (Loshchilov and Hutter): bias correction, clipping by the global norm.
    #[serde(rename = "adamw")]
    AdamW,
}

/// Settings of [`Optimizer`](super::Optimizer). Biases and LayerNorm parameters never decay.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OptimizerSettings {
    /// The variant of Adam.
    pub method: AdamMethod,
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
    /// The settings of the TinyBERT paper: β 0.9/0.999, ε 1e-6, decay 0.01, per-tensor clipping to 1.
    pub fn paper() -> Self {
        Self {
            method: AdamMethod::Paper,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.01,
            clip_norm: 1.0,
        }
    }

    /// The usual AdamW settings for fine-tuning BERT: β 0.9/0.999, ε 1e-8, decay 0.01, global clipping to 1.
    pub fn adamw() -> Self {
        Self { method: AdamMethod::AdamW, epsilon: 1e-8, ..Self::paper() }
    }

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
