//! Borrowed views of the weights, with their shapes.

use tinybert_layout::{Encoding, PackedWeights, Panel};
use zerocopy::FromBytes;

use crate::config::{Config, LayerConfig};
use crate::format::{Bf16, LayerRecord};
use crate::parts::PartReader;
use crate::{Error, Field, PerLinear};

/// A linear of `outputs` by `inputs` int8 weights, a scale per output.
#[derive(Clone, Copy, Debug)]
pub struct LinearView<'a> {
    /// Number of outputs, n.
    pub outputs: usize,
    /// Number of inputs, k.
    pub inputs: usize,
    /// Layout of `weights`.
    pub panel: Panel,
    /// `[outputs, inputs]` in −127 to 127, packed.
    pub weights: PackedWeights<'a>,
    /// Channel scales `[n]`.
    pub scale: &'a [f32],
    /// Biases `[n]`.
    pub bias: &'a [f32],
    /// Sums of each output's weights `[n]`.
    pub row_sum: &'a [i32],
}

/// Weights of a LayerNorm over the hidden channels.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormView<'a> {
    /// `[hidden]`.
    pub gamma: &'a [f32],
    /// `[hidden]`.
    pub beta: &'a [f32],
}

/// A row of embeddings as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum StoredRow<'a> {
    /// `[width]`.
    Int8(&'a [i8]),
    /// The row as the weights of a linear with one output, in panels of 1 by 16.
    Int4(&'a [u8]),
}

/// Rows of int8 with a scale each.
#[derive(Clone, Copy, Debug)]
pub struct ScaledRowsView<'a> {
    /// Channels of a row.
    pub width: usize,
    /// Encoding of the rows, not [`Sparse`](Encoding::Sparse).
    pub encoding: Encoding,
    /// The rows, [`Encoding::row_bytes`] each; empty for word rows that are in a file of their own.
    pub rows: &'a [u8],
    /// `[rows]`.
    pub scales: &'a [Bf16],
}

/// The embeddings section.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingsView<'a> {
    /// `[vocab, hidden]`.
    pub word: ScaledRowsView<'a>,
    /// `[positions, hidden]`.
    pub position: ScaledRowsView<'a>,
    /// `[types, hidden]`.
    pub types: &'a [f32],
    /// The LayerNorm over their sum.
    pub norm: LayerNormView<'a>,
}

/// One Transformer layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// Its sizes and quantization.
    pub config: LayerConfig,
    /// Fused query, key and value, `[3 · heads · head_dim, hidden]`: all queries, then all keys, then all values,
    /// head by head.
    pub qkv: LinearView<'a>,
    /// `[hidden, heads · head_dim]`.
    pub attention_output: LinearView<'a>,
    /// LayerNorm after attention and its residual.
    pub attention_norm: LayerNormView<'a>,
    /// First FFN linear `[ffn, hidden]`.
    pub up: LinearView<'a>,
    /// Second FFN linear `[hidden, ffn]`.
    pub down: LinearView<'a>,
    /// LayerNorm after the FFN and its residual.
    pub output_norm: LayerNormView<'a>,
}

impl<'a> LayerView<'a> {
    /// Returns the four linears.
    pub fn linears(&self) -> PerLinear<LinearView<'a>> {
        let Self { qkv, attention_output, up, down, .. } = *self;
        PerLinear { qkv, attention_output, up, down }
    }
}

/// The task head.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'a> {
    /// `[hidden, hidden]`, followed by tanh.
    pub pooler: Option<LinearView<'a>>,
    /// `[outputs, hidden]`.
    pub output: LinearView<'a>,
    /// For [`HeadKind::MultiLabel`](crate::HeadKind::MultiLabel) `[outputs]`: an answer has the labels whose logit is
    /// at least this. Empty for other heads.
    pub thresholds: &'a [f32],
}

/// An iterator over the layers, which reads each layer when it comes to it.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    hidden: usize,
    panel: Panel,
    records: &'a [LayerRecord],
    parts: PartReader<'a>,
}

