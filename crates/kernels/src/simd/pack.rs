//! Packs a head's keys and values like weights, its queries like activations.

use super::{MicroKernel, partial};
use crate::attention::Attention;
use crate::linear::row_stride;

/// Copies a run of a row; a whole run's length is known, so that it is one move.
#[inline(always)]
fn run<const N: usize>(from: &[i8], to: &mut [i8]) {
    match (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => partial::copy(from, to),
    }
}

/// Keys as the weights `[tokens, head_dim]`.
#[inline(always)]
pub(super) fn keys<S: MicroKernel>(operands: &Attention, head: usize, keys: &mut [i8]) {
    let (tokens, head_dim) = (operands.shape.tokens, operands.shape.head_dim);
    keys.fill(0);
    for token in 0..tokens {
        let key = operands.key(token, head);
        let kr = usize::from(S::PANEL.kr);
        for (group, key) in key.chunks(kr).enumerate() {
            let at = S::PANEL.offset(token, group * kr, tokens, head_dim);
            let Some(place) = keys.get_mut(at..) else { return };
            match S::PANEL.kr {
                4 => run::<4>(key, place),
                8 => run::<8>(key, place),
                _ => run::<16>(key, place),
            }
        }
    }
}

/// Values as the weights `[head_dim, tokens]`.
#[inline(always)]
pub(super) fn values<S: MicroKernel>(operands: &Attention, head: usize, values: &mut [i8]) {
    let (tokens, head_dim) = (operands.shape.tokens, operands.shape.head_dim);
    values.fill(0);
    for token in 0..tokens {
        for (column, &v) in operands.value(token, head).iter().enumerate() {
            if let Some(place) = values.get_mut(S::PANEL.offset(column, token, head_dim, tokens)) {
                *place = v;
            }
        }
    }
}

/// The queries of `count` tokens from `first` on as activations `[count, head_dim]`.
#[inline(always)]
pub(super) fn queries<S: MicroKernel>(
    operands: &Attention,
    head: usize,
    first: usize,
    count: usize,
    queries: &mut [i8],
) {
    let (head_dim, depth) = (operands.shape.head_dim, S::LAYOUT.depth);
    for row in 0..count {
        let query = operands.query(first + row, head);
        for (group, query) in query.chunks(depth).enumerate() {
            let Some(place) = queries.get_mut(S::LAYOUT.offset(row, group * depth, row_stride(head_dim))..)
            else {
                return;
            };
            for (place, &q) in place.iter_mut().zip(query) {
                *place = q ^ S::LAYOUT.flip();
            }
        }
    }
}
