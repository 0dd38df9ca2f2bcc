//! The places of the weights in a packed matrix.

use core::num::NonZero;

use crate::Panel;
use crate::four_bits::{self, FourBitGroup, INPUTS_PER_MULTIPLIER};

/// The sizes of a packed matrix `[n, k]`. It exists only where `n` and `k`, padded, have a product that does
/// not overflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackedMatrix {
    /// Outputs per panel. The type excludes 0, so that a division by it cannot panic.
    nr: NonZero<usize>,
    /// Inputs that stand together.
    kr: NonZero<usize>,
    /// Outputs, padded.
    columns: usize,
    /// Inputs, padded.
    depth: usize,
}

/// One panel's share of a packed matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PanelPlace {
    /// The panel's first output.
    pub first: usize,
    /// Outputs of the panel, padding included, at least 1.
    pub width: usize,
    /// Inputs of the panel, padding included.
    pub depth: usize,
}

impl PanelPlace {
    /// Returns the position of the panel's first weight in the packed matrix.
    #[inline(always)]
    pub const fn start(self) -> usize {
        self.first * self.depth
    }

    /// Returns the number of weights of the panel.
    #[inline(always)]
    pub const fn weights(self) -> usize {
        self.width * self.depth
    }

    /// Returns the number of bytes of the panel's mask in a sparse matrix: a bit per weight, in whole bytes.
    #[inline(always)]
    pub const fn mask_bytes(self) -> usize {
        self.weights().div_ceil(8)
    }
}

/// The place of one output in its panel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lane {
    /// The panel.
    pub panel: PanelPlace,
    /// Outputs before this one in the panel.
    pub index: usize,
}

/// Returns the greatest common divisor of `side` and 8.
const fn padding_unit(side: usize) -> usize {
    1 << (side | 8).trailing_zeros()
}

impl Panel {
    /// Returns gcd(nr, 8): the outputs of a packed matrix are padded to a multiple of it.
    #[inline]
    pub const fn output_padding(self) -> usize {
        padding_unit(self.nr as usize)
    }

    /// Returns gcd(kr, 8): the inputs of a packed matrix are padded to a multiple of it.
    #[inline]
    pub const fn input_padding(self) -> usize {
        padding_unit(self.kr as usize)
    }

    /// Returns the packed matrix `[n, k]`, or `None` if its size overflows or a side of the panel is 0.
    #[inline]
    pub const fn matrix(self, n: usize, k: usize) -> Option<PackedMatrix> {
        PackedMatrix::new(self, n, k)
    }

    /// Returns the number of bytes of a packed int8 matrix `[n, k]`, padding included, or `None` if that overflows or a
    /// side of the panel is 0.
    #[inline]
    pub const fn packed_bytes(self, n: usize, k: usize) -> Option<usize> {
        match self.matrix(n, k) {
            Some(matrix) => Some(matrix.weights()),
            None => None,
        }
    }

    /// Returns the number of bytes in which one panel of a matrix `[n, k]` is decoded to int8, or `None` if that
    /// overflows or a side of the panel is 0.
    #[inline]
    pub const fn decoded_bytes(self, n: usize, k: usize) -> Option<usize> {
        let nr = self.nr as usize;
        self.packed_bytes(if n < nr { n } else { nr }, k)
    }
}

