//! Scaled dot-product attention over all heads of a batch.
//!
//! Queries, keys and values lie side by side in `[b * l, 3 * width]`; a head's part of them is a strided
//! view, so that nothing is transposed or copied. Work is split by sample.

use std::sync::Arc;

use candle_core::{CpuStorage, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::dropout::Dropout;
use super::float::Float;
use super::relative;
use super::rows::{add_in_order, by_dtype, dot, reduce, storage_product, tensor, with_cpu, with_slice};
use tinybert_base::vectorised;

/// Sizes of a batch of attention heads, and its dropout.
#[derive(Clone, Debug)]
pub struct AttentionSettings {
    /// Real tokens of each sample (keys beyond them are masked); the batch size is their number.
    pub lengths: Arc<[usize]>,
    /// Padded length l.
    pub tokens: usize,
    /// Attention heads.
    pub heads: usize,
    /// Columns of a head.
    pub head_dim: usize,
    /// Dropout of the probabilities.
    pub dropout: Option<Dropout>,
    /// Added to the scores by distance of key and query, `[heads, 2l − 1]`.
    pub relative_bias: Option<Tensor>,
}

/// Third of the columns of a row of queries, keys and values.
#[derive(Clone, Copy)]
enum QkvColumns {
    Query,
    Key,
    Value,
}

impl AttentionSettings {
    /// Columns of all heads together.
    fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Elements of the l x l square of one head.
    fn square(&self) -> usize {
        self.tokens * self.tokens
    }

    fn scale<T: Float>(&self) -> T {
        T::nearest(1.0 / (self.head_dim as f64).sqrt())
    }

    /// `[l, head_dim]` view of a head of a sample within rows of `width` columns, from `column` on.
    fn view(&self, sample: usize, width: usize, column: usize) -> Layout {
        let offset = sample * self.tokens * width + column;
        Layout::new(Shape::from((self.tokens, self.head_dim)), vec![width, 1], offset)
    }

    /// Elements of the relative bias of all heads.
    fn bias_elements(&self) -> usize {
        self.heads * relative::distances(self.tokens)
    }

    /// Runs `body` on the relative bias, if there is one.
    fn with_bias<T: Float, R>(&self, body: impl FnOnce(Option<&[T]>) -> Result<R>) -> Result<R> {
        match &self.relative_bias {
            Some(bias) => with_slice(bias, |bias| body(Some(bias))),
            None => body(None),
        }
    }

    /// One head's part of the relative bias or of its gradient.
    fn head_of_bias(&self, head: usize) -> std::ops::Range<usize> {
        let distances = relative::distances(self.tokens);
        head * distances..(head + 1) * distances
    }

    /// The view of a head's queries, keys or values.
    fn part(&self, sample: usize, head: usize, part: QkvColumns) -> Layout {
        self.view(sample, 3 * self.width(), part as usize * self.width() + head * self.head_dim)
    }

    /// Writes `[l, head_dim]` values, scaled, into rows of `width` columns from `column` on.
    fn write<T: Float>(&self, values: &[T], scale: T, rows: &mut [T], width: usize, column: usize) {
        for (row, values) in rows.chunks_exact_mut(width).zip(values.chunks_exact(self.head_dim)) {
            let row = &mut row[column..column + self.head_dim];
            row.iter_mut().zip(values).for_each(|(to, &from)| *to = from * scale);
        }
    }

    /// Softmax of the scores of one head over the real keys; padded keys have probability exactly 0.
    #[inline(always)]
    fn probabilities<T: Float>(&self, scores: &[T], sample: usize) -> Vec<T> {
        let (l, length) = (self.tokens, self.lengths[sample]);
        let mut p = vec![T::ZERO; scores.len()];
        for (p, scores) in p.chunks_exact_mut(l).zip(scores.chunks_exact(l)) {
            softmax(&scores[..length], &mut p[..length]);
        }
        p
    }

    /// The factors by which dropout multiplies the probabilities `[b, heads, l, l]`, on their device. They are drawn on
    /// the CPU.
    pub fn dropout_factors(&self, probabilities: &Tensor) -> Result<Option<Tensor>> {
        if self.dropout.is_none() {
            return Ok(None);
        }
        let factors = by_dtype!(probabilities.dtype(), T => {
            let mut factors = vec![T::ONE; probabilities.elem_count()];
            factors.par_chunks_mut(self.square()).enumerate().for_each(|(at, square)| {
                self.drop_out(square, at / self.heads, at % self.heads);
            });
            tensor(factors, probabilities.shape())?
        });
        factors.to_device(probabilities.device()).map(Some)
    }

    /// Applies the dropout of one head to its `[l, l]` rows, numbered by head and query whatever the padding.
    #[inline(always)]
    fn drop_out<T: Float>(&self, rows: &mut [T], sample: usize, head: usize) {
        if let Some(dropout) = &self.dropout {
            for (query, row) in (0u64..).zip(rows.chunks_exact_mut(self.tokens)) {
                dropout.apply(sample, (head as u64) << 32 | query, row);
            }
        }
    }
}

/// Softmax of `scores` into `row`.
#[inline(always)]
fn softmax<T: Float>(scores: &[T], row: &mut [T]) {
    let maximum = scores.iter().fold(T::nearest(f64::NEG_INFINITY), |maximum, &score| maximum.larger(score));
    for (p, &score) in row.iter_mut().zip(scores) {
        *p = (score - maximum).exponential();
    }
    let inverse = T::ONE / reduce(row, row, |p, _| p);
    row.iter_mut().for_each(|p| *p *= inverse);
}

/// For queries, keys and values `[b * l, 3 * width]`: the raw scores `QKᵀ/√head_dim` (+ relative bias) before
/// mask and softmax `[b, heads, l, l]`, and the context `dropout(softmax(scores + mask)) · V` `[b * l,
/// width]`.
pub fn attention<T: Float>(qkv: &Tensor, settings: &AttentionSettings) -> Result<(Vec<T>, Vec<T>)> {
    let (width, square) = (settings.width(), settings.square());
    let rows = settings.lengths.len() * settings.tokens;
    let mut scores = vec![T::ZERO; settings.lengths.len() * settings.heads * square];
    let mut context = vec![T::ZERO; rows * width];
    let samples =
        scores.par_chunks_mut(settings.heads * square).zip(context.par_chunks_mut(settings.tokens * width));
    let run = |bias: Option<&[T]>, qkv: &CpuStorage| {
        samples.enumerate().try_for_each(|(sample, (scores, context))| {
            for (head, scores) in scores.chunks_exact_mut(square).enumerate() {
                let [q, k, v] = [QkvColumns::Query, QkvColumns::Key, QkvColumns::Value]
                    .map(|part| settings.part(sample, head, part));
                let raw: Vec<T> = storage_product(qkv, &q, qkv, &k.transpose(0, 1)?)?;
                let p = vectorised(
                    #[inline(always)]
                    || {
                        let scale = settings.scale::<T>();
                        scores.iter_mut().zip(&raw).for_each(|(score, &raw)| *score = raw * scale);
                        if let Some(bias) = bias {
                            relative::add(&bias[settings.head_of_bias(head)], scores, settings.tokens);
                        }
                        let mut p = settings.probabilities(scores, sample);
                        settings.drop_out(&mut p, sample, head);
                        p
                    },
                );
                let p_layout = Layout::contiguous((settings.tokens, settings.tokens));
                let part: Vec<T> = storage_product(&T::storage(p), &p_layout, qkv, &v)?;
                settings.write(&part, T::ONE, context, width, head * settings.head_dim);
            }
            Ok::<_, candle_core::Error>(())
        })
    };
    settings.with_bias(|bias| with_cpu(qkv, |qkv, _| run(bias, qkv)))?;
    Ok((scores, context))
}

/// The gradients that reach the attention from the layers above.
pub struct AttentionGradient<'a, T> {
    /// Gradient of the context, `[b * l, hidden]`.
    pub context: Option<&'a Tensor>,
    /// Gradient of the raw scores from a loss on them, `[b, heads, l, l]`.
    pub scores: Option<&'a [T]>,
}

