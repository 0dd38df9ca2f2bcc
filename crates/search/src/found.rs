//! What the search found.

use serde_json::json;

use super::cost::Cost;
use super::space::Choice;
use tinybert_model::LayerLinear;
use tinybert_model::plan::Precision;

/// A place of the space that was looked at.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Candidate {
    /// Where it is.
    pub choice: Choice,
    /// What it is, in words.
    pub name: String,
    /// What it costs.
    pub cost: Cost,
    /// How far its answers are from the whole student's before any training, the distances of its changes added.
    pub distance: f64,
    /// The metric that goes with it.
    pub predicted: f64,
    /// Distance and metric before any training, where they were measured.
    pub measured: Option<Measured>,
    /// True if no other candidate is at least as good in flash, latency and prediction, and better in one.
    pub pareto: bool,
}

/// What a candidate's answers are without training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measured {
    /// How far they are from the whole student's: mean squared, relative to the variance of its logits.
    pub distance: f64,
    /// The metric.
    pub metric: f64,
}

/// What a linear alone in four bits does to the answers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InFourBits {
    /// Its layer, from 0.
    pub layer: usize,
    /// Which of the layer's linears it is.
    pub linear: LayerLinear,
    /// Distance and metric.
    pub change: Measured,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Name of the metric.
    pub metric: String,
    /// Its value of the whole student.
    pub whole: f64,
    /// What measured distances are of added ones: those of the candidates have been multiplied by it.
    pub correction: f64,
    /// What the metric loses for a distance of 1.
    pub loss: f64,
    /// By axis (heads, neurons, vocabulary, linears in four bits, word rows in four bits) and level, how far a change alone
    /// moves the answers, and the metric with it.
    pub changes: [Vec<Measured>; 5],
    /// Every linear, those first that bear four bits best.
    pub linears: Vec<InFourBits>,
    /// How many places there are.
    pub places: usize,
    /// Longest input of the best one, in tokens.
    pub max_tokens: usize,
    /// How the best one's weights are stored.
    pub precision: Precision,
    /// The Pareto front, by rising flash, and whatever else was measured.
    pub candidates: Vec<Candidate>,
    /// The best within the budget.
    pub chosen: Candidate,
}

impl Found {
    /// The search in a few numbers, for a record.
    pub fn summary(&self) -> serde_json::Value {
        json!({
            "metric": self.metric,
            "whole": self.whole,
            "correction": self.correction,
            "loss": self.loss,
            "places": self.places,
            "chosen": self.chosen,
        })
    }
}
