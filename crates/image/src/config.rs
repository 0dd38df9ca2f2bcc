//! Sizes and quantization of the model, decoded from the configuration section and checked.

use tinybert_layout::{Encoding, Panel};

use crate::error::ensure;
use crate::format::{
    ConfigRecord, FLAG_NOT_NORMALIZED, FLAG_POOLER, FLAGS_POOLING, InputRecord, LayerRecord, MAX_DIMENSION,
    MAX_PANEL, MIN_TOKENS, POOLING_SHIFT,
};
use crate::{Error, Field, PerLinear};

/// The kind of the task head's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HeadKind {
    /// One of several labels, from the first token.
    Classification = 1,
    /// One real number, from the first token.
    Regression = 2,
    /// One of several labels for each token.
    TokenClassification = 3,
    /// A vector for the text, from the rows of all tokens ([`Config::pooling`]).
    Embedding = 4,
    /// Zero, one or several labels, from the first token.
    MultiLabel = 5,
}

impl HeadKind {
    /// Returns whether the head reads all tokens, not just the first.
    pub const fn reads_all_tokens(self) -> bool {
        matches!(self, Self::TokenClassification | Self::Embedding)
    }

    /// Returns how many times the head gives [`Config::outputs`] outputs for an input of `tokens` tokens.
    pub const fn answers(self, tokens: usize) -> usize {
        match self {
            Self::Classification | Self::Regression | Self::Embedding | Self::MultiLabel => 1,
            Self::TokenClassification => tokens,
        }
    }

    /// Returns whether outputs have names.
    pub const fn has_labels(self) -> bool {
        matches!(self, Self::Classification | Self::TokenClassification | Self::MultiLabel)
    }

    /// Returns the number of thresholds of a head with `outputs` outputs: one for each label that an answer may have
    /// beside others.
    pub const fn thresholds(self, outputs: usize) -> usize {
        match self {
            Self::MultiLabel => outputs,
            _ => 0,
        }
    }

    const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            1 => Some(Self::Classification),
            2 => Some(Self::Regression),
            3 => Some(Self::TokenClassification),
            4 => Some(Self::Embedding),
            5 => Some(Self::MultiLabel),
            _ => None,
        }
    }
}

/// How a layer computes its attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AttentionMode {
    /// Queries, keys and values in int8, unnormalised u8 probabilities.
    Int8 = 0,
    /// Everything is f32, for layers in which int8 costs accuracy.
    F32 = 1,
}

/// How a sentence embedding becomes one row of the rows of all tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[repr(u32)]
pub enum Pooling {
    /// The mean of all rows, those of `[CLS]` and `[SEP]` included.
    #[default]
    Mean = 0,
    /// The row of `[CLS]`.
    Cls = 1,
    /// For each channel the largest value of all rows.
    Max = 2,
}

impl Pooling {
    const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            0 => Some(Self::Mean),
            1 => Some(Self::Cls),
            2 => Some(Self::Max),
            _ => None,
        }
    }
}

/// How a linear's input becomes int8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputQuantization {
    /// Each row has a scale, which follows from its largest magnitude, and the zero point 0.
    PerToken,
    /// One scale and zero point from calibration.
    Static {
        /// Real value of one integer step.
        scale: f32,
        /// The integer that stands for 0.0.
        zero_point: i8,
    },
}

/// Sizes that hold for the whole model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Hidden size.
    pub hidden: usize,
    /// Number of Transformer layers.
    pub layers: usize,
    /// Number of word rows.
    pub vocab: usize,
    /// Number of position rows.
    pub positions: usize,
    /// Number of token types.
    pub types: usize,
    /// Longest input in tokens, special tokens included, that the image is made for.
    pub max_tokens: usize,
    /// Bytes of workspace that an input of `max_tokens` needs, as the writer states them. No reader uses this value,
    /// because the runtime computes what it needs.
    pub workspace_bytes: usize,
    /// The kind of the task head's answer.
    pub head: HeadKind,
    /// Number of outputs of the head.
    pub outputs: usize,
    /// Whether a pooler (linear and tanh) stands before the output linear.
    pub pooler: bool,
    /// How a sentence embedding is pooled; [`Pooling::Mean`] for any other head.
    pub pooling: Pooling,
    /// Whether the vector of a sentence embedding is scaled to length 1; true for any other head.
    pub normalized: bool,
    /// Layout of all packed weights.
    pub panel: Panel,
    /// LayerNorm's epsilon.
    pub layer_norm_eps: f32,
    /// Encoding of the word rows, not [`Sparse`](Encoding::Sparse).
    pub words: Encoding,
}

