//! Losses as numbers, and their means over the steps between two lines of `metrics.jsonl`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A sum that JSON stores as its 64 bits, so that none of them is lost.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(into = "u64", from = "u64")]
struct ExactSum(f64);

impl From<ExactSum> for u64 {
    fn from(sum: ExactSum) -> Self {
        sum.0.to_bits()
    }
}

impl From<u64> for ExactSum {
    fn from(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

/// The values of one micro-batch's losses.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct LossValues {
    total: ExactSum,
    parts: Vec<(String, ExactSum)>,
}

impl LossValues {
    /// The value of the total loss and of its named parts.
    pub fn new(total: f64, parts: impl IntoIterator<Item = (String, f64)>) -> Self {
        let parts = parts.into_iter().map(|(name, value)| (name, ExactSum(value))).collect();
        Self { total: ExactSum(total), parts }
    }

    /// Whether the total is finite.
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
pub(crate) struct MetricsWindow {
    steps: u64,
    loss: ExactSum,
    parts: BTreeMap<String, ExactSum>,
    gradient_norm: ExactSum,
    /// The rate of the last step.
    learning_rate: ExactSum,
}

impl MetricsWindow {
    /// Adds the losses of a step, or of one of its micro-batches.
    pub fn add_losses(&mut self, losses: LossValues) {
        self.loss.0 += losses.total.0;
        for (name, value) in losses.parts {
            self.parts.entry(name).or_default().0 += value.0;
        }
    }

    /// Ends a step.
    pub fn add_step(&mut self, gradient_norm: f64, learning_rate: f64) {
        self.steps += 1;
        self.gradient_norm.0 += gradient_norm;
        self.learning_rate.0 = learning_rate;
    }

    /// Steps in the window.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn mean(&self, sum: ExactSum) -> f64 {
        sum.0 / self.steps as f64
    }

    /// The mean loss for the progress display, `loss 0.1234`, with its parts if there are several.
    pub fn summary(&self) -> String {
        let mut summary = format!("loss {:.4}", self.mean(self.loss));
        if self.parts.len() > 1 {
            for (name, sum) in &self.parts {
                summary += &format!(", {name} {:.4}", self.mean(*sum));
            }
        }
        summary
    }

    /// The means and the last learning rate as the fields of a line of `metrics.jsonl`.
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
        let losses = |total, parts: &[(&str, f64)]| {
            LossValues::new(total, parts.iter().map(|&(name, value)| (name.to_owned(), value)))
        };
        let mut window = MetricsWindow::default();
        for step in 1..=7 {
            window.add_losses(losses(0.1 / f64::from(step), &[("hidden", 1.0 / 3.0), ("attention", 1e-300)]));
            window.add_step(0.7, 1e-3);
        }
        let mut read: MetricsWindow = serde_json::from_str(&serde_json::to_string(&window).unwrap()).unwrap();
        for window in [&mut window, &mut read] {
            window.add_losses(losses(0.2, &[("hidden", 0.1)]));
            window.add_step(0.1, 1.0 / 7.0);
        }
        assert_eq!((window.steps(), window.fields()), (8, read.fields()));
    }
}
