//! Predictions beside their targets, in the form that every metric of every resample is computed from.

use std::collections::BTreeMap;

use super::correlation::ScorePairs;
use super::counts::{self, LabelCounts, share};
use super::label_sets::LabelSetMetric;
use super::{MetricSet, Metrics, entities};
use crate::task::Target;
use tinybert_base::{Error, Result};

/// Predictions beside their targets.
pub struct Outcomes {
    pub(super) set: MetricSet,
    pub(super) samples: usize,
    pub(super) answers: Answers,
}

/// What the answers are.
pub(super) enum Answers {
    /// Labels: one, any number, or those of entities.
    Labels(LabelOutcomes),
    Scores(ScorePairs),
}

/// Labels that were predicted and labels that are right, example by example.
pub(super) struct LabelOutcomes {
    /// The names of the labels; types of entities for tags.
    pub names: Vec<String>,
    /// The labels of all examples, one example behind the other. Of a class that is wrong, the predicted one comes
    /// first.
    outcomes: Vec<LabelOutcome>,
    /// The end of each example in `outcomes`.
    ends: Vec<usize>,
    /// Answers of each example that are right, and all of them: one, or the tags of its words.
    right: Vec<(u32, u32)>,
}

/// How often an example has a label.
#[derive(Clone, Copy)]
pub(super) struct LabelOutcome {
    pub label: u32,
    predicted: u32,
    actual: u32,
    both: u32,
}

/// The counts of all examples, each as often as its weight says.
pub(super) struct Tally {
    /// By label.
    pub labels: Vec<LabelCounts>,
    /// Answers that are right.
    pub right: u64,
    pub answers: u64,
}

impl Outcomes {
    /// Compares `predictions` with `targets` of the same kind, sample by sample. `labels` are the names of the classes.
    ///
    /// # Errors
    /// [`Error::Input`] when there is nothing to judge, the counts differ, or a target or prediction is of another
    /// kind than the metrics ask for (an unlabelled split, for instance) or not finite.
    pub fn new(
        set: MetricSet,
        labels: &[String],
        predictions: &[Target],
        targets: &[Target],
    ) -> Result<Self> {
        let samples = targets.len();
        if samples == 0 || predictions.len() != samples {
            let have = predictions.len();
            return Err(Error::Input(format!("cannot judge {have} predictions by {samples} targets")));
        }
        let answers = match set {
            MetricSet::PearsonAndSpearman
            | MetricSet::Pearson
            | MetricSet::Spearman
            | MetricSet::Similarity => {
                Answers::Scores(ScorePairs::new(scores(predictions)?, scores(targets)?))
            }
            MetricSet::LabelSets { .. } => {
                let sets = (label_sets(predictions)?, label_sets(targets)?);
                Answers::Labels(LabelOutcomes::of_sets(labels, &sets.0, &sets.1)?)
            }
            MetricSet::Entities => {
                Answers::Labels(LabelOutcomes::of_tags(labels, &tags(predictions)?, &tags(targets)?)?)
            }
            MetricSet::Accuracy
            | MetricSet::F1 { .. }
            | MetricSet::MacroF1
            | MetricSet::AccuracyAndF1 { .. }
            | MetricSet::Matthews => {
                Answers::Labels(LabelOutcomes::of_classes(labels, &classes(predictions)?, &classes(targets)?))
            }
        };
        Ok(Self { set, samples, answers })
    }

    /// The metrics, without intervals.
    pub fn metrics(&self) -> Metrics {
        let values = self.values(&vec![1; self.samples]).into_iter();
        Metrics {
            primary: self.set.primary().to_owned(),
            values: values.map(|(name, value)| (name.to_owned(), value)).collect(),
            samples: self.samples,
            intervals: BTreeMap::new(),
        }
    }

    /// The metrics of a resample that has each example as often as `weights` says.
    pub(super) fn values(&self, weights: &[u32]) -> BTreeMap<&'static str, f64> {
        match &self.answers {
            Answers::Labels(labels) => label_values(self.set, &labels.tally(weights)),
            Answers::Scores(scores) => {
                let (pearson, spearman) = (scores.pearson(weights), scores.spearman(weights));
                let mut values = BTreeMap::from([("pearson", pearson), ("spearman", spearman)]);
                if self.set == MetricSet::PearsonAndSpearman {
                    values.insert("pearson_spearman", (pearson + spearman) / 2.0);
                }
                values
            }
        }
    }
}

