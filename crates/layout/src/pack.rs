//! Row-major weights to panels and back.

use crate::{PackedMatrix, Panel, ShapeMismatch};

/// Packs row-major weights `src` `[n, k]` into `dst`, whose length must be [`Panel::packed_bytes`]`(n, k)`.
/// Padding becomes zero.
///
/// # Errors
/// A length does not fit `n`, `k` and `panel`.
pub fn pack(src: &[i8], n: usize, k: usize, panel: Panel, dst: &mut [i8]) -> Result<(), ShapeMismatch> {
    let matrix = check(src.len(), dst.len(), n, k, panel)?;
    dst.fill(0);
    for (output, row) in src.chunks(k.max(1)).enumerate() {
        let lane = matrix.lane(output);
        for (index, run) in row.chunks(usize::from(panel.kr).max(1)).enumerate() {
            let start = matrix.offset(lane, index * usize::from(panel.kr));
            let places = dst.get_mut(start..start + run.len()).unwrap_or_default();
            places.iter_mut().zip(run).for_each(|(place, weight)| *place = *weight);
        }
    }
    Ok(())
}

/// Unpacks the packed weights `src` into `dst`, row-major `[n, k]`: the inverse of [`pack`].
///
/// # Errors
/// A length does not fit `n`, `k` and `panel`.
pub fn unpack(src: &[i8], n: usize, k: usize, panel: Panel, dst: &mut [i8]) -> Result<(), ShapeMismatch> {
    let matrix = check(dst.len(), src.len(), n, k, panel)?;
    for (output, row) in dst.chunks_mut(k.max(1)).enumerate() {
        let lane = matrix.lane(output);
        for (index, run) in row.chunks_mut(usize::from(panel.kr).max(1)).enumerate() {
            let start = matrix.offset(lane, index * usize::from(panel.kr));
            let packed = src.get(start..start + run.len()).unwrap_or_default();
            run.iter_mut().zip(packed).for_each(|(weight, packed)| *weight = *packed);
        }
    }
    Ok(())
}

fn check(
    unpacked: usize,
    packed: usize,
    n: usize,
    k: usize,
    panel: Panel,
) -> Result<PackedMatrix, ShapeMismatch> {
    let matrix = panel.matrix(n, k).ok_or(ShapeMismatch)?;
    let fits = n.checked_mul(k) == Some(unpacked) && matrix.weights() == packed;
    fits.then_some(matrix).ok_or(ShapeMismatch)
}
