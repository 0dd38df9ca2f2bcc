//! Sum of word, position and type embeddings.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{accumulate, by_dtype, by_element_type, slice, tensor_like, vectorised, with_slice};

struct Embed {
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    /// Padded length l of a sequence: the position of row r is r mod l.
    tokens: usize,
}

/// `word[id] + position[t] + type[type_id]` for row-major ids `[b, l]`; gives `[b * l, hidden]`.
///
/// # Errors
/// An id outside its table, or sequences longer than the position table.
pub fn embed(
    word: &Tensor,
    position: &Tensor,
    types: &Tensor,
    ids: &[u32],
    type_ids: &[u32],
    tokens: usize,
) -> Result<Tensor> {
    let (vocabulary, positions, type_count) = (word.dim(0)?, position.dim(0)?, types.dim(0)?);
    if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
        bail!("token id {id} with a vocabulary of {vocabulary}: is this tokenizer the model's own?");
    }
    if let Some(id) = type_ids.iter().find(|&&id| id as usize >= type_count) {
        bail!("token type id {id} with {type_count} types: the model was not made for sentence pairs");
    }
    if tokens > positions {
        bail!("sequence of {tokens} tokens with {positions} positions: shorten the maximal length");
    }
    word.apply_op3(position, types, Embed { ids: ids.to_vec(), type_ids: type_ids.to_vec(), tokens })
}

impl Embed {
    fn forward<T: Float>(&self, word: &[T], position: &[T], types: &[T], hidden: usize) -> Vec<T> {
        let row = |table: &[T], i: usize| -> std::ops::Range<usize> {
            debug_assert!((i + 1) * hidden <= table.len());
            i * hidden..(i + 1) * hidden
        };
        let mut y = vec![T::ZERO; self.ids.len() * hidden];
        y.par_chunks_mut(hidden).with_min_len(64).enumerate().for_each(|(r, y)| {
            vectorised(
                #[inline(always)]
                || {
                    y.copy_from_slice(&word[row(word, self.ids[r] as usize)]);
                    accumulate(y, &types[row(types, self.type_ids[r] as usize)]);
                    accumulate(y, &position[row(position, r % self.tokens)]);
                },
            )
        });
        y
    }
}

/// Adds row r of `grad` to row `index(r)` of a table of `rows` rows.
fn scatter<T: Float>(grad: &[T], rows: usize, hidden: usize, index: impl Fn(usize) -> usize) -> Vec<T> {
    let mut table = vec![T::ZERO; rows * hidden];
    for (r, grad) in grad.chunks_exact(hidden).enumerate() {
        let at = index(r) * hidden;
        accumulate(&mut table[at..at + hidden], grad);
    }
    table
}

impl CustomOp3 for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(
        &self,
        word: &CpuStorage,
        word_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
        types: &CpuStorage,
        types_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, hidden) = word_layout.shape().dims2()?;
        let y = by_element_type!(word, T => {
            let (position, types) = (slice(position, position_layout)?, slice(types, types_layout)?);
            T::storage(self.forward::<T>(slice(word, word_layout)?, position, types, hidden))
        });
        Ok((y, Shape::from((self.ids.len(), hidden))))
    }

    fn bwd(
        &self,
        word: &Tensor,
        position: &Tensor,
        types: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, hidden) = word.dims2()?;
        by_dtype!(grad, T => with_slice::<T, _>(grad, |g| {
            let table = |of: &Tensor, index: &dyn Fn(usize) -> usize| match of.track_op() {
                true => tensor_like(scatter(g, of.dim(0)?, hidden, index), of).map(Some),
                false => Ok(None),
            };
            Ok((
                table(word, &|r| self.ids[r] as usize)?,
                table(position, &|r| r % self.tokens)?,
                table(types, &|r| self.type_ids[r] as usize)?,
            ))
        }))
    }
}
