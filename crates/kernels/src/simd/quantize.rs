//! [`crate::scalar::quantize`], a vector at a time.

use super::MicroKernel;
use super::math::Quantizer;
use crate::linear::{ActivationsMut, Quantization};
use crate::math;

/// Quantizes `x` `[m, k]` as the input of a linear layer.
#[inline(always)]
pub(crate) fn quantize<S: MicroKernel>(
    s: S,
    x: &[f32],
    k: usize,
    quantization: Quantization,
    mut out: ActivationsMut,
) {
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            let quantizer = Quantizer::new(s, inv_scale, zero_point);
            let mut groups = x.chunks_exact((S::GROUP * k).max(1));
            let mut row = 0;
            for x in &mut groups {
                if S::GROUP == 4 {
                    write::<S, 4>(s, x, k, row, quantizer, &mut out);
                } else {
                    write::<S, 1>(s, x, k, row, quantizer, &mut out);
                }
                row += S::GROUP;
            }
            for (row, x) in (row..).zip(groups.remainder().chunks_exact(k.max(1))) {
                write::<S, 1>(s, x, k, row, quantizer, &mut out);
            }
        }
        Quantization::PerToken { scale } => {
            for (row, (x, scale)) in x.chunks_exact(k.max(1)).zip(scale).enumerate() {
                let (row_scale, inv_scale) = math::row_scales(amax(s, x));
                *scale = row_scale;
                write::<S, 1>(s, x, k, row, Quantizer::new(s, inv_scale, 0), &mut out);
            }
        }
    }
}

/// Quantizes `R` rows `x` `[R, k]`, the rows `row`, … of the matrix.
#[inline(always)]
fn write<S: MicroKernel, const R: usize>(
    s: S,
    x: &[f32],
    k: usize,
    row: usize,
    quantizer: Quantizer<S>,
    out: &mut ActivationsMut,
) {
    let rows: [&[f32]; R] = core::array::from_fn(|r| x.get(r * k..(r + 1) * k).unwrap_or(&[]));
    columns(s, k, |column, whole| {
        let q = rows.map(|row| quantizer.apply(s, part(s, row, column, whole)));
        put(s, q, row, column, out);
    });
}

/// Calls `each` with the first column of every vector of a row of `k` columns, and whether the vector is whole.
#[inline(always)]
pub(super) fn columns<S: MicroKernel>(_: S, k: usize, mut each: impl FnMut(usize, bool)) {
    let whole = k / S::LANES * S::LANES;
    for column in (0..whole).step_by(S::LANES) {
        each(column, true);
    }
    if whole < k {
        each(whole, false);
    }
}

/// The vector that begins at `column`; a length that is known where it is `whole`.
#[inline(always)]
pub(super) fn part<S: MicroKernel>(s: S, row: &[f32], column: usize, whole: bool) -> S::F {
    if whole {
        s.load(row.get(column..column + S::LANES).unwrap_or(&[0.0; 16]))
    } else {
        s.load(row.get(column..).unwrap_or(&[]))
    }
}

/// Writes quantized vectors of `R` rows into an activation matrix.
#[inline(always)]
pub(super) fn put<S: MicroKernel, const R: usize>(
    s: S,
    q: [S::I; R],
    row: usize,
    column: usize,
    out: &mut ActivationsMut,
) {
    let (at, step) = (S::LAYOUT.offset(row, column, out.stride), S::LAYOUT.step(out.stride));
    s.store_i8(q, S::LAYOUT.flip(), out.data, at, step);
}

/// Largest magnitude.
#[inline(always)]
fn amax<S: MicroKernel>(s: S, x: &[f32]) -> f32 {
    let mut amax = s.splat(0.0);
    columns(s, x.len(), |column, whole| amax = s.max(s.abs(part(s, x, column, whole)), amax));
    let mut lanes = [0.0; math::LANES];
    s.store(amax, &mut lanes);
    lanes.into_iter().fold(0.0, math::max)
}
