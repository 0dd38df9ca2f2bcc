//! What training minimises: the losses of all texts and the penalty of the weights.
//!
//! Weights are `[features + 1, outputs]`, the outputs of a feature side by side; the last row are the biases, which
//! have no penalty. The product with the texts goes text by text, the gradient feature by feature over the transposed
//! matrix. Each thread so writes its own rows, and every sum has a fixed order.

use rayon::prelude::*;

use crate::lbfgs::dot;
use crate::sparse::Sparse;
use tinybert_base::vectorised;
use tinybert_data::task::Target;

/// Rows that one thread takes at a time.
const ROWS: usize = 64;

/// The sum of all losses plus `penalty / 2` times the squares of the weights.
pub struct Objective<'a> {
    /// `[texts, features]`.
    pub texts: &'a Sparse,
    /// `[features, texts]`.
    pub features: &'a Sparse,
    /// The right answer to each text.
    pub targets: &'a [Target],
    /// Number of outputs.
    pub outputs: usize,
    /// Strength of the penalty; scikit-learn's `alpha`, and the inverse of its `C`.
    pub penalty: f32,
}

impl Objective<'_> {
    /// Number of weights, biases included.
    pub fn weights(&self) -> usize {
        (self.features.rows() + 1) * self.outputs
    }

    /// For each weight the inverse of about the curvature along it.
    pub fn scales(&self) -> Vec<f32> {
        let outputs = self.outputs as f32;
        let of_loss = match self.targets.first() {
            Some(Target::Score(_)) => 1.0,
            Some(Target::Class(_)) if self.outputs > 1 => (1.0 - 1.0 / outputs) / outputs,
            _ => 0.25,
        };
        let of_features = (0..self.features.rows()).map(|feature| {
            let squares: f32 = self.features.row(feature).iter().map(|(_, value)| value * value).sum();
            self.penalty + of_loss * squares
        });
        let curvatures = of_features.chain([of_loss * self.texts.rows() as f32]);
        curvatures.flat_map(|curvature| std::iter::repeat_n(1.0 / curvature, self.outputs)).collect()
    }

    /// The Euclidean length of the gradient at `weights`.
    pub fn steepness(&self, weights: &[f32]) -> f64 {
        let mut gradient = vec![0.0; weights.len()];
        self.value(weights, &mut gradient);
        dot(&gradient, &gradient).sqrt()
    }

    /// The value at `weights`. `gradient` gets the gradient there.
    pub fn value(&self, weights: &[f32], gradient: &mut [f32]) -> f64 {
        let outputs = self.outputs;
        let (of_features, biases) = weights.split_at(weights.len() - outputs);
        let mut residuals = vec![0.0; self.texts.rows() * outputs];
        let losses: Vec<f64> = residuals
            .par_chunks_mut(ROWS * outputs)
            .enumerate()
            .map(|(chunk, residuals)| {
                for (at, residuals) in residuals.chunks_mut(outputs).enumerate() {
                    residuals.copy_from_slice(biases);
                    add_products(residuals, self.texts.row(chunk * ROWS + at), of_features);
                }
                let targets = &self.targets[chunk * ROWS..];
                residuals
                    .chunks_mut(outputs)
                    .zip(targets)
                    .map(|(outputs, target)| loss(target, outputs))
                    .sum::<f64>()
            })
            .collect();
        let (to_features, to_biases) = gradient.split_at_mut(of_features.len());
        to_features.par_chunks_mut(outputs).with_min_len(ROWS).enumerate().for_each(|(feature, gradient)| {
            gradient.copy_from_slice(&of_features[feature * outputs..][..outputs]);
            gradient.iter_mut().for_each(|value| *value *= self.penalty);
            add_products(gradient, self.features.row(feature), &residuals);
        });
        let mut sums = vec![0.0; outputs];
        for residuals in residuals.chunks(outputs) {
            sums.iter_mut().zip(residuals).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        to_biases.iter_mut().zip(&sums).for_each(|(bias, sum)| *bias = *sum as f32);
        let squares = dot(of_features, of_features);
        losses.iter().sum::<f64>() + 0.5 * f64::from(self.penalty) * squares
    }
}

/// Adds to `sums` the row of `matrix` of each entry, times the value of the entry.
pub fn add_products(sums: &mut [f32], entries: &[(u32, f32)], matrix: &[f32]) {
    match sums {
        [sum] => *sum += entries.iter().map(|&(row, factor)| factor * matrix[row as usize]).sum::<f32>(),
        sums => vectorised(
            #[inline(always)]
            || {
                for &(row, factor) in entries {
                    let row = &matrix[row as usize * sums.len()..][..sums.len()];
                    sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
                }
            },
        ),
    }
}

/// The loss of a text's outputs, which become the derivatives of the loss. A label has cross-entropy over all outputs,
/// or over two labels that one output tells apart; a set of labels has binary cross-entropy; a score has half the
/// squared error.
pub fn loss(target: &Target, outputs: &mut [f32]) -> f64 {
    match (target, outputs) {
        (Target::Class(class), [output]) => binary(output, *class == 1),
        (Target::Class(class), outputs) => softmax(outputs, *class as usize),
        (Target::LabelSet(labels), outputs) => outputs
            .iter_mut()
            .enumerate()
            .map(|(label, output)| binary(output, labels.binary_search(&(label as u32)).is_ok()))
            .sum(),
        (Target::Score(score), outputs) => outputs
            .iter_mut()
            .map(|output| {
                *output -= score;
                0.5 * f64::from(*output).powi(2)
            })
            .sum(),
        // Training refuses texts without a gold answer before, and makes tags classes of words.
        (_, outputs) => {
            outputs.fill(0.0);
            0.0
        }
    }
}

/// Binary cross-entropy of a logit, which becomes its derivative.
fn binary(logit: &mut f32, label: bool) -> f64 {
    let z = f64::from(*logit);
    // ln(1 + e^z) without overflow.
    let loss = z.max(0.0) + (-z.abs()).exp().ln_1p() - if label { z } else { 0.0 };
    *logit = (1.0 / (1.0 + (-z).exp()) - f64::from(label)) as f32;
    loss
}

/// Cross-entropy of logits, which become their derivatives.
fn softmax(logits: &mut [f32], class: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let of_class = f64::from(logits[class] - largest);
    logits.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|logit| *logit /= sum);
    logits[class] -= 1.0;
    f64::from(sum).ln() - of_class
}
