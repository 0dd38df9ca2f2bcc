//! The workspace: how many bytes an input needs, and where in them everything lies.
//!
//! Sizes are for `tokens` tokens; every part is padded to 64 bytes. With `block` = min(tokens, [`ROWS`]), and with the
//! largest `width` = heads · head_dim and `ffn` of all layers:
//!
//! | buffer | shape | bytes at 128 tokens of TinyBERT-4L-312 | lives |
//! | --- | --- | --- | --- |
//! | residual | f32 `[tokens, hidden]` | 159,744 | from the embeddings to the head |
//! | activations | i8, a linear's input: `[block, hidden]` or `[tokens, width]` | 40,960 | one linear |
//! | scales | f32 `[2, tokens]` | 1,024 | one linear: of its input, of its output |
//! | stage | one of the four below | 136,704 | |
//!
//! | stage | parts, one after the other | bytes |
//! | --- | --- | --- |
//! | text | ids u32 `[tokens]`, type ids u8 `[tokens]` | 640 |
//! | attention | qkv i8 `[tokens, 3 · width]`, attention's scratch, context f32 `[tokens, width]` if its scales are per token | 136,704 |
//! | FFN | after GELU i8 `[block, ffn]`, f32 `[ROW_BLOCK, ffn]` if its scales are per token | 76,800 or 115,200 |
//! | head | pooled f32 `[hidden]`, outputs f32 `[outputs]` | 1,344 |
//!
//! The FFN runs `ROWS` rows at a time, so that its wide activations never stand there for all tokens.

use core::mem;

use tinybert_image::{Config, InputQuantization, LayerConfig};
use tinybert_kernels::{AttentionShape, MAX_SIDE, ROW_BLOCK, activation_bytes};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::Error;

/// Rows that the linears before attention and the FFN work on together.
pub(crate) const ROWS: usize = 64;

/// Every part begins at a multiple of this, for vector loads and cache lines.
const ALIGNMENT: usize = 64;

/// Bytes of workspace that an input of `tokens` needs in a model of this shape, wherever the workspace begins.
/// `None` where a size is beyond what the kernels take.
///
/// The quantizer writes the value for [`Config::max_tokens`] into the image.
pub fn workspace_bytes(
    config: &Config,
    layers: impl IntoIterator<Item = LayerConfig>,
    tokens: usize,
) -> Option<usize> {
    Layout::new(config, layers, tokens)?.bytes()
}

/// Elements of the buffers.
#[derive(Clone, Copy, Default)]
struct Layout {
    residual: usize,
    activations: usize,
    scales: usize,
    stage: usize,
}

/// The buffers of a session. Stages are carved out of `stage` as they come.
pub(crate) struct Buffers<'w> {
    /// The residual stream `[tokens, hidden]`.
    pub residual: &'w mut [f32],
    /// The int8 input of the linear at work.
    pub activations: &'w mut [i8],
    /// Scales of its rows, where they are per token.
    pub input_scales: &'w mut [f32],
    /// Scales of the rows it writes, where they are per token.
    pub output_scales: &'w mut [f32],
    /// Whatever lives no longer than a stage.
    pub stage: &'w mut [u8],
}

impl Layout {
    fn new(config: &Config, layers: impl IntoIterator<Item = LayerConfig>, tokens: usize) -> Option<Self> {
        let block = tokens.min(ROWS);
        let mut activations = activation_bytes(block, config.hidden)?;
        let mut stage = TextStage::bytes(tokens)?.max(HeadStage::bytes(config)?);
        for layer in layers {
            activations = activations.max(activation_bytes(tokens, layer.attention_width())?);
            stage = stage.max(AttentionStage::bytes(&layer, tokens)?).max(FfnStage::bytes(&layer, block)?);
        }
        Some(Self { residual: tokens.checked_mul(config.hidden)?, activations, scales: tokens, stage })
    }

    /// All parts, and what aligning the first one may cost.
    fn bytes(&self) -> Option<usize> {
        sum(&[
            padded::<f32>(self.residual)?,
            padded::<i8>(self.activations)?,
            padded::<f32>(self.scales)?,
            padded::<f32>(self.scales)?,
            padded::<u8>(self.stage)?,
            ALIGNMENT - 1,
        ])
    }
}

impl<'w> Buffers<'w> {
    /// Cuts the buffers for inputs of up to `tokens` out of `workspace`.
    pub fn carve(
        workspace: &'w mut [u8],
        config: &Config,
        layers: impl IntoIterator<Item = LayerConfig>,
        tokens: usize,
    ) -> Result<Self, Error> {
        let layout = Layout::new(config, layers, tokens).ok_or(Error::TooLarge)?;
        let (needed, given) = (layout.bytes().ok_or(Error::TooLarge)?, workspace.len());
        if given < needed {
            return Err(Error::WorkspaceTooSmall { needed, given });
        }
        let skip = workspace.as_ptr().align_offset(ALIGNMENT);
        let mut carver = Carver(workspace.get_mut(skip..).unwrap_or_default());
        (|| {
            Some(Self {
                residual: carver.take(layout.residual)?,
                activations: carver.take(layout.activations)?,
                input_scales: carver.take(layout.scales)?,
                output_scales: carver.take(layout.scales)?,
                stage: carver.take(layout.stage)?,
            })
        })()
        .ok_or(Error::Shape)
    }
}

