//! Scaled dot-product attention in two ops: raw scores (which the distillation losses see), and softmax, dropout and
//! weighted sum of the values in one.
//!
//! Queries, keys and values stay `[b * l, hidden]`; a head is a strided view of `head_dim` columns, so nothing is
//! transposed or copied. Work is split by sample and head.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

use super::dropout::Dropout;
use super::float::Float;
use super::rows::{by_dtype, by_element_type, dot, reduce, slice, tensor_like, vectorised, with_slice};

/// Sizes of a batch of attention heads.
#[derive(Clone, Debug)]
pub struct Heads {
    /// Real tokens of each sample (keys beyond them are masked); the batch size is their number.
    pub lengths: Arc<[usize]>,
    /// Padded length l.
    pub tokens: usize,
    /// Attention heads.
    pub heads: usize,
    /// Columns of a head.
    pub head_dim: usize,
}

impl Heads {
    fn hidden(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Elements of the l x l square of one head.
    fn square(&self) -> usize {
        self.tokens * self.tokens
    }

    fn scores_shape(&self) -> Shape {
        Shape::from((self.lengths.len(), self.heads, self.tokens, self.tokens))
    }

    /// View of one head of one sample in `[b * l, hidden]`: `[l, head_dim]`.
    fn head(&self, layout: &Layout, sample: usize, head: usize) -> Layout {
        let offset = layout.start_offset() + sample * self.tokens * self.hidden() + head * self.head_dim;
        Layout::new(Shape::from((self.tokens, self.head_dim)), vec![self.hidden(), 1], offset)
    }

    /// The l x l square of one head in the scores.
    fn square_of(&self, layout: &Layout, sample: usize, head: usize) -> Layout {
        let offset = layout.start_offset() + (sample * self.heads + head) * self.square();
        Layout::contiguous_with_offset((self.tokens, self.tokens), offset)
    }

    /// Writes the product of a square and a head's `[l, head_dim]`, times `scale`, into that head's columns of a sample.
    fn write_head<T: Float>(&self, product: &[T], scale: T, head: usize, sample_rows: &mut [T]) {
        let rows = sample_rows.chunks_exact_mut(self.hidden()).zip(product.chunks_exact(self.head_dim));
        for (to, from) in rows {
            let to = &mut to[head * self.head_dim..(head + 1) * self.head_dim];
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from * scale);
        }
    }
}

/// Product of two strided matrices as values: `[m, k] x [k, n]`.
fn product<T: Float>(a: &CpuStorage, a_layout: &Layout, b: &CpuStorage, b_layout: &Layout) -> Result<Vec<T>> {
    let ((m, k), (_, n)) = (a_layout.shape().dims2()?, b_layout.shape().dims2()?);
    T::values(a.matmul(b, (1, m, n, k), a_layout, b_layout)?)
}

/// Runs `body` on the CPU storage of a contiguous tensor.
fn with_cpu<R>(tensor: &Tensor, body: impl FnOnce(&CpuStorage, &Layout) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => body(cpu, layout),
        _ => bail!("the training ops run on the CPU"),
    }
}

struct Scores(Heads);

/// `QKᵀ/√head_dim` before mask and softmax, for q and k `[b * l, hidden]`; gives `[b, heads, l, l]`.
pub fn attention_scores(q: &Tensor, k: &Tensor, heads: &Heads) -> Result<Tensor> {
    q.apply_op2(k, Scores(heads.clone()))
}

impl Scores {
    fn scale<T: Float>(&self) -> T {
        T::of(1.0 / (self.0.head_dim as f64).sqrt())
    }

    fn forward<T: Float>(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
    ) -> Result<Vec<T>> {
        let (sizes, scale) = (&self.0, self.scale::<T>());
        let mut scores = vec![T::ZERO; sizes.lengths.len() * sizes.heads * sizes.square()];
        scores.par_chunks_mut(sizes.square()).enumerate().try_for_each(|(i, square)| {
            let (sample, head) = (i / sizes.heads, i % sizes.heads);
            let keys = sizes.head(k_layout, sample, head).transpose(0, 1)?;
            let raw: Vec<T> = product(q, &sizes.head(q_layout, sample, head), k, &keys)?;
            square.iter_mut().zip(raw).for_each(|(to, from)| *to = from * scale);
            Ok::<_, candle_core::Error>(())
        })?;
        Ok(scores)
    }