const fn smaller(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

impl PackedMatrix {
    /// Returns the matrix of `n` outputs by `k` inputs in panels of the shape `panel`, or `None` if its size overflows
    /// or a side of the panel is 0.
    #[inline]
    pub const fn new(panel: Panel, n: usize, k: usize) -> Option<Self> {
        let (Some(nr), Some(kr)) = (NonZero::new(panel.nr as usize), NonZero::new(panel.kr as usize)) else {
            return None;
        };
        let Some(columns) = n.checked_next_multiple_of(padding_unit(nr.get())) else { return None };
        let Some(depth) = k.checked_next_multiple_of(padding_unit(kr.get())) else { return None };
        match columns.checked_mul(depth) {
            Some(_) => Some(Self { nr, kr, columns, depth }),
            None => None,
        }
    }

    /// Returns the number of outputs, padded.
    #[inline(always)]
    pub const fn columns(self) -> usize {
        self.columns
    }

    /// Returns the number of inputs, padded.
    #[inline(always)]
    pub const fn depth(self) -> usize {
        self.depth
    }

    /// Returns the number of weights of the matrix, padding included: its bytes in int8.
    #[inline(always)]
    pub const fn weights(self) -> usize {
        self.columns * self.depth
    }

    /// Returns the number of inputs that stand together.
    #[cfg(feature = "alloc")]
    pub(crate) const fn kr(self) -> usize {
        self.kr.get()
    }

    /// Returns the number of panels of the matrix.
    #[inline(always)]
    pub const fn panel_count(self) -> usize {
        self.columns.div_ceil(self.nr.get())
    }

    /// Returns the index of the panel that holds an output.
    #[inline(always)]
    pub(crate) fn panel_index(self, output: usize) -> usize {
        output / self.nr
    }

    /// Returns the number of panels whose first output is before `output`.
    #[inline(always)]
    pub(crate) fn panels_before(self, output: usize) -> usize {
        output.div_ceil(self.nr.get())
    }

    /// Returns panel `index`, counted from 0, or `None` beyond the last one.
    #[inline(always)]
    pub fn panel(self, index: usize) -> Option<PanelPlace> {
        let first = index.checked_mul(self.nr.get())?;
        (first < self.columns).then(|| self.panel_from(first))
    }

    /// Returns the panels, one after the other.
    #[inline(always)]
    pub fn panels(self) -> impl Iterator<Item = PanelPlace> {
        (0..self.columns).step_by(self.nr.get()).map(move |first| self.panel_from(first))
    }

    /// Returns the panel whose first output is `first`.
    #[inline(always)]
    const fn panel_from(self, first: usize) -> PanelPlace {
        let width = smaller(self.nr.get(), self.columns.saturating_sub(first));
        PanelPlace { first, width, depth: self.depth }
    }

    /// Returns the place of an output in its panel.
    #[inline(always)]
    pub fn lane(self, output: usize) -> Lane {
        let index = output % self.nr;
        Lane { panel: self.panel_from(output - index), index }
    }

    /// Returns the number of consecutive inputs of one output in the group that holds `input`: `kr`, or fewer in the
    /// last group. It is also the distance in bytes from a weight to the weight of the next output for the same input.
    #[inline(always)]
    pub fn run(self, input: usize) -> usize {
        smaller(self.kr.get(), self.depth.saturating_sub(input - input % self.kr))
    }

    /// Returns the position of a lane's weight for `input`, counted from the first weight of the panel.
    #[inline(always)]
    pub fn offset_in_panel(self, lane: Lane, input: usize) -> usize {
        let step = input % self.kr;
        (input - step) * lane.panel.width + lane.index * self.run(input) + step
    }

    /// Returns the position of a lane's weight for `input`, counted from the first weight of the matrix.
    #[inline(always)]
    pub fn offset(self, lane: Lane, input: usize) -> usize {
        lane.panel.start() + self.offset_in_panel(lane, input)
    }

    /// Returns the position of weight `[output, input]`, padding included, or `None` beyond it.
    pub fn position(self, output: usize, input: usize) -> Option<usize> {
        (output < self.columns && input < self.depth).then(|| self.offset(self.lane(output), input))
    }

    /// Returns the number of bytes of the matrix in four bits, or `None` if `kr` does not divide 16, or if that
    /// overflows.
    #[inline]
    pub fn four_bit_bytes(self) -> Option<usize> {
        (16 % self.kr == 0).then(|| self.columns.checked_mul(self.four_bit_output_bytes()))?
    }

    /// Returns the number of bytes of one output in four bits, its multipliers included.
    #[inline]
    pub fn four_bit_output_bytes(self) -> usize {
        self.four_bit_bytes_before(self.depth)
    }

    /// Returns the number of bytes of one output in four bits for the inputs before `input`, a multiple of
    /// [`INPUTS_PER_MULTIPLIER`] or the depth.
    #[inline]
    fn four_bit_bytes_before(self, input: usize) -> usize {
        let (whole_groups, remaining) = (input / INPUTS_PER_MULTIPLIER, input % INPUTS_PER_MULTIPLIER);
        let group = |inputs| 1 + four_bits::code_bytes(self.kr.get(), inputs);
        whole_groups * group(INPUTS_PER_MULTIPLIER) + if remaining > 0 { group(remaining) } else { 0 }
    }

    /// Returns the number of bytes of the masks of a sparse matrix.
    #[inline]
    pub fn mask_bytes(self) -> usize {
        self.mask_bytes_before(self.panel_count())
    }

    /// Returns the number of bytes of the masks of the first `panels` panels.
    #[inline]
    pub(crate) fn mask_bytes_before(self, panels: usize) -> usize {
        let Some(last) = panels.checked_sub(1).and_then(|last| self.panel(last)) else { return 0 };
        // All panels before the last one are as wide as the first.
        (panels - 1) * self.panel_from(0).mask_bytes() + last.mask_bytes()
    }

    /// Returns the panel that holds a position of the packed matrix, or `None` beyond the last weight.
    fn panel_at(self, position: usize) -> Option<PanelPlace> {
        let output = position.checked_div(self.depth)?;
        (output < self.columns).then(|| self.lane(output).panel)
    }

    /// Returns the groups of a matrix in four bits, in the order in which they are stored.
    pub fn four_bit_groups(self, stored: &[u8]) -> impl Iterator<Item = FourBitGroup<'_>> {
        self.panels().flat_map(move |panel| {
            (0..panel.depth)
                .step_by(INPUTS_PER_MULTIPLIER)
                .map_while(move |first| self.four_bit_group(stored, panel, first))
        })
    }

    /// Returns the group of a matrix in four bits that holds a position of the packed matrix.
    pub fn four_bit_group_at(self, stored: &[u8], position: usize) -> Option<FourBitGroup<'_>> {
        let panel = self.panel_at(position)?;
        let group = (position - panel.start()).checked_div(INPUTS_PER_MULTIPLIER * panel.width)?;
        self.four_bit_group(stored, panel, group * INPUTS_PER_MULTIPLIER)
    }

    /// Returns the group of a panel that begins with input `first`.
    fn four_bit_group<'a>(
        self,
        stored: &'a [u8],
        panel: PanelPlace,
        first: usize,
    ) -> Option<FourBitGroup<'a>> {
        let inputs = INPUTS_PER_MULTIPLIER.min(panel.depth.checked_sub(first)?);
        let begin =
            panel.first * self.four_bit_output_bytes() + panel.width * self.four_bit_bytes_before(first);
        let (multipliers, codes) = stored.get(begin..)?.split_at_checked(panel.width)?;
        let codes = codes.get(..panel.width * four_bits::code_bytes(self.kr.get(), inputs))?;
        let start = panel.start() + first * panel.width;
        Some(FourBitGroup { start, weights: panel.width * inputs, multipliers, codes })
    }

    /// Returns whether the mask of a sparse matrix has the weight at a position of the packed matrix.
    pub fn mask_bit(self, mask: &[u8], position: usize) -> Option<bool> {
        let panel = self.panel_at(position)?;
        let before = self.mask_bytes_before(self.panel_index(panel.first));
        let bit = position - panel.start();
        Some(mask.get(before + bit / 8)? >> (bit % 8) & 1 == 1)
    }
}