/// The metrics of labels that were counted.
fn label_values(set: MetricSet, tally: &Tally) -> BTreeMap<&'static str, f64> {
    let Tally { labels, right, answers } = tally;
    let accuracy = ("accuracy", share(*right, *answers));
    let f1 = |class: u32| labels.get(class as usize).map_or(0.0, |class| class.f1());
    match set {
        MetricSet::F1 { positive } => BTreeMap::from([accuracy, ("f1", f1(positive))]),
        MetricSet::MacroF1 => {
            let occurring = labels.iter().copied().filter(|class| class.occurs());
            BTreeMap::from([accuracy, ("macro_f1", counts::mean_f1(occurring))])
        }
        MetricSet::AccuracyAndF1 { positive } => {
            let f1 = f1(positive);
            BTreeMap::from([accuracy, ("f1", f1), ("accuracy_f1", (accuracy.1 + f1) / 2.0)])
        }
        MetricSet::Matthews => BTreeMap::from([accuracy, ("matthews", counts::matthews(labels, *answers))]),
        MetricSet::LabelSets { .. } => BTreeMap::from([
            (LabelSetMetric::MicroF1.name(), LabelCounts::sum(labels).f1()),
            (LabelSetMetric::MacroF1.name(), counts::mean_f1(labels.iter().copied())),
            (LabelSetMetric::ExactMatch.name(), accuracy.1),
        ]),
        MetricSet::Entities => {
            let all = LabelCounts::sum(labels);
            BTreeMap::from([
                accuracy,
                ("precision", all.precision()),
                ("recall", all.recall()),
                ("f1", all.f1()),
            ])
        }
        _ => BTreeMap::from([accuracy]),
    }
}

impl LabelOutcomes {
    fn new(names: Vec<String>) -> Self {
        Self { names, outcomes: Vec::new(), ends: Vec::new(), right: Vec::new() }
    }

    fn of_classes(labels: &[String], predictions: &[u32], targets: &[u32]) -> Self {
        let count =
            predictions.iter().chain(targets).map(|&class| class as usize + 1).fold(labels.len(), usize::max);
        let name = |class: usize| labels.get(class).cloned().unwrap_or_else(|| class.to_string());
        let mut all = Self::new((0..count).map(name).collect());
        for (&prediction, &target) in predictions.iter().zip(targets) {
            let right = prediction == target;
            let once = |label| LabelOutcome { label, predicted: 0, actual: 0, both: 0 };
            if right {
                all.outcomes.push(LabelOutcome { predicted: 1, actual: 1, both: 1, ..once(target) });
            } else {
                all.outcomes.push(LabelOutcome { predicted: 1, ..once(prediction) });
                all.outcomes.push(LabelOutcome { actual: 1, ..once(target) });
            }
            all.end_example(u32::from(right), 1);
        }
        all
    }

    /// Sets are in ascending order.
    fn of_sets(labels: &[String], predictions: &[&[u32]], targets: &[&[u32]]) -> Result<Self> {
        let both = || predictions.iter().chain(targets).flat_map(|set| set.iter());
        if let Some(label) = both().find(|label| **label as usize >= labels.len()) {
            let count = labels.len();
            return Err(Error::Input(format!(
                "an answer has label number {label}, and there are {count} labels"
            )));
        }
        let mut all = Self::new(labels.to_vec());
        for (prediction, target) in predictions.iter().zip(targets) {
            for &label in *prediction {
                let actual = u32::from(target.contains(&label));
                all.outcomes.push(LabelOutcome { label, predicted: 1, actual, both: actual });
            }
            let missed = target.iter().filter(|label| !prediction.contains(label));
            all.outcomes.extend(missed.map(|&label| LabelOutcome {
                label,
                predicted: 0,
                actual: 1,
                both: 0,
            }));
            all.end_example(u32::from(prediction == target), 1);
        }
        Ok(all)
    }

