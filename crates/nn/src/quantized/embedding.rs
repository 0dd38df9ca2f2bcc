//! The embeddings as the device has them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::linear::refused;
use crate::ops::embedding::{Ids, Tables};
use crate::ops::rows::ROWS_PER_PIECE;
use tinybert_base::Result;
use tinybert_kernels::{Embedding, Kernels};
use tinybert_model::plan::{WeightEncoding, scaled_row};

/// A row in int8 and its scale.
type QuantizedRow = (Vec<i8>, f32);

/// `word + position + type` of every token, `[b * l, hidden]`; words in `encoding`, positions in int8.
pub fn embed(tables: Tables<&[f32]>, ids: Ids, hidden: usize, encoding: WeightEncoding) -> Result<Vec<f32>> {
    let row = |table: &[f32], row: usize, encoding: WeightEncoding| -> QuantizedRow {
        let mut values = vec![0; hidden];
        let scale = scaled_row(&table[row * hidden..][..hidden], encoding, &mut values).to_f32();
        (values, scale)
    };
    let mut used: Vec<u32> = ids.words.to_vec();
    used.sort_unstable();
    used.dedup();
    let words: BTreeMap<u32, QuantizedRow> =
        used.into_par_iter().map(|id| (id, row(tables.words, id as usize, encoding))).collect();
    let positions: Vec<QuantizedRow> = (0..ids.tokens)
        .into_par_iter()
        .map(|position| row(tables.positions, ids.first_position + position, WeightEncoding::Int8))
        .collect();
    let (kernels, zeros) = (Kernels::detect(), vec![0.0; hidden]);
    let mut y = vec![0f32; ids.words.len() * hidden];
    y.par_chunks_mut(hidden)
        .with_min_len(ROWS_PER_PIECE)
        .enumerate()
        .try_for_each(|(r, y)| {
            let (word, word_scale) = &words[&ids.words[r]];
            let (position, position_scale) = &positions[r % ids.tokens];
            let kind = tables
                .types
                .map_or(zeros.as_slice(), |types| &types[ids.types[r] as usize * hidden..][..hidden]);
            let (word_scale, position_scale) = (*word_scale, *position_scale);
            kernels.embed(&Embedding { word, word_scale, position, position_scale, kind }, y)
        })
        .map_err(refused)?;
    Ok(y)
}