impl<'a> LinearView<'a> {
    pub(crate) fn read(
        parts: &mut PartReader<'a>,
        outputs: usize,
        inputs: usize,
        panel: Panel,
        encoding: Encoding,
    ) -> Result<Self, Error> {
        Ok(Self {
            outputs,
            inputs,
            panel,
            weights: read_weights(parts, outputs, inputs, panel, encoding)?,
            scale: parts.take(outputs)?,
            bias: parts.take(outputs)?,
            row_sum: parts.take(outputs)?,
        })
    }
}

fn read_weights<'a>(
    parts: &mut PartReader<'a>,
    outputs: usize,
    inputs: usize,
    panel: Panel,
    encoding: Encoding,
) -> Result<PackedWeights<'a>, Error> {
    let matrix = panel.matrix(outputs, inputs);
    let invalid = Error::Invalid(Field::Panel);
    match encoding {
        // A size that overflows cannot be in the file either.
        Encoding::Int8 => {
            Ok(PackedWeights::Int8(parts.take(matrix.map_or(usize::MAX, |matrix| matrix.weights()))?))
        }
        Encoding::Int4 => {
            let bytes = matrix.and_then(|matrix| matrix.four_bit_bytes()).ok_or(invalid)?;
            Ok(PackedWeights::Int4(parts.take(bytes)?))
        }
        Encoding::Sparse => {
            let matrix = matrix.ok_or(invalid)?;
            let offsets: &[u32] = parts.take(matrix.panel_count().saturating_add(1))?;
            let mask = parts.take(matrix.mask_bytes())?;
            let values = offsets.last().and_then(|&end| usize::try_from(end).ok());
            Ok(PackedWeights::Sparse { offsets, mask, values: parts.take(values.unwrap_or(usize::MAX))? })
        }
    }
}

impl<'a> LayerNormView<'a> {
    pub(crate) fn read(parts: &mut PartReader<'a>, hidden: usize) -> Result<Self, Error> {
        Ok(Self { gamma: parts.take(hidden)?, beta: parts.take(hidden)? })
    }
}

impl<'a> ScaledRowsView<'a> {
    /// Reads a table of rows. `with_rows` says whether the section holds the rows themselves.
    pub(crate) fn read(
        parts: &mut PartReader<'a>,
        rows: usize,
        width: usize,
        encoding: Encoding,
        with_rows: bool,
    ) -> Result<Self, Error> {
        let row_bytes = encoding.row_bytes(width).ok_or(Error::Invalid(Field::Encoding))?;
        let stored = if with_rows { parts.take(rows.saturating_mul(row_bytes))? } else { &[] };
        Ok(Self { width, encoding, rows: stored, scales: parts.take(rows)? })
    }

    /// Returns the number of bytes of a row.
    pub fn row_bytes(&self) -> usize {
        // `read` has refused an encoding that rows cannot have.
        self.encoding.row_bytes(self.width).unwrap_or(0)
    }

    /// Returns row `index` and its scale, or `None` where there is no such row.
    pub fn row(&self, index: usize) -> Option<(StoredRow<'a>, f32)> {
        let start = index.checked_mul(self.row_bytes())?;
        let stored = self.rows.get(start..start.checked_add(self.row_bytes())?)?;
        Some((self.stored_row(stored)?, self.scale(index)?))
    }

    /// Returns a row of this table from its bytes.
    pub fn stored_row<'r>(&self, bytes: &'r [u8]) -> Option<StoredRow<'r>> {
        match self.encoding {
            Encoding::Int8 => Some(StoredRow::Int8(<[i8]>::ref_from_bytes(bytes).ok()?)),
            Encoding::Int4 => Some(StoredRow::Int4(bytes)),
            Encoding::Sparse => None,
        }
    }

    /// Returns the scale of row `index`, or `None` where there is no such row.
    pub fn scale(&self, index: usize) -> Option<f32> {
        Some(self.scales.get(index)?.to_f32())
    }
}

