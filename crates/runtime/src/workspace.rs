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

use core::mem;

use tinybert_image::{AttentionMode, Config, Encoding, InputQuantization, LayerConfig, PerLinear};
use tinybert_kernels::{AttentionShape, MAX_SIDE, Panel, ROW_BLOCK, activation_bytes, row_stride};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::Error;
use crate::qkv::Qkv;
use crate::quantized::QuantizedRows;
use crate::team::band;

/// Rows that the linears before attention and the FFN work on together.
pub const ROWS_PER_STEP: usize = 64;

/// Every part begins at a multiple of this, for vector loads and cache lines.
const ALIGNMENT: usize = 64;

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
        let skip = workspace.as_ptr().align_offset(ALIGNMENT);
        let mut carver = Carver(workspace.get_mut(skip..).unwrap_or_default());
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

/// The stage in which the text is read.
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

/// Bytes for decoded weights of a layer, one panel at a time: 0 for weights that are int8.
#[derive(Clone, Copy)]
pub(crate) struct Decoded {
    /// Bytes of the qkv linear.
    qkv: usize,
    /// Bytes of that one of the attention output, up and down linears that needs most.
    others: usize,
}

impl Decoded {
    /// Returns `None` if a size is beyond the limits of the kernels.
    pub fn new(panel: Panel, hidden: usize, layer: &LayerConfig) -> Option<Self> {
        let width = layer.attention_width();
        let PerLinear { qkv, attention_output, up, down } = layer.encodings;
        let bytes = |encoding, n, k| match encoding {
            Encoding::Int8 => Some(0),
            Encoding::Int4 | Encoding::Sparse => panel.decoded_bytes(n, k),
        };
        let (attention_output, up) = (bytes(attention_output, hidden, width)?, bytes(up, layer.ffn, hidden)?);
        Some(Self {
            qkv: bytes(qkv, width.checked_mul(3)?, hidden)?,
            others: attention_output.max(up).max(bytes(down, hidden, layer.ffn)?),
        })
    }
}

/// The stage in which a layer's attention runs.
pub(crate) struct AttentionStage<'w, T> {
    /// Queries, keys and values `[tokens, stride]`.
    pub qkv: &'w mut [T],
    /// Further memory for each thread.
    pub bands: AttentionBands<'w>,
}

/// Memory of the threads' attention.
pub(crate) struct AttentionBands<'w> {
    memory: &'w mut [u8],
    sizes: AttentionBandSizes,
}

/// Sizes of the parts of an [`AttentionBand`].
#[derive(Clone, Copy)]
struct AttentionBandSizes {
    /// Bytes of scratch.
    scratch: usize,
    /// Elements of context.
    context: usize,
}

impl AttentionBandSizes {
    /// Returns the number of bytes of both parts, padded.
    fn bytes(self) -> Option<usize> {
        sum(&[padded::<u8>(self.scratch)?, padded::<f32>(self.context)?])
    }
}

impl AttentionBands<'_> {
    /// Returns the parts of the threads, one after the other.
    pub fn each(&mut self) -> impl Iterator<Item = AttentionBand<'_>> {
        let sizes @ AttentionBandSizes { scratch, context } = self.sizes;
        let bytes = sizes.bytes().unwrap_or(usize::MAX).max(1);
        self.memory.chunks_exact_mut(bytes).map_while(move |part| {
            let mut carver = Carver(part);
            Some(AttentionBand { scratch: carver.take(scratch)?, context: carver.take(context)? })
        })
    }
}

/// Memory of one thread's attention.
pub(crate) struct AttentionBand<'w> {
    /// Scratch memory of attention. Before attention runs, it holds decoded weights of the qkv linear.
    pub scratch: &'w mut [u8],
    /// `[band, width]` if the context's scales are per token, else empty.
    pub context: &'w mut [f32],
}

impl<'w, T: Qkv> AttentionStage<'w, T> {
    /// Returns the sizes of a thread's part if the first `rows` of `tokens` tokens are queries.
    fn band_sizes(
        layer: &LayerConfig,
        decoded: Decoded,
        tokens: usize,
        rows: usize,
        threads: usize,
    ) -> Option<AttentionBandSizes> {
        let width = layer.attention_width();
        width.checked_mul(3).filter(|row| *row <= MAX_SIDE)?;
        let shape = AttentionShape {
            tokens,
            first_query: 0,
            queries: rows,
            heads: layer.heads,
            head_dim: layer.head_dim,
            stride: T::stride(layer),
        };
        let context = match layer.attention_output_input {
            InputQuantization::PerToken => band(rows, threads).min(rows).checked_mul(width)?,
            InputQuantization::Static { .. } => 0,
        };
        Some(AttentionBandSizes { scratch: T::scratch_bytes(&shape)?.max(decoded.qkv), context })
    }

    fn bytes(layer: &LayerConfig, decoded: Decoded, tokens: usize, threads: usize) -> Option<usize> {
        let band = Self::band_sizes(layer, decoded, tokens, tokens, threads)?;
        let qkv = tokens.checked_mul(T::stride(layer))?;
        sum(&[padded::<T>(qkv)?, band.bytes()?.checked_mul(threads)?])
    }