    /// `scale · D · other` by head, with D the gradient of the scores, transposed if asked for: the gradient of q
    /// from the keys, or of k from the queries.
    fn backward<T: Float>(&self, grad: &Tensor, transposed: bool, other: &Tensor) -> Result<Tensor> {
        let (sizes, scale) = (&self.0, self.scale::<T>());
        let mut out = vec![T::ZERO; other.elem_count()];
        with_cpu(grad, |grad, grad_layout| {
            with_cpu(other, |other, other_layout| {
                out.par_chunks_mut(sizes.tokens * sizes.hidden()).enumerate().try_for_each(
                    |(sample, rows)| {
                        for head in 0..sizes.heads {
                            let mut square = sizes.square_of(grad_layout, sample, head);
                            if transposed {
                                square = square.transpose(0, 1)?;
                            }
                            let part =
                                product(grad, &square, other, &sizes.head(other_layout, sample, head))?;
                            sizes.write_head(&part, scale, head, rows);
                        }
                        Ok(())
                    },
                )
            })
        })?;
        tensor_like(out, other)
    }
}

impl CustomOp2 for Scores {
    fn name(&self) -> &'static str {
        "attention-scores"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let scores = by_element_type!(q, T => T::storage(self.forward::<T>(q, q_layout, k, k_layout)?));
        Ok((scores, self.0.scores_shape()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        _s: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!(q, T => Ok((Some(self.backward::<T>(&grad, false, k)?), Some(self.backward::<T>(&grad, true, q)?))))
    }
}

struct Context {
    sizes: Heads,
    dropout: Option<Dropout>,
}

/// `dropout(softmax(scores + mask)) · V` for scores `[b, heads, l, l]` and v `[b * l, hidden]`; gives `[b * l, hidden]`.
/// Keys beyond a sample's length have probability exactly 0.
pub fn attention_context(
    scores: &Tensor,
    v: &Tensor,
    heads: &Heads,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    scores.apply_op2(v, Context { sizes: heads.clone(), dropout })
}

/// Softmax of the first `row.len()` scores.
#[inline(always)]
fn softmax<T: Float>(scores: &[T], row: &mut [T]) {
    let mut maximum = scores.first().copied().unwrap_or(T::ZERO);
    for &score in scores {
        maximum = maximum.larger(score);
    }
    for (p, &score) in row.iter_mut().zip(scores) {
        *p = (score - maximum).exponential();
    }
    let inverse = T::ONE / reduce(row, row, |p, _| p);
    row.iter_mut().for_each(|p| *p = *p * inverse);
}

impl Context {
    /// Row key of a query for the dropout of its probabilities: independent of padding.
    fn row_key(&self, dropout: &Dropout, sample: usize, head: usize, query: usize) -> u64 {
        dropout.row_key(sample, (head as u64) << 32 | query as u64)
    }

    /// Probabilities of one head, padded keys 0; `[l, l]`.
    #[inline(always)]
    fn probabilities<T: Float>(&self, scores: &[T], sample: usize) -> Vec<T> {
        let (l, length) = (self.sizes.tokens, self.sizes.lengths[sample]);
        let mut p = vec![T::ZERO; scores.len()];
        for (p, scores) in p.chunks_exact_mut(l).zip(scores.chunks_exact(l)) {
            softmax(&scores[..length], &mut p[..length]);
        }
        p
    }

    /// The dropout mask of one head applied to each row; the rows themselves without dropout.
    #[inline(always)]
    fn dropped<T: Float>(&self, rows: Vec<T>, sample: usize, head: usize) -> Vec<T> {
        let Some(dropout) = &self.dropout else { return rows };
        let l = self.sizes.tokens;
        let mut out = vec![T::ZERO; rows.len()];
        for (query, (to, from)) in out.chunks_exact_mut(l).zip(rows.chunks_exact(l)).enumerate() {
            dropout.keep(self.row_key(dropout, sample, head, query), from, to);
        }
        out
    }