/// The gradient of queries, keys and values `[b * l, 3 * width]`, that of the values 0 without one of the
/// context, and that of the relative bias if there is one, `[heads, 2l − 1]`, summed over the samples in
/// their order.
///
/// With P the probabilities, M the dropout mask and C the context: dV = (M∘P)ᵀ dC; dP = M ∘ (dC Vᵀ);
/// dS = P ∘ (dP − rowsum(dP ∘ P)) + the loss's own; dQ = dS K / √d; dK = dSᵀ Q / √d.
pub fn attention_backward<T: Float>(
    qkv: &Tensor,
    scores: &[T],
    grad: &AttentionGradient<T>,
    settings: &AttentionSettings,
) -> Result<(Vec<T>, Option<Vec<T>>)> {
    let (square, width) = (settings.square(), 3 * settings.width());
    let mut d_qkv = vec![T::ZERO; qkv.elem_count()];
    let samples =
        d_qkv.par_chunks_mut(settings.tokens * width).zip(scores.par_chunks(settings.heads * square));
    let bias_elements = if settings.relative_bias.is_some() { settings.bias_elements() } else { 0 };
    let d_bias = with_cpu(qkv, |qkv, _| {
        let samples = samples.enumerate().map(|(sample, (rows, scores))| {
            let mut d_bias = vec![T::ZERO; bias_elements];
            for (head, scores) in scores.chunks_exact(square).enumerate() {
                let own = grad.scores.map(|all| &all[(sample * settings.heads + head) * square..][..square]);
                let mut d_scores = match grad.context {
                    Some(d_context) => with_cpu(d_context, |d_context, _| {
                        context_backward(qkv, d_context, scores, settings, (sample, head), rows)
                    })?,
                    None => vec![T::ZERO; square],
                };
                if let Some(own) = own {
                    super::rows::accumulate(&mut d_scores, own);
                }
                if !d_bias.is_empty() {
                    relative::add_backward(
                        &d_scores,
                        &mut d_bias[settings.head_of_bias(head)],
                        settings.tokens,
                    );
                }
                let d_scores = T::storage(d_scores);
                let layout = Layout::contiguous((settings.tokens, settings.tokens));
                let (q, k) = (
                    settings.part(sample, head, QkvColumns::Query),
                    settings.part(sample, head, QkvColumns::Key),
                );
                let d_q: Vec<T> = storage_product(&d_scores, &layout, qkv, &k)?;
                let d_k: Vec<T> = storage_product(&d_scores, &layout.transpose(0, 1)?, qkv, &q)?;
                settings.write(&d_q, settings.scale(), rows, width, q.start_offset() % width);
                settings.write(&d_k, settings.scale(), rows, width, k.start_offset() % width);
            }
            Ok::<_, candle_core::Error>(d_bias)
        });
        samples.collect::<Result<Vec<_>>>()
    })?;
    let d_bias = settings.relative_bias.is_some().then(|| add_in_order(d_bias, bias_elements));
    Ok((d_qkv, d_bias))
}

