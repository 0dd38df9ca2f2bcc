//! The search for the smallest image that holds a floor: one model after the other is pruned, trained and judged.

use super::finish::FinishedModel;
use super::{CompressJournal, Pipeline, TrainedModels};
use crate::cost::Cost;
use crate::floor::FloorSearch;
use crate::search::{SearchCandidate, SearchResult, by_size, next_try};
use tinybert_base::{Error, Result};
use tinybert_data::metrics::intervals::{Estimate, Interval};
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
    /// Its 95 % interval.
    pub interval: Interval,
    /// Whether it holds the floor there and can be used.
    pub holds: bool,
    /// The limits of the budget that its image exceeds, in words, so that it cannot be used; `None` if it keeps within
    /// the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeds: Option<String>,
}

/// The model that was found, and what was tried.
pub(crate) struct TriedModel {
    /// The smallest model that holds the floor, or else the one with the best metric.
    pub finished: FinishedModel,
    /// The teacher's metric on the development examples that the search has read.
    pub teacher: f64,
    /// All tries in their order.
    pub tries: Vec<Try>,
}

impl Try {
    /// The metric of its image with its 95 % interval.
    pub fn estimate(&self) -> Estimate {
        Estimate { value: self.metric, interval: self.interval }
    }
}

impl Pipeline<'_> {
    /// Finds the smallest image that holds the floor beside a teacher with the metric `teacher`. `journal` remembers
    /// every try. A try whose image exceeds the budget counts as one, and the search goes on without it.
    ///
    /// # Errors
    /// [`Error::Input`] if no try keeps within the budget; those of every stage.
    pub fn smallest(
        &mut self,
        asked: &FloorSearch,
        teacher: f64,
        models: TrainedModels,
        found: &SearchResult,
        journal: &mut CompressJournal,
    ) -> Result<TriedModel> {
        let least = asked.floor.beside(teacher);
        let candidates = &found.candidates;
        let order: Vec<&SearchCandidate> = by_size(candidates, &self.compress.settings.budget)
            .into_iter()
            .map(|at| &candidates[at])
            .collect();
        let shared = self.folders.len();
        let mut last = None;
        while journal.tries.len() < asked.tries {
            let Some(candidate) = next_candidate(&order, &found.chosen, &journal.tries)? else { break };
            let number = journal.tries.len() + 1;
            let finished = self.attempt(number, shared, models, found, candidate)?;
            let cost = finished.image.cost;
            let on_dev = finished.on_dev();
            let Estimate { value: metric, interval } = on_dev;
            let exceeds = finished.exceeded(self.compress);
            let holds = exceeds.is_none() && asked.floor.is_held(metric, teacher);
            let verdict = match &exceeds {
                Some(limits) => format!("it cannot be used: {limits}"),
                None if holds => format!("the floor of {least:.4} is held"),
                None => format!("the floor of {least:.4} is not held"),
            };
            self.context.progress.say(&format!(
                "try {number} of at most {}: image {} bytes, {} {on_dev}; {verdict}",
                asked.tries, cost.flash, found.metric
            ));
            journal.tries.push(Try { candidate: candidate.clone(), cost, metric, interval, holds, exceeds });
            journal.write(&self.out.folder)?;
            last = Some((number, finished));
        }
        let Some(best) = best_try(&journal.tries) else {
            let exceeded: Vec<&str> = journal.tries.iter().filter_map(|of| of.exceeds.as_deref()).collect();
            return Err(self.over_budget(&exceeded.join("; ")));
        };
        let finished = match last {
            Some((number, finished)) if number == best + 1 => finished,
            // Its folders are there, and its image is made of them again.
            _ => self.attempt(best + 1, shared, models, found, &journal.tries[best].candidate)?,
        };
        Ok(TriedModel { finished, teacher, tries: journal.tries.clone() })
    }

    /// The teacher's metric on the development examples that the search reads.
    ///
    /// # Errors
    /// [`Error::Input`] if the floor says nothing beside it; the errors of the forward pass.
    pub fn metric_beside(&self, asked: &FloorSearch, teacher: &Checkpoint) -> Result<f64> {
        let data = &self.compress.data;
        let teacher = FloatModel::new(teacher, self.compress.settings.max_tokens)?;
        let metrics = Predictor::Folder(Box::new(teacher)).evaluate(data.dev, data.metrics, self.context)?;
        asked.floor.check(&metrics.primary, metrics.primary())?;
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

/// The candidate of the next try, among `order`, whose flash rises. `first` is the one that the search has chosen. A
/// try that exceeds the budget says nothing about the others, so that it is as if it did not exist. `None` if nothing
/// is left that could change the answer.
///
/// # Errors
/// [`Error::Input`] for a try that is not among `order`.
fn next_candidate<'c>(
    order: &[&'c SearchCandidate],
    first: &SearchCandidate,
    tries: &[Try],
) -> Result<Option<&'c SearchCandidate>> {
    let is_usable = |candidate: &&SearchCandidate| {
        tries.iter().all(|of| of.exceeds.is_none() || of.candidate.point != candidate.point)
    };
    let usable: Vec<&SearchCandidate> = order.iter().copied().filter(is_usable).collect();
    let place = |of: &Try| {
        let place = usable.iter().position(|candidate| candidate.point == of.candidate.point);
        let unknown =
            || Error::Input("the journal of the run has a try that its search has not found".into());
        Ok((place.ok_or_else(unknown)?, of.holds))
    };
    let tried: Vec<_> = tries.iter().filter(|of| of.exceeds.is_none()).map(place).collect::<Result<_>>()?;
    let flash: Vec<usize> = usable.iter().map(|candidate| candidate.cost.flash).collect();
    let first = flash.iter().position(|&bytes| bytes >= first.cost.flash);
    let next = next_try(&flash, first.unwrap_or(flash.len().saturating_sub(1)), &tried);
    Ok(next.map(|at| usable[at]))
}

