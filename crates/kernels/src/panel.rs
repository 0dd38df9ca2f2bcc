//! The packed layout of weights: panels of `nr` outputs by groups of `kr` inputs.

use crate::Shape;

/// Shape of a panel. A matrix `[n, k]` is stored as `[ceil(n/nr)][ceil(k/kr)][nr][kr]`: a micro-kernel that makes `nr`
/// outputs reads its weights front to back.
///
/// `n` is filled up with zeros to a multiple of gcd(nr, 8), `k` to one of gcd(kr, 8), and no further: the last panel has
/// fewer outputs, the last group of every panel fewer inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panel {
    /// Outputs (columns of the result) per panel.
    pub nr: u16,
    /// Consecutive inputs of one output that stand together.
    pub kr: u16,
}

/// Greatest common divisor of `side` and 8; 1 for 0.
const fn edge(side: u16) -> usize {
    let lowest_bit = 1 << (side | 8).trailing_zeros();
    if side == 0 { 1 } else { lowest_bit }
}

impl Panel {
    /// Output after output, each in runs of 16 inputs, which lets a compiler vectorise the portable kernel.
    pub const PORTABLE: Panel = Panel { nr: 1, kr: 16 };
    /// x86-64: four 8-bit products per 32-bit lane, 48 outputs.
    pub const X86: Panel = Panel { nr: 48, kr: 4 };
    /// Armv8.0 NEON: 16 products of one output per step, 4 outputs.
    pub const NEON: Panel = Panel { nr: 4, kr: 16 };
    /// Armv8.2 dot product: four products per 32-bit lane, 12 outputs.
    pub const DOTPROD: Panel = Panel { nr: 12, kr: 4 };
    /// Armv8.6 matrix multiplication: eight products per 32-bit lane, 12 outputs.
    pub const I8MM: Panel = Panel { nr: 12, kr: 8 };

    /// Bytes of an `[n, k]` matrix in this layout; `None` on overflow or if a side of the panel is 0.
    pub const fn packed_len(&self, n: usize, k: usize) -> Option<usize> {
        if self.nr == 0 || self.kr == 0 {
            return None;
        }
        let Some(columns) = n.checked_next_multiple_of(edge(self.nr)) else { return None };
        let Some(depth) = k.checked_next_multiple_of(edge(self.kr)) else { return None };
        columns.checked_mul(depth)
    }

    /// Inputs of an output with what they are filled up with.
    pub(crate) const fn depth(&self, k: usize) -> usize {
        k.next_multiple_of(edge(self.kr))
    }

    /// Outputs with what they are filled up with.
    pub(crate) const fn columns(&self, n: usize) -> usize {
        n.next_multiple_of(edge(self.nr))
    }

    /// Place of `weight[row, column]` in the packed matrix `[n, k]`.
    pub(crate) const fn offset(&self, row: usize, column: usize, n: usize, k: usize) -> usize {
        let (nr, kr) = (at_least_one(self.nr as usize), at_least_one(self.kr as usize));
        let (first, group) = (row / nr * nr, column / kr * kr);
        let width = smaller(nr, self.columns(n) - first);
        let run = smaller(kr, self.depth(k) - group);
        first * self.depth(k) + group * width + row % nr * run + column % kr
    }
}

/// A side as a divisor: that it is not 0 has been checked where the operands came in, but not to the compiler's knowledge,
/// which would link a panic.
pub(crate) const fn at_least_one(side: usize) -> usize {
    if side == 0 { 1 } else { side }
}

const fn smaller(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// The place of one output, or of several that follow it in its panel.
// Elsewhere only the scalar kernel remains, which asks for single weights.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    /// Where the panel begins.
    start: usize,
    /// Outputs of the panel.
    width: usize,
    /// Outputs before it in the panel.
    lane: usize,
    /// Inputs of the panel.
    depth: usize,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Lane {
    /// Output `row` of a packed matrix `[n, k]`.
    #[inline(always)]
    pub(crate) fn new(panel: Panel, row: usize, n: usize, k: usize) -> Lane {
        let nr = at_least_one(panel.nr as usize);
        let (first, depth) = (row / nr * nr, panel.depth(k));
        Lane {
            start: first * depth,
            width: smaller(nr, panel.columns(n).saturating_sub(first)),
            lane: row - first,
            depth,
        }
    }

    /// Place of its weight for input `column`.
    #[inline(always)]
    pub(crate) fn offset(&self, panel: Panel, column: usize) -> usize {
        let kr = at_least_one(panel.kr as usize);
        let group = column / kr * kr;
        self.start + group * self.width + self.lane * self.step(panel, column) + (column - group)
    }

    /// Bytes from there to the next output's weight.
    #[inline(always)]
    pub(crate) fn step(&self, panel: Panel, column: usize) -> usize {
        let kr = at_least_one(panel.kr as usize);
        let group = column / kr * kr;
        smaller(panel.kr as usize, self.depth - group)
    }
}

/// Packs row-major weights `src` `[n, k]` into `dst`, whose length must be `panel.packed_len(n, k)`.
///
/// # Errors
/// [`Shape`] if a length does not fit `n`, `k` and `panel`.
pub fn pack(src: &[i8], n: usize, k: usize, panel: Panel, dst: &mut [i8]) -> Result<(), Shape> {
    check(src.len(), dst.len(), n, k, panel)?;
    dst.fill(0);
    let (nr, kr, depth) = (at_least_one(panel.nr as usize), at_least_one(panel.kr as usize), panel.depth(k));
    let panels = dst
        .chunks_mut(at_least_one(nr.saturating_mul(depth)))
        .zip(src.chunks(at_least_one(nr.saturating_mul(k))));
    for (packed, rows) in panels {
        let width = packed.len() / at_least_one(depth);
        for (lane, row) in rows.chunks(at_least_one(k)).enumerate() {
            for (index, run) in row.chunks(kr).enumerate() {
                let group = index * kr;
                let places = packed.iter_mut().skip(group * width + lane * smaller(kr, depth - group));
                places.zip(run).for_each(|(place, &weight)| *place = weight);
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
            if let Some(&packed) = src.get(panel.offset(row, column, n, k)) {
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