/// Sizes and quantization of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// Number of attention heads.
    pub heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Inner size of the feed-forward network.
    pub ffn: usize,
    /// How attention is computed.
    pub attention: AttentionMode,
    /// Turns a score difference into a power of two: `scale_q · scale_k · log2(e) / sqrt(head_dim)`; the scales
    /// are 1 in f32.
    pub attention_coefficient: f32,
    /// Turns `Σ p·v / Σ p` into the context: `scale_v` (1 in f32), divided by the scale of the attention output
    /// linear's input where that is static.
    pub context_scale: f32,
    /// Input of the fused query, key and value linear.
    pub qkv_input: InputQuantization,
    /// Input of the attention output linear; a static one has zero point 0.
    pub attention_output_input: InputQuantization,
    /// Input of the first FFN linear.
    pub up_input: InputQuantization,
    /// Input of the second FFN linear, after GELU.
    pub down_input: InputQuantization,
    /// Encodings of the linears' weights.
    pub encodings: PerLinear<Encoding>,
}

impl Config {
    pub(crate) fn decode(record: &ConfigRecord) -> Result<Self, Error> {
        let head = HeadKind::from_raw(record.head).ok_or(Error::Invalid(Field::HeadKind))?;
        let panel_side = |side: u32| match u16::try_from(side) {
            Ok(side) if (1..=MAX_PANEL).contains(&side) => Ok(side),
            _ => Err(Error::Invalid(Field::Panel)),
        };
        let positions = dimension(record.positions, Field::Positions)?;
        let max_tokens = dimension(record.max_tokens, Field::MaxTokens)?;
        let outputs = dimension(record.outputs, Field::Outputs)?;
        let eps = record.layer_norm_eps;
        ensure(record.layers > 0, Field::Layers)?;
        ensure(record.vocab > 0, Field::Vocab)?;
        ensure((1..=256).contains(&record.types), Field::Types)?;
        ensure((MIN_TOKENS..=positions).contains(&max_tokens), Field::MaxTokens)?;
        ensure(head != HeadKind::Regression || outputs == 1, Field::Outputs)?;
        let possible_flags = match head {
            HeadKind::Classification | HeadKind::Regression | HeadKind::MultiLabel => FLAG_POOLER,
            HeadKind::TokenClassification => 0,
            HeadKind::Embedding => FLAGS_POOLING | FLAG_NOT_NORMALIZED,
        };
        ensure(record.flags & !possible_flags == 0, Field::Flags)?;
        let pooling = Pooling::from_raw((record.flags & FLAGS_POOLING) >> POOLING_SHIFT);
        ensure(eps.is_normal() && eps > 0.0, Field::LayerNormEps)?;
        let words = u8::try_from(record.words).ok().and_then(Encoding::from_raw);
        let words = words.ok_or(Error::Invalid(Field::Encoding))?;
        ensure(words != Encoding::Sparse, Field::Encoding)?;
        if record.reserved != [0; 2] {
            return Err(Error::Padding);
        }
        Ok(Self {
            hidden: dimension(record.hidden, Field::Hidden)?,
            layers: size(record.layers, Field::Layers)?,
            vocab: size(record.vocab, Field::Vocab)?,
            positions,
            types: size(record.types, Field::Types)?,
            max_tokens,
            workspace_bytes: size(record.workspace_bytes, Field::WorkspaceBytes)?,
            head,
            outputs,
            pooler: record.flags & FLAG_POOLER != 0,
            pooling: pooling.ok_or(Error::Invalid(Field::Flags))?,
            normalized: record.flags & FLAG_NOT_NORMALIZED == 0,
            panel: Panel { nr: panel_side(record.nr)?, kr: panel_side(record.kr)? },
            layer_norm_eps: eps,
            words,
        })
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn encode(&self) -> Result<ConfigRecord, Error> {
        let raw = |value: usize, field| u32::try_from(value).map_err(|_| Error::Invalid(field));
        Ok(ConfigRecord {
            hidden: raw(self.hidden, Field::Hidden)?,
            layers: raw(self.layers, Field::Layers)?,
            vocab: raw(self.vocab, Field::Vocab)?,
            positions: raw(self.positions, Field::Positions)?,
            types: raw(self.types, Field::Types)?,
            max_tokens: raw(self.max_tokens, Field::MaxTokens)?,
            workspace_bytes: raw(self.workspace_bytes, Field::WorkspaceBytes)?,
            head: self.head as u32,
            outputs: raw(self.outputs, Field::Outputs)?,
            flags: (if self.pooler { FLAG_POOLER } else { 0 })
                | (self.pooling as u32) << POOLING_SHIFT
                | (if self.normalized { 0 } else { FLAG_NOT_NORMALIZED }),
            nr: self.panel.nr.into(),
            kr: self.panel.kr.into(),
            layer_norm_eps: self.layer_norm_eps,
            words: self.words as u32,
            reserved: [0; 2],
        })
    }
}

impl LayerConfig {
    /// Returns the number of channels of all heads together: the width of the context, a third of the qkv linear's
    /// outputs. It is at most [`MAX_DIMENSION`] in a checked image.
    pub fn attention_width(&self) -> usize {
        self.heads.saturating_mul(self.head_dim)
    }

