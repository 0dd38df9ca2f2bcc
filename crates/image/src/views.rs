//! Borrowed views of the weights, with their shapes.

use crate::Error;
use crate::config::{Config, LayerConfig, Panel};
use crate::format::{Bf16, LayerRecord};
use crate::parts::Parts;

/// A linear of `outputs` by `inputs` int8 weights, a scale per output.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Number of outputs, n.
    pub outputs: usize,
    /// Number of inputs, k.
    pub inputs: usize,
    /// Layout of `weights`.
    pub panel: Panel,
    /// `[ceil(n/nr)][ceil(k/kr)][nr][kr]`, edges zero, all in −127 to 127.
    pub weights: &'a [i8],
    /// Channel scales `[n]`.
    pub scale: &'a [f32],
    /// Biases `[n]`.
    pub bias: &'a [f32],
    /// Sums of each output's weights `[n]`.
    pub row_sum: &'a [i32],
}

/// Weights of a LayerNorm over the hidden channels.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// `[hidden]`.
    pub gamma: &'a [f32],
    /// `[hidden]`.
    pub beta: &'a [f32],
}

/// Rows of int8 with a scale each.
#[derive(Clone, Copy, Debug)]
pub struct ScaledRows<'a> {
    /// Channels of a row.
    pub width: usize,
    /// `[rows, width]`; empty for word rows that are in a file of their own.
    pub rows: &'a [i8],
    /// `[rows]`.
    pub scales: &'a [Bf16],
}

/// The embeddings section.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings<'a> {
    /// `[vocab, hidden]`.
    pub word: ScaledRows<'a>,
    /// `[positions, hidden]`.
    pub position: ScaledRows<'a>,
    /// `[types, hidden]`.
    pub types: &'a [f32],
    /// The LayerNorm over their sum.
    pub norm: LayerNorm<'a>,
}

/// One Transformer layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// Its sizes and quantization.
    pub config: LayerConfig,
    /// Fused query, key and value, `[3 · heads · head_dim, hidden]`: all queries, then all keys, then all values,
    /// head by head.
    pub qkv: Linear<'a>,
    /// `[hidden, heads · head_dim]`.
    pub attention_output: Linear<'a>,
    /// After attention and its residual.
    pub attention_norm: LayerNorm<'a>,
    /// First FFN linear `[ffn, hidden]`.
    pub up: Linear<'a>,
    /// Second FFN linear `[hidden, ffn]`.
    pub down: Linear<'a>,
    /// After the FFN and its residual.
    pub output_norm: LayerNorm<'a>,
}

/// The task head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `[hidden, hidden]`, followed by tanh.
    pub pooler: Option<Linear<'a>>,
    /// `[outputs, hidden]`.
    pub output: Linear<'a>,
}

/// The layers from first to last, read on the way.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    hidden: usize,
    panel: Panel,
    records: &'a [LayerRecord],
    parts: Parts<'a>,
}

impl<'a> Linear<'a> {
    pub(crate) fn read(
        parts: &mut Parts<'a>,
        outputs: usize,
        inputs: usize,
        panel: Panel,
    ) -> Result<Self, Error> {
        // A product that overflows cannot be in the file either.
        let packed = panel.packed_bytes(outputs, inputs).unwrap_or(usize::MAX);
        Ok(Self {
            outputs,
            inputs,
            panel,
            weights: parts.take(packed)?,
            scale: parts.take(outputs)?,
            bias: parts.take(outputs)?,
            row_sum: parts.take(outputs)?,
        })
    }
}

impl<'a> LayerNorm<'a> {
    pub(crate) fn read(parts: &mut Parts<'a>, hidden: usize) -> Result<Self, Error> {
        Ok(Self { gamma: parts.take(hidden)?, beta: parts.take(hidden)? })
    }
}

impl<'a> ScaledRows<'a> {
    pub(crate) fn read(parts: &mut Parts<'a>, rows: usize, width: usize) -> Result<Self, Error> {
        Ok(Self { width, rows: parts.take(rows.saturating_mul(width))?, scales: parts.take(rows)? })
    }

