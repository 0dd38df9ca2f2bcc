//! Checks of the values in the views, made once when an image is opened.

use tinybert_layout::{Encoding, PackedMatrix, PackedWeights, Panel};

use crate::error::ensure;
use crate::views::{EmbeddingsView, HeadView, LayerNormView, LayerView, LinearView, ScaledRowsView};
use crate::{Error, Field};

impl EmbeddingsView<'_> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.word.check()?;
        self.position.check()?;
        finite(self.types, Field::TypeRow)?;
        self.norm.check()
    }
}

impl ScaledRowsView<'_> {
    /// Checks that the scales are finite and that rows in four bits have allowed codes. Rows in eight bits may hold any
    /// values.
    fn check(&self) -> Result<(), Error> {
        if self.encoding == Encoding::Int4 {
            let matrix = Panel::ROW.matrix(1, self.width).ok_or(Error::Invalid(Field::Weight))?;
            let mut rows = self.rows.chunks_exact(self.row_bytes().max(1));
            ensure(rows.all(|row| row_is_allowed(matrix, self.width, row)), Field::Weight)?;
        }
        const EXPONENT: u16 = 0x7f80;
        let infinite =
            self.scales.iter().fold(false, |found, scale| found | (scale.0 & EXPONENT == EXPONENT));
        ensure(!infinite, Field::RowScale)
    }
}

impl LayerView<'_> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.qkv.check()?;
        self.attention_output.check()?;
        self.attention_norm.check()?;
        self.up.check()?;
        self.down.check()?;
        self.output_norm.check()
    }
}

impl HeadView<'_> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(pooler) = &self.pooler {
            pooler.check()?;
        }
        self.output.check()?;
        finite(self.thresholds, Field::Threshold)
    }
}

impl LayerNormView<'_> {
    fn check(&self) -> Result<(), Error> {
        finite(self.gamma, Field::LayerNorm)?;
        finite(self.beta, Field::LayerNorm)
    }
}

impl LinearView<'_> {
    fn check(&self) -> Result<(), Error> {
        let matrix = self.panel.matrix(self.outputs, self.inputs).ok_or(Error::Invalid(Field::Weight))?;
        ensure(self.weights_are_allowed(matrix) && self.padding_is_zero(matrix), Field::Weight)?;
        finite(self.scale, Field::ChannelScale)?;
        finite(self.bias, Field::Bias)?;
        // This checks only that some weights could have the sums. A comparison with the weights is slow;
        // `Image::check_row_sums` makes it on the host.
        let largest = self.inputs.saturating_mul(127);
        let impossible = self.row_sum.iter().any(|sum| sum.unsigned_abs() as usize > largest);
        ensure(!impossible, Field::RowSum)
    }

    /// Returns whether every weight is allowed, whatever the others are.
    fn weights_are_allowed(&self, matrix: PackedMatrix) -> bool {
        match self.weights {
            PackedWeights::Int8(weights) => {
                !weights.iter().fold(false, |found, weight| found | (*weight == i8::MIN))
            }
            PackedWeights::Int4(stored) => matrix.four_bit_groups(stored).all(|group| group.is_allowed()),
            PackedWeights::Sparse { offsets, mask, values } => {
                let allowed =
                    values.iter().fold(true, |all, value| all & (*value != 0) & (*value != i8::MIN));
                allowed && masks_go_with_offsets(matrix, offsets, mask)
            }
        }
    }

    /// Returns whether the panels hold zeros beyond the last output and the last input.
    fn padding_is_zero(&self, matrix: PackedMatrix) -> bool {
        let (outputs, inputs) = (self.outputs, self.inputs);
        let (columns, depth) = (matrix.columns(), matrix.depth());
        let zero = |output, input| {
            let position = matrix.position(output, input);
            position.is_some_and(|position| self.is_zero(matrix, position))
        };
        let beyond_inputs = (0..columns).all(|output| (inputs..depth).all(|input| zero(output, input)));
        beyond_inputs && (outputs..columns).all(|output| (0..depth).all(|input| zero(output, input)))
    }

    /// Returns whether the weight at a position of the packed matrix is zero.
    fn is_zero(&self, matrix: PackedMatrix, position: usize) -> bool {
        match self.weights {
            PackedWeights::Int8(weights) => weights.get(position) == Some(&0),
            PackedWeights::Int4(stored) => {
                let group = matrix.four_bit_group_at(stored, position);
                group.is_some_and(|group| group.is_zero(position - group.start) == Some(true))
            }
            PackedWeights::Sparse { mask, .. } => matrix.mask_bit(mask, position) == Some(false),
        }
    }
}

/// Returns whether a row in four bits has allowed codes only, and zeros beyond the last channel.
fn row_is_allowed(matrix: PackedMatrix, width: usize, row: &[u8]) -> bool {
    matrix.four_bit_groups(row).all(|group| {
        let beyond = width.saturating_sub(group.start)..group.weights;
        group.is_allowed() && beyond.into_iter().all(|index| group.is_zero(index) == Some(true))
    })
}

/// Returns whether every panel has as many values as its mask has bits, and no bit beyond its weights.
fn masks_go_with_offsets(matrix: PackedMatrix, offsets: &[u32], mut mask: &[u8]) -> bool {
    let mut ends = offsets.iter();
    let mut end = match ends.next() {
        Some(0) => 0_u32,
        _ => return false,
    };
    matrix.panels().zip(ends).all(|(panel, &next)| {
        let weights = panel.weights();
        let Some((bytes, rest)) = mask.split_at_checked(panel.mask_bytes()) else { return false };
        mask = rest;
        let beyond =
            bytes.last().is_some_and(|last| !weights.is_multiple_of(8) && last >> (weights % 8) != 0);
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        let consistent = end.checked_add(count) == Some(next) && !beyond;
        end = next;
        consistent
    })
}

/// Refuses infinities and NaNs, without a branch per value, so that the compiler can use vectors.
fn finite(values: &[f32], field: Field) -> Result<(), Error> {
    ensure(values.iter().fold(true, |all, value| all & value.is_finite()), field)
}
