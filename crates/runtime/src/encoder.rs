//! The encoder: embeddings and Transformer layers over the residual stream `[tokens, hidden]`.
//!
//! Every LayerNorm writes the int8 input of the linear that follows it along with the residual stream, so that no pass
//! over the rows is needed for quantization alone. A layer has three steps, between which the bands wait for each
//! other: queries, keys and values; attention; everything after it.

use tinybert_image::{
    self as image, AttentionMode, Config, EmbeddingsView, InputQuantization, LayerConfig, LayerView,
};
use tinybert_kernels::{
    AttentionShape, ContextOutput, Embedding, Epilogue, Kernels, LayerNorm, Linear, Panel, Quantization,
    ShapeMismatch,
};
use zerocopy::FromBytes;

use crate::Error;
use crate::qkv::Qkv;
use crate::quantized::{QuantizedInput, QuantizedRows};
use crate::stages::{AttentionBand, AttentionStage, Decoded, FfnStage, ffn_stage_bytes};
use crate::team::{Team, band};
use crate::words::{WordTable, int8_row};
use crate::workspace::{Buffers, ROWS_PER_STEP, RowBuffers};

/// Values that all layers of a model share.
#[derive(Clone, Copy)]
pub(crate) struct Encoder<'t> {
    pub kernels: Kernels,
    pub team: Team<'t>,
    pub hidden: usize,
    pub layer_norm_eps: f32,
    panel: Panel,
}

/// Returns an image's linear in the form that the kernels take.
pub(crate) fn linear<'a>(linear: &image::LinearView<'a>) -> Linear<'a> {
    let image::LinearView { outputs, inputs, panel, weights, scale, bias, row_sum } = *linear;
    Linear { n: outputs, k: inputs, panel, weights, scale, bias, row_sum }
}

impl<'t> Encoder<'t> {
    pub fn new(kernels: Kernels, team: Team<'t>, config: &Config) -> Self {
        let Config { hidden, layer_norm_eps, panel, .. } = *config;
        Self { kernels, team, hidden, layer_norm_eps, panel }
    }

    /// Sums and normalises the embeddings of `ids`: the residual stream, and the first layer's `input`.
    pub fn embed(
        &self,
        tables: &EmbeddingsView<'_>,
        words: &WordTable<'_>,
        input: InputQuantization,
        ids: &[u32],
        type_ids: &[u8],
        buffers: RowBuffers<'_>,
    ) -> Result<(), Error> {
        let rows = buffers.residual.chunks_exact_mut(self.hidden.max(1));
        for (position, ((row, id), kind)) in rows.zip(ids).zip(type_ids).enumerate() {
            // The activations are still unused, so they are the memory for a row that has to be read.
            let (word, word_scale) = words.row(*id, buffers.activations)?;
            let (position, position_scale) = int8_row(&tables.position, position).ok_or(Error::TokenId)?;
            let kind = tables.type_row(usize::from(*kind)).ok_or(Error::TokenId)?;
            self.kernels.embed(&Embedding { word, word_scale, position, position_scale, kind }, row)?;
        }
        let bands = self.bands(ids.len(), buffers)?;
        Ok(self
            .team
            .each(bands, |mut band| self.norm(&tables.norm, band.residual, input, &mut band.input, 0))?)
    }

    /// Computes one layer over `tokens` rows, whose int8 form is the layer's input. It finishes only the first `rows`
    /// rows: all if there is a next layer, whose input is quantized as `next` says, or one if only the first token is
    /// read.
    #[inline(never)] // The loop over the layers needs its stack for itself.
    pub fn layer(
        &self,
        layer: &LayerView<'_>,
        next: Option<InputQuantization>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
    ) -> Result<(), ShapeMismatch> {
        match layer.config.attention {
            AttentionMode::Int8 => self.attention::<i8>(layer, buffers, tokens, rows)?,
            AttentionMode::F32 => self.attention::<f32>(layer, buffers, tokens, rows)?,
        }
        let decoded = self.decoded(&layer.config)?;
        let bytes = ffn_stage_bytes(&layer.config, decoded, self.hidden, rows.min(ROWS_PER_STEP))
            .ok_or(ShapeMismatch)?;
        let (rest, stage) = buffers.rows();
        let bands = self.bands(rows, rest)?.zip(stage.chunks_exact_mut(bytes.max(1)));
        self.team.each(bands, |(band, stage)| self.after_attention(layer, next, band, stage))
    }

    /// Returns the number of bytes in which a layer's weights are decoded.
    fn decoded(&self, layer: &LayerConfig) -> Result<Decoded, ShapeMismatch> {
        Decoded::new(self.panel, self.hidden, layer).ok_or(ShapeMismatch)
    }

