//! The search for the most accurate model within a budget, or for the smallest one that holds a floor.
//!
//! Each change of the student is measured alone. The distance of a combination of changes is predicted as the
//! sum of their distances, and the metric is predicted from the distance. The best predictions are then
//! measured. Nothing is trained.

mod answers;
mod evaluator;
mod feasible;
mod ranking;
mod result;
mod smallest;

use self::answers::{EvaluationExamples, ModelAnswers};
use self::evaluator::{Evaluator, measure_linears};
use self::feasible::check_budget;
pub(crate) use self::feasible::check_each_limit;
use self::ranking::{compare, distance_correction, loss_of_distance, mark_pareto};
pub use self::result::{LinearSensitivity, MeasuredChanges, Measurement, SearchCandidate, SearchResult};
pub(crate) use self::smallest::{by_size, next_try};
use self::smallest::{first_try, least_before_training};
use super::cost::{CostModel, DeviceBudget};
use super::floor::Floor;
use super::space::{SearchPoint, SearchSpace};
use tinybert_base::{Context, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_model::Checkpoint;
use tinybert_quantize::stored::LinearPlace;

/// How thorough a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchSettings {
    /// Number of development examples, evenly spread, that candidates are measured on.
    pub examples: usize,
    /// Number of candidates within the budget that are measured: those of the best predictions.
    pub measured_candidates: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { examples: 1000, measured_candidates: 6 }
    }
}

/// A search for the most accurate model within a budget. If models are equally accurate, it takes the one with the
/// smaller image. With a floor it takes the smallest model that is predicted to hold the floor after training.
pub struct Search<'a, 's> {
    /// All models to choose from. The search sets the order in which their linears are stored in four bits.
    pub space: &'a mut SearchSpace<'s>,
    /// The costs of these models.
    pub costs: &'a CostModel,
    /// The limits of the device.
    pub budget: &'a DeviceBudget,
    /// The floor, and the teacher that it is relative to.
    pub floor: Option<(Floor, &'a Checkpoint)>,
    /// The development set.
    pub dev: &'a Dataset,
    /// The metrics of the task.
    pub metrics: MetricSet,
    /// How thorough the search is.
    pub settings: SearchSettings,
    /// Options that give the models trained so far to another run, for the message about a budget that cannot
    /// be met.
    pub reuse_options: String,
}

impl Search<'_, '_> {
    /// Runs the search.
    ///
    /// # Errors
    /// [`Error::Usage`] if no model keeps within the budget, with the limits that cannot be met and the
    /// nearest model; [`Error::Interrupted`]; the errors of the forward pass.
    pub fn run(self, context: &Context) -> Result<SearchResult> {
        let longest = self.space.lengths[0].tokens;
        let examples = EvaluationExamples::new(self.dev, self.settings.examples, self.metrics, longest);
        let student = examples.answers(&self.space.model(SearchPoint::default())?, context)?;
        let linears = measure_linears(self.space, &examples, &student, context)?;
        self.space.store_in_four_bits(&places(&linears));
        let mut all = candidates(self.space, self.costs)?;
        check_budget(&all, self.budget, &self.reuse_options)?;
        let least = match self.floor {
            Some((floor, teacher)) => {
                let least = floor.beside(examples.answers(teacher, context)?.estimate.value);
                Some(least_before_training(student.estimate.value, least))
            }
            None => None,
        };
        let evaluator = Evaluator { space: self.space, student, examples };
        let changes = evaluator.measure_changes(context)?;
        let loss = loss_of_distance(evaluator.student.estimate.value, changes.all());
        for candidate in &mut all {
            candidate.distance = changes.distance(candidate.point);
            candidate.predicted = self.predict(&evaluator, loss, candidate.point, candidate.distance);
        }

        let mut order = self.preferred(&all, least);
        order.truncate(self.settings.measured_candidates.max(1));
        context.progress.begin("measure candidates", order.len() as u64);
        for (done, &at) in order.iter().enumerate() {
            all[at].measured = Some(evaluator.measure(all[at].point, context)?);
            context.progress.advance(done as u64 + 1, &all[at].name);
        }
        context.progress.end();

        let correction = distance_correction(order.iter().map(|&at| &all[at]));
        for candidate in &mut all {
            candidate.distance = match candidate.measured {
                Some(measured) => measured.distance,
                None => correction * candidate.distance,
            };
            candidate.predicted = self.predict(&evaluator, loss, candidate.point, candidate.distance);
        }
        mark_pareto(&mut all);
        let by_size = least.map(|_| by_size(&all, self.budget)).unwrap_or_default();
        let chosen = match least {
            Some(least) => by_size[first_try(&all, &by_size, least)],
            None => {
                order.sort_by(|&a, &b| compare(&all[a], &all[b]));
                order[0]
            }
        };
        let chosen = all[chosen].clone();
        let (points, max_tokens) = (all.len(), self.space.lengths[chosen.point.max_tokens].tokens);
        let stays = |at: &usize| all[*at].pareto || all[*at].measured.is_some() || by_size.contains(at);
        let mut candidates: Vec<SearchCandidate> =
            (0..points).filter(stays).map(|at| all[at].clone()).collect();
        candidates.sort_by_key(|candidate| candidate.cost.flash);
        let precision = self.space.precision(chosen.point);
        let ModelAnswers { metric, estimate: student_metric, .. } = evaluator.student;
        Ok(SearchResult {
            metric,
            student_metric,
            correction,
            loss_per_distance: loss,
            changes,
            linears,
            points,
            max_tokens,
            precision,
            candidates,
            chosen,
        })
    }

    /// The metric that a model at this distance from the student is predicted to have. A text that is cut
    /// counts as a wrong answer.
    fn predict(&self, evaluator: &Evaluator, loss: f64, point: SearchPoint, distance: f64) -> f64 {
        let lengths = &self.space.lengths;
        evaluator.student.estimate.value
            - loss * distance
            - (lengths[point.max_tokens].cut_share - lengths[0].cut_share)
    }

    /// The candidates within the budget in the order in which they are measured. `least` is the least prediction with
    /// which a model is expected to hold the floor.
    fn preferred(&self, all: &[SearchCandidate], least: Option<f64>) -> Vec<usize> {
        if let Some(least) = least {
            let by_size = by_size(all, self.budget);
            return by_size[first_try(all, &by_size, least)..].to_vec();
        }
        let mut order: Vec<usize> =
            (0..all.len()).filter(|&at| self.budget.exceeded(&all[at].cost).is_empty()).collect();
        order.sort_by(|&a, &b| compare(&all[a], &all[b]));
        order
    }
}

/// Every point of a space as a candidate with its cost.
pub(crate) fn candidates(space: &SearchSpace, costs: &CostModel) -> Result<Vec<SearchCandidate>> {
    let candidate = |point| {
        Ok(SearchCandidate {
            point,
            name: space.describe(point),
            cost: space.cost(point, costs)?,
            distance: 0.0,
            predicted: 0.0,
            measured: None,
            pareto: false,
        })
    };
    space.points().map(candidate).collect()
}

/// The places of linears in the order in which they are stored in four bits.
pub(crate) fn places(linears: &[LinearSensitivity]) -> Vec<LinearPlace> {
    linears.iter().map(|&LinearSensitivity { layer, linear, .. }| LinearPlace { layer, linear }).collect()
}
