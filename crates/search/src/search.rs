//! Which of the things that can be made of a student to make: predicted from how far each change alone moves the answers,
//! checked by measuring a few. Nothing is trained here.

use super::budget::{Budget, Limit};
use super::cost::CostModel;
use super::found::{Candidate, Found, InFourBits, Measured};
use super::measure::{Answers, Examples};
use super::space::{Choice, Space};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_quantize::stored::LinearPlace;

/// How thoroughly to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchSettings {
    /// Development examples that candidates are judged by, evenly spread.
    pub examples: usize,
    /// Candidates within the budget that are measured, those of the best prediction.
    pub trials: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { examples: 1000, trials: 6 }
    }
}

/// Looks for the most accurate model within a budget; of equals the one of the smaller image.
pub struct Search<'a, 's> {
    /// What there is; the order in which linears are stored in four bits is found out.
    pub space: &'a mut Space<'s>,
    /// What it costs.
    pub costs: &'a CostModel,
    /// What it may cost.
    pub budget: &'a Budget,
    /// The development set.
    pub dev: &'a Dataset,
    /// What it is judged by.
    pub metrics: MetricSet,
    /// How thoroughly.
    pub settings: SearchSettings,
    /// Options by which another run has what this one has trained, for one whose budget cannot be met.
    pub taken_over: String,
}

impl Search<'_, '_> {
    /// Searches.
    ///
    /// # Errors
    /// [`Error::Usage`] where no place keeps within the budget, with what binds and the nearest place;
    /// [`Error::Interrupted`]; those of the forward pass.
    pub fn run(self, context: &Context) -> Result<Found> {
        let longest = self.space.longest[0].tokens;
        let examples = Examples::new(self.dev, self.settings.examples, self.metrics, longest);
        let whole = examples.answers(&self.space.model(Choice::default())?, context)?;
        let linears = bearing_order(self.space, &examples, &whole, context)?;
        let order: Vec<_> =
            linears.iter().map(|&InFourBits { layer, linear, .. }| LinearPlace { layer, linear }).collect();
        self.space.in_four_bits(&order);
        let mut all = self.costed()?;
        self.check_budget(&all)?;
        let ruler = Ruler { space: self.space, whole, examples };
        let changes = ruler.changes(context)?;
        let loss = loss_of_distance(ruler.whole.value, changes.iter().flatten());
        let distance = |choice: Choice| {
            let Choice { heads, neurons, vocabulary, weights, embeddings, .. } = choice;
            let levels = [heads, neurons, vocabulary, weights, embeddings];
            changes.iter().zip(levels).map(|(changes, level)| changes[level].distance).sum::<f64>()
        };
        for candidate in &mut all {
            candidate.distance = distance(candidate.choice);
            candidate.predicted = self.predicted(&ruler, loss, candidate.choice, candidate.distance);
        }

        let mut order: Vec<usize> =
            (0..all.len()).filter(|&at| self.budget.broken(&all[at].cost).is_empty()).collect();
        order.sort_by(|&a, &b| better(&all[a], &all[b]));
        order.truncate(self.settings.trials.max(1));
        context.progress.begin("measure candidates", order.len() as u64);
        for (done, &at) in order.iter().enumerate() {
            all[at].measured = Some(ruler.measure(all[at].choice, context)?);
            context.progress.advance(done as u64 + 1, &all[at].name);
        }
        context.progress.end();

        let correction = correction(order.iter().map(|&at| &all[at]));
        for candidate in &mut all {
            candidate.distance = match candidate.measured {
                Some(measured) => measured.distance,
                None => correction * candidate.distance,
            };
            candidate.predicted = self.predicted(&ruler, loss, candidate.choice, candidate.distance);
        }
        mark_pareto(&mut all);
        order.sort_by(|&a, &b| better(&all[a], &all[b]));
        let chosen = all[order[0]].clone();
        let (places, max_tokens) = (all.len(), self.space.longest[chosen.choice.max_tokens].tokens);
        let mut candidates: Vec<Candidate> =
            all.into_iter().filter(|candidate| candidate.pareto || candidate.measured.is_some()).collect();
        candidates.sort_by_key(|candidate| candidate.cost.flash);
        let precision = self.space.precision(chosen.choice);
        let Answers { metric, value: whole, .. } = ruler.whole;
        Ok(Found {
            metric,
            whole,
            correction,
            loss,
            changes,
            linears,
            places,
            max_tokens,
            precision,
            candidates,
            chosen,
        })
    }

    /// The metric of a place so far from the whole student. A text that is cut counts as lost.
    fn predicted(&self, ruler: &Ruler, loss: f64, choice: Choice, distance: f64) -> f64 {
        let longest = &self.space.longest;
        ruler.whole.value - loss * distance - (longest[choice.max_tokens].cut - longest[0].cut)
    }

