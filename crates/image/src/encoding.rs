//! How weights are stored besides one byte each: in four bits, and without their zeros.

use crate::config::Panel;
use crate::{Error, Field};

/// What a linear's weights, or the word rows, are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// A byte a weight.
    Int8 = 0,
    /// Four bits a weight, and a multiplier for every [`GROUP`] inputs of an output.
    Int4 = 1,
    /// A bit a weight, and a byte for each that is not zero.
    Sparse = 2,
}

/// Inputs of an output that share a multiplier in four bits.
pub const GROUP: usize = 32;

/// Largest multiplier in four bits: with codes up to 7 the weights stay in int8.
pub const MAX_MULTIPLIER: u8 = 18;

/// A row of four-bit codes is a matrix of one output in panels of this.
pub(crate) const ROW_PANEL: Panel = Panel { nr: 1, kr: 16 };

impl Encoding {
    pub(crate) fn from_raw(raw: u8) -> Result<Self, Error> {
        match raw {
            0 => Ok(Self::Int8),
            1 => Ok(Self::Int4),
            2 => Ok(Self::Sparse),
            _ => Err(Error::Invalid(Field::Encoding)),
        }
    }

    /// Bytes of a row of `width` embeddings; `None` when that overflows, or for rows without zeros, which there are not.
    pub fn row_bytes(self, width: usize) -> Option<usize> {
        match self {
            Self::Int8 => Some(width),
            Self::Int4 => Layout::new(1, width, ROW_PANEL)?.four_bit_bytes(),
            Self::Sparse => None,
        }
    }
}

/// Sizes of a packed matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Outputs with what they are filled up with.
    columns: usize,
    /// Inputs with what they are filled up with.
    depth: usize,
    panel: Panel,
}

/// A panel's share of a packed matrix.
#[derive(Clone, Copy)]
pub(crate) struct PanelPlace {
    /// Place of its first weight in the packed matrix.
    pub start: usize,
    /// Outputs, at least 1.
    pub width: usize,
    /// Inputs.
    pub depth: usize,
}

impl PanelPlace {
    /// Weights of the panel.
    pub fn weights(self) -> usize {
        self.width.saturating_mul(self.depth)
    }
}

impl Layout {
    /// `None` when that overflows.
    pub fn new(outputs: usize, inputs: usize, panel: Panel) -> Option<Self> {
        let (columns, depth) = (panel.columns(outputs)?, panel.depth(inputs)?);
        columns.checked_mul(depth)?;
        Some(Self { columns, depth, panel })
    }

    /// Panels one after the other.
    pub fn panels(self) -> impl Iterator<Item = PanelPlace> {
        let Self { columns, depth, panel } = self;
        (0..columns).step_by(panel.nr.max(1)).map(move |first| PanelPlace {
            start: first * depth,
            width: panel.nr.min(columns - first),
            depth,
        })
    }

    /// Bytes of the matrix in four bits; `None` where the panel's groups of inputs do not fit into [`GROUP`], or on overflow.
    pub fn four_bit_bytes(self) -> Option<usize> {
        if 16_usize.checked_rem(self.panel.kr)? != 0 {
            return None;
        }
        self.columns.checked_mul(self.before_group(self.depth))
    }

    /// Bytes of an output in four bits before the group of input `first`.
    fn before_group(self, first: usize) -> usize {
        let (whole, rest) = (first / GROUP, first % GROUP);
        let group = |depth: usize| 1 + code_bytes(self.panel.kr, depth);
        whole * group(GROUP) + if rest > 0 { group(rest) } else { 0 }
    }

    /// Bytes of the masks of a sparse matrix.
    pub fn mask_bytes(self) -> usize {
        self.panels().map(|panel| panel.weights().div_ceil(8)).sum()
    }

    /// The panel that has place `position` of the packed matrix.
    fn panel_at(self, position: usize) -> Option<PanelPlace> {
        let Self { columns, depth, panel } = self;
        let first = position.checked_div(panel.nr.checked_mul(depth)?)? * panel.nr;
        let width = panel.nr.min(columns.checked_sub(first)?);
        Some(PanelPlace { start: first * depth, width, depth })
    }

