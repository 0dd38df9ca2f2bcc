//! The trained classifier in the form that a device would store: weights and inverse document frequencies in 8 bits.

use std::time::Instant;

use rayon::prelude::*;

use crate::features::{BUCKET_BITS, Counts, Vocabulary};
use crate::objective::add_products;
use tinybert_base::Result;
use tinybert_data::metrics::{MetricSet, Metrics, Outcomes};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};

/// Texts whose answers are timed.
const TIMED: usize = 500;

/// A linear classifier, or a linear function for scores.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    vocabulary: Vocabulary,
    kind: TaskKind,
    labels: Vec<String>,
    /// Weights of the n-grams, `[features, outputs]`.
    weights: Vec<i8>,
    /// The value of one step of the weights, for each output.
    scales: Vec<f32>,
    /// Weights of the measures of overlap, and last the biases: `[measures + 1, outputs]`.
    unrounded: Vec<f32>,
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
        let (of_ngrams, unrounded) = weights.split_at(vocabulary.len() * outputs);
        let mut scales = vec![0.0f32; outputs];
        for row in of_ngrams.chunks(outputs) {
            scales.iter_mut().zip(row).for_each(|(scale, weight)| *scale = scale.max(weight.abs() / 127.0));
        }
        let round =
            |(weight, scale): (&f32, &f32)| if *scale > 0.0 { (weight / scale).round() as i8 } else { 0 };
        Self {
            weights: of_ngrams.iter().zip(scales.iter().cycle()).map(round).collect(),
            scales,
            unrounded: unrounded.to_vec(),
            vocabulary,
            kind: train.kind,
            labels: train.labels.clone(),
        }
    }

    /// Number of n-grams that have weights.
    pub fn features(&self) -> usize {
        self.vocabulary.len()
    }

    /// Bytes that a device would need to store: for each n-gram the number of its bucket (3 bytes), its inverse
    /// document frequency and its weights (1 byte each); for each output the scale, the bias and the weights of the
    /// measures of overlap (4 bytes each); the step of the frequencies (4 bytes); and the names of the labels, each
    /// with a byte for its end.
    pub fn bytes(&self) -> u64 {
        let of_ngrams = self.features() * (BUCKET_BITS as usize / 8 + 1) + self.weights.len();
        let of_outputs = 4 * (self.scales.len() + self.unrounded.len());
        let of_labels: usize = self.labels.iter().map(|label| label.len() + 1).sum();
        (of_ngrams + of_outputs + 4 + of_labels) as u64
    }

    /// The answer to a text or a pair.
    pub fn answer(&self, text: &str, pair: Option<&str>) -> Target {
        self.answer_to(&self.vocabulary.vector(&Counts::new(text, pair)))
    }

    /// The answer to a text with these features.
    fn answer_to(&self, vector: &[(u32, f32)]) -> Target {
        let outputs = self.outputs_of(vector);
        match self.kind {
            TaskKind::Regression => Target::Score(outputs[0]),
            TaskKind::MultiLabel => {
                let is_more_likely_than_not =
                    |(label, output): (u32, &f32)| (*output >= 0.0).then_some(label);
                Target::LabelSet((0..).zip(&outputs).filter_map(is_more_likely_than_not).collect())
            }
            _ => match outputs.as_slice() {
                [output] => Target::Class(u32::from(*output > 0.0 && self.labels.len() > 1)),
                outputs => {
                    let largest =
                        |best: usize, at: usize| if outputs[at] > outputs[best] { at } else { best };
                    Target::Class((0..outputs.len()).reduce(largest).unwrap_or_default() as u32)
                }
            },
        }
    }

    /// Logits, or the score.
    fn outputs_of(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let count = self.scales.len();
        let mut sums = vec![0.0; count];
        let of_ngrams = vector.partition_point(|&(feature, _)| (feature as usize) < self.features());
        let (ngrams, overlap) = vector.split_at(of_ngrams);
        for &(feature, value) in ngrams {
            let weights = &self.weights[feature as usize * count..][..count];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * f32::from(*weight));
        }
        sums.iter_mut().zip(&self.scales).for_each(|(sum, scale)| *sum *= scale);
        let (of_overlap, biases) = self.unrounded.split_at(self.unrounded.len() - count);
        for (&(_, value), weights) in overlap.iter().zip(of_overlap.chunks(count)) {
            add_products(&mut sums, &[(0, value)], weights);
        }
        sums.iter_mut().zip(biases).for_each(|(sum, bias)| *sum += bias);
        sums
    }

    /// The metrics of the answers to a data set, with their intervals.
    ///
    /// # Errors
    /// [`Error::Input`](tinybert_base::Error::Input) for an example without a label, and for data of another kind.
    pub fn evaluate(&self, data: &Dataset, metrics: MetricSet) -> Result<Metrics> {
        let vectors = self.vocabulary.vectors(&Counts::of_examples(data));
        Ok(self.outcomes(&vectors, data, metrics)?.metrics_with_intervals())
    }

    /// The answers to a data set, whose examples have the features `vectors`, beside the right ones.
    pub(crate) fn outcomes(
        &self,
        vectors: &[Vec<(u32, f32)>],
        data: &Dataset,
        metrics: MetricSet,
    ) -> Result<Outcomes> {
        data.check_labelled()?;
        let answers: Vec<Target> = vectors.par_iter().map(|vector| self.answer_to(vector)).collect();
        let targets = data.targets();
        Outcomes::new(metrics, &data.labels, &answers, &targets)
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