    pub(crate) fn decode(record: &LayerRecord) -> Result<Self, Error> {
        let [qkv, attention_output, up, down] = record.inputs;
        let encodings = PerLinear::from(record.encodings)
            .map(|raw| Encoding::from_raw(raw).ok_or(Error::Invalid(Field::Encoding)))
            .transpose()?;
        let config = Self {
            heads: dimension(record.heads, Field::Heads)?,
            head_dim: dimension(record.head_dim, Field::Heads)?,
            ffn: dimension(record.ffn, Field::Ffn)?,
            attention: match record.attention {
                0 => AttentionMode::Int8,
                1 => AttentionMode::F32,
                _ => return Err(Error::Invalid(Field::AttentionMode)),
            },
            attention_coefficient: record.attention_coefficient,
            context_scale: record.context_scale,
            qkv_input: InputQuantization::decode(qkv)?,
            attention_output_input: InputQuantization::decode(attention_output)?,
            up_input: InputQuantization::decode(up)?,
            down_input: InputQuantization::decode(down)?,
            encodings,
        };
        let not_negative = |value: f32| value.is_finite() && value >= 0.0;
        ensure(config.attention_width() <= MAX_DIMENSION, Field::Heads)?;
        ensure(not_negative(config.attention_coefficient), Field::AttentionCoefficient)?;
        ensure(not_negative(config.context_scale), Field::ContextScale)?;
        ensure(attention_output.zero_point == 0, Field::InputQuantization)?;
        if record.reserved != 0 {
            return Err(Error::Padding);
        }
        Ok(config)
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn encode(&self) -> Result<LayerRecord, Error> {
        let raw = |value: usize, field| u32::try_from(value).map_err(|_| Error::Invalid(field));
        Ok(LayerRecord {
            heads: raw(self.heads, Field::Heads)?,
            head_dim: raw(self.head_dim, Field::Heads)?,
            ffn: raw(self.ffn, Field::Ffn)?,
            attention: self.attention as u32,
            attention_coefficient: self.attention_coefficient,
            context_scale: self.context_scale,
            inputs: [self.qkv_input, self.attention_output_input, self.up_input, self.down_input]
                .map(InputQuantization::encode),
            encodings: self.encodings.map(|encoding| encoding as u8).into(),
            reserved: 0,
        })
    }
}

impl InputQuantization {
    fn decode(record: InputRecord) -> Result<Self, Error> {
        let InputRecord { scale, zero_point } = record;
        if scale.to_bits() == 0 && zero_point == 0 {
            return Ok(Self::PerToken);
        }
        let usable = scale.is_finite() && scale > 0.0 && (1.0 / scale).is_finite();
        match i8::try_from(zero_point) {
            Ok(zero_point) if usable && zero_point != i8::MIN => Ok(Self::Static { scale, zero_point }),
            _ => Err(Error::Invalid(Field::InputQuantization)),
        }
    }

    #[cfg(feature = "alloc")]
    fn encode(self) -> InputRecord {
        match self {
            Self::PerToken => InputRecord { scale: 0.0, zero_point: 0 },
            Self::Static { scale, zero_point } => InputRecord { scale, zero_point: zero_point.into() },
        }
    }
}

fn size(raw: u32, field: Field) -> Result<usize, Error> {
    usize::try_from(raw).map_err(|_| Error::Invalid(field))
}

/// Returns a size that is the length of a sum: 1 to [`MAX_DIMENSION`].
fn dimension(raw: u32, field: Field) -> Result<usize, Error> {
    let value = size(raw, field)?;
    ensure((1..=MAX_DIMENSION).contains(&value), field)?;
    Ok(value)
}