    /// The groups of a matrix in four bits, as they lie one after the other.
    pub fn groups(self, stored: &[u8]) -> impl Iterator<Item = Group<'_>> {
        self.panels().flat_map(move |panel| {
            (0..panel.depth).step_by(GROUP).map_while(move |first| self.group(stored, panel, first))
        })
    }

    /// The group of a matrix in four bits that has place `position` of the packed matrix.
    pub fn group_at(self, stored: &[u8], position: usize) -> Option<Group<'_>> {
        let panel = self.panel_at(position)?;
        let group = (position - panel.start).checked_div(GROUP * panel.width)?;
        self.group(stored, panel, group * GROUP)
    }

    /// The group of a panel that begins with input `first`.
    fn group(self, stored: &[u8], panel: PanelPlace, first: usize) -> Option<Group<'_>> {
        let PanelPlace { start, width, depth } = panel;
        let (kr, group_depth) = (self.panel.kr, GROUP.min(depth.checked_sub(first)?));
        let first_output = start.checked_div(depth)?;
        let begin = first_output * self.before_group(depth) + width * self.before_group(first);
        let (multipliers, codes) = stored.get(begin..)?.split_at_checked(width)?;
        let codes = codes.get(..width * code_bytes(kr, group_depth))?;
        Some(Group { start: start + first * width, width, depth: group_depth, kr, multipliers, codes })
    }

    /// Whether a sparse matrix has the weight at place `position` of the packed matrix.
    pub fn bit(self, mask: &[u8], position: usize) -> Option<bool> {
        let panel = self.panel_at(position)?;
        let whole = PanelPlace { width: self.panel.nr, ..panel };
        let before = panel.start.checked_div(whole.weights())? * whole.weights().div_ceil(8);
        let at = position - panel.start;
        Some(mask.get(before + at / 8)? >> (at % 8) & 1 == 1)
    }
}

/// Bytes of an output's codes of `depth` inputs, at most [`GROUP`]: those of the first half of the panel's groups of `kr`.
fn code_bytes(kr: usize, depth: usize) -> usize {
    depth.min(depth.div_ceil(kr.max(1)).div_ceil(2) * kr)
}

/// Weights in four bits that share their outputs' multipliers.
pub(crate) struct Group<'a> {
    /// Place of its first weight in the packed matrix; the others follow.
    pub start: usize,
    width: usize,
    depth: usize,
    kr: usize,
    /// `[width]`.
    multipliers: &'a [u8],
    codes: &'a [u8],
}

impl Group<'_> {
    /// Multipliers are 1 to [`MAX_MULTIPLIER`], no code is −8, and half a byte that belongs to no weight is zero.
    pub fn is_allowed(&self) -> bool {
        let multipliers = self.multipliers.iter().fold(true, |all, m| all & (1..=MAX_MULTIPLIER).contains(m));
        let codes =
            self.codes.iter().fold(true, |all, byte| all & (byte & 0x0f != 0x08) & (byte & 0xf0 != 0x80));
        let unused = self.codes.get(self.high_codes()..).unwrap_or_default();
        multipliers && codes && unused.iter().all(|byte| byte >> 4 == 0)
    }

    /// Weights of the group.
    pub fn weights(&self) -> usize {
        self.width * self.depth
    }

    /// Codes in upper halves.
    fn high_codes(&self) -> usize {
        self.weights() - self.codes.len()
    }

    /// Weight `at` from [`start`](Self::start) on; `None` beyond the group.
    pub fn weight(&self, at: usize) -> Option<i8> {
        let code = match at.checked_sub(self.codes.len()) {
            None => (self.codes.get(at)? << 4).cast_signed() >> 4,
            Some(high) if high < self.high_codes() => self.codes.get(high)?.cast_signed() >> 4,
            Some(_) => return None,
        };
        // Outputs of runs of kr inputs; of the last ones there may be fewer.
        let run_weights = self.width * self.kr;
        let begun = at.checked_div(run_weights)? * run_weights;
        let run = self.kr.min(self.depth.checked_sub(begun.checked_div(self.width)?)?);
        let multiplier = self.multipliers.get((at - begun).checked_div(run)?)?;
        Some(code.wrapping_mul(multiplier.cast_signed()))
    }
}
