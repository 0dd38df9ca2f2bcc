//! A float model whose weights are those that would be stored, and how far that moves its answers.

use candle_core::Tensor;
use rayon::prelude::*;

use tinybert_base::{Error, Result};
use tinybert_model::plan::Encoding;
use tinybert_model::plan::quantize_channel;
use tinybert_model::plan::scaled_row;
use tinybert_model::{Tensors, WORD_EMBEDDINGS};

/// The linears of a layer, in the order of their encodings: how they are called, and whose weights they have.
pub const LINEARS: [(&str, &[&str]); 4] = [
    ("qkv", &["attention.self.query", "attention.self.key", "attention.self.value"]),
    ("attention output", &["attention.output.dense"]),
    ("up", &["intermediate.dense"]),
    ("down", &["output.dense"]),
];

/// Names of the weights of a layer's linear; both from 0.
fn weights_of(layer: usize, linear: usize) -> impl Iterator<Item = String> {
    LINEARS[linear].1.iter().map(move |name| format!("bert.encoder.layer.{layer}.{name}.weight"))
}

/// Replaces the weights of a layer's linear (both from 0) by what is stored of them. Mean squares of its inputs, if they are
/// known, weigh the errors.
///
/// # Errors
/// As [`store`].
pub fn store_linear(
    tensors: &mut Tensors,
    [layer, linear]: [usize; 2],
    encoding: Encoding,
    importance: Option<&[f32]>,
) -> Result<()> {
    let quantize = |row: &[f32], out: &mut [i8]| quantize_channel(row, encoding, importance, out);
    weights_of(layer, linear).try_for_each(|name| store(tensors, &name, quantize))
}

/// Replaces the word rows by what is stored of them.
///
/// # Errors
/// As [`store`].
pub fn store_words(tensors: &mut Tensors, encoding: Encoding) -> Result<()> {
    store(tensors, WORD_EMBEDDINGS, |row, out| scaled_row(row, encoding, out).to_f32())
}

/// Replaces a matrix by what is stored of it, row by row; `quantize` gives the scale of a row.
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

/// Mean squared difference of logits from the exact ones, relative to the variance of these: of each output over the
/// answers.
#[derive(Default)]
pub struct LogitError {
    error: f64,
    /// Of the exact logits, by output.
    sums: Vec<f64>,
    squares: Vec<f64>,
    answers: usize,
}

impl LogitError {
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