impl<'a> EmbeddingsView<'a> {
    /// Reads the section. `detached` says that the image has no word rows.
    pub(crate) fn read(parts: &mut PartReader<'a>, config: &Config, detached: bool) -> Result<Self, Error> {
        let Config { hidden, vocab, positions, words, .. } = *config;
        Ok(Self {
            word: ScaledRowsView::read(parts, vocab, hidden, words, !detached)?,
            position: ScaledRowsView::read(parts, positions, hidden, Encoding::Int8, true)?,
            types: parts.take(config.types.saturating_mul(config.hidden))?,
            norm: LayerNormView::read(parts, config.hidden)?,
        })
    }

    /// Returns row `index` of the type embeddings, or `None` where there is no such row.
    pub fn type_row(&self, index: usize) -> Option<&'a [f32]> {
        let start = index.checked_mul(self.word.width)?;
        self.types.get(start..start.checked_add(self.word.width)?)
    }
}

impl<'a> HeadView<'a> {
    pub(crate) fn read(parts: &mut PartReader<'a>, config: &Config) -> Result<Self, Error> {
        let Config { hidden, outputs, panel, head, .. } = *config;
        Ok(Self {
            pooler: match config.pooler {
                true => Some(LinearView::read(parts, hidden, hidden, panel, Encoding::Int8)?),
                false => None,
            },
            output: LinearView::read(parts, outputs, hidden, panel, Encoding::Int8)?,
            thresholds: parts.take(head.thresholds(outputs))?,
        })
    }
}

impl<'a> Layers<'a> {
    pub(crate) fn new(config: &Config, records: &'a [LayerRecord], parts: PartReader<'a>) -> Self {
        Self { hidden: config.hidden, panel: config.panel, records, parts }
    }

    /// Returns the next layer, or `None` after the last one.
    pub(crate) fn read(&mut self) -> Result<Option<LayerView<'a>>, Error> {
        let Some((record, records)) = self.records.split_first() else { return Ok(None) };
        let config = LayerConfig::decode(record)?;
        let Self { hidden, panel, .. } = *self;
        let parts = &mut self.parts;
        let width = config.attention_width();
        let PerLinear { qkv, attention_output, up, down } = config.encodings;
        self.records = records;
        Ok(Some(LayerView {
            config,
            qkv: LinearView::read(parts, width.saturating_mul(3), hidden, panel, qkv)?,
            attention_output: LinearView::read(parts, hidden, width, panel, attention_output)?,
            attention_norm: LayerNormView::read(parts, hidden)?,
            up: LinearView::read(parts, config.ffn, hidden, panel, up)?,
            down: LinearView::read(parts, hidden, config.ffn, panel, down)?,
            output_norm: LayerNormView::read(parts, hidden)?,
        }))
    }

    /// Reads and checks all layers. After the last one the section must be used up.
    #[inline(never)] // Views of a layer are large for a small stack; for the same reason they are not moved.
    pub(crate) fn check(mut self) -> Result<(), Error> {
        loop {
            match &self.read() {
                Ok(Some(layer)) => layer.check()?,
                Ok(None) => return self.parts.finish(),
                Err(error) => return Err(*error),
            }
        }
    }

    /// Returns the sizes and the quantization of the layers that are left.
    pub(crate) fn configs(&self) -> impl Iterator<Item = LayerConfig> + use<'a> {
        // `Image::from_bytes` has decoded these records before, so no error is lost.
        self.records.iter().map_while(|record| LayerConfig::decode(record).ok())
    }

    /// Returns the sizes and the quantization of the layer that comes next.
    pub fn next_config(&self) -> Option<LayerConfig> {
        self.configs().next()
    }
}

impl<'a> Iterator for Layers<'a> {
    type Item = LayerView<'a>;

    #[inline(never)] // The stack that this needs for a layer's views is free again when it returns.
    fn next(&mut self) -> Option<LayerView<'a>> {
        // `Image::from_bytes` has read these layers before, so no error is lost.
        self.read().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.records.len(), Some(self.records.len()))
    }
}

impl ExactSizeIterator for Layers<'_> {}
