//! Losses as numbers, and their means over the steps between two lines of metrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::micro_batch::Losses;
use tinybert_base::Result;

/// A sum that keeps every bit through JSON.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(into = "u64", from = "u64")]
struct Sum(f64);

impl From<Sum> for u64 {
    fn from(sum: Sum) -> Self {
        sum.0.to_bits()
    }
}

impl From<u64> for Sum {
    fn from(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

/// The losses of one micro-batch.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct LossValues {
    total: Sum,
    parts: Vec<(String, Sum)>,
}

impl LossValues {
    /// # Errors
    /// An internal error for what is no scalar.
    pub fn of(losses: &Losses) -> Result<Self> {
        let parts = losses.parts.iter().map(|(name, value)| {
            let value = f64::from(value.to_scalar::<f32>()?);
            Ok(((*name).to_owned(), Sum(value)))
        });
        Ok(Self {
            total: Sum(f64::from(losses.total.to_scalar::<f32>()?)),
            parts: parts.collect::<Result<_>>()?,
        })
    }

    pub fn is_finite(&self) -> bool {
        self.total.0.is_finite()
    }
}

impl std::fmt::Display for LossValues {
    /// `NaN, hidden 0.1, attention NaN`.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.total.0)?;
        self.parts.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", value.0))
    }
}

/// Sums over the steps since the last line of metrics.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Window {
    steps: u64,
    loss: Sum,
    parts: BTreeMap<String, Sum>,
    gradient_norm: Sum,
    /// Of the last step.
    learning_rate: Sum,
}

impl Window {
    /// Takes in the losses of a step, or of a part of one.
    pub fn add_losses(&mut self, losses: LossValues) {
        self.loss.0 += losses.total.0;
        for (name, value) in losses.parts {
            self.parts.entry(name).or_default().0 += value.0;
        }
    }

    /// Closes a step.
    pub fn add_step(&mut self, gradient_norm: f64, learning_rate: f64) {
        self.steps += 1;
        self.gradient_norm.0 += gradient_norm;
        self.learning_rate.0 = learning_rate;
    }

    /// Steps taken in.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn mean(&self, sum: Sum) -> f64 {
        sum.0 / self.steps as f64
    }

    /// `loss 0.1234`, with its parts where there are several.
    pub fn note(&self) -> String {
        let mut note = format!("loss {:.4}", self.mean(self.loss));
        if self.parts.len() > 1 {
            for (name, sum) in &self.parts {
                note += &format!(", {name} {:.4}", self.mean(*sum));
            }
        }
        note
    }

    /// The means, and the last learning rate, as fields of a line of metrics.
    pub fn fields(&self) -> Value {
        let parts: BTreeMap<_, _> = self.parts.iter().map(|(name, sum)| (name, self.mean(*sum))).collect();
        json!({
            "loss": self.mean(self.loss), "parts": parts, "gradient_norm": self.mean(self.gradient_norm),
            "learning_rate": self.learning_rate.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_went_through_json_goes_on_to_the_same_means() {
        let losses = |total, parts: &[(&str, f64)]| LossValues {
            total: Sum(total),
            parts: parts.iter().map(|&(name, value)| (name.into(), Sum(value))).collect(),
        };
        let mut window = Window::default();
        for step in 1..=7 {
            window.add_losses(losses(0.1 / f64::from(step), &[("hidden", 1.0 / 3.0), ("attention", 1e-300)]));
            window.add_step(0.7, 1e-3);
        }
        let mut read: Window = serde_json::from_str(&serde_json::to_string(&window).unwrap()).unwrap();
        for window in [&mut window, &mut read] {
            window.add_losses(losses(0.2, &[("hidden", 0.1)]));
            window.add_step(0.1, 1.0 / 7.0);
        }
        assert_eq!((window.steps(), window.fields()), (8, read.fields()));
    }
}
