//! The three ways in which packed weights are stored.

use core::ops::Range;

use crate::{PackedMatrix, Panel, ShapeMismatch, expand_sparse, four_bits};

/// How the weights of a linear layer, or the word rows, are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// One byte per weight.
    Int8 = 0,
    /// Four bits per weight, and one multiplier for every
    /// [`INPUTS_PER_MULTIPLIER`](crate::INPUTS_PER_MULTIPLIER) inputs of an output.
    Int4 = 1,
    /// One bit per weight, and one byte for each weight that is not zero.
    Sparse = 2,
}

impl Encoding {
    /// Returns the encoding that images call `raw`.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Self::Int8),
            1 => Some(Self::Int4),
            2 => Some(Self::Sparse),
            _ => None,
        }
    }

    /// Returns the number of bytes of a row of `width` embeddings. Returns `None` if that overflows, and for
    /// [`Sparse`](Self::Sparse), because rows cannot be sparse.
    pub fn row_bytes(self, width: usize) -> Option<usize> {
        match self {
            Self::Int8 => Some(width),
            Self::Int4 => Panel::ROW.matrix(1, width)?.four_bit_bytes(),
            Self::Sparse => None,
        }
    }
}

/// Packed weights of a linear layer, in [−127, 127], padding zero, panel after panel.
#[derive(Clone, Copy, Debug)]
pub enum PackedWeights<'a> {
    /// One byte per weight, [`Panel::packed_bytes`] in all.
    Int8(&'a [i8]),
    /// Codes of −7 to 7 in four bits, each times a multiplier. They are stored panel by panel, 32 inputs at a time:
    /// first a multiplier of 1 to 18 for each output, then the codes `[ceil(inputs/kr)][nr][kr]` in packed order. The
    /// first half of the groups of `kr` (and one more if their number is odd) lies in the lower halves of the bytes,
    /// and the other groups lie in the upper halves. `kr` divides 16.
    Int4(&'a [u8]),
    /// The weights that are not zero.
    Sparse {
        /// Index of each panel's first value, and the index after the last panel's values `[panels + 1]`.
        offsets: &'a [u32],
        /// For each panel one bit per weight in packed order, from the lowest bit on, in whole bytes.
        mask: &'a [u8],
        /// The weights whose bit is set.
        values: &'a [i8],
    },
}

/// The stored weights of one panel.
#[derive(Clone, Copy, Debug)]
pub enum PanelWeights<'a> {
    /// `[groups of kr][width][kr]`.
    Int8(&'a [i8]),
    /// Multipliers and codes, group by group.
    Int4(&'a [u8]),
    /// The weights that are not zero.
    Sparse {
        /// The panel's mask.
        mask: &'a [u8],
        /// All values from the panel's first one on.
        values: &'a [i8],
    },
}

impl<'a> PackedWeights<'a> {
    /// How the weights are stored.
    pub const fn encoding(&self) -> Encoding {
        match self {
            Self::Int8(_) => Encoding::Int8,
            Self::Int4(_) => Encoding::Int4,
            Self::Sparse { .. } => Encoding::Sparse,
        }
    }

    /// Returns the number of bytes that the weights take.
    pub const fn bytes(&self) -> usize {
        match self {
            Self::Int8(weights) => weights.len(),
            Self::Int4(weights) => weights.len(),
            Self::Sparse { offsets, mask, values } => size_of_val(*offsets) + mask.len() + values.len(),
        }
    }

    /// Returns whether the slices have the lengths that a matrix needs. The values of the offsets and the masks of
    /// sparse weights are checked where they are used.
    pub fn fit(&self, matrix: PackedMatrix) -> bool {
        match self {
            Self::Int8(weights) => weights.len() == matrix.weights(),
            Self::Int4(stored) => matrix.four_bit_bytes() == Some(stored.len()),
            Self::Sparse { offsets, mask, .. } => {
                offsets.len() == matrix.panel_count() + 1 && mask.len() == matrix.mask_bytes()
            }
        }
    }

    /// Returns the weights of panel `index`, or `None` if some of them are missing.
    #[inline]
    pub fn panel(&self, matrix: PackedMatrix, index: usize) -> Option<PanelWeights<'a>> {
        let place = matrix.panel(index)?;
        let part = |per_output: usize| place.first * per_output..(place.first + place.width) * per_output;
        Some(match *self {
            Self::Int8(weights) => PanelWeights::Int8(weights.get(part(matrix.depth()))?),
            Self::Int4(stored) => PanelWeights::Int4(stored.get(part(matrix.four_bit_output_bytes()))?),
            Self::Sparse { offsets, mask, values } => {
                let mask = mask.get(matrix.mask_bytes_before(index)..)?.get(..place.mask_bytes())?;
                let values = values.get(usize::try_from(*offsets.get(index)?).ok()?..)?;
                PanelWeights::Sparse { mask, values }
            }
        })
    }

    /// Returns the weights of some outputs: from the first one of a panel to the last one of the same or a later panel.
    ///
    /// # Errors
    /// The outputs are no whole panels, or some of the weights are missing.
    pub fn outputs(&self, matrix: PackedMatrix, outputs: Range<usize>) -> Result<Self, ShapeMismatch> {
        let Range { start, end } = outputs;
        let last_panel_is_whole = end == matrix.columns() || matrix.lane(end).index == 0;
        if start > end || end > matrix.columns() || matrix.lane(start).index != 0 || !last_panel_is_whole {
            return Err(ShapeMismatch);
        }
        let part = |per_output: usize| Some(start.checked_mul(per_output)?..end.checked_mul(per_output)?);
        let weights = || -> Option<Self> {
            Some(match *self {
                Self::Int8(weights) => Self::Int8(weights.get(part(matrix.depth())?)?),
                Self::Int4(stored) => Self::Int4(stored.get(part(matrix.four_bit_output_bytes())?)?),
                Self::Sparse { offsets, mask, values } => {
                    let (first, after) = (matrix.panel_index(start), matrix.panels_before(end));
                    let mask = mask.get(matrix.mask_bytes_before(first)..matrix.mask_bytes_before(after))?;
                    Self::Sparse { offsets: offsets.get(first..after.checked_add(1)?)?, mask, values }
                }
            })
        };
        weights().ok_or(ShapeMismatch)
    }
}

impl PanelWeights<'_> {
    /// Writes the panel's weights, `[groups of kr][width][kr]`, to `out`.
    #[inline]
    pub fn decode(self, panel: Panel, width: usize, out: &mut [i8]) {
        match self {
            Self::Int8(weights) => weights.iter().zip(out).for_each(|(&weight, out)| *out = weight),
            Self::Int4(stored) => four_bits::decode(stored, usize::from(panel.kr), width.max(1), out),
            Self::Sparse { mask, values } => {
                expand_sparse(mask, values, out);
            }
        }
    }
}
