//! The workspace: its size for an input, and the places of all parts in it.
//!
//! Sizes are for `tokens` tokens; every part is padded to 64 bytes. With `block` = min(tokens,
//! [`ROWS_PER_STEP`]), and with the largest `width` = heads · head_dim and `ffn` of all layers:
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
//! | attention | qkv i8 or f32 `[tokens, 3 · width]`, attention's scratch, context f32 `[tokens, width]` if its scales are per token | 136,704; in f32 494,656 |
//! | FFN | after GELU i8 `[block, ffn]`, f32 `[ROW_BLOCK, ffn]` if its scales are per token, a panel of decoded weights if they are not int8 | 76,800 or 115,200; 14,400 |
//! | head | pooled f32 `[hidden]`, outputs f32 `[outputs]` (`[tokens, outputs]` if each token has a tag) | 1,344 |
//!
//! The FFN runs `ROWS_PER_STEP` rows at a time, so that it never needs memory for the wide activations of all tokens.

use tinybert_image::{AttentionMode, Config, LayerConfig};
use tinybert_kernels::{ROW_BLOCK, row_stride};

use crate::Error;
use crate::carver::{ALIGNMENT, Carver, padded, sum};
use crate::stages::{AttentionStage, Decoded, HeadStage, TextStage, ffn_stage_bytes};

/// Rows that the linears before attention and the FFN work on together.
pub const ROWS_PER_STEP: usize = 64;

/// Returns the number of bytes of workspace that an input of `tokens` tokens needs in a model of this shape, wherever
/// the workspace begins, or `None` if a size is beyond the limits of the kernels.
///
/// The quantizer writes the value for [`Config::max_tokens`] into the image, for people who read it. Programs call
/// [`Model::max_workspace_bytes`](crate::Model::max_workspace_bytes).
pub fn workspace_bytes(
    config: &Config,
    layers: impl IntoIterator<Item = LayerConfig>,
    tokens: usize,
) -> Option<usize> {
    workspace_bytes_for(config, layers, tokens, 1)
}

/// Returns the same number if `threads` threads share the work.
pub(crate) fn workspace_bytes_for(
    config: &Config,
    layers: impl IntoIterator<Item = LayerConfig>,
    tokens: usize,
    threads: usize,
) -> Option<usize> {
    BufferSizes::new(config, layers, tokens, threads)?.bytes()
}

/// Elements of the buffers.
#[derive(Clone, Copy, Default)]
struct BufferSizes {
    residual: usize,
    activations: usize,
    stride: usize,
    scales: usize,
    stage: usize,
}

/// The buffers of a session. Each stage cuts its parts out of `stage` when it begins.
pub(crate) struct Buffers<'w> {
    /// The residual stream `[tokens, hidden]`.
    pub residual: &'w mut [f32],
    /// The int8 form of all tokens, `stride` bytes each: the input of the qkv linear, then the context.
    pub activations: &'w mut [i8],
    /// Bytes of a row, for the widest layer.
    pub stride: usize,
    /// Scales of the rows, if they are per token.
    pub scales: &'w mut [f32],
    /// Memory that each stage divides for itself.
    pub stage: &'w mut [u8],
}

impl BufferSizes {
    fn new(
        config: &Config,
        layers: impl IntoIterator<Item = LayerConfig>,
        tokens: usize,
        threads: usize,
    ) -> Option<Self> {
        let mut stride = row_stride(config.hidden);
        let mut stage = TextStage::bytes(tokens)?.max(HeadStage::bytes(config, tokens)?);
        for layer in layers {
            stride = stride.max(row_stride(layer.attention_width()));
            let decoded = Decoded::new(config.panel, config.hidden, &layer)?;
            let ffn = ffn_stage_bytes(&layer, decoded, config.hidden, tokens.min(ROWS_PER_STEP))?;
            let ffn = ffn.checked_mul(threads)?;
            let attention = match layer.attention {
                AttentionMode::Int8 => AttentionStage::<i8>::bytes(&layer, decoded, tokens, threads)?,
                AttentionMode::F32 => AttentionStage::<f32>::bytes(&layer, decoded, tokens, threads)?,
            };
            stage = stage.max(attention).max(ffn);
        }
        let activations = tokens.checked_next_multiple_of(ROW_BLOCK)?.checked_mul(stride)?;
        Some(Self {
            residual: tokens.checked_mul(config.hidden)?,
            activations,
            stride,
            scales: tokens,
            stage,
        })
    }

    /// Returns the number of bytes of all parts, with the bytes that the alignment of the first one may cost.
    fn bytes(&self) -> Option<usize> {
        sum(&[
            padded::<f32>(self.residual)?,
            padded::<i8>(self.activations)?,
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
        threads: usize,
    ) -> Result<Self, Error> {
        let layout = BufferSizes::new(config, layers, tokens, threads).ok_or(Error::TooLarge)?;
        let (needed, actual) = (layout.bytes().ok_or(Error::TooLarge)?, workspace.len());
        if actual < needed {
            return Err(Error::WorkspaceTooSmall { needed, actual });
        }
        let mut carver = Carver::aligned(workspace);
        (|| {
            Some(Self {
                residual: carver.take(layout.residual)?,
                activations: carver.take(layout.activations)?,
                stride: layout.stride,
                scales: carver.take(layout.scales)?,
                stage: carver.take(layout.stage)?,
            })
        })()
        .ok_or(Error::ShapeMismatch)
    }

    /// Returns the memory that all layers use, and the memory of the stage.
    pub fn rows(&mut self) -> (RowBuffers<'_>, &mut [u8]) {
        let Self { residual, activations, stride, scales, stage } = self;
        (RowBuffers { residual, activations, stride: *stride, scales }, stage)
    }
}

/// The buffers that live through all layers.
pub(crate) struct RowBuffers<'w> {
    /// `[tokens, hidden]`.
    pub residual: &'w mut [f32],
    /// The int8 input of a linear, `[tokens, stride]`.
    pub activations: &'w mut [i8],
    pub stride: usize,
    /// Scales of the rows of `activations`.
    pub scales: &'w mut [f32],
}