    /// Every place with its cost.
    fn costed(&self) -> Result<Vec<Candidate>> {
        let candidate = |choice| {
            Ok(Candidate {
                choice,
                name: self.space.words(choice),
                cost: self.space.cost(choice, self.costs)?,
                distance: 0.0,
                predicted: 0.0,
                measured: None,
                pareto: false,
            })
        };
        self.space.choices().map(candidate).collect()
    }

    /// Makes sure that some place keeps within the budget.
    fn check_budget(&self, all: &[Candidate]) -> Result<()> {
        if all.iter().any(|candidate| self.budget.broken(&candidate.cost).is_empty()) {
            return Ok(());
        }
        let ratio = |candidate: &&Candidate| self.budget.worst_ratio(&candidate.cost);
        let nearest = all.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let Some(nearest) = nearest else { return Err(Error::Usage("there is nothing to search".into())) };
        let mut lines = vec!["no model that can be made of this student keeps within the budget".to_owned()];
        for limit in Limit::ALL {
            let Some(most) = self.budget.limit(limit) else { continue };
            let least = all.iter().map(|candidate| limit.of(&candidate.cost)).fold(f64::INFINITY, f64::min);
            let verdict = match (least > most, limit.of(&nearest.cost) > most) {
                (true, _) => "cannot be met",
                (false, true) => "can be met, but not together with the others",
                (false, false) => "can be met",
            };
            lines.push(format!(
                "  {} {verdict}: it allows {}, the least is {}",
                limit.option(),
                limit.words(most),
                limit.words(least)
            ));
        }
        let cost = Limit::ALL.map(|limit| limit.words(limit.of(&nearest.cost))).join(", ");
        lines.push(format!("  nearest: {}, with {cost}", nearest.name));
        lines.push(
            "allow as much and give --resume, which goes on from here with another budget or --board;".into(),
        );
        lines.push(
            "or give a smaller --student (fewer layers, a smaller hidden size) and another --out".into(),
        );
        if !self.taken_over.is_empty() {
            lines.push(format!("what was trained is kept, for another --out as well:{}", self.taken_over));
        }
        Err(Error::Usage(lines.join("\n")))
    }
}

/// The linears, those first that move the answers least when they alone have four bits.
fn bearing_order(
    space: &Space,
    examples: &Examples,
    whole: &Answers,
    context: &Context,
) -> Result<Vec<InFourBits>> {
    let places = space.places();
    context.progress.begin("measure linears", places.len() as u64);
    let mut linears = Vec::new();
    for place in places {
        let LinearPlace { layer, linear } = place;
        let answers = examples.answers(&space.with_one_in_four_bits(place)?, context)?;
        let change = Measured { distance: whole.distance(&answers)?, metric: answers.value };
        linears.push(InFourBits { layer, linear, change });
        context.progress.advance(linears.len() as u64, "");
    }
    context.progress.end();
    linears.sort_by(|a, b| a.change.distance.total_cmp(&b.change.distance));
    Ok(linears)
}

/// What places are measured by.
struct Ruler<'a> {
    space: &'a Space<'a>,
    examples: Examples,
    whole: Answers,
}

impl Ruler<'_> {
    /// Every change alone. A level further down an axis is never nearer.
    fn changes(&self, context: &Context) -> Result<[Vec<Measured>; 5]> {
        let [heads, neurons, vocabularies, weights, embeddings, _] = self.space.levels();
        let none = Choice::default();
        let axes: [Vec<Choice>; 5] = [
            (0..heads).map(|heads| Choice { heads, ..none }).collect(),
            (0..neurons).map(|neurons| Choice { neurons, ..none }).collect(),
            (0..vocabularies).map(|vocabulary| Choice { vocabulary, ..none }).collect(),
            (0..weights).map(|weights| Choice { weights, ..none }).collect(),
            (0..embeddings).map(|embeddings| Choice { embeddings, ..none }).collect(),
        ];
        context.progress.begin("measure changes", axes.iter().map(Vec::len).sum::<usize>() as u64);
        let mut done = 0;
        let mut axis = |choices: Vec<Choice>| {
            let mut changes: Vec<Measured> = Vec::new();
            for choice in choices {
                let mut change = match choice == none {
                    true => Measured { distance: 0.0, metric: self.whole.value },
                    false => self.measure(choice, context)?,
                };
                let before = changes.last().map_or(0.0, |before| before.distance);
                change.distance = change.distance.max(before);
                changes.push(change);
                done += 1;
                context.progress.advance(done, "");
            }
            Ok::<_, Error>(changes)
        };
        let [heads, neurons, vocabularies, weights, embeddings] = axes;
        let changes = [axis(heads)?, axis(neurons)?, axis(vocabularies)?, axis(weights)?, axis(embeddings)?];
        context.progress.end();
        Ok(changes)
    }

    /// A place, inputs of the longest length.
    fn measure(&self, choice: Choice, context: &Context) -> Result<Measured> {
        let answers = self.examples.answers(&self.space.model(choice)?, context)?;
        Ok(Measured { distance: self.whole.distance(&answers)?, metric: answers.value })
    }
}

