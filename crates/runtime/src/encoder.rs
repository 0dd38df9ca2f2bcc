//! The encoder: embeddings and Transformer layers over the residual stream `[tokens, hidden]`.

use tinybert_image::{Embeddings, InputQuantization, LayerView};
use tinybert_kernels::{Context, Embedding, Epilogue, Kernels, LayerNorm, Linear, Panel, Shape};

use crate::Error;
use crate::quantized::Quantized;
use crate::workspace::{AttentionStage, Buffers, FfnStage, ROWS, attention_shape};

/// What the layers of a model have in common.
#[derive(Clone, Copy)]
pub(crate) struct Encoder {
    pub kernels: Kernels,
    pub hidden: usize,
    pub layer_norm_eps: f32,
}

/// An image's linear as the kernels take it.
pub(crate) fn linear<'a>(linear: &tinybert_image::Linear<'a>) -> Result<Linear<'a>, Shape> {
    let side = |side: usize| u16::try_from(side).map_err(|_| Shape);
    Ok(Linear {
        n: linear.outputs,
        k: linear.inputs,
        panel: Panel { nr: side(linear.panel.nr)?, kr: side(linear.panel.kr)? },
        weights: linear.weights,
        scale: linear.scale,
        bias: linear.bias,
        row_sum: linear.row_sum,
    })
}

impl Encoder {
    /// Sums and normalises the embeddings of `ids` into `residual` `[tokens, hidden]`.
    pub fn embed(
        &self,
        tables: &Embeddings<'_>,
        ids: &[u32],
        type_ids: &[u8],
        residual: &mut [f32],
    ) -> Result<(), Error> {
        let rows = residual.chunks_exact_mut(self.hidden.max(1));
        for (position, ((row, id), kind)) in rows.zip(ids).zip(type_ids).enumerate() {
            let id = usize::try_from(*id).map_err(|_| Error::TokenId)?;
            let (word, word_scale) = tables.word.row(id).ok_or(Error::TokenId)?;
            let (position, position_scale) = tables.position.row(position).ok_or(Error::TokenId)?;
            let kind = tables.type_row(usize::from(*kind)).ok_or(Error::TokenId)?;
            self.kernels.embed(&Embedding { word, word_scale, position, position_scale, kind }, row)?;
        }
        Ok(self.layer_norm(residual, &tables.norm)?)
    }

    /// One layer over `tokens` rows of the residual stream. Only the first `rows` of them are finished: all for the
    /// next layer, one where only the first token is read.
    pub fn layer(
        &self,
        layer: &LayerView<'_>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
    ) -> Result<(), Shape> {
        self.attention(layer, buffers, tokens, rows)?;
        self.ffn(layer, buffers, rows)
    }

    /// `x = LayerNorm(x + attention(x))` of the first `rows` rows.
    fn attention(
        &self,
        layer: &LayerView<'_>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
    ) -> Result<(), Shape> {
        let config = &layer.config;
        let width = config.attention_width();
        let stage = AttentionStage::carve(buffers.stage, config, tokens).ok_or(Shape)?;
        let residual = buffers.residual.get_mut(..tokens.saturating_mul(self.hidden)).ok_or(Shape)?;

        let weights = linear(&layer.qkv)?;
        let x_blocks = residual.chunks(ROWS.saturating_mul(self.hidden).max(1));
        let qkv_blocks = stage.qkv.chunks_mut(ROWS.saturating_mul(weights.n).max(1));
        let mut input = Quantized {
            data: &mut *buffers.activations,
            scales: &mut *buffers.input_scales,
            input: config.qkv_input,
        };
        for (x, qkv) in x_blocks.zip(qkv_blocks) {
            input.write(&self.kernels, x, self.hidden)?;
            let m = x.len().checked_div(self.hidden).ok_or(Shape)?;
            let epilogue = Epilogue::I8 { out: qkv, stride: weights.n };
            self.kernels.linear(&input.read(m, self.hidden)?, &weights, epilogue)?;
        }

        input.input = config.attention_output_input;
        let shape = attention_shape(config, tokens, rows);
        let (coefficient, scale) = (config.attention_coefficient, config.context_scale);
        match config.attention_output_input {
            InputQuantization::Static { .. } => {
                let context = Context::I8 { out: &mut *input.data, scale };
                self.kernels.attention(stage.qkv, shape, coefficient, context, stage.scratch)?;
            }
            InputQuantization::PerToken => {
                let out = stage.context.get_mut(..rows.saturating_mul(width)).ok_or(Shape)?;
                let context = Context::F32 { out: &mut *out, scale };
                self.kernels.attention(stage.qkv, shape, coefficient, context, stage.scratch)?;
                input.write(&self.kernels, out, width)?;
            }
        }
        let residual = residual.get_mut(..rows.saturating_mul(self.hidden)).ok_or(Shape)?;
        let epilogue = Epilogue::AddF32 { residual: &mut *residual };
        self.kernels.linear(&input.read(rows, width)?, &linear(&layer.attention_output)?, epilogue)?;
        self.layer_norm(residual, &layer.attention_norm)
    }

    /// `x = LayerNorm(x + down(gelu(up(x))))` of the first `rows` rows, [`ROWS`] at a time.
    fn ffn(&self, layer: &LayerView<'_>, buffers: &mut Buffers<'_>, rows: usize) -> Result<(), Shape> {
        let config = &layer.config;
        let (up, down) = (linear(&layer.up)?, linear(&layer.down)?);
        let residual = buffers.residual.get_mut(..rows.saturating_mul(self.hidden)).ok_or(Shape)?;
        let stage = FfnStage::carve(buffers.stage, config, rows.min(ROWS)).ok_or(Shape)?;
        let mut outer = Quantized {
            data: &mut *buffers.activations,
            scales: &mut *buffers.input_scales,
            input: config.up_input,
        };
        let mut inner =
            Quantized { data: stage.inner, scales: &mut *buffers.output_scales, input: config.down_input };
        for x in residual.chunks_mut(ROWS.saturating_mul(self.hidden).max(1)) {
            let m = x.len().checked_div(self.hidden).ok_or(Shape)?;
            outer.write(&self.kernels, x, self.hidden)?;
            let (quantization, out) = inner.target(m)?;
            let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut *stage.scratch };
            self.kernels.linear(&outer.read(m, self.hidden)?, &up, epilogue)?;
            let epilogue = Epilogue::AddF32 { residual: &mut *x };
            self.kernels.linear(&inner.read(m, config.ffn)?, &down, epilogue)?;
            self.layer_norm(x, &layer.output_norm)?;
        }
        Ok(())
    }

    fn layer_norm(&self, x: &mut [f32], norm: &tinybert_image::LayerNorm<'_>) -> Result<(), Shape> {
        let norm = LayerNorm { gamma: norm.gamma, beta: norm.beta, eps: self.layer_norm_eps };
        self.kernels.layer_norm(x, &norm)
    }
}
