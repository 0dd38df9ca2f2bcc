//! Cross-entropy of a linear over the vocabulary that never has all logits in memory at once.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{
    accumulate, accumulate_all, add_bias, by_dtype, column_sums, reduce, slice, storage_product, tensor,
};
use tinybert_base::vectorised;

/// An operand of candle's operation: its storage, and where it lies there.
type Operand<'a> = (&'a CpuStorage, &'a Layout);

/// Rows whose logits are computed together: 31 MB for BERT's vocabulary.
const CHUNK: usize = 256;

/// Mean of −log softmax(x · tableᵀ + bias)\[label\] over the rows of x `[n, hidden]`, for a table `[rows,
/// hidden]` and a bias `[rows]`.
///
/// The forward pass turns the logits of each chunk of rows into their gradient while it has them, and keeps
/// the gradients of the operands; the backward pass scales these.
pub struct TiedCrossEntropy {
    /// The right row of the table for each row of x.
    labels: Vec<u32>,
    /// Whether the table learns.
    table_learns: bool,
    gradients: OnceLock<Gradients>,
}

/// Gradients of the operands for a loss whose own gradient is 1.
struct Gradients {
    x: Tensor,
    table: Option<Tensor>,
    bias: Tensor,
}

/// Softmax of a row of logits in place; gives −log of the label's probability.
#[inline(always)]
fn softmax_and_loss<T: Float>(row: &mut [T], label: usize) -> f64 {
    let maximum = row.iter().fold(T::nearest(f64::NEG_INFINITY), |maximum, &logit| maximum.larger(logit));
    let shifted = (row[label] - maximum).to_f64();
    row.iter_mut().for_each(|logit| *logit = (*logit - maximum).exponential());
    let sum = reduce(row, row, |p, _| p);
    let inverse = T::ONE / sum;
    row.iter_mut().for_each(|p| *p *= inverse);
    sum.to_f64().ln() - shifted
}

impl TiedCrossEntropy {
    /// For rows with these labels; a table that does not learn gets no gradient.
    pub fn new(labels: Vec<u32>, table_learns: bool) -> Self {
        Self { labels, table_learns, gradients: OnceLock::new() }
    }

    fn run<T: Float>(&self, x: Operand, table: Operand, bias: Operand) -> Result<T> {
        let ((n, hidden), (rows, width)) = (x.1.shape().dims2()?, table.1.shape().dims2()?);
        if n == 0 || n != self.labels.len() || hidden != width || bias.1.shape().dims1()? != rows {
            bail!(
                "cross-entropy of [{n}, {hidden}] over [{rows}, {width}] with {} labels",
                self.labels.len()
            );
        }
        if let Some(label) = self.labels.iter().find(|&&label| label as usize >= rows) {
            bail!("label {label} with {rows} rows");
        }
        let bias = slice::<T>(bias.0, bias.1)?;
        let by_column = table.1.transpose(0, 1)?;
        let (mut loss, mut d_x) = (0.0, Vec::with_capacity(n * hidden));
        let mut d_bias = vec![T::ZERO; rows];
        let mut d_table = vec![T::ZERO; if self.table_learns { rows * hidden } else { 0 }];
        for (at, labels) in self.labels.chunks(CHUNK).enumerate() {
            let part = x.1.narrow(0, at * CHUNK, labels.len())?;
            let mut logits: Vec<T> = storage_product(x.0, &part, table.0, &by_column)?;
            add_bias(&mut logits, bias);
            let losses: Vec<f64> = logits
                .par_chunks_exact_mut(rows)
                .zip(labels)
                .map(|(row, &label)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            let loss = softmax_and_loss(row, label as usize);
                            row[label as usize] += -T::ONE;
                            let share = T::nearest(1.0 / n as f64);
                            row.iter_mut().for_each(|d| *d *= share);
                            loss
                        },
                    )
                })
                .collect();
            loss += losses.iter().sum::<f64>();
            accumulate(&mut d_bias, &column_sums(&logits, rows));
            let (d_logits, layout) = (T::storage(logits), Layout::contiguous((labels.len(), rows)));
            d_x.extend(storage_product::<T>(&d_logits, &layout, table.0, table.1)?);
            if self.table_learns {
                let part: Vec<T> = storage_product(&d_logits, &layout.transpose(0, 1)?, x.0, &part)?;
                accumulate_all(&mut d_table, &part);
            }
        }
        let gradients = Gradients {
            x: tensor(d_x, (n, hidden))?,
            table: if self.table_learns { Some(tensor(d_table, (rows, hidden))?) } else { None },
            bias: tensor(d_bias, rows)?,
        };
        if self.gradients.set(gradients).is_err() {
            bail!("an op runs forward once");
        }
        Ok(T::nearest(loss / n as f64))
    }
}

impl CustomOp3 for TiedCrossEntropy {
    fn name(&self) -> &'static str {
        "tied cross-entropy"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        table: &CpuStorage,
        table_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dtype, x, table, bias) = (x.dtype(), (x, x_layout), (table, table_layout), (bias, bias_layout));
        let loss = by_dtype!(dtype, T => T::storage(vec![self.run::<T>(x, table, bias)?]));
        Ok((loss, Shape::from(())))
    }

    fn bwd(
        &self,
        _x: &Tensor,
        _table: &Tensor,
        _bias: &Tensor,
        _loss: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(gradients) = self.gradients.get() else { bail!("backward before forward") };
        let scaled = |of: &Tensor| of.broadcast_mul(grad);
        let table = gradients.table.as_ref().map(scaled).transpose()?;
        Ok((Some(scaled(&gradients.x)?), table, Some(scaled(&gradients.bias)?)))
    }
}