/// The order of candidates, the best first; of equals the smaller first.
fn better(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let cost = |candidate: &Candidate| (candidate.cost.flash, candidate.cost.ram);
    let latency = a.cost.latency_ms.total_cmp(&b.cost.latency_ms);
    b.predicted.total_cmp(&a.predicted).then_with(|| cost(a).cmp(&cost(b))).then(latency)
}

/// What the metric loses for a distance of 1, in the sense of least squares over changes that were measured.
fn loss_of_distance<'m>(whole: f64, changes: impl Iterator<Item = &'m Measured>) -> f64 {
    slope(changes.map(|change| (change.distance, whole - change.metric))).max(f64::MIN_POSITIVE)
}

/// By what factor measured distances are larger than added ones, in the sense of least squares; 1 where nothing moved.
fn correction<'c>(candidates: impl Iterator<Item = &'c Candidate>) -> f64 {
    let pairs = candidates.filter_map(|candidate| Some((candidate.distance, candidate.measured?.distance)));
    let factor = slope(pairs);
    if factor > 0.0 { factor } else { 1.0 }
}

/// Of the line through the origin that is nearest to the points, by their second coordinates; 0 for points above it alone.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (products, squares) =
        points.fold((0.0, 0.0), |(products, squares), (x, y)| (products + x * y, squares + x * x));
    if squares > 0.0 { products / squares } else { 0.0 }
}

/// Marks candidates that no other one dominates in flash, latency and prediction.
fn mark_pareto(all: &mut [Candidate]) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&all[a], &all[b]);
        let flash = a.cost.flash.cmp(&b.cost.flash);
        flash.then(a.cost.latency_ms.total_cmp(&b.cost.latency_ms)).then(b.predicted.total_cmp(&a.predicted))
    });
    // Of all that came before, none larger: those that are not dominated among themselves.
    let mut front: Vec<(f64, f64)> = Vec::new();
    for at in order {
        let (latency, predicted) = (all[at].cost.latency_ms, all[at].predicted);
        if front.iter().any(|&(fast, good)| fast <= latency && good >= predicted) {
            continue;
        }
        front.retain(|&(fast, good)| !(latency <= fast && predicted >= good));
        front.push((latency, predicted));
        all[at].pareto = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::Cost;
    use super::*;

    fn candidate(flash: usize, latency_ms: f64, predicted: f64) -> Candidate {
        Candidate {
            choice: Choice::default(),
            name: String::new(),
            cost: Cost { flash, ram: 0, latency_ms },
            distance: 0.0,
            predicted,
            measured: None,
            pareto: false,
        }
    }

    /// Whether `a` is at least as good as `b` in all respects and better in one.
    fn dominates(a: &Candidate, b: &Candidate) -> bool {
        let respects = |c: &Candidate| [-(c.cost.flash as f64), -c.cost.latency_ms, c.predicted];
        let pairs: Vec<(f64, f64)> = respects(a).into_iter().zip(respects(b)).collect();
        pairs.iter().all(|(a, b)| a >= b) && pairs.iter().any(|(a, b)| a > b)
    }

    #[test]
    fn the_front_is_what_nothing_dominates() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut all: Vec<Candidate> =
            (0..300).map(|_| candidate(next(20) as usize, next(20) as f64, next(20) as f64)).collect();
        mark_pareto(&mut all);
        assert!(all.iter().any(|candidate| candidate.pareto));
        for at in &all {
            let dominated = all.iter().any(|other| dominates(other, at));
            let twin = all
                .iter()
                .any(|other| other.pareto && (other.cost, other.predicted) == (at.cost, at.predicted));
            assert_eq!(!dominated, twin, "{at:?}");
            assert!(!(dominated && at.pareto), "{at:?}");
        }
    }

    #[test]
    fn the_better_comes_first_and_of_equals_the_smaller() {
        let all = [candidate(5, 1.0, 0.9), candidate(4, 1.0, 0.9), candidate(9, 1.0, 0.95)];
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| better(&all[a], &all[b]));
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn sums_are_corrected_by_what_was_measured() {
        let measured = |distance, measured| Candidate {
            distance,
            measured: Some(Measured { distance: measured, metric: 0.5 }),
            ..candidate(1, 1.0, 0.0)
        };
        // Distances of 0.1 and 0.2 were expected, twice as much was measured.
        let all = [measured(0.1, 0.2), measured(0.2, 0.4), candidate(1, 1.0, 0.0)];
        assert!((correction(all.iter()) - 2.0).abs() < 1e-12);
        assert_eq!(correction([measured(0.0, 0.0)].iter()), 1.0);
    }

    #[test]
    fn a_metric_that_falls_with_distance_has_its_slope() {
        let change = |distance, metric| Measured { distance, metric };
        let changes = [change(0.0, 0.9), change(0.1, 0.88), change(0.5, 0.8)];
        assert!((loss_of_distance(0.9, changes.iter()) - 0.2).abs() < 1e-12);
        // Better than the whole by chance: distance still counts, if ever so little.
        assert!(loss_of_distance(0.9, [change(0.1, 0.91)].iter()) > 0.0);
    }
}