/// The index of the smallest try that holds the floor, or else of the one with the best metric. Of equally large ones
/// it is the fastest, and then the one with the least workspace. Tries that exceed the budget do not count.
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
    let usable = (0..tries.len()).filter(|&at| tries[at].exceeds.is_none());
    usable.min_by(|&a, &b| best(&tries[a], &tries[b]))
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
        Try { candidate, cost, metric, interval: [metric, metric], holds, exceeds: None }
    }

    fn over_budget(of: &Try) -> Try {
        Try { exceeds: Some("--ram allows less".into()), holds: false, ..of.clone() }
    }

    #[test]
    fn a_try_over_the_budget_is_left_out_and_the_search_goes_on() {
        // The metric of the try at a place, and where the floor is held.
        let all: Vec<Try> = (0..4)
            .map(|at| {
                let mut tried = tried(10 * at + 10, 1.0, 0.1 * at as f64, at >= 2);
                tried.candidate.point.heads = at;
                tried
            })
            .collect();
        let order: Vec<&SearchCandidate> = all.iter().map(|of| &of.candidate).collect();
        let next = |first: usize, tries: &[Try]| {
            let next = next_candidate(&order, order[first], tries).unwrap();
            next.map(|candidate| candidate.point.heads)
        };
        assert_eq!(next(1, &[]), Some(1));
        // The next larger one takes the place of the first.
        assert_eq!(next(1, &[over_budget(&all[1])]), Some(2));
        assert_eq!(next(1, &[over_budget(&all[1]), all[2].clone()]), Some(0));
        assert_eq!(next(1, &[over_budget(&all[1]), all[2].clone(), all[0].clone()]), None);
        // The best one is over the budget: the second best says whether there is an answer.
        assert_eq!(next(1, &[all[1].clone(), over_budget(&all[3])]), Some(2));
        let none: Vec<Try> = all.iter().map(over_budget).collect();
        assert_eq!((next(3, &none[3..]), next(0, &none)), (Some(2), None));
        assert_eq!((best_try(&none), best_try(&[none[3].clone(), all[2].clone()])), (None, Some(1)));

        let mut stranger = all[0].clone();
        stranger.candidate.point.heads = 9;
        assert!(next_candidate(&order, order[0], &[stranger]).is_err());
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