    fn of_tags(labels: &[String], predictions: &[&[u32]], targets: &[&[u32]]) -> Result<Self> {
        let kinds = entities::kinds(labels);
        let mut all = Self::new(kinds.iter().map(ToString::to_string).collect());
        for (at, (prediction, target)) in predictions.iter().zip(targets).enumerate() {
            if prediction.len() != target.len() {
                let (have, want) = (prediction.len(), target.len());
                return Err(Error::Input(format!(
                    "example {}: {have} predicted tags for {want} words",
                    at + 1
                )));
            }
            let [found, there] = [prediction, target].map(|tags| entities::of_tags(labels, tags));
            for (label, kind) in (0..).zip(&kinds) {
                let of_kind = |entities: &[entities::Entity]| {
                    entities.iter().filter(|entity| entity.kind == *kind).count() as u32
                };
                let (predicted, actual) = (of_kind(&found), of_kind(&there));
                let both = found.iter().filter(|entity| entity.kind == *kind && there.contains(entity));
                if predicted + actual > 0 {
                    let both = both.count() as u32;
                    all.outcomes.push(LabelOutcome { label, predicted, actual, both });
                }
            }
            let right = prediction.iter().zip(*target).filter(|(prediction, target)| prediction == target);
            all.end_example(right.count() as u32, target.len() as u32);
        }
        Ok(all)
    }

    fn end_example(&mut self, right: u32, answers: u32) {
        self.ends.push(self.outcomes.len());
        self.right.push((right, answers));
    }

    /// The labels of each example.
    pub fn examples(&self) -> impl Iterator<Item = &[LabelOutcome]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.outcomes[start..end])
    }

    /// Whether each example is right in all of its answers.
    pub fn is_right(&self) -> impl Iterator<Item = bool> {
        self.right.iter().map(|(right, answers)| right == answers)
    }

    /// The counts of a resample that has each example as often as `weights` says.
    pub fn tally(&self, weights: &[u32]) -> Tally {
        let mut tally =
            Tally { labels: vec![LabelCounts::default(); self.names.len()], right: 0, answers: 0 };
        for ((example, &(right, answers)), &weight) in self.examples().zip(&self.right).zip(weights) {
            let weight = u64::from(weight);
            for outcome in example {
                tally.labels[outcome.label as usize].add(outcome.counts(), weight);
            }
            tally.right += weight * u64::from(right);
            tally.answers += weight * u64::from(answers);
        }
        tally
    }
}

impl LabelOutcome {
    pub fn counts(self) -> LabelCounts {
        let Self { predicted, actual, both, .. } = self;
        LabelCounts { predicted: predicted.into(), actual: actual.into(), true_positives: both.into() }
    }
}

fn classes(targets: &[Target]) -> Result<Vec<u32>> {
    collect(targets, "a class", |target| if let Target::Class(class) = target { Some(*class) } else { None })
}

fn tags(targets: &[Target]) -> Result<Vec<&[u32]>> {
    collect(
        targets,
        "tags",
        |target| if let Target::Tags(tags) = target { Some(tags.as_slice()) } else { None },
    )
}

fn label_sets(targets: &[Target]) -> Result<Vec<&[u32]>> {
    collect(targets, "a set of labels", |target| {
        if let Target::LabelSet(classes) = target { Some(classes.as_slice()) } else { None }
    })
}

fn scores(targets: &[Target]) -> Result<Vec<f64>> {
    collect(targets, "a finite score", |target| match target {
        Target::Score(score) if score.is_finite() => Some((*score).into()),
        _ => None,
    })
}

fn collect<'t, T>(targets: &'t [Target], want: &str, value: fn(&'t Target) -> Option<T>) -> Result<Vec<T>> {
    let value = |(sample, target): (usize, &'t Target)| {
        value(target).ok_or_else(|| match target {
            Target::None => Error::Input(format!("example {} has no label to judge by", sample + 1)),
            other => Error::Input(format!("example {}: expected {want}, found {other:?}", sample + 1)),
        })
    };
    targets.iter().enumerate().map(value).collect()
}
