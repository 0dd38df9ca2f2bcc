//! The search for the most accurate model within a budget.
//!
//! Each change of the student is measured alone. The distance of a combination of changes is predicted as the
//! sum of their distances, and the metric is predicted from the distance. The best predictions are then
//! measured. Nothing is trained.

mod answers;
mod evaluator;
mod ranking;
mod result;

use self::answers::{EvaluationExamples, ModelAnswers};
use self::evaluator::{Evaluator, measure_linears};
use self::ranking::{compare, distance_correction, loss_of_distance, mark_pareto};
pub use self::result::{LinearSensitivity, MeasuredChanges, Measurement, SearchCandidate, SearchResult};
use super::cost::{CostModel, DeviceBudget, Limit};
use super::space::{SearchPoint, SearchSpace};
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_quantize::stored::LinearPlace;

/// How thorough a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchSettings {
    /// Number of development examples, evenly spread, that candidates are measured on.
    pub examples: usize,
    /// Number of candidates within the budget that are measured: those of the best predictions.
    pub trials: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { examples: 1000, trials: 6 }
    }
}

/// A search for the most accurate model within a budget. If models are equally accurate, it takes the one with the
/// smaller image.
pub struct Search<'a, 's> {
    /// All models to choose from. The search sets the order in which their linears are stored in four bits.
    pub space: &'a mut SearchSpace<'s>,
    /// The costs of these models.
    pub costs: &'a CostModel,
    /// The limits of the device.
    pub budget: &'a DeviceBudget,
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
        let order =
            linears.iter().map(|&LinearSensitivity { layer, linear, .. }| LinearPlace { layer, linear });
        self.space.store_in_four_bits(&order.collect::<Vec<_>>());
        let mut all = self.candidates()?;
        self.check_budget(&all)?;
        let evaluator = Evaluator { space: self.space, student, examples };
        let changes = evaluator.measure_changes(context)?;
        let loss = loss_of_distance(evaluator.student.value, changes.all());
        for candidate in &mut all {
            candidate.distance = changes.distance(candidate.point);
            candidate.predicted = self.predict(&evaluator, loss, candidate.point, candidate.distance);
        }

        let mut order: Vec<usize> =
            (0..all.len()).filter(|&at| self.budget.exceeded(&all[at].cost).is_empty()).collect();
        order.sort_by(|&a, &b| compare(&all[a], &all[b]));
        order.truncate(self.settings.trials.max(1));
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
        order.sort_by(|&a, &b| compare(&all[a], &all[b]));
        let chosen = all[order[0]].clone();
        let (points, max_tokens) = (all.len(), self.space.lengths[chosen.point.max_tokens].tokens);
        let mut candidates: Vec<SearchCandidate> =
            all.into_iter().filter(|candidate| candidate.pareto || candidate.measured.is_some()).collect();
        candidates.sort_by_key(|candidate| candidate.cost.flash);
        let precision = self.space.precision(chosen.point);
        let ModelAnswers { metric, value: student_metric, .. } = evaluator.student;
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
        evaluator.student.value
            - loss * distance
            - (lengths[point.max_tokens].cut_share - lengths[0].cut_share)
    }

    /// Every point of the space as a candidate with its cost.
    fn candidates(&self) -> Result<Vec<SearchCandidate>> {
        let candidate = |point| {
            Ok(SearchCandidate {
                point,
                name: self.space.describe(point),
                cost: self.space.cost(point, self.costs)?,
                distance: 0.0,
                predicted: 0.0,
                measured: None,
                pareto: false,
            })
        };
        self.space.points().map(candidate).collect()
    }

    /// Makes sure that at least one candidate keeps within the budget.
    fn check_budget(&self, all: &[SearchCandidate]) -> Result<()> {
        if all.iter().any(|candidate| self.budget.exceeded(&candidate.cost).is_empty()) {
            return Ok(());
        }
        let ratio = |candidate: &&SearchCandidate| self.budget.worst_ratio(&candidate.cost);
        let nearest = all.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let Some(nearest) = nearest else { return Err(Error::Usage("there is nothing to search".into())) };
        let mut lines = vec!["no model that can be made of this student keeps within the budget".to_owned()];
        for limit in Limit::ALL {
            let Some(most) = self.budget.limit(limit) else { continue };
            let least =
                all.iter().map(|candidate| limit.value(&candidate.cost)).fold(f64::INFINITY, f64::min);
            let verdict = match (least > most, limit.value(&nearest.cost) > most) {
                (true, _) => "cannot be met",
                (false, true) => "can be met, but not together with the others",
                (false, false) => "can be met",
            };
            lines.push(format!(
                "  {} {verdict}: it allows {}, the least is {}",
                limit.option(),
                limit.describe(most),
                limit.describe(least)
            ));
        }
        let cost = Limit::ALL.map(|limit| limit.describe(limit.value(&nearest.cost))).join(", ");
        lines.push(format!("  nearest: {}, with {cost}", nearest.name));
        lines.push(
            "allow as much and give --resume, which goes on from here with another budget or --board;".into(),
        );
        lines.push(
            "or give a smaller --student (fewer layers, a smaller hidden size) and another --out".into(),
        );
        if !self.reuse_options.is_empty() {
            lines.push(format!("what was trained is kept, for another --out as well:{}", self.reuse_options));
        }
        Err(Error::Usage(lines.join("\n")))
    }
}
