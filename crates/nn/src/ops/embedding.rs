//! Sum of word, position and type embeddings.

use candle_core::{Result, bail};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{ROWS_PER_PIECE, accumulate};
use tinybert_base::vectorised;

/// The rows of the three tables that a batch takes, row-major `[b, l]`.
#[derive(Clone, Copy)]
pub struct Ids<'a> {
    /// Word of each token.
    pub words: &'a [u32],
    /// Type of each token.
    pub types: &'a [u32],
    /// Padded length l: token r has position r mod l.
    pub tokens: usize,
    /// Row of position 0.
    pub first_position: usize,
}

/// The tables, `[rows, hidden]` each.
#[derive(Clone, Copy)]
pub struct Tables<T> {
    /// Word embeddings by token id.
    pub words: T,
    /// Position embeddings.
    pub positions: T,
    /// Type embeddings by token type; `None` in models without token types.
    pub types: Option<T>,
}

impl Ids<'_> {
    /// Makes sure that every row exists in tables of so many rows.
    ///
    /// # Errors
    /// An id outside its table, or sequences longer than the position table.
    pub fn check(&self, rows: Tables<usize>) -> Result<()> {
        if let Some(id) = self.words.iter().find(|&&id| id as usize >= rows.words) {
            bail!("token id {id} with a vocabulary of {}: is this tokenizer the model's own?", rows.words);
        }
        if let Some(types) = rows.types
            && let Some(id) = self.types.iter().find(|&&id| id as usize >= types)
        {
            bail!("token type id {id} with {types} types: the model was not made for sentence pairs");
        }
        if self.first_position + self.tokens > rows.positions {
            bail!(
                "sequence of {} tokens with {} positions: shorten the maximal length",
                self.tokens,
                rows.positions - self.first_position
            );
        }
        Ok(())
    }

    /// Row of the position table of token r.
    fn position(&self, r: usize) -> usize {
        self.first_position + r % self.tokens
    }
}

/// `word + position (+ type)` of every token, `[b * l, hidden]`; the ids have been checked.
pub fn embed<T: Float>(tables: Tables<&[T]>, ids: Ids, hidden: usize) -> Vec<T> {
    let mut y = vec![T::ZERO; ids.words.len() * hidden];
    y.par_chunks_mut(hidden).with_min_len(ROWS_PER_PIECE).enumerate().for_each(|(r, y)| {
        vectorised(
            #[inline(always)]
            || {
                y.copy_from_slice(&tables.words[span(ids.words[r] as usize, hidden)]);
                if let Some(types) = tables.types {
                    accumulate(y, &types[span(ids.types[r] as usize, hidden)]);
                }
                accumulate(y, &tables.positions[span(ids.position(r), hidden)]);
            },
        )
    });
    y
}

/// The elements of a row.
fn span(row: usize, hidden: usize) -> std::ops::Range<usize> {
    row * hidden..(row + 1) * hidden
}

/// Gradients of the tables, of so many rows, from that of the sum.
pub fn embed_backward<T: Float>(grad: &[T], ids: Ids, rows: Tables<usize>, hidden: usize) -> Tables<Vec<T>> {
    Tables {
        words: scatter(grad, rows.words, hidden, |r| ids.words[r] as usize),
        positions: scatter(grad, rows.positions, hidden, |r| ids.position(r)),
        types: rows.types.map(|rows| scatter(grad, rows, hidden, |r| ids.types[r] as usize)),
    }
}

/// Adds row r of `grad` to row `index(r)` of a table of `rows` rows, in the order of r.
fn scatter<T: Float>(grad: &[T], rows: usize, hidden: usize, index: impl Fn(usize) -> usize) -> Vec<T> {
    let mut table = vec![T::ZERO; rows * hidden];
    for (r, grad) in grad.chunks_exact(hidden).enumerate() {
        accumulate(&mut table[span(index(r), hidden)], grad);
    }
    table
}
