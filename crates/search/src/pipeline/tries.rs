//! The search for the smallest image that holds a floor: one model after the other is pruned, trained and judged.

use super::finish::FinishedModel;
use super::{CompressJournal, Pipeline, TrainedModels};
use crate::cost::Cost;
use crate::floor::FloorSearch;
use crate::search::{SearchCandidate, SearchResult, by_size, next_try};
use tinybert_base::{Error, Result};
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::Checkpoint;
use tinybert_train::journal::Journal as _;

/// A model that was pruned, trained and judged to see whether it holds the floor.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Try {
    /// The model, as the search had predicted it.
    pub candidate: SearchCandidate,
    /// The cost of its image.
    pub cost: Cost,
    /// The metric of its image on the development examples that the search has read.
    pub metric: f64,
    /// Whether it holds the floor there.
    pub holds: bool,
}

/// The model that was found, and what was tried.
pub(crate) struct TriedModel {
    /// The smallest model that holds the floor, or else the one with the best metric.
    pub finished: FinishedModel,
    /// The least metric on the development examples that the search has read.
    pub least: f64,
    /// All tries in their order.
    pub tries: Vec<Try>,
}

impl Pipeline<'_> {
    /// Finds the smallest image that holds the floor. `journal` remembers every try.
    ///
    /// # Errors
    /// Those of every stage.
    pub fn smallest(
        &mut self,
        asked: &FloorSearch,
        models: TrainedModels,
        found: &SearchResult,
        journal: &mut CompressJournal,
    ) -> Result<TriedModel> {
        let teacher = self.metric_of(models.teacher)?;
        asked.floor.check(&found.metric, teacher)?;
        let least = asked.floor.beside(teacher);
        let candidates = &found.candidates;
        let order: Vec<&SearchCandidate> = by_size(candidates, &self.compress.settings.budget)
            .into_iter()
            .map(|at| &candidates[at])
            .collect();
        let flash: Vec<usize> = order.iter().map(|candidate| candidate.cost.flash).collect();
        let place = |candidate: &SearchCandidate| order.iter().position(|of| of.point == candidate.point);
        let unknown =
            || Error::Input("the journal of the run has a try that its search has not found".into());
        let first = place(&found.chosen).ok_or_else(unknown)?;
        let shared = self.folders.len();
        let mut last = None;
        while journal.tries.len() < asked.tries {
            let tried =
                journal.tries.iter().map(|of| Ok((place(&of.candidate).ok_or_else(unknown)?, of.holds)));
            let Some(next) = next_try(&flash, first, &tried.collect::<Result<Vec<_>>>()?) else { break };
            let number = journal.tries.len() + 1;
            let finished = self.attempt(number, shared, models, found, order[next])?;
            let (cost, metric) = (finished.image.cost, finished.dev.outcomes.metrics().primary());
            let holds = asked.floor.is_held(metric, teacher);
            self.context.progress.say(&format!(
                "try {number} of at most {}: image {} bytes, {} {metric:.4}; the floor of {least:.4} is {}",
                asked.tries,
                cost.flash,
                found.metric,
                if holds { "held" } else { "not held" }
            ));
            journal.tries.push(Try { candidate: order[next].clone(), cost, metric, holds });
            journal.write(&self.out.folder)?;
            last = Some((number, finished));
        }
        let best = best_try(&journal.tries).ok_or_else(unknown)?;
        let finished = match last {
            Some((number, finished)) if number == best + 1 => finished,
            // Its folders are there, and its image is made of them again.
            _ => self.attempt(best + 1, shared, models, found, &journal.tries[best].candidate)?,
        };
        Ok(TriedModel { finished, least, tries: journal.tries.clone() })
    }

    /// The metric of a model folder on the development set.
    fn metric_of(&self, model: &Checkpoint) -> Result<f64> {
        let data = &self.compress.data;
        let model = FloatModel::new(model, self.compress.settings.max_tokens)?;
        let metrics = Predictor::Folder(Box::new(model)).evaluate(data.dev, data.metrics, self.context)?;
        Ok(metrics.primary())
    }

    /// The try `number`, from 1: its stages stand in a folder of their own, after the first `shared` folders of the
    /// run.
    fn attempt(
        &mut self,
        number: usize,
        shared: usize,
        models: TrainedModels,
        found: &SearchResult,
        candidate: &SearchCandidate,
    ) -> Result<FinishedModel> {
        self.place = self.out.folder.join(format!("try-{number}"));
        std::fs::create_dir_all(&self.place).map_err(Error::io(&self.place))?;
        self.folders.truncate(shared);
        self.context.progress.say(&format!("try {number}: {}", candidate.name));
        self.finished(models, found.choosing(candidate, models.space))
    }
}

/// The index of the smallest try that holds the floor, or else of the one with the best metric. Of equally large ones
/// it is the fastest, and then the one with the least workspace.
fn best_try(tries: &[Try]) -> Option<usize> {
    let is_smaller = |a: &Try, b: &Try| {
        let faster = a.cost.latency_ms.total_cmp(&b.cost.latency_ms);
        a.cost.flash.cmp(&b.cost.flash).then(faster).then(a.cost.ram.cmp(&b.cost.ram))
    };
    let best = |a: &Try, b: &Try| match (a.holds, b.holds) {
        (true, true) => is_smaller(a, b),
        (false, false) => b.metric.total_cmp(&a.metric).then(is_smaller(a, b)),
        (a, b) => b.cmp(&a),
    };
    (0..tries.len()).min_by(|&a, &b| best(&tries[a], &tries[b]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::SearchPoint;

    fn tried(flash: usize, latency_ms: f64, metric: f64, holds: bool) -> Try {
        let cost = Cost { flash, ram: 0, latency_ms };
        let candidate = SearchCandidate {
            point: SearchPoint::default(),
            name: String::new(),
            cost,
            distance: 0.0,
            predicted: 0.0,
            measured: None,
            pareto: false,
        };
        Try { candidate, cost, metric, holds }
    }

    #[test]
    fn the_smallest_that_holds_is_taken_or_else_the_nearest() {
        let low = tried(10, 1.0, 0.80, false);
        let nearest = tried(20, 1.0, 0.89, false);
        let large = tried(40, 1.0, 0.95, true);
        let small = tried(30, 2.0, 0.91, true);
        let faster = tried(30, 1.0, 0.90, true);
        let best = |tries: &[&Try]| best_try(&tries.iter().map(|&of| of.clone()).collect::<Vec<_>>());
        assert_eq!(best(&[&low, &nearest, &large, &small]), Some(3));
        assert_eq!(best(&[&small, &faster, &large]), Some(1));
        assert_eq!(best(&[&low, &nearest]), Some(1));
        assert_eq!(best(&[]), None);
    }
}
