//! The metrics of GLUE and of tagging, and which of them each task is judged by.

pub mod confidence;
pub mod entities;
pub mod label_sets;
mod selection;

use std::collections::{BTreeMap, BTreeSet};

use self::entities::EntityScores;
pub use self::label_sets::LabelSetMetric;
use self::label_sets::LabelSetScores;
pub use self::selection::SelectionMetric;
use crate::task::Target;
use tinybert_base::{Error, Result};

/// The metrics that a task is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSet {
    /// `accuracy`.
    Accuracy,
    /// `f1` of one class (primary) and `accuracy`.
    F1 {
        /// The class that `f1` is about.
        positive: u32,
    },
    /// `macro_f1`, the mean of the F1 of all classes (primary), and `accuracy`.
    MacroF1,
    /// `accuracy`, `f1`, and their mean as primary: MRPC, QQP.
    AccuracyAndF1 {
        /// The class that `f1` is about.
        positive: u32,
    },
    /// `matthews` (primary) and `accuracy`: CoLA.
    Matthews,
    /// `pearson`, `spearman`, and their mean as primary: STS-B and every regression.
    PearsonAndSpearman,
    /// `pearson` (primary) and `spearman`.
    Pearson,
    /// `spearman` (primary) and `pearson`.
    Spearman,
    /// The same for the similarities of embeddings.
    Similarity,
    /// `micro_f1`, `macro_f1` and `exact_match` of sets of labels.
    LabelSets {
        /// The metric that selects.
        primary: LabelSetMetric,
    },
    /// `f1` (primary), `precision` and `recall` of the entities that BIO tags mark, and the `accuracy` of the
    /// tags.
    Entities,
}

/// Values of a [`MetricSet`] over a split, each a fraction (1.0 = 100 %).
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Metrics {
    /// Name of the value that models are selected by; larger is better.
    pub primary: &'static str,
    /// Every value by name, the primary one included.
    pub values: BTreeMap<&'static str, f64>,
    /// Number of examples.
    pub samples: usize,
}

impl Metrics {
    /// The value that models are selected by.
    pub fn primary(&self) -> f64 {
        self.values[self.primary]
    }
}

/// Judges `predictions` by `targets` of the same kind, sample by sample. `labels` are the names of the
/// classes, which [`MetricSet::Entities`] and [`MetricSet::LabelSets`] read.
///
/// # Errors
/// [`Error::Input`] when there is nothing to judge, the counts differ, or a target or prediction is of another
/// kind than the metrics ask for (an unlabelled split, for instance) or not finite.
pub fn evaluate(
    set: MetricSet,
    labels: &[String],
    predictions: &[Target],
    targets: &[Target],
) -> Result<Metrics> {
    let samples = targets.len();
    if samples == 0 || predictions.len() != samples {
        let have = predictions.len();
        return Err(Error::Input(format!("cannot judge {have} predictions by {samples} targets")));
    }
    let (primary, values) = match set {
        MetricSet::Accuracy => {
            let accuracy = accuracy(&classes(predictions)?, &classes(targets)?);
            ("accuracy", BTreeMap::from([("accuracy", accuracy)]))
        }
        MetricSet::F1 { positive } => {
            let (predictions, targets) = (classes(predictions)?, classes(targets)?);
            let (accuracy, f1) = (accuracy(&predictions, &targets), f1(&predictions, &targets, positive));
            ("f1", BTreeMap::from([("accuracy", accuracy), ("f1", f1)]))
        }
        MetricSet::MacroF1 => {
            let (predictions, targets) = (classes(predictions)?, classes(targets)?);
            let macro_f1 = macro_f1(&predictions, &targets);
            let accuracy = accuracy(&predictions, &targets);
            ("macro_f1", BTreeMap::from([("accuracy", accuracy), ("macro_f1", macro_f1)]))
        }
        MetricSet::AccuracyAndF1 { positive } => {
            let (predictions, targets) = (classes(predictions)?, classes(targets)?);
            let (accuracy, f1) = (accuracy(&predictions, &targets), f1(&predictions, &targets, positive));
            let mean = (accuracy + f1) / 2.0;
            ("accuracy_f1", BTreeMap::from([("accuracy", accuracy), ("f1", f1), ("accuracy_f1", mean)]))
        }
        MetricSet::Matthews => {
            let (predictions, targets) = (classes(predictions)?, classes(targets)?);
            let (accuracy, matthews) = (accuracy(&predictions, &targets), matthews(&predictions, &targets));
            ("matthews", BTreeMap::from([("matthews", matthews), ("accuracy", accuracy)]))
        }
        MetricSet::PearsonAndSpearman => {
            let (predictions, targets) = (scores(predictions)?, scores(targets)?);
            let (pearson, spearman) = (pearson(&predictions, &targets), spearman(&predictions, &targets));
            let mean = (pearson + spearman) / 2.0;
            let values = [("pearson", pearson), ("spearman", spearman), ("pearson_spearman", mean)];
            ("pearson_spearman", BTreeMap::from(values))
        }
        MetricSet::Pearson | MetricSet::Spearman | MetricSet::Similarity => {
            let (predictions, targets) = (scores(predictions)?, scores(targets)?);
            let (pearson, spearman) = (pearson(&predictions, &targets), spearman(&predictions, &targets));
            let primary = if set == MetricSet::Pearson { "pearson" } else { "spearman" };
            (primary, BTreeMap::from([("spearman", spearman), ("pearson", pearson)]))
        }
        MetricSet::LabelSets { primary } => {
            let (predictions, targets) = (label_sets(predictions)?, label_sets(targets)?);
            let scores = LabelSetScores::new(labels.len(), &predictions, &targets)?;
            let values = LabelSetMetric::ALL.map(|metric| (metric.name(), scores.value(metric)));
            (primary.name(), BTreeMap::from(values))
        }
        MetricSet::Entities => {
            let (predictions, targets) = (tags(predictions)?, tags(targets)?);
            if let Some(at) = (0..samples).find(|&at| predictions[at].len() != targets[at].len()) {
                let (have, want) = (predictions[at].len(), targets[at].len());
                return Err(Error::Input(format!(
                    "example {}: {have} predicted tags for {want} words",
                    at + 1
                )));
            }
            let accuracy = accuracy(&predictions.concat(), &targets.concat());
            let EntityScores { precision, recall, f1 } = entities::scores(labels, &predictions, &targets);
            let values = [("f1", f1), ("precision", precision), ("recall", recall), ("accuracy", accuracy)];
            ("f1", BTreeMap::from(values))
        }
    };
    Ok(Metrics { primary, values, samples })
}

