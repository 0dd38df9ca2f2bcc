//! Float models with the weights that an image would store, and how far these move the answers.

use candle_core::Tensor;
use rayon::prelude::*;

use tinybert_base::{Error, Result};
use tinybert_model::names::{self, LayerNames};
use tinybert_model::plan::{WeightEncoding, quantize_channel, scaled_row};
use tinybert_model::{LayerLinear, Tensors, WORD_EMBEDDINGS};

/// One of a model's linears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinearPlace {
    /// The layer of the linear, from 0.
    pub layer: usize,
    /// The linear among the layer's four.
    pub linear: LayerLinear,
}

impl LinearPlace {
    /// Every linear of a model of `layers` layers, layer by layer.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        (0..layers).flat_map(|layer| LayerLinear::ALL.map(move |linear| Self { layer, linear }))
    }
}

/// Replaces the weights of a linear by the values that `encoding` stores. `importance`, the mean squares of
/// its inputs if they are known, weighs the errors.
///
/// # Errors
/// Returns the errors of [`store`].
pub fn store_linear(
    tensors: &mut Tensors,
    place: LinearPlace,
    encoding: WeightEncoding,
    importance: Option<&[f32]>,
) -> Result<()> {
    let quantize = |row: &[f32], out: &mut [i8]| quantize_channel(row, encoding, importance, out);
    let names = LayerNames::new(place.layer);
    names.linears()[place.linear].iter().try_for_each(|part| store(tensors, &names::weight(part), quantize))
}

/// Replaces the word rows by the values that `encoding` stores.
///
/// # Errors
/// Returns the errors of [`store`].
pub fn store_words(tensors: &mut Tensors, encoding: WeightEncoding) -> Result<()> {
    store(tensors, WORD_EMBEDDINGS, |row, out| scaled_row(row, encoding, out).to_f32())
}

/// Replaces each row of a matrix by its quantized values. `quantize` writes a row's int8 values and returns
/// their scale.
///
/// # Errors
/// [`Error::Input`] if the tensor is missing.
pub fn store(
    tensors: &mut Tensors,
    name: &str,
    quantize: impl Fn(&[f32], &mut [i8]) -> f32 + Sync,
) -> Result<()> {
    let Some(matrix) = tensors.get_mut(name) else {
        return Err(Error::Input(format!("the model has no tensor {name}")));
    };
    let (_, columns) = matrix.dims2()?;
    let mut values = matrix.flatten_all()?.to_vec1::<f32>()?;
    values.par_chunks_exact_mut(columns).for_each(|row| {
        let mut stored = vec![0i8; columns];
        let scale = quantize(row, &mut stored);
        row.iter_mut().zip(stored).for_each(|(value, stored)| *value = f32::from(stored) * scale);
    });
    *matrix = Tensor::from_vec(values, matrix.shape(), matrix.device())?;
    Ok(())
}

/// Mean squared difference of logits from the exact ones, relative to the variance of the exact ones over the
/// answers, summed over the outputs.
#[derive(Default)]
pub struct LogitError {
    error: f64,
    /// Sum of the exact logits of each output.
    sums: Vec<f64>,
    /// Sum of their squares.
    squares: Vec<f64>,
    answers: usize,
}

impl LogitError {
    /// Counts the answers that both models give to each sample: `[answers, width]` each.
    pub fn of_outputs(found: &[Vec<f32>], exact: &[Vec<f32>], width: usize) -> Self {
        let mut error = Self::default();
        for (found, exact) in found.iter().zip(exact) {
            let rows = found.chunks_exact(width).zip(exact.chunks_exact(width));
            rows.for_each(|(found, exact)| error.add(found, exact));
        }
        error
    }

    /// Counts an answer: its logits, as many as the exact ones.
    pub fn add(&mut self, found: &[f32], exact: &[f32]) {
        self.sums.resize(exact.len(), 0.0);
        self.squares.resize(exact.len(), 0.0);
        self.answers += 1;
        for (at, (&found, &exact)) in found.iter().zip(exact).enumerate() {
            let exact = f64::from(exact);
            self.error += (f64::from(found) - exact).powi(2);
            self.sums[at] += exact;
            self.squares[at] += exact * exact;
        }
    }

    /// 0 where the exact logits do not vary.
    pub fn relative(&self) -> f64 {
        let count = self.answers.max(1) as f64;
        let outputs = self.sums.iter().zip(&self.squares);
        let variance: f64 = outputs.map(|(sum, squares)| squares - sum * sum / count).sum();
        if variance > 0.0 { self.error / variance } else { 0.0 }
    }
}