    /// Computes the queries, keys and values of all tokens, then the context of the first `rows` tokens, which replaces
    /// the layer's input.
    #[inline(never)] // The stack that it needs is free again for what follows attention.
    fn attention<T: Qkv>(
        &self,
        layer: &LayerView<'_>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
    ) -> Result<(), ShapeMismatch> {
        let (config, count) = (&layer.config, self.team.count());
        let decoded = self.decoded(config)?;
        let AttentionStage { qkv, mut bands } =
            AttentionStage::<T>::carve(buffers.stage, config, decoded, tokens, rows, count)
                .ok_or(ShapeMismatch)?;
        let input =
            QuantizedInput { data: buffers.activations, stride: buffers.stride, scales: buffers.scales };
        let (tokens_band, stride) = (band(tokens, count), T::stride(config));
        let qkv_bands = qkv.chunks_mut(tokens_band.saturating_mul(stride).max(1)).enumerate();
        // Attention does not use its scratch memory before there are queries, keys and values.
        self.team.each(qkv_bands.zip(bands.each()), |((index, qkv), band)| {
            let decoded = <[i8]>::mut_from_bytes(band.scratch).map_err(|_| ShapeMismatch)?;
            self.qkv(layer, input, index * tokens_band, rows, qkv, decoded)
        })?;

        let rows_band = band(rows, count);
        let data = buffers.activations.chunks_mut(rows_band.saturating_mul(buffers.stride).max(1));
        let scales = one_by_one(buffers.scales.chunks_mut(rows_band));
        let contexts = data.zip(scales).zip(bands.each()).enumerate();
        self.team.each(contexts.take(rows.div_ceil(rows_band)), |(index, ((data, scales), stage))| {
            let first_query = index * rows_band;
            let shape = AttentionShape {
                tokens,
                first_query,
                queries: rows_band.min(rows - first_query),
                heads: config.heads,
                head_dim: config.head_dim,
                stride,
            };
            let context = QuantizedRows { data, stride: buffers.stride, scales };
            self.context(config, qkv, shape, stage, context)
        })
    }

    /// Computes the keys and values of the tokens from `first` on, [`ROWS_PER_STEP`] at a time, and the queries of
    /// those tokens that are among the first `rows`.
    fn qkv<T: Qkv>(
        &self,
        layer: &LayerView<'_>,
        input: QuantizedInput<'_>,
        first: usize,
        rows: usize,
        qkv: &mut [T],
        decoded: &mut [i8],
    ) -> Result<(), ShapeMismatch> {
        let (config, weights) = (&layer.config, linear(&layer.qkv));
        let stride = T::stride(config);
        let whole_panels =
            config.attention_width().checked_rem(usize::from(weights.panel.nr)).ok_or(ShapeMismatch)?;
        let without_queries = config.attention_width() - whole_panels;
        for (block, qkv) in qkv.chunks_mut(ROWS_PER_STEP.saturating_mul(stride).max(1)).enumerate() {
            let first = first + block * ROWS_PER_STEP;
            let m = qkv.len().checked_div(stride).ok_or(ShapeMismatch)?;
            let queries = m.min(rows.saturating_sub(first));
            if queries < m {
                let out = qkv.get_mut(without_queries..).ok_or(ShapeMismatch)?;
                let weights = weights.from_output(without_queries)?;
                let input = input.read(config.qkv_input, first, m, self.hidden)?;
                self.kernels.linear(&input, &weights, T::epilogue(out, stride), decoded)?;
            }
            if queries > 0 {
                let input = input.read(config.qkv_input, first, queries, self.hidden)?;
                self.kernels.linear(&input, &weights, T::epilogue(qkv, stride), decoded)?;
            }
        }
        Ok(())
    }

    /// Computes the attention of the queries of `shape` and quantizes it into `context`.
    fn context<T: Qkv>(
        &self,
        config: &LayerConfig,
        qkv: &[T],
        shape: AttentionShape,
        stage: AttentionBand<'_>,
        mut context: QuantizedRows<'_>,
    ) -> Result<(), ShapeMismatch> {
        let (coefficient, scale) = (config.attention_coefficient, config.context_scale);
        let (quantization, out) = context.write(config.attention_output_input, 0, shape.queries)?;
        if let Quantization::Static { .. } = quantization {
            let out = ContextOutput::I8 { out, scale };
            return T::attention(self.kernels, qkv, shape, coefficient, out, stage.scratch);
        }
        let x = stage.context.get_mut(..shape.queries.saturating_mul(shape.width())).ok_or(ShapeMismatch)?;
        let f32s = ContextOutput::F32 { out: &mut *x, scale };
        T::attention(self.kernels, qkv, shape, coefficient, f32s, stage.scratch)?;
        self.kernels.quantize(x, shape.width(), quantization, out)
    }

