//! Means over the steps between two lines of metrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

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

/// Sums over the steps since the last line of metrics.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Window {
    steps: u64,
    loss: Sum,
    parts: BTreeMap<String, Sum>,
    gradient_norm: Sum,
}

impl Window {
    /// Takes in the losses of a step, or of a part of one.
    pub fn add_losses(&mut self, total: f64, parts: &[(&'static str, f64)]) {
        self.loss.0 += total;
        for (name, value) in parts {
            self.parts.entry((*name).to_owned()).or_default().0 += value;
        }
    }

    /// Closes a step.
    pub fn add_step(&mut self, gradient_norm: f64) {
        self.steps += 1;
        self.gradient_norm.0 += gradient_norm;
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

    /// The means as fields of a line of metrics.
    pub fn fields(&self) -> Value {
        let parts: BTreeMap<_, _> = self.parts.iter().map(|(name, sum)| (name, self.mean(*sum))).collect();
        json!({ "loss": self.mean(self.loss), "parts": parts, "gradient_norm": self.mean(self.gradient_norm) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_went_through_json_goes_on_to_the_same_means() {
        let mut window = Window::default();
        for step in 1..=7 {
            window.add_losses(0.1 / f64::from(step), &[("hidden", 1.0 / 3.0), ("attention", 1e-300)]);
            window.add_step(0.7);
        }
        let mut read: Window = serde_json::from_str(&serde_json::to_string(&window).unwrap()).unwrap();
        for window in [&mut window, &mut read] {
            window.add_losses(0.2, &[("hidden", 0.1)]);
            window.add_step(0.1);
        }
        assert_eq!((window.steps(), window.fields()), (8, read.fields()));
    }
}
