//! The stages of a computation, which use the same memory one after the other. The table in `workspace.rs` has their
//! sizes.

use tinybert_image::{Config, Encoding, InputQuantization, LayerConfig, PerLinear};
use tinybert_kernels::{AttentionShape, MAX_SIDE, Panel, ROW_BLOCK, activation_bytes, row_stride};

use crate::carver::{Carver, padded, sum};
use crate::qkv::Qkv;
use crate::quantized::QuantizedRows;
use crate::team::band;

/// The stage in which the text is read.
pub(crate) struct TextStage<'w> {
    /// `[tokens]`.
    pub ids: &'w mut [u32],
    /// `[tokens]`.
    pub type_ids: &'w mut [u8],
}

impl<'w> TextStage<'w> {
    pub fn bytes(tokens: usize) -> Option<usize> {
        sum(&[padded::<u32>(tokens)?, padded::<u8>(tokens)?])
    }

    pub fn carve(stage: &'w mut [u8], tokens: usize) -> Option<Self> {
        let mut carver = Carver::new(stage);
        Some(Self { ids: carver.take(tokens)?, type_ids: carver.take(tokens)? })
    }

    /// Returns the ids and type ids of the first `tokens` tokens.
    pub fn first(&self, tokens: usize) -> Option<Tokens<'_>> {
        Some(Tokens { ids: self.ids.get(..tokens)?, type_ids: self.type_ids.get(..tokens)? })
    }
}

/// The tokens of an input, `[tokens]` each.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'t> {
    pub ids: &'t [u32],
    pub type_ids: &'t [u8],
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
            let mut carver = Carver::new(part);
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
        let shape = AttentionShape::all(tokens, layer.heads, layer.head_dim, T::stride(layer));
        let context = match layer.attention_output_input {
            InputQuantization::PerToken => band(rows, threads).min(rows).checked_mul(width)?,
            InputQuantization::Static { .. } => 0,
        };
        Some(AttentionBandSizes { scratch: T::scratch_bytes(&shape)?.max(decoded.qkv), context })
    }

    pub fn bytes(layer: &LayerConfig, decoded: Decoded, tokens: usize, threads: usize) -> Option<usize> {
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
        let mut carver = Carver::new(stage);
        let qkv = carver.take::<T>(tokens.checked_mul(T::stride(layer))?)?;
        Some(Self { qkv, bands: AttentionBands { memory: carver.rest(), sizes } })
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
        let mut carver = Carver::new(stage);
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
    pub fn bytes(config: &Config, tokens: usize) -> Option<usize> {
        sum(&[padded::<f32>(config.hidden)?, padded::<f32>(Self::outputs(config, tokens)?)?])
    }

    fn outputs(config: &Config, tokens: usize) -> Option<usize> {
        config.head.answers(tokens).checked_mul(config.outputs)
    }

    pub fn carve(stage: &'w mut [u8], config: &Config, tokens: usize) -> Option<Self> {
        let outputs = Self::outputs(config, tokens)?;
        let mut carver = Carver::new(stage);
        Some(Self { pooled: carver.take(config.hidden)?, outputs: carver.take(outputs)? })
    }
}
