//! The packed layout of weights: panels of `nr` outputs by groups of `kr` inputs.

use crate::Shape;

/// Shape of a panel. A matrix `[n, k]` is stored as `[ceil(n/nr)][ceil(k/kr)][nr][kr]`, the edges filled with zeros:
/// a micro-kernel that makes `nr` outputs reads its weights front to back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panel {
    /// Outputs (columns of the result) per panel.
    pub nr: u16,
    /// Consecutive inputs of one output that stand together.
    pub kr: u16,
}

impl Panel {
    /// Output after output, each filled up to 16 inputs, which lets a compiler vectorise the portable kernel.
    pub const PORTABLE: Panel = Panel { nr: 1, kr: 16 };
    /// x86-64: four 8-bit products per 32-bit lane, 16 outputs.
    pub const X86: Panel = Panel { nr: 16, kr: 4 };
    /// Armv8.0 NEON: 16 products of one output per step, 4 outputs.
    pub const NEON: Panel = Panel { nr: 4, kr: 16 };
    /// Armv8.2 dot product: four products per 32-bit lane, 12 outputs.
    pub const DOTPROD: Panel = Panel { nr: 12, kr: 4 };

    /// Bytes of an `[n, k]` matrix in this layout; `None` on overflow or if a side of the panel is 0.
    pub const fn packed_len(&self, n: usize, k: usize) -> Option<usize> {
        let Some(panels) = n.checked_next_multiple_of(self.nr as usize) else { return None };
        let Some(groups) = k.checked_next_multiple_of(self.kr as usize) else { return None };
        panels.checked_mul(groups)
    }

    /// Bytes of one panel: `nr` outputs of `k` inputs.
    pub(crate) const fn panel_len(&self, k: usize) -> Option<usize> {
        self.packed_len(self.nr as usize, k)
    }

    /// Place of `weight[row, column]` in the packed matrix. Both must lie inside the packed matrix.
    pub(crate) const fn offset(&self, row: usize, column: usize, k: usize) -> usize {
        let (nr, kr) = (self.nr as usize, self.kr as usize);
        let groups = k.div_ceil(kr);
        (((row / nr) * groups + column / kr) * nr + row % nr) * kr + column % kr
    }
}

/// Packs row-major weights `src` `[n, k]` into `dst`, whose length must be `panel.packed_len(n, k)`.
///
/// # Errors
/// [`Shape`] if a length does not fit `n`, `k` and `panel`.
pub fn pack(src: &[i8], n: usize, k: usize, panel: Panel, dst: &mut [i8]) -> Result<(), Shape> {
    check(src.len(), dst.len(), n, k, panel)?;
    dst.fill(0);
    for row in 0..n {
        for (column, &weight) in src.iter().skip(row * k).take(k).enumerate() {
            if let Some(place) = dst.get_mut(panel.offset(row, column, k)) {
                *place = weight;
            }
        }
    }
    Ok(())
}

/// The inverse of [`pack`]: `src` is packed, `dst` becomes row-major `[n, k]`.
///
/// # Errors
/// [`Shape`] if a length does not fit `n`, `k` and `panel`.
pub fn unpack(src: &[i8], n: usize, k: usize, panel: Panel, dst: &mut [i8]) -> Result<(), Shape> {
    check(dst.len(), src.len(), n, k, panel)?;
    for row in 0..n {
        for (column, weight) in dst.iter_mut().skip(row * k).take(k).enumerate() {
            if let Some(&packed) = src.get(panel.offset(row, column, k)) {
                *weight = packed;
            }
        }
    }
    Ok(())
}

fn check(rows: usize, packed: usize, n: usize, k: usize, panel: Panel) -> Result<(), Shape> {
    let fits = n.checked_mul(k) == Some(rows) && panel.packed_len(n, k) == Some(packed);
    if fits { Ok(()) } else { Err(Shape) }
}