    /// The scales of rows that are elsewhere.
    pub(crate) fn read_scales(parts: &mut Parts<'a>, rows: usize, width: usize) -> Result<Self, Error> {
        Ok(Self { width, rows: &[], scales: parts.take(rows)? })
    }

    /// Row `index` and its scale; `None` where there is no such row.
    pub fn row(&self, index: usize) -> Option<(&'a [i8], f32)> {
        let start = index.checked_mul(self.width)?;
        let row = self.rows.get(start..start.checked_add(self.width)?)?;
        Some((row, self.scale(index)?))
    }

    /// The scale of row `index`; `None` where there is no such row.
    pub fn scale(&self, index: usize) -> Option<f32> {
        Some(self.scales.get(index)?.to_f32())
    }
}

impl<'a> Embeddings<'a> {
    /// `detached`: without word rows.
    pub(crate) fn read(parts: &mut Parts<'a>, config: &Config, detached: bool) -> Result<Self, Error> {
        let read_words = if detached { ScaledRows::read_scales } else { ScaledRows::read };
        Ok(Self {
            word: read_words(parts, config.vocab, config.hidden)?,
            position: ScaledRows::read(parts, config.positions, config.hidden)?,
            types: parts.take(config.types.saturating_mul(config.hidden))?,
            norm: LayerNorm::read(parts, config.hidden)?,
        })
    }

    /// Row `index` of the type embeddings; `None` where there is no such row.
    pub fn type_row(&self, index: usize) -> Option<&'a [f32]> {
        let start = index.checked_mul(self.word.width)?;
        self.types.get(start..start.checked_add(self.word.width)?)
    }
}

impl<'a> Head<'a> {
    pub(crate) fn read(parts: &mut Parts<'a>, config: &Config) -> Result<Self, Error> {
        let Config { hidden, outputs, panel, .. } = *config;
        Ok(Self {
            pooler: match config.pooler {
                true => Some(Linear::read(parts, hidden, hidden, panel)?),
                false => None,
            },
            output: Linear::read(parts, outputs, hidden, panel)?,
        })
    }
}

impl<'a> Layers<'a> {
    pub(crate) fn new(config: &Config, records: &'a [LayerRecord], parts: Parts<'a>) -> Self {
        Self { hidden: config.hidden, panel: config.panel, records, parts }
    }

    /// The next layer, or `None` after the last one.
    pub(crate) fn read(&mut self) -> Result<Option<LayerView<'a>>, Error> {
        let Some((record, records)) = self.records.split_first() else { return Ok(None) };
        let config = LayerConfig::decode(record)?;
        let Self { hidden, panel, .. } = *self;
        let parts = &mut self.parts;
        let width = config.attention_width();
        let layer = LayerView {
            config,
            qkv: Linear::read(parts, width.saturating_mul(3), hidden, panel)?,
            attention_output: Linear::read(parts, hidden, width, panel)?,
            attention_norm: LayerNorm::read(parts, hidden)?,
            up: Linear::read(parts, config.ffn, hidden, panel)?,
            down: Linear::read(parts, hidden, config.ffn, panel)?,
            output_norm: LayerNorm::read(parts, hidden)?,
        };
        self.records = records;
        Ok(Some(layer))
    }

    /// Sizes and quantization of the layer that comes next.
    pub fn next_config(&self) -> Option<LayerConfig> {
        // `Image::from_bytes` has decoded it before, so there is no error to lose.
        LayerConfig::decode(self.records.first()?).ok()
    }

    /// After the last layer: the section must be used up.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.parts.finish()
    }
}

impl<'a> Iterator for Layers<'a> {
    type Item = LayerView<'a>;

    fn next(&mut self) -> Option<LayerView<'a>> {
        // `Image::from_bytes` has walked this way before, so there is no error to lose.
        self.read().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.records.len(), Some(self.records.len()))
    }
}

impl ExactSizeIterator for Layers<'_> {}
