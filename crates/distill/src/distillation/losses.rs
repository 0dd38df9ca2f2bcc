//! The losses of TinyBERT. None of them depends on padding.

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Shape, Tensor};
use candle_nn::ops::log_softmax;
use rayon::prelude::*;

use tinybert_base::{Result, vectorised};
use tinybert_model::Head;
use tinybert_nn::ops::rows::{slice, with_slice};
use tinybert_train::binary_cross_entropy;

/// Mean squared error of hidden states `[b, l, h]` over the real tokens (eqs. 8 and 9, after projection).
///
/// `lengths` are the real tokens of each of the b sequences. The teacher receives no gradient.
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn hidden_mse(student: &Tensor, teacher: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    masked_mse(student, teacher, lengths, Region::Rows)
}

/// Mean over heads of the squared error of raw attention scores `[b, heads, l, l]`, QKᵀ/√d before the
/// softmax, over real queries and real keys (eq. 7).
///
/// The authors' code sets masked scores to 0 on both sides but divides by all l² positions and compares the
/// rows of padding queries; here both are left out, so that the loss does not depend on the padding.
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn attention_mse(student: &Tensor, teacher: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    masked_mse(student, teacher, lengths, Region::Square)
}

/// −softmax(z_T/t)·log_softmax(z_S/t) of each answer (eq. 10), `[answers]`, of logits `[answers, classes]`: of
/// sentences, or of words that have tags.
///
/// It is not multiplied by t², as in the paper, and not divided by the number of classes, unlike in the authors'
/// code.
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn soft_cross_entropy(student: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor> {
    let targets = candle_nn::ops::softmax(&(teacher.detach() / temperature)?, D::Minus1)?;
    let likelihood = log_softmax(&(student / temperature)?, D::Minus1)?;
    Ok((targets * likelihood)?.sum(D::Minus1)?.neg()?)
}

/// Soft cross-entropy of answers with any number of labels, `[answers]`, of logits `[answers, labels]`: the mean over
/// the labels of −p·log σ(z_S/t) − (1 − p)·log(1 − σ(z_S/t)), where p = σ(z_T/t) is the teacher's probability.
///
/// Each label is a decision of its own between two classes, as in the multi-label logits distillation of Yang et al.,
/// "Multi-Label Knowledge Distillation" (ICCV 2023), which takes the divergence of both classes' probabilities
/// and so differs by the teacher's entropy alone, which no student changes. The temperature is that of eq. 10; like
/// there, the loss is not multiplied by t².
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn soft_binary_cross_entropy(
    student: &Tensor,
    teacher: &Tensor,
    temperature: f64,
) -> Result<Tensor> {
    let targets = candle_nn::ops::sigmoid(&(teacher.detach() / temperature)?)?;
    binary_cross_entropy(&(student / temperature)?, &targets, None)
}

/// Squared difference between the student's scores `[b, 1]` and the teacher's (not the gold scores), `[b]`.
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn squared_error(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    Ok((student - teacher.detach())?.sqr()?.flatten_all()?)
}

/// Mean of 1 − cosine between the student's embeddings `[b, dimensions]` and the teacher's. Both have length
/// 1, so this is also half their mean squared distance.
///
/// # Errors
/// An internal error if the shapes differ.
pub(crate) fn cosine_distance(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let cosines = (student * teacher.detach())?.sum(D::Minus1)?;
    Ok(cosines.mean_all()?.affine(-1.0, 1.0)?)
}

/// The distance between the answers `[answers, outputs]` of a student and its teacher. The head decides
/// which: the soft cross-entropy of labels, its binary form of sets of labels, the squared difference of scores, or the
/// cosine distance of embeddings. It is the mean over the answers, each times its factor of `factors` `[answers]`, if
/// there are any; embeddings have none.
///
/// # Errors
/// An internal error if the shapes differ.
pub fn answer_loss(
    head: &Head,
    student: &Tensor,
    teacher: &Tensor,
    temperature: f64,
    factors: Option<&Tensor>,
) -> Result<Tensor> {
    let losses = match head {
        Head::Regression => squared_error(student, teacher)?,
        Head::MultiLabel { .. } => soft_binary_cross_entropy(student, teacher, temperature)?,
        Head::Embedding { normalized: true, .. } => return cosine_distance(student, teacher),
        Head::Embedding { .. } => return Ok((student - teacher.detach())?.sqr()?.mean_all()?),
        _ => soft_cross_entropy(student, teacher, temperature)?,
    };
    match factors {
        Some(factors) => Ok((losses * factors)?.mean_all()?),
        None => Ok(losses.mean_all()?),
    }
}

fn masked_mse(student: &Tensor, teacher: &Tensor, lengths: &[usize], region: Region) -> Result<Tensor> {
    let op = MaskedMse { lengths: lengths.to_vec(), region };
    match student.device() {
        Device::Cpu => Ok(student.contiguous()?.apply_op2(&teacher.detach().contiguous()?, op)?),
        _ => Ok(op.composed(student, &teacher.to_device(student.device())?)?),
    }
}

/// The part of each sequence's `[outer, l, width]` block that is not padding, given the sequence's length n.
#[derive(Clone, Copy)]
enum Region {
    /// The first n rows.
    Rows,
    /// The first n columns of the first n rows.
    Square,
}

/// Mean squared error over the unpadded part of two `[b, .., l, width]` tensors, with a gradient for the
/// first one.
///
/// It takes one pass over memory forward and one backward; masking with tensor operations takes a dozen.
struct MaskedMse {
    lengths: Vec<usize>,
    region: Region,
}

/// The extents of a `[b, outer, l, width]` tensor.
struct Extents {
    outer: usize,
    rows: usize,
    width: usize,
}

impl Extents {
    fn sequence(&self) -> usize {
        self.outer * self.rows * self.width
    }
}

impl MaskedMse {
    fn extents(&self, shape: &Shape) -> candle_core::Result<Extents> {
        let dims = shape.dims();
        let [b, middle @ .., rows, width] = dims else { candle_core::bail!("masked mse of shape {dims:?}") };
        let square = matches!(self.region, Region::Square);
        if *b != self.lengths.len() || self.lengths.iter().any(|n| n > rows || (square && n > width)) {
            candle_core::bail!("masked mse of shape {dims:?} with lengths {:?}", self.lengths)
        }
        Ok(Extents { outer: middle.iter().product(), rows: *rows, width: *width })
    }

    /// Number of unpadded columns of a sequence of `length` tokens.
    fn columns(&self, extents: &Extents, length: usize) -> usize {
        match self.region {
            Region::Rows => extents.width,
            Region::Square => length,
        }
    }

    /// Number of unpadded elements of the batch.
    fn count(&self, extents: &Extents) -> f64 {
        let real = |&n: &usize| extents.outer * n * self.columns(extents, n);
        self.lengths.iter().map(real).sum::<usize>() as f64
    }

    /// Offsets of the unpadded rows within a sequence.
    fn row_starts(extents: &Extents, length: usize) -> impl Iterator<Item = usize> {
        let Extents { rows, width, .. } = *extents;
        (0..extents.outer).flat_map(move |o| (0..length).map(move |row| (o * rows + row) * width))
    }
}

impl MaskedMse {
    /// The loss computed by candle's own operations, on any device.
    fn composed(&self, student: &Tensor, teacher: &Tensor) -> candle_core::Result<Tensor> {
        let extents = self.extents(student.shape())?;
        let real = self.mask(&extents, student.rank())?.to_device(student.device())?;
        let difference = (student - teacher.detach())?.broadcast_mul(&real)?;
        difference.sqr()?.sum_all()? / self.count(&extents)
    }

    /// The mask `[b, 1.., l, width]`: 1 for unpadded elements and 0 for padding. If only rows are padded, the
    /// mask has one column, which is broadcast.
    fn mask(&self, extents: &Extents, rank: usize) -> candle_core::Result<Tensor> {
        let columns = match self.region {
            Region::Rows => 1,
            Region::Square => extents.width,
        };
        let mut values = vec![0.0f32; self.lengths.len() * extents.rows * columns];
        for (square, &length) in values.chunks_exact_mut(extents.rows * columns).zip(&self.lengths) {
            for row in square.chunks_exact_mut(columns).take(length) {
                row[..length.min(columns)].fill(1.0);
            }
        }
        let mut shape = vec![1; rank];
        (shape[0], shape[rank - 2], shape[rank - 1]) = (self.lengths.len(), extents.rows, columns);
        Tensor::from_vec(values, shape, &Device::Cpu)
    }

    /// Writes factor·(student − teacher) for the unpadded part of one sequence of `length` tokens.
    #[inline(always)]
    fn difference(
        &self,
        extents: &Extents,
        length: usize,
        factor: f32,
        student: &[f32],
        teacher: &[f32],
        result: &mut [f32],
    ) {
        let columns = self.columns(extents, length);
        for at in Self::row_starts(extents, length) {
            let real = at..at + columns;
            let pairs = student[real.clone()].iter().zip(&teacher[real.clone()]);
            for (result, (s, t)) in result[real].iter_mut().zip(pairs) {
                *result = factor * (s - t);
            }
        }
    }
}

impl CustomOp2 for MaskedMse {
    fn name(&self) -> &'static str {
        "masked-mse"
    }

    fn cpu_fwd(
        &self,
        student: &CpuStorage,
        student_layout: &Layout,
        teacher: &CpuStorage,
        teacher_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        if student_layout.shape() != teacher_layout.shape() {
            candle_core::bail!("masked mse of {:?} and {:?}", student_layout.shape(), teacher_layout.shape())
        }
        let extents = self.extents(student_layout.shape())?;
        let (student, teacher) =
            (slice::<f32>(student, student_layout)?, slice::<f32>(teacher, teacher_layout)?);
        let sums: Vec<f64> = student
            .par_chunks(extents.sequence())
            .zip(teacher.par_chunks(extents.sequence()))
            .zip(&self.lengths)
            .map(|((student, teacher), &length)| {
                let columns = self.columns(&extents, length);
                vectorised(|| {
                    Self::row_starts(&extents, length)
                        .map(|at| squared_distance(&student[at..at + columns], &teacher[at..at + columns]))
                        .sum()
                })
            })
            .collect();
        // The sums are added in the order of the sequences, so that the result does not depend on the number
        // of threads.
        let mean = sums.iter().sum::<f64>() / self.count(&extents);
        Ok((CpuStorage::F32(vec![mean as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        student: &Tensor,
        teacher: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let extents = self.extents(student.shape())?;
        let factor = (2.0 * f64::from(gradient.to_scalar::<f32>()?) / self.count(&extents)) as f32;
        let mut result = vec![0.0f32; student.elem_count()];
        with_slice(student, |student: &[f32]| {
            with_slice(teacher, |teacher: &[f32]| {
                result
                    .par_chunks_mut(extents.sequence())
                    .zip(student.par_chunks(extents.sequence()))
                    .zip(teacher.par_chunks(extents.sequence()))
                    .zip(&self.lengths)
                    .for_each(|(((result, student), teacher), &length)| {
                        vectorised(|| self.difference(&extents, length, factor, student, teacher, result));
                    });
                Ok(())
            })
        })?;
        Ok((Some(Tensor::from_vec(result, student.shape(), student.device())?), None))
    }
}

/// Σ (a − b)² of a row, in eight f32 sums that are added in f64. Rows are at most a few thousand values long.
#[inline(always)]
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0f32; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += (a - b) * (a - b);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + rest
}

#[cfg(test)]
mod tests;
