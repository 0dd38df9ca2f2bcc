//! The trained classifier in the form that a device would store: weights and inverse document frequencies in 8 bits.

use std::time::Instant;

use rayon::prelude::*;

use crate::decoding::Transitions;
use crate::features::{BUCKET_BITS, Counts};
use crate::objective::{add_products, loss};
use crate::sparse::Row;
use crate::vocabulary::Vocabulary;
use tinybert_base::Result;
use tinybert_data::metrics::{MetricSet, Metrics, Outcomes};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_kernels::math;

/// Texts whose answers are timed.
const TIMED: usize = 500;

/// A linear classifier of texts, pairs or words, or a linear function for scores.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    vocabulary: Vocabulary,
    kind: TaskKind,
    labels: Vec<String>,
    /// Weights of the hashed features, `[features, outputs]`.
    weights: Vec<i8>,
    /// The value of one step of the weights, for each output.
    scales: Vec<f32>,
    /// Weights of the measures of overlap or of the tag before, and last the biases: `[others + 1, outputs]`.
    unrounded: Vec<f32>,
    /// What the weights of the tag before say. `None` where words have no tags.
    transitions: Option<Transitions>,
}

impl LinearModel {
    /// The number of outputs for data of this kind with these labels: one for a score and for two labels, otherwise
    /// one for each label.
    pub(crate) fn outputs(kind: TaskKind, labels: &[String]) -> usize {
        match (kind, labels.len()) {
            (TaskKind::Regression, _) | (TaskKind::Classification, 2) => 1,
            (_, labels) => labels,
        }
    }

    /// Rounds `weights`, `[features + 1, outputs]`, whose first rows are those of the vocabulary. Each output has a
    /// scale by which its largest weight becomes 127 or -127.
    pub(crate) fn rounded(vocabulary: Vocabulary, train: &Dataset, weights: &[f32]) -> Self {
        let outputs = Self::outputs(train.kind, &train.labels);
        let (hashed, unrounded) = weights.split_at(vocabulary.len() * outputs);
        let of_tags = &unrounded[..unrounded.len() - outputs];
        let is_tagging = train.kind == TaskKind::Tagging;
        let mut scales = vec![0.0f32; outputs];
        for row in hashed.chunks(outputs) {
            scales.iter_mut().zip(row).for_each(|(scale, weight)| *scale = scale.max(weight.abs() / 127.0));
        }
        let round =
            |(weight, scale): (&f32, &f32)| if *scale > 0.0 { (weight / scale).round() as i8 } else { 0 };
        Self {
            weights: hashed.iter().zip(scales.iter().cycle()).map(round).collect(),
            scales,
            unrounded: unrounded.to_vec(),
            transitions: is_tagging.then(|| Transitions::new(of_tags, outputs)),
            vocabulary,
            kind: train.kind,
            labels: train.labels.clone(),
        }
    }

    /// Number of hashed features that have weights.
    pub fn features(&self) -> usize {
        self.vocabulary.len()
    }

    /// Bytes that a device would need to store: for each hashed feature the number of its bucket (3 bytes) and its
    /// weights (1 byte each); of texts its inverse document frequency (1 byte) and the step of the frequencies
    /// (4 bytes); for each output the scale, the bias and the weights of the measures of overlap or of the tag before
    /// (4 bytes each); and the names of the labels, each with a byte for its end.
    ///
    /// Where it takes less, only weights other than 0 are counted, each with the number of its output, and for each
    /// feature how many there are; such a number takes 1 byte, and 2 bytes with more than 255 outputs.
    pub fn bytes(&self) -> u64 {
        let number = if self.scales.len() > 255 { 2 } else { 1 };
        let others = self.weights.iter().filter(|weight| **weight != 0).count();
        let of_weights = self.weights.len().min(number * self.features() + (number + 1) * others);
        let of_features = self.features() * BUCKET_BITS as usize / 8 + self.vocabulary.idf_bytes();
        let of_outputs = 4 * (self.scales.len() + self.unrounded.len());
        let of_labels: usize = self.labels.iter().map(|label| label.len() + 1).sum();
        (of_features + of_weights + of_outputs + of_labels) as u64
    }