    fn forward<T: Float>(&self, scores: &[T], v: &CpuStorage, v_layout: &Layout) -> Result<Vec<T>> {
        let sizes = &self.sizes;
        let (l, square) = (sizes.tokens, sizes.square());
        let mut context = vec![T::ZERO; sizes.lengths.len() * l * sizes.hidden()];
        context
            .par_chunks_mut(l * sizes.hidden())
            .zip(scores.par_chunks(sizes.heads * square))
            .enumerate()
            .try_for_each(|(sample, (rows, scores))| {
            for (head, scores) in scores.chunks_exact(square).enumerate() {
                let p = vectorised(
                    #[inline(always)]
                    || self.dropped(self.probabilities(scores, sample), sample, head),
                );
                let values = sizes.head(v_layout, sample, head);
                let part = product(&T::storage(p), &Layout::contiguous((l, l)), v, &values)?;
                sizes.write_head(&part, T::ONE, head, rows);
            }
            Ok::<_, candle_core::Error>(())
        })?;
        Ok(context)
    }

    /// Gradients with respect to scores and values. With P the probabilities, M the dropout mask and C the context:
    /// dV = (M∘P)ᵀ dC; dP = M ∘ (dC Vᵀ); dS = P ∘ (dP − rowsum(dP ∘ P)).
    fn backward<T: Float>(
        &self,
        scores: &[T],
        (v, v_layout): (&CpuStorage, &Layout),
        (grad, grad_layout): (&CpuStorage, &Layout),
    ) -> Result<(Vec<T>, Vec<T>)> {
        let sizes = &self.sizes;
        let (l, square) = (sizes.tokens, sizes.square());
        let mut d_scores = vec![T::ZERO; scores.len()];
        let mut d_v = vec![T::ZERO; sizes.lengths.len() * l * sizes.hidden()];
        d_v.par_chunks_mut(l * sizes.hidden())
            .zip(d_scores.par_chunks_mut(sizes.heads * square))
            .zip(scores.par_chunks(sizes.heads * square))
            .enumerate()
            .try_for_each(|(sample, ((d_v, d_scores), scores))| {
                let heads = d_scores.chunks_exact_mut(square).zip(scores.chunks_exact(square)).enumerate();
                for (head, (d_scores, scores)) in heads {
                    let d_context = sizes.head(grad_layout, sample, head);
                    let p = vectorised(
                        #[inline(always)]
                        || self.probabilities(scores, sample),
                    );
                    let kept = vectorised(
                        #[inline(always)]
                        || self.dropped(p.clone(), sample, head),
                    );
                    let by_key = Layout::contiguous((l, l)).transpose(0, 1)?;
                    let part = product(&T::storage(kept), &by_key, grad, &d_context)?;
                    sizes.write_head(&part, T::ONE, head, d_v);
                    let values = sizes.head(v_layout, sample, head).transpose(0, 1)?;
                    let d_kept: Vec<T> = product(grad, &d_context, v, &values)?;
                    vectorised(
                        #[inline(always)]
                        || {
                            let d_p = self.dropped(d_kept, sample, head);
                            let rows =
                                d_scores.chunks_exact_mut(l).zip(p.chunks_exact(l)).zip(d_p.chunks_exact(l));
                            for ((d_s, p), d_p) in rows {
                                let mean = dot(p, d_p);
                                for ((d_s, &p), &d_p) in d_s.iter_mut().zip(p).zip(d_p) {
                                    *d_s = p * (d_p - mean);
                                }
                            }
                        },
                    );
                }
                Ok::<_, candle_core::Error>(())
            })?;
        Ok((d_scores, d_v))
    }
}

impl CustomOp2 for Context {
    fn name(&self) -> &'static str {
        "attention-context"
    }

    fn cpu_fwd(
        &self,
        scores: &CpuStorage,
        scores_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let context = by_element_type!(scores, T => {
            T::storage(self.forward::<T>(slice(scores, scores_layout)?, v, v_layout)?)
        });
        Ok((context, Shape::from((self.sizes.lengths.len() * self.sizes.tokens, self.sizes.hidden()))))
    }

    fn bwd(
        &self,
        scores: &Tensor,
        v: &Tensor,
        _c: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (d_scores, d_v) = by_dtype!(v, T => {
            let (d_scores, d_v) = with_slice::<T, _>(scores, |values| {
                with_cpu(v, |v, v_layout| with_cpu(grad, |g, g_layout| self.backward(values, (v, v_layout), (g, g_layout))))
            })?;
            (tensor_like(d_scores, scores)?, tensor_like(d_v, v)?)
        });
        Ok((Some(d_scores), Some(d_v)))
    }
}