/// Gradient of one head's raw scores from that of the context; writes that of the values into the sample's
/// `rows`.
fn context_backward<T: Float>(
    qkv: &CpuStorage,
    d_context: &CpuStorage,
    scores: &[T],
    settings: &AttentionSettings,
    (sample, head): (usize, usize),
    rows: &mut [T],
) -> Result<Vec<T>> {
    let l = settings.tokens;
    let (p, kept) = vectorised(
        #[inline(always)]
        || {
            let p = settings.probabilities(scores, sample);
            let mut kept = p.clone();
            settings.drop_out(&mut kept, sample, head);
            (p, kept)
        },
    );
    let above = settings.view(sample, settings.width(), head * settings.head_dim);
    let v = settings.part(sample, head, QkvColumns::Value);
    let by_key = Layout::contiguous((l, l)).transpose(0, 1)?;
    let d_v: Vec<T> = storage_product(&T::storage(kept), &by_key, d_context, &above)?;
    let width = 3 * settings.width();
    settings.write(&d_v, T::ONE, rows, width, v.start_offset() % width);
    let mut d_scores: Vec<T> = storage_product(d_context, &above, qkv, &v.transpose(0, 1)?)?;
    vectorised(
        #[inline(always)]
        || {
            settings.drop_out(&mut d_scores, sample, head);
            for (d_s, p) in d_scores.chunks_exact_mut(l).zip(p.chunks_exact(l)) {
                let mean = dot(p, d_s);
                for (d_s, &p) in d_s.iter_mut().zip(p) {
                    *d_s = p * (*d_s - mean);
                }
            }
        },
    );
    Ok(d_scores)
}
