//! The encoder: embeddings and Transformer layers over the residual stream `[tokens, hidden]`.
//!
//! Every LayerNorm writes the int8 input of the linear that follows it along with the residual stream, so that no pass
//! over the rows is needed for quantization alone. A layer has three steps, between which the bands wait for each
//! other: queries, keys and values; attention; everything after it.

use core::ops::Range;

use tinybert_image::{
    self as image, AttentionMode, Config, EmbeddingsView, InputQuantization, LayerConfig, LayerView,
};
use tinybert_kernels::{Activations, Embedding, Epilogue, Kernels, LayerNorm, Linear, Panel, ShapeMismatch};

use crate::Error;
use crate::progress::{Grid, Part, Progress, Stage};
use crate::quantized::QuantizedRows;
use crate::stages::{Decoded, FfnStage, Tokens, ffn_stage_bytes};
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

impl<'t> Encoder<'t> {
    pub fn new(kernels: Kernels, team: Team<'t>, config: &Config) -> Self {
        let Config { hidden, layer_norm_eps, panel, .. } = *config;
        Self { kernels, team, hidden, layer_norm_eps, panel }
    }

    /// Sums and normalises the embeddings of the tokens: the residual stream, and the first layer's `input`.
    pub fn embed(
        &self,
        tables: &EmbeddingsView<'_>,
        words: &WordTable<'_>,
        input: InputQuantization,
        tokens: Tokens<'_>,
        buffers: RowBuffers<'_>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let (count, hidden) = (tokens.ids.len(), self.hidden);
        progress.work(Stage::Embeddings, Grid::rows(count, hidden), |part| {
            let rows = buffers.residual.chunks_exact_mut(hidden.max(1)).enumerate();
            let tokens = rows.zip(tokens.ids).zip(tokens.type_ids);
            for (((position, row), id), kind) in tokens.skip(part.rows.start).take(part.rows.len()) {
                // The activations are still unused, so they are the memory for a row that has to be read.
                let (word, word_scale) = words.row(*id, buffers.activations)?;
                let (position, position_scale) =
                    int8_row(&tables.position, position).ok_or(Error::TokenId)?;
                let kind = tables.type_row(usize::from(*kind)).ok_or(Error::TokenId)?;
                self.kernels.embed(&Embedding { word, word_scale, position, position_scale, kind }, row)?;
            }
            Ok::<_, Error>(())
        })?;
        if progress.stage() == Stage::EmbeddingsNorm {
            let (bands, before) = (self.bands(count, buffers)?, *progress);
            *progress = self.team.each(bands, |mut band| {
                let mut progress = before;
                let own = band.residual.len().checked_div(hidden).ok_or(ShapeMismatch)?;
                progress.work(
                    Stage::EmbeddingsNorm,
                    Grid::rows(band.nominal, hidden).of_band(own),
                    |Part { rows, .. }| {
                        let x = rows_of(band.residual, &rows, hidden)?;
                        self.norm(&tables.norm, x, input, &mut band.input, rows.start)
                    },
                )?;
                Ok(progress)
            })?;
        }
        Ok(())
    }

    /// Goes on computing one layer over `tokens` rows, whose int8 form is the layer's input. It finishes only the first
    /// `rows` rows: all if there is a next layer, whose input is quantized as `next` says, or one if only the first
    /// token is read.
    #[inline(never)] // The loop over the layers needs its stack for itself.
    pub fn layer(
        &self,
        layer: &LayerView<'_>,
        next: Option<InputQuantization>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
        progress: &mut Progress,
    ) -> Result<(), ShapeMismatch> {
        if progress.stage() <= Stage::Context {
            *progress = match layer.config.attention {
                AttentionMode::Int8 => self.attention::<i8>(layer, buffers, tokens, rows, *progress)?,
                AttentionMode::F32 => self.attention::<f32>(layer, buffers, tokens, rows, *progress)?,
            };
        }
        if progress.stage() < Stage::Output {
            return Ok(());
        }
        let decoded = self.decoded(&layer.config)?;
        let bytes = ffn_stage_bytes(&layer.config, decoded, self.hidden, rows.min(ROWS_PER_STEP))
            .ok_or(ShapeMismatch)?;
        let (rest, stage) = buffers.rows();
        let bands = self.bands(rows, rest)?.zip(stage.chunks_exact_mut(bytes.max(1)));
        let before = *progress;
        *progress =
            self.team.each(bands, |(band, stage)| self.after_attention(layer, next, band, stage, before))?;
        Ok(())
    }

    /// Returns the number of bytes in which a layer's weights are decoded.
    pub fn decoded(&self, layer: &LayerConfig) -> Result<Decoded, ShapeMismatch> {
        Decoded::new(self.panel, self.hidden, layer).ok_or(ShapeMismatch)
    }

