//! [`crate::scalar::layer_norm`], a vector at a time, and with the next linear layer's quantization in the same pass.

use super::math::{Quantizer, sum};
use super::quantize::{columns, part, put};
use super::{MicroKernel, quantize};
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::math::rsqrt;

/// Normalises the rows of `x` `[m, hidden]`.
#[inline(always)]
pub(crate) fn layer_norm<S: MicroKernel>(s: S, x: &mut [f32], norm: &LayerNorm) {
    for row in x.chunks_exact_mut(norm.gamma.len().max(1)) {
        let rows = [Row::new(s, row, norm.eps)];
        normalise(s, rows, norm, |_, _| ());
    }
}

/// Normalises the rows of `x` and quantizes them into `out`.
#[inline(always)]
pub(crate) fn layer_norm_quantize<S: MicroKernel>(
    s: S,
    x: &mut [f32],
    norm: &LayerNorm,
    quantization: Quantization,
    mut out: ActivationsMut,
) {
    let hidden = norm.gamma.len();
    let Quantization::Static { inv_scale, zero_point } = quantization else {
        layer_norm(s, x, norm);
        return quantize(s, x, hidden, quantization, out);
    };
    let quantizer = Quantizer::new(s, inv_scale, zero_point);
    let mut groups = x.chunks_exact_mut((S::GROUP * hidden).max(1));
    let mut row = 0;
    for group in &mut groups {
        let mut rows = group.chunks_exact_mut(hidden.max(1));
        if S::GROUP == 4 {
            if let (Some(a), Some(b), Some(c), Some(d)) = (rows.next(), rows.next(), rows.next(), rows.next())
            {
                let rows = [
                    Row::new(s, a, norm.eps),
                    Row::new(s, b, norm.eps),
                    Row::new(s, c, norm.eps),
                    Row::new(s, d, norm.eps),
                ];
                normalise(s, rows, norm, |column, y| {
                    put(s, y.map(|y| quantizer.apply(s, y)), row, column, &mut out);
                });
            }
        } else if let Some(only) = rows.next() {
            normalise(s, [Row::new(s, only, norm.eps)], norm, |column, y| {
                put(s, y.map(|y| quantizer.apply(s, y)), row, column, &mut out);
            });
        }
        row += S::GROUP;
    }
    for (row, x) in (row..).zip(groups.into_remainder().chunks_exact_mut(hidden.max(1))) {
        normalise(s, [Row::new(s, x, norm.eps)], norm, |column, y| {
            put(s, y.map(|y| quantizer.apply(s, y)), row, column, &mut out);
        });
    }
}

/// A row and what is known of it.
struct Row<'a, S: MicroKernel> {
    x: &'a mut [f32],
    mean: S::F,
    factor: S::F,
}

impl<'a, S: MicroKernel> Row<'a, S> {
    #[inline(always)]
    fn new(s: S, x: &'a mut [f32], eps: f32) -> Self {
        let count = x.len() as f32;
        let mean = sum(s, x, 0.0, |x| x) / count;
        let means = s.splat(mean);
        let square = |x| {
            let d = s.sub(x, means);
            s.mul(d, d)
        };
        let variance = sum(s, x, mean, square) / count;
        Row { x, mean: means, factor: s.splat(rsqrt(variance + eps)) }
    }
}

/// `((x − mean) · factor) · gamma + beta` in every row; `each` gets the vectors that begin at a column too.
#[inline(always)]
fn normalise<S: MicroKernel, const R: usize>(
    s: S,
    mut rows: [Row<S>; R],
    norm: &LayerNorm,
    mut each: impl FnMut(usize, [S::F; R]),
) {
    let hidden = norm.gamma.len();
    columns(s, hidden, |column, whole| {
        let (gamma, beta) = (part(s, norm.gamma, column, whole), part(s, norm.beta, column, whole));
        let mut y = [gamma; R];
        for (row, y) in rows.iter_mut().zip(&mut y) {
            let x = s.mul(s.sub(part(s, row.x, column, whole), row.mean), row.factor);
            *y = s.add(s.mul(x, gamma), beta);
            let end = if whole { column + S::LANES } else { hidden };
            if let Some(place) = row.x.get_mut(column..end) {
                s.store(*y, place);
            }
        }
        each(column, y);
    });
}