/// Cosine of two vectors. Vectors whose length is 1 up to rounding are taken as they are.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let (squares_a, squares_b) = (dot(a, a), dot(b, b));
    let is_unit = |squares: f64| (squares - 1.0).abs() < 1e-3;
    match is_unit(squares_a) && is_unit(squares_b) {
        true => dot(a, b) as f32,
        // Vectors of length 0 have no direction.
        false => (dot(a, b) / (squares_a * squares_b).sqrt().max(f64::MIN_POSITIVE)) as f32,
    }
}

/// Share of equal entries.
pub fn accuracy(predictions: &[u32], targets: &[u32]) -> f64 {
    let right = predictions.iter().zip(targets).filter(|(prediction, target)| prediction == target).count();
    right as f64 / targets.len() as f64
}

/// F1 of class `positive`, `2 tp / (2 tp + fp + fn)`; 0 where the class is neither predicted nor there.
pub fn f1(predictions: &[u32], targets: &[u32], positive: u32) -> f64 {
    let count = |classes: &[u32]| classes.iter().filter(|&&class| class == positive).count();
    let both = predictions.iter().zip(targets).filter(|&(&p, &t)| p == positive && t == positive).count();
    // tp + fp are predicted, tp + fn are there.
    match count(predictions) + count(targets) {
        0 => 0.0,
        either => 2.0 * both as f64 / either as f64,
    }
}

/// Mean of the F1 of every class that is predicted or there.
pub fn macro_f1(predictions: &[u32], targets: &[u32]) -> f64 {
    let classes: BTreeSet<u32> = predictions.iter().chain(targets).copied().collect();
    let sum: f64 = classes.iter().map(|&class| f1(predictions, targets, class)).sum();
    sum / classes.len() as f64
}

/// Matthews correlation in Gorodkin's form for any number of classes (two: the usual phi coefficient); 0 where
/// predictions or targets are all of one class.
pub fn matthews(predictions: &[u32], targets: &[u32]) -> f64 {
    let samples = targets.len() as f64;
    let right = accuracy(predictions, targets) * samples;
    // How often each class is predicted and true.
    let mut counts = BTreeMap::<u32, (f64, f64)>::new();
    for (&prediction, &target) in predictions.iter().zip(targets) {
        counts.entry(prediction).or_default().0 += 1.0;
        counts.entry(target).or_default().1 += 1.0;
    }
    let sum = |product: fn(&(f64, f64)) -> f64| counts.values().map(product).sum::<f64>();
    let spread_predicted = samples * samples - sum(|(p, _)| p * p);
    let spread_true = samples * samples - sum(|(_, t)| t * t);
    if spread_predicted == 0.0 || spread_true == 0.0 {
        return 0.0;
    }
    (right * samples - sum(|(p, t)| p * t)) / (spread_predicted * spread_true).sqrt()
}

/// Pearson's correlation; 0 where either side is constant.
pub fn pearson(predictions: &[f64], targets: &[f64]) -> f64 {
    let constant = |values: &[f64]| values.iter().all(|&value| value == values[0]);
    if constant(predictions) || constant(targets) {
        return 0.0;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_p, mean_t) = (mean(predictions), mean(targets));
    let (mut both, mut square_p, mut square_t) = (0.0, 0.0, 0.0);
    for (&prediction, &target) in predictions.iter().zip(targets) {
        let (p, t) = (prediction - mean_p, target - mean_t);
        both += p * t;
        square_p += p * p;
        square_t += t * t;
    }
    (both / (square_p.sqrt() * square_t.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman's correlation: Pearson's of the ranks; equal values share their mean rank.
pub fn spearman(predictions: &[f64], targets: &[f64]) -> f64 {
    pearson(&ranks(predictions), &ranks(targets))
}

/// Ranks from 1 on, ties averaged.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        // Ranks first + 1 ..= first + ties, whose mean is this.
        let rank = first as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&sample| ranks[sample] = rank);
        first += ties.len();
    }
    ranks
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

#[cfg(test)]
mod tests;