    /// Goes on computing `x = LayerNorm(x + output(context))`, then `x = LayerNorm(x + down(gelu(up(x))))`,
    /// [`ROWS_PER_STEP`] rows at a time.
    #[inline(never)] // As for attention.
    fn after_attention(
        &self,
        layer: &LayerView<'_>,
        next: Option<InputQuantization>,
        mut band: Band<'_>,
        stage: &mut [u8],
        mut progress: Progress,
    ) -> Result<Progress, ShapeMismatch> {
        let (config, hidden) = (&layer.config, self.hidden);
        let rows = band.residual.len().checked_div(hidden).ok_or(ShapeMismatch)?;
        let FfnStage { mut outer, mut inner, scratch, decoded } =
            FfnStage::carve(stage, config, self.decoded(config)?, hidden, rows.min(ROWS_PER_STEP))
                .ok_or(ShapeMismatch)?;
        loop {
            let block = progress.block(band.nominal);
            let (count, own) = (block.len(), rows.saturating_sub(block.start));
            // A last, shorter band may have no rows in this block.
            let x = band.residual.get_mut(block.start.min(rows).saturating_mul(hidden)..);
            let x = x.ok_or(ShapeMismatch)?;

            let norm = Grid::rows(count, hidden).of_band(own);
            let grid = Grid::linear(count, hidden, &layer.attention_output).of_band(own);
            progress.work(Stage::Output, grid, |part| {
                let (input, width) = (config.attention_output_input, config.attention_width());
                let first = block.start + part.rows.start;
                let context = band.input.read(input, first, part.rows.len(), width)?;
                let epilogue = add_to(x, &part, hidden)?;
                self.linear(&context, &layer.attention_output, part.columns, epilogue, decoded)
            })?;
            progress.work(Stage::AttentionNorm, norm, |Part { rows, .. }| {
                let x = rows_of(x, &rows, hidden)?;
                self.norm(&layer.attention_norm, x, config.up_input, &mut outer, rows.start)
            })?;

            let grid = Grid::linear(count, config.ffn, &layer.up).with_element().of_band(own);
            let grid = match config.down_input {
                InputQuantization::Static { .. } => grid,
                InputQuantization::PerToken => grid.whole_rows(),
            };
            progress.work(Stage::Up, grid, |Part { rows, columns }| {
                let (quantization, out) = inner.write(config.down_input, rows.start, rows.len())?;
                let out = self.kernels.skip_columns(out, columns.start)?;
                let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut *scratch };
                let outer = outer.read(config.up_input, rows.start, rows.len(), hidden)?;
                self.linear(&outer, &layer.up, columns, epilogue, decoded)
            })?;
            progress.work(Stage::Down, Grid::linear(count, hidden, &layer.down).of_band(own), |part| {
                let inner = inner.read(config.down_input, part.rows.start, part.rows.len(), config.ffn)?;
                let epilogue = add_to(x, &part, hidden)?;
                self.linear(&inner, &layer.down, part.columns, epilogue, decoded)
            })?;
            progress.work(Stage::OutputNorm, norm, |Part { rows, .. }| {
                let (x, first) = (rows_of(x, &rows, hidden)?, block.start + rows.start);
                match next {
                    Some(input) => self.norm(&layer.output_norm, x, input, &mut band.input, first),
                    None => self.kernels.layer_norm(x, &self.parameters(&layer.output_norm)),
                }
            })?;
            if !progress.next_block(Stage::Output, Stage::LayerEnd, band.nominal) {
                return Ok(progress);
            }
        }
    }

    /// Computes some outputs of a linear and their epilogue.
    #[inline(never)] // The operands are large for a small stack, so only this function holds them.
    pub fn linear(
        &self,
        input: &Activations<'_>,
        linear: &image::LinearView<'_>,
        outputs: Range<usize>,
        epilogue: Epilogue<'_>,
        decoded: &mut [i8],
    ) -> Result<(), ShapeMismatch> {
        let image::LinearView { outputs: n, inputs: k, panel, weights, scale, bias, row_sum } = *linear;
        let linear = Linear { n, k, panel, weights, scale, bias, row_sum };
        self.kernels.linear(input, &linear.outputs(outputs)?, epilogue, decoded)
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
            nominal: band.min(rows),
        }))
    }
}

/// Returns the same items. `zip` takes them one by one and does not ask for their number. For chunks that number is a
/// division, which has a panic path if it is not inlined.
pub(crate) fn one_by_one<T>(items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    items.map_while(Some)
}

/// The rows that one thread works on.
struct Band<'w> {
    residual: &'w mut [f32],
    input: QuantizedRows<'w>,
    /// The rows of the first band, by which all threads count their work ([`Grid::of_band`]).
    nominal: usize,
}

/// Returns the rows of `x` `[rows, width]`.
pub(crate) fn rows_of<'x>(
    x: &'x mut [f32],
    rows: &Range<usize>,
    width: usize,
) -> Result<&'x mut [f32], ShapeMismatch> {
    let all = rows.start.saturating_mul(width)..rows.end.saturating_mul(width);
    x.get_mut(all).ok_or(ShapeMismatch)
}

/// Returns the epilogue that adds to a part of `x` `[rows, width]`.
fn add_to<'x>(x: &'x mut [f32], part: &Part, width: usize) -> Result<Epilogue<'x>, ShapeMismatch> {
    let residual = rows_of(x, &part.rows, width)?.get_mut(part.columns.start..);
    Ok(Epilogue::AddF32 { residual: residual.ok_or(ShapeMismatch)?, stride: width })
}