/// Stage while the text is read.
pub(crate) struct TextStage<'w> {
    /// `[tokens]`.
    pub ids: &'w mut [u32],
    /// `[tokens]`.
    pub type_ids: &'w mut [u8],
}

impl<'w> TextStage<'w> {
    fn bytes(tokens: usize) -> Option<usize> {
        sum(&[padded::<u32>(tokens)?, padded::<u8>(tokens)?])
    }

    pub fn carve(stage: &'w mut [u8], tokens: usize) -> Option<Self> {
        let mut carver = Carver(stage);
        Some(Self { ids: carver.take(tokens)?, type_ids: carver.take(tokens)? })
    }
}

/// Stage while a layer's attention runs.
pub(crate) struct AttentionStage<'w> {
    /// Queries, keys and values `[tokens, 3 · width]`.
    pub qkv: &'w mut [i8],
    /// Attention's own.
    pub scratch: &'w mut [u8],
    /// `[tokens, width]` where the context's scales are per token, else empty.
    pub context: &'w mut [f32],
}

impl<'w> AttentionStage<'w> {
    /// Elements of qkv, scratch and context.
    fn lengths(layer: &LayerConfig, tokens: usize) -> Option<[usize; 3]> {
        let width = layer.attention_width();
        let row = width.checked_mul(3).filter(|row| *row <= MAX_SIDE)?;
        let context = tokens.checked_mul(width)?;
        Some([
            tokens.checked_mul(row)?,
            attention_shape(layer, tokens, tokens).scratch_bytes()?,
            if layer.attention_output_input == InputQuantization::PerToken { context } else { 0 },
        ])
    }

    fn bytes(layer: &LayerConfig, tokens: usize) -> Option<usize> {
        let [qkv, scratch, context] = Self::lengths(layer, tokens)?;
        sum(&[padded::<i8>(qkv)?, padded::<u8>(scratch)?, padded::<f32>(context)?])
    }

    pub fn carve(stage: &'w mut [u8], layer: &LayerConfig, tokens: usize) -> Option<Self> {
        let [qkv, scratch, context] = Self::lengths(layer, tokens)?;
        let mut carver = Carver(stage);
        Some(Self { qkv: carver.take(qkv)?, scratch: carver.take(scratch)?, context: carver.take(context)? })
    }
}

/// Stage while a layer's FFN runs on a block of rows.
pub(crate) struct FfnStage<'w> {
    /// After GELU, the input of the second linear.
    pub inner: &'w mut [i8],
    /// `[ROW_BLOCK, ffn]` where the scales of `inner` are per token, else empty.
    pub scratch: &'w mut [f32],
}

impl<'w> FfnStage<'w> {
    /// Elements of inner and scratch.
    fn lengths(layer: &LayerConfig, rows: usize) -> Option<[usize; 2]> {
        let scratch = match layer.down_input {
            InputQuantization::PerToken => ROW_BLOCK.checked_mul(layer.ffn)?,
            InputQuantization::Static { .. } => 0,
        };
        Some([activation_bytes(rows, layer.ffn)?, scratch])
    }

    fn bytes(layer: &LayerConfig, rows: usize) -> Option<usize> {
        let [inner, scratch] = Self::lengths(layer, rows)?;
        sum(&[padded::<i8>(inner)?, padded::<f32>(scratch)?])
    }

    pub fn carve(stage: &'w mut [u8], layer: &LayerConfig, rows: usize) -> Option<Self> {
        let [inner, scratch] = Self::lengths(layer, rows)?;
        let mut carver = Carver(stage);
        Some(Self { inner: carver.take(inner)?, scratch: carver.take(scratch)? })
    }
}

/// Stage while the task head runs.
pub(crate) struct HeadStage<'w> {
    /// `[hidden]`.
    pub pooled: &'w mut [f32],
    /// `[outputs]`.
    pub outputs: &'w mut [f32],
}

impl<'w> HeadStage<'w> {
    fn bytes(config: &Config) -> Option<usize> {
        sum(&[padded::<f32>(config.hidden)?, padded::<f32>(config.outputs)?])
    }

    pub fn carve(stage: &'w mut [u8], config: &Config) -> Option<Self> {
        let mut carver = Carver(stage);
        Some(Self { pooled: carver.take(config.hidden)?, outputs: carver.take(config.outputs)? })
    }
}

/// The shape of a layer's attention, where the first `queries` tokens look at all `tokens`.
pub(crate) fn attention_shape(layer: &LayerConfig, tokens: usize, queries: usize) -> AttentionShape {
    let LayerConfig { heads, head_dim, .. } = *layer;
    AttentionShape { tokens, queries, heads, head_dim, stride: layer.attention_width().saturating_mul(3) }
}

/// Cuts padded parts off the front of a buffer that begins aligned.
struct Carver<'w>(&'w mut [u8]);

impl<'w> Carver<'w> {
    fn take<T: FromBytes + IntoBytes + KnownLayout>(&mut self, count: usize) -> Option<&'w mut [T]> {
        let (part, rest) = mem::take(&mut self.0).split_at_mut_checked(padded::<T>(count)?)?;
        self.0 = rest;
        let (values, _) = <[T]>::mut_from_prefix_with_elems(part, count).ok()?;
        Some(values)
    }
}

/// Bytes of `count` values of `T`, padded.
fn padded<T>(count: usize) -> Option<usize> {
    count.checked_mul(size_of::<T>())?.checked_next_multiple_of(ALIGNMENT)
}

fn sum(bytes: &[usize]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |total, bytes| total.checked_add(*bytes))
}
