//! The result of a search.

use serde_json::json;

use crate::cost::Cost;
use crate::space::{SearchPoint, SearchSpace};
use tinybert_data::metrics::intervals::{Estimate, Interval};
use tinybert_model::LayerLinear;
use tinybert_model::plan::Precision;

/// A model that the search considered.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SearchCandidate {
    /// The point of the search space.
    #[serde(rename = "choice")]
    pub point: SearchPoint,
    /// A description for people.
    pub name: String,
    /// Flash, RAM and modelled latency.
    pub cost: Cost,
    /// Distance of its answers from the unchanged student's before any training: the sum of the distances of
    /// its changes.
    pub distance: f64,
    /// The metric that this distance predicts.
    pub predicted: f64,
    /// Distance and metric before any training, if they were measured.
    pub measured: Option<Measurement>,
    /// True if no other candidate is at least as good in flash, latency and prediction, and better in one of
    /// them.
    pub pareto: bool,
}

/// A measurement of a model without training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measurement {
    /// Mean squared distance of the logits from the unchanged student's, relative to the variance of the
    /// student's logits.
    pub distance: f64,
    /// The metric on the development set.
    pub metric: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

impl Measurement {
    /// A distance and a metric that were measured together.
    pub(super) fn new(distance: f64, Estimate { value: metric, interval }: Estimate) -> Self {
        Self { distance, metric, interval }
    }
}

/// For each axis of the search space and each level, the measurement of this change alone. Records have the
/// axes as an array, in this order.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(from = "[Vec<Measurement>; 5]", into = "[Vec<Measurement>; 5]")]
pub struct MeasuredChanges {
    /// Levels of the share of heads that stay.
    pub heads: Vec<Measurement>,
    /// Levels of the share of neurons that stay.
    pub neurons: Vec<Measurement>,
    /// Levels of the vocabulary.
    pub vocabulary: Vec<Measurement>,
    /// Levels of the share of linears in four bits.
    pub weights: Vec<Measurement>,
    /// Levels of the encoding of the word rows.
    pub embeddings: Vec<Measurement>,
}

impl MeasuredChanges {
    /// All measurements, axis by axis.
    pub(super) fn all(&self) -> impl Iterator<Item = &Measurement> {
        let Self { heads, neurons, vocabulary, weights, embeddings } = self;
        [heads, neurons, vocabulary, weights, embeddings].into_iter().flatten()
    }

    /// The sum of the distances of the changes that lead to `point`.
    pub(super) fn distance(&self, point: SearchPoint) -> f64 {
        let changes = [
            &self.heads[point.heads],
            &self.neurons[point.neurons],
            &self.vocabulary[point.vocabulary],
            &self.weights[point.weights],
            &self.embeddings[point.embeddings],
        ];
        changes.into_iter().map(|change| change.distance).sum()
    }
}

impl From<[Vec<Measurement>; 5]> for MeasuredChanges {
    fn from([heads, neurons, vocabulary, weights, embeddings]: [Vec<Measurement>; 5]) -> Self {
        Self { heads, neurons, vocabulary, weights, embeddings }
    }
}

impl From<MeasuredChanges> for [Vec<Measurement>; 5] {
    fn from(changes: MeasuredChanges) -> Self {
        let MeasuredChanges { heads, neurons, vocabulary, weights, embeddings } = changes;
        [heads, neurons, vocabulary, weights, embeddings]
    }
}

/// The change of the answers when only one linear is stored in four bits.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LinearSensitivity {
    /// The layer, from 0.
    pub layer: usize,
    /// The linear among the layer's four.
    pub linear: LayerLinear,
    /// Distance and metric.
    pub change: Measurement,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SearchResult {
    /// Name of the metric.
    pub metric: String,
    /// The metric of the unchanged student.
    #[serde(rename = "whole")]
    pub student_metric: Estimate,
    /// The factor between measured distances and sums of distances. The candidates' distances are multiplied
    /// by it.
    pub correction: f64,
    /// The loss of the metric per distance of 1.
    #[serde(rename = "loss")]
    pub loss_per_distance: f64,
    /// The measurement of each change alone.
    pub changes: MeasuredChanges,
    /// Every linear, beginning with the one that changes the answers least when it is stored in four bits.
    pub linears: Vec<LinearSensitivity>,
    /// Number of points in the search space.
    #[serde(rename = "places")]
    pub points: usize,
    /// Longest input of the chosen model in tokens.
    pub max_tokens: usize,
    /// How the chosen model's weights are stored.
    pub precision: Precision,
    /// The Pareto front, all measured candidates, and with a floor those that are worth a try, by rising flash.
    pub candidates: Vec<SearchCandidate>,
    /// The best candidate within the budget; with a floor the first one to be tried.
    pub chosen: SearchCandidate,
}

impl SearchResult {
    /// The same result with another choice.
    pub(crate) fn choosing(&self, candidate: &SearchCandidate, space: &SearchSpace) -> Self {
        Self {
            chosen: candidate.clone(),
            max_tokens: space.lengths[candidate.point.max_tokens].tokens,
            precision: space.precision(candidate.point),
            ..self.clone()
        }
    }

    /// A summary of the search for records.
    pub fn summary(&self) -> serde_json::Value {
        json!({
            "metric": self.metric,
            "whole": self.student_metric,
            "correction": self.correction,
            "loss": self.loss_per_distance,
            "places": self.points,
            "chosen": self.chosen,
        })
    }
}