    /// The answer to a text or a pair.
    pub fn answer(&self, text: &str, pair: Option<&str>) -> Target {
        let rows: Vec<Row> =
            Counts::new(self.kind, text, pair).iter().map(|counts| self.vocabulary.row(counts)).collect();
        self.answer_to(&rows)
    }

    /// The answer to a text with these features, or to a sentence with these features of its words.
    fn answer_to(&self, rows: &[Row]) -> Target {
        let outputs: Vec<f32> = rows.iter().flat_map(|row| self.outputs_of(row)).collect();
        if let Some(transitions) = &self.transitions {
            return Target::Tags(transitions.most_likely(&outputs));
        }
        match self.kind {
            TaskKind::Regression => Target::Score(outputs[0]),
            TaskKind::MultiLabel => {
                let is_more_likely_than_not =
                    |(label, output): (u32, &f32)| (*output >= 0.0).then_some(label);
                Target::LabelSet((0..).zip(&outputs).filter_map(is_more_likely_than_not).collect())
            }
            _ => match outputs.as_slice() {
                [output] => Target::Class(u32::from(*output > 0.0 && self.labels.len() > 1)),
                outputs => Target::Class(math::argmax(outputs) as u32),
            },
        }
    }

    /// Logits, or the score.
    fn outputs_of(&self, row: &[(u32, f32)]) -> Vec<f32> {
        let count = self.scales.len();
        let mut sums = vec![0.0; count];
        let (hashed, others) =
            row.split_at(row.partition_point(|&(feature, _)| (feature as usize) < self.features()));
        for &(feature, value) in hashed {
            let weights = &self.weights[feature as usize * count..][..count];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * f32::from(*weight));
        }
        sums.iter_mut().zip(&self.scales).for_each(|(sum, scale)| *sum *= scale);
        let (of_others, biases) = self.unrounded.split_at(self.unrounded.len() - count);
        for &(feature, value) in others {
            add_products(&mut sums, &[(feature - self.features() as u32, value)], of_others);
        }
        sums.iter_mut().zip(biases).for_each(|(sum, bias)| *sum += bias);
        sums
    }

    /// The metrics of the answers to a data set, with their intervals.
    ///
    /// # Errors
    /// [`Error::Input`](tinybert_base::Error::Input) for an example without a label, and for data of another kind.
    pub fn evaluate(&self, data: &Dataset, metrics: MetricSet) -> Result<Metrics> {
        let rows = self.vocabulary.rows(&Counts::of_examples(data));
        Ok(self.outcomes(&rows, data, metrics)?.metrics_with_intervals())
    }

    /// The answers to a data set, whose examples have the features `rows`, beside the right ones.
    pub(crate) fn outcomes(&self, rows: &[Vec<Row>], data: &Dataset, metrics: MetricSet) -> Result<Outcomes> {
        data.check_labelled()?;
        let answers: Vec<Target> = rows.par_iter().map(|rows| self.answer_to(rows)).collect();
        let targets = data.targets();
        Outcomes::new(metrics, &data.labels, &answers, &targets)
    }

    /// The mean loss over texts, pairs or tagged words with the features `rows` and the right answers `targets`: of
    /// labels the negative log-likelihood, of scores half the squared error. A word's features tell the right tag of
    /// the word before.
    pub(crate) fn mean_loss(&self, rows: &[Row], targets: &[Target]) -> f64 {
        let losses: Vec<f64> = rows
            .par_iter()
            .zip(targets)
            .map(|(row, target)| loss(target, &mut self.outputs_of(row)))
            .collect();
        losses.iter().sum::<f64>() / losses.len().max(1) as f64
    }

    /// The median time of an answer on one core in microseconds, from the text on.
    pub fn microseconds(&self, data: &Dataset) -> f64 {
        let time = |example: &&Example| {
            let begin = Instant::now();
            std::hint::black_box(self.answer(&example.text, example.pair.as_deref()));
            begin.elapsed().as_secs_f64() * 1e6
        };
        let mut times: Vec<f64> = data.spread(TIMED).iter().map(time).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}