    /// Computes `x = LayerNorm(x + output(context))`, then `x = LayerNorm(x + down(gelu(up(x))))`, [`ROWS_PER_STEP`]
    /// rows at a time.
    #[inline(never)] // As for attention.
    fn after_attention(
        &self,
        layer: &LayerView<'_>,
        next: Option<InputQuantization>,
        mut band: Band<'_>,
        stage: &mut [u8],
    ) -> Result<(), ShapeMismatch> {
        let (config, hidden) = (&layer.config, self.hidden);
        let (output, up, down) = (linear(&layer.attention_output), linear(&layer.up), linear(&layer.down));
        let rows = band.residual.len().checked_div(hidden).ok_or(ShapeMismatch)?;
        let FfnStage { mut outer, mut inner, scratch, decoded } =
            FfnStage::carve(stage, config, self.decoded(config)?, hidden, rows.min(ROWS_PER_STEP))
                .ok_or(ShapeMismatch)?;
        let blocks = band.residual.chunks_mut(ROWS_PER_STEP.saturating_mul(hidden).max(1));
        for (first, x) in (0..rows).step_by(ROWS_PER_STEP).zip(blocks) {
            let m = x.len().checked_div(hidden).ok_or(ShapeMismatch)?;
            let context =
                band.input.read(config.attention_output_input, first, m, config.attention_width())?;
            self.kernels.linear(&context, &output, Epilogue::AddF32 { residual: &mut *x }, decoded)?;
            self.norm(&layer.attention_norm, x, config.up_input, &mut outer, 0)?;

            let (quantization, out) = inner.write(config.down_input, 0, m)?;
            let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut *scratch };
            self.kernels.linear(&outer.read(config.up_input, 0, m, hidden)?, &up, epilogue, decoded)?;
            let inner = inner.read(config.down_input, 0, m, config.ffn)?;
            self.kernels.linear(&inner, &down, Epilogue::AddF32 { residual: &mut *x }, decoded)?;
            match next {
                Some(input) => self.norm(&layer.output_norm, x, input, &mut band.input, first)?,
                None => self.kernels.layer_norm(x, &self.parameters(&layer.output_norm))?,
            }
        }
        Ok(())
    }

    /// Normalises `x` and quantizes it into the rows from `first` on.
    fn norm(
        &self,
        norm: &image::LayerNormView<'_>,
        x: &mut [f32],
        input: InputQuantization,
        out: &mut QuantizedRows<'_>,
        first: usize,
    ) -> Result<(), ShapeMismatch> {
        let m = x.len().checked_div(self.hidden).ok_or(ShapeMismatch)?;
        let (quantization, out) = out.write(input, first, m)?;
        self.kernels.layer_norm_quantize(x, &self.parameters(norm), quantization, out)
    }

    fn parameters<'a>(&self, norm: &image::LayerNormView<'a>) -> LayerNorm<'a> {
        LayerNorm { gamma: norm.gamma, beta: norm.beta, eps: self.layer_norm_eps }
    }

    /// Cuts the first `rows` rows into bands.
    fn bands<'w>(
        &self,
        rows: usize,
        buffers: RowBuffers<'w>,
    ) -> Result<impl Iterator<Item = Band<'w>> + use<'w>, ShapeMismatch> {
        let band = band(rows, self.team.count());
        let RowBuffers { residual, activations, stride, scales } = buffers;
        let residual = residual.get_mut(..rows.saturating_mul(self.hidden)).ok_or(ShapeMismatch)?;
        let residual = residual.chunks_mut(band.saturating_mul(self.hidden).max(1));
        let scales = one_by_one(scales.chunks_mut(band));
        let inputs = activations.chunks_mut(band.saturating_mul(stride).max(1)).zip(scales);
        Ok(residual.zip(inputs).map(move |(residual, (data, scales))| Band {
            residual,
            input: QuantizedRows { data, stride, scales },
        }))
    }
}

/// Returns the same items. `zip` takes them one by one and does not ask for their number. For chunks that number is a
/// division, which has a panic path if it is not inlined.
fn one_by_one<T>(items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    items.map_while(Some)
}

/// The rows that one thread works on.
struct Band<'w> {
    residual: &'w mut [f32],
    input: QuantizedRows<'w>,
}
