//! Checks of the values in the views, made once when an image is opened.

use crate::views::{Embeddings, Head, LayerNorm, LayerView, Linear, ScaledRows};
use crate::{Error, Field};

impl Embeddings<'_> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.word.check()?;
        self.position.check()?;
        finite(self.types, Field::TypeRow)?;
        self.norm.check()
    }
}

impl ScaledRows<'_> {
    /// The rows may hold any i8; their scales are finite.
    fn check(&self) -> Result<(), Error> {
        const EXPONENT: u16 = 0x7f80;
        let infinite =
            self.scales.iter().fold(false, |found, scale| found | (scale.0 & EXPONENT == EXPONENT));
        allow(!infinite, Field::RowScale)
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

impl Head<'_> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(pooler) = &self.pooler {
            pooler.check()?;
        }
        self.output.check()
    }
}

impl LayerNorm<'_> {
    fn check(&self) -> Result<(), Error> {
        finite(self.gamma, Field::LayerNorm)?;
        finite(self.beta, Field::LayerNorm)
    }
}

impl Linear<'_> {
    fn check(&self) -> Result<(), Error> {
        let forbidden = self.weights.iter().fold(false, |found, weight| found | (*weight == i8::MIN));
        allow(!forbidden && self.edges_are_zero(), Field::Weight)?;
        finite(self.scale, Field::ChannelScale)?;
        finite(self.bias, Field::Bias)?;
        // Not compared with the weights, which would cost a slow pass over them; bounded, so that nothing overflows.
        let largest = self.inputs.saturating_mul(127);
        let impossible = self.row_sum.iter().any(|sum| sum.unsigned_abs() as usize > largest);
        allow(!impossible, Field::RowSum)
    }

    /// Whether what the panels hold beyond the last output and the last input is zero.
    fn edges_are_zero(&self) -> bool {
        let Self { outputs, inputs, panel, .. } = *self;
        let (Some(columns), Some(depth)) = (panel.columns(outputs), panel.depth(inputs)) else {
            return false;
        };
        let zero = |output, input| {
            let position = panel.position(outputs, inputs, output, input);
            position.and_then(|position| self.weights.get(position)) == Some(&0)
        };
        let beyond_inputs = (0..columns).all(|output| (inputs..depth).all(|input| zero(output, input)));
        beyond_inputs && (outputs..columns).all(|output| (0..depth).all(|input| zero(output, input)))
    }
}

/// Without a branch per value, so that the compiler can use vectors.
fn finite(values: &[f32], field: Field) -> Result<(), Error> {
    allow(values.iter().fold(true, |all, value| all & value.is_finite()), field)
}

fn allow(allowed: bool, field: Field) -> Result<(), Error> {
    if allowed { Ok(()) } else { Err(Error::Invalid(field)) }
}
