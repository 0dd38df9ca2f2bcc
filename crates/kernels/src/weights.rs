//! How packed weights are stored: as they are, in four bits, or without their zeros.

use crate::linear::{MAX_SIDE, ensure};
use crate::panel::at_least_one;
use crate::{Linear, Panel, Shape, scalar};

/// Inputs of an output that share a multiplier in four bits.
pub(crate) const GROUP: usize = 32;

/// Packed weights of a linear layer, in [−127, 127]. All but [`Int8`](Self::Int8) are turned into that a panel at a time.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As they are, `panel.packed_len(n, k)` bytes.
    Int8(&'a [i8]),
    /// Codes of −7 to 7 in four bits, to be multiplied. Panel by panel, 32 inputs at a time: a multiplier of 1 to 18 for each
    /// output, then the codes in packed order, those of the first half of the groups of `kr` (and one more if they are odd)
    /// in the lower halves of the bytes, the others in the upper ones. `kr` divides 16.
    Int4(&'a [u8]),
    /// The weights that are not zero.
    Sparse {
        /// Where each panel's values begin, and the last one's end `[panels + 1]`.
        offsets: &'a [u32],
        /// Panel by panel a bit for every weight in packed order, from the lowest bit on, in whole bytes.
        mask: &'a [u8],
        /// The weights whose bit is set.
        values: &'a [i8],
    },
}

/// A panel's weights as they are stored.
pub(crate) enum Stored<'a> {
    Int8(&'a [i8]),
    Int4(&'a [u8]),
    /// The panel's mask, and all values from its first one on.
    Sparse(&'a [u8], &'a [i8]),
}

/// Bytes of an output's codes of `depth` inputs, at most [`GROUP`].
pub(crate) const fn code_bytes(kr: usize, depth: usize) -> usize {
    let low = depth.div_ceil(at_least_one(kr)).div_ceil(2) * kr;
    if low < depth { low } else { depth }
}

impl Panel {
    /// Bytes of an output in four bits with its multipliers.
    const fn four_bit_bytes(&self, k: usize) -> usize {
        let (depth, kr) = (self.depth(k), self.kr as usize);
        let rest = depth % GROUP;
        let last = if rest > 0 { 1 + code_bytes(kr, rest) } else { 0 };
        depth / GROUP * (1 + code_bytes(kr, GROUP)) + last
    }

    /// Bytes of scratch memory in which a panel of weights `[n, k]` is decoded; `None` on overflow or if a side of the panel is 0.
    pub const fn decoded_len(&self, n: usize, k: usize) -> Option<usize> {
        let nr = self.nr as usize;
        self.packed_len(if n < nr { n } else { nr }, k)
    }

    /// Outputs of the panel that begins with output `first`.
    pub(crate) fn width(&self, n: usize, first: usize) -> usize {
        usize::from(self.nr).min(self.columns(n).saturating_sub(first))
    }

    /// Bytes of the mask of a panel of `width` outputs.
    fn mask_bytes(&self, width: usize, k: usize) -> usize {
        (width * self.depth(k)).div_ceil(8)
    }

    fn panels(&self, n: usize) -> usize {
        self.columns(n).div_ceil(at_least_one(self.nr as usize))
    }
}

impl<'a> Weights<'a> {
    /// The weights `[n, k]` are all there.
    pub(crate) fn check(&self, n: usize, k: usize, panel: Panel) -> Result<(), Shape> {
        let packed = panel.packed_len(n, k).ok_or(Shape)?;
        match self {
            Weights::Int8(weights) => ensure(weights.len() == packed),
            Weights::Int4(stored) => {
                ensure(16 % usize::from(panel.kr) == 0)?;
                ensure(panel.columns(n).checked_mul(panel.four_bit_bytes(k)) == Some(stored.len()))
            }
            // What the offsets and the masks say is bounded where it is used.
            Weights::Sparse { offsets, mask, .. } => {
                let (panels, nr) = (panel.panels(n), usize::from(panel.nr));
                ensure(offsets.len() == panels + 1)?;
                let whole = panels.saturating_sub(1);
                let last = panel.mask_bytes(panel.width(n, whole * nr), k);
                ensure(mask.len() == whole * panel.mask_bytes(nr, k) + last)
            }
        }
    }

    /// Those of the outputs from `first` on, the first of a panel, of weights of `k` inputs.
    pub(crate) fn skip_outputs(&self, first: usize, k: usize, panel: Panel) -> Result<Weights<'a>, Shape> {
        let bytes = |per_output: usize| first.checked_mul(per_output).ok_or(Shape);
        Ok(match *self {
            Weights::Int8(weights) => Weights::Int8(weights.get(bytes(panel.depth(k))?..).ok_or(Shape)?),
            Weights::Int4(stored) => {
                Weights::Int4(stored.get(bytes(panel.four_bit_bytes(k))?..).ok_or(Shape)?)
            }
            Weights::Sparse { offsets, mask, values } => {
                let nr = usize::from(panel.nr);
                let index = first.checked_div(nr).ok_or(Shape)?;
                Weights::Sparse {
                    offsets: offsets.get(index..).ok_or(Shape)?,
                    mask: mask.get(index * panel.mask_bytes(nr, k)..).ok_or(Shape)?,
                    values,
                }
            }
        })
    }
}

impl<'a> Linear<'a> {
    /// The weights of panel `index`.
    #[inline]
    pub(crate) fn stored_panel(&self, index: usize) -> Option<Stored<'a>> {
        let Linear { n, k, panel, .. } = *self;
        let nr = usize::from(panel.nr);
        let first = index * nr;
        let width = panel.width(n, first);
        let part = |per_output: usize| first * per_output..(first + width) * per_output;
        Some(match self.weights {
            Weights::Int8(weights) => Stored::Int8(weights.get(part(panel.depth(k)))?),
            Weights::Int4(stored) => Stored::Int4(stored.get(part(panel.four_bit_bytes(k)))?),
            Weights::Sparse { offsets, mask, values } => {
                let start = index * panel.mask_bytes(nr, k);
                let mask = mask.get(start..start + panel.mask_bytes(width, k))?;
                Stored::Sparse(mask, values.get(usize::try_from(*offsets.get(index)?).ok()?..)?)
            }
        })
    }

    /// Bytes of scratch memory that the weights are decoded in, a panel at a time.
    pub fn scratch_bytes(&self) -> Option<usize> {
        match self.weights {
            Weights::Int8(_) => Some(0),
            Weights::Int4(_) | Weights::Sparse { .. } => self.panel.decoded_len(self.n, self.k),
        }
    }
}

/// Turns a row of embeddings in four bits, which is stored as [`Weights::Int4`] of one output in panels of
/// [`Panel::PORTABLE`], into int8.
///
/// # Errors
/// [`Shape`] where `stored` is not as long as a row of `out.len()`.
pub fn decode_row(stored: &[u8], out: &mut [i8]) -> Result<(), Shape> {
    ensure(out.len() <= MAX_SIDE && stored.len() == Panel::PORTABLE.four_bit_bytes(out.len()))?;
    scalar::decode_row(stored, out);
    Ok(())
}