    pub fn carve(
        stage: &'w mut [u8],
        layer: &LayerConfig,
        decoded: Decoded,
        tokens: usize,
        rows: usize,
        threads: usize,
    ) -> Option<Self> {
        let sizes = Self::band_sizes(layer, decoded, tokens, rows, threads)?;
        let mut carver = Carver(stage);
        let qkv = carver.take::<T>(tokens.checked_mul(T::stride(layer))?)?;
        Some(Self { qkv, bands: AttentionBands { memory: carver.0, sizes } })
    }
}

/// The stage in which one thread's rows go through everything after attention.
pub(crate) struct FfnStage<'w> {
    /// The rows after the first LayerNorm, which are the input of the first linear.
    pub outer: QuantizedRows<'w>,
    /// The rows after GELU, which are the input of the second linear.
    pub inner: QuantizedRows<'w>,
    /// `[ROW_BLOCK, ffn]` if the scales of `inner` are per token, else empty.
    pub scratch: &'w mut [f32],
    /// Memory for decoded weights of the linears; empty if they are int8.
    pub decoded: &'w mut [i8],
}

/// Returns the number of bytes of a [`FfnStage`] for blocks of `rows` rows.
pub(crate) fn ffn_stage_bytes(
    layer: &LayerConfig,
    decoded: Decoded,
    hidden: usize,
    rows: usize,
) -> Option<usize> {
    let FfnSizes { outer, inner, scratch } = FfnSizes::new(layer, hidden, rows)?;
    let scales = padded::<f32>(rows)?.checked_mul(2)?;
    let decoded = padded::<i8>(decoded.others)?;
    sum(&[padded::<i8>(outer)?, padded::<i8>(inner)?, padded::<f32>(scratch)?, scales, decoded])
}

/// Sizes of the parts of an [`FfnStage`], in elements.
struct FfnSizes {
    outer: usize,
    inner: usize,
    scratch: usize,
}

impl FfnSizes {
    fn new(layer: &LayerConfig, hidden: usize, rows: usize) -> Option<Self> {
        let scratch = match layer.down_input {
            InputQuantization::PerToken => ROW_BLOCK.checked_mul(layer.ffn)?,
            InputQuantization::Static { .. } => 0,
        };
        Some(Self {
            outer: activation_bytes(rows, hidden)?,
            inner: activation_bytes(rows, layer.ffn)?,
            scratch,
        })
    }
}

impl<'w> FfnStage<'w> {
    pub fn carve(
        stage: &'w mut [u8],
        layer: &LayerConfig,
        decoded: Decoded,
        hidden: usize,
        rows: usize,
    ) -> Option<Self> {
        let FfnSizes { outer, inner, scratch } = FfnSizes::new(layer, hidden, rows)?;
        let mut carver = Carver(stage);
        let mut quantized = |bytes, columns| {
            let (data, scales) = (carver.take(bytes)?, carver.take(rows)?);
            Some(QuantizedRows { data, stride: row_stride(columns), scales })
        };
        let (outer, inner) = (quantized(outer, hidden)?, quantized(inner, layer.ffn)?);
        Some(Self { outer, inner, scratch: carver.take(scratch)?, decoded: carver.take(decoded.others)? })
    }
}

/// The stage in which the task head runs.
pub(crate) struct HeadStage<'w> {
    /// `[hidden]`.
    pub pooled: &'w mut [f32],
    /// `[outputs]`, or `[tokens, outputs]` of a head that reads all tokens.
    pub outputs: &'w mut [f32],
}

impl<'w> HeadStage<'w> {
    fn bytes(config: &Config, tokens: usize) -> Option<usize> {
        sum(&[padded::<f32>(config.hidden)?, padded::<f32>(Self::outputs(config, tokens)?)?])
    }

    fn outputs(config: &Config, tokens: usize) -> Option<usize> {
        config.head.answers(tokens).checked_mul(config.outputs)
    }

    pub fn carve(stage: &'w mut [u8], config: &Config, tokens: usize) -> Option<Self> {
        let outputs = Self::outputs(config, tokens)?;
        let mut carver = Carver(stage);
        Some(Self { pooled: carver.take(config.hidden)?, outputs: carver.take(outputs)? })
    }
}

/// Cuts padded parts off the front of an aligned buffer.
struct Carver<'w>(&'w mut [u8]);

impl<'w> Carver<'w> {
    fn take<T: FromBytes + IntoBytes + KnownLayout>(&mut self, count: usize) -> Option<&'w mut [T]> {
        let (part, rest) = mem::take(&mut self.0).split_at_mut_checked(padded::<T>(count)?)?;
        self.0 = rest;
        let (values, _) = <[T]>::mut_from_prefix_with_elems(part, count).ok()?;
        Some(values)
    }
}

/// Returns the number of bytes of `count` values of `T`, padded.
fn padded<T>(count: usize) -> Option<usize> {
    count.checked_mul(size_of::<T>())?.checked_next_multiple_of(ALIGNMENT)
}

fn sum(bytes: &[usize]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |total, bytes| total.checked_add(*bytes))
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
