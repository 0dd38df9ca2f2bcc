//! The first half of a layer: queries, keys and values, then the context of each query.

use tinybert_image::{InputQuantization, LayerConfig, LayerView};
use tinybert_kernels::{AttentionShape, ContextOutput, Quantization, ShapeMismatch};
use zerocopy::FromBytes;

use crate::encoder::{Encoder, one_by_one, rows_of};
use crate::progress::{Grid, Part, Progress, Stage};
use crate::qkv::Qkv;
use crate::quantized::{QuantizedInput, QuantizedRows};
use crate::stages::{AttentionBand, AttentionStage};
use crate::team::band;
use crate::workspace::Buffers;

impl Encoder<'_> {
    /// Goes on computing the queries, keys and values of all tokens, then the context of the first `rows` tokens, which
    /// replaces the layer's input.
    #[inline(never)] // The stack that it needs is free again for what follows attention.
    pub fn attention<T: Qkv>(
        &self,
        layer: &LayerView<'_>,
        buffers: &mut Buffers<'_>,
        tokens: usize,
        rows: usize,
        mut progress: Progress,
    ) -> Result<Progress, ShapeMismatch> {
        let (config, count) = (&layer.config, self.team.count());
        let decoded = self.decoded(config)?;
        let AttentionStage { qkv, mut bands } =
            AttentionStage::<T>::carve(buffers.stage, config, decoded, tokens, rows, count)
                .ok_or(ShapeMismatch)?;
        let stride = T::stride(config);
        if progress.stage() <= Stage::Qkv {
            let input =
                QuantizedInput { data: buffers.activations, stride: buffers.stride, scales: buffers.scales };
            let tokens_band = band(tokens, count);
            let qkv_bands = qkv.chunks_mut(tokens_band.saturating_mul(stride).max(1)).enumerate();
            // Attention does not use its scratch memory before there are queries, keys and values.
            progress = self.team.each(qkv_bands.zip(bands.each()), |((index, qkv), band)| {
                let decoded = <[i8]>::mut_from_bytes(band.scratch).map_err(|_| ShapeMismatch)?;
                let shape = QkvShape { tokens, rows, first: index * tokens_band, nominal: tokens_band };
                self.qkv(layer, input, shape, qkv, decoded, progress)
            })?;
            if progress.stage() < Stage::Attention {
                return Ok(progress);
            }
        }

        let rows_band = band(rows, count);
        let data = buffers.activations.chunks_mut(rows_band.saturating_mul(buffers.stride).max(1));
        let scales = one_by_one(buffers.scales.chunks_mut(rows_band));
        let contexts = data.zip(scales).zip(bands.each()).enumerate();
        self.team.each(contexts.take(rows.div_ceil(rows_band)), |(index, ((data, scales), stage))| {
            let first_query = index * rows_band;
            let queries = rows_band.min(rows - first_query);
            let all = AttentionShape::all(tokens, config.heads, config.head_dim, stride);
            let shape = AttentionShape { first_query, queries, ..all };
            let context = QuantizedRows { data, stride: buffers.stride, scales };
            self.context(config, qkv, shape, rows_band.min(rows), stage, context, progress)
        })
    }

    /// Goes on computing the keys and values of a band of tokens, [`ROWS_PER_STEP`] at a time, and the queries of those
    /// that are among the first rows.
    fn qkv<T: Qkv>(
        &self,
        layer: &LayerView<'_>,
        input: QuantizedInput<'_>,
        shape: QkvShape,
        qkv: &mut [T],
        decoded: &mut [i8],
        mut progress: Progress,
    ) -> Result<Progress, ShapeMismatch> {
        let QkvShape { tokens, rows, first, nominal } = shape;
        let config = &layer.config;
        let stride = T::stride(config);
        let own = qkv.len().checked_div(stride).ok_or(ShapeMismatch)?;
        // Computes a part of a grid that begins with a row of the band and an output of the linear.
        let mut compute = |part: Part, first_row: usize, first_output: usize| {
            let row = first_row + part.rows.start;
            let outputs = first_output + part.columns.start..first_output + part.columns.end;
            let place = row.saturating_mul(stride).saturating_add(outputs.start);
            let out = qkv.get_mut(place..).unwrap_or_default();
            let input = input.read(config.qkv_input, first + row, part.rows.len(), self.hidden)?;
            self.linear(&input, &layer.qkv, outputs, T::epilogue(out, stride), decoded)
        };
        // Rows without queries begin with the panel that holds the first keys.
        let whole_panels =
            config.attention_width().checked_rem(usize::from(layer.qkv.panel.nr)).ok_or(ShapeMismatch)?;
        let (queries, without_queries) = match rows == tokens {
            true => (0, 0),
            false => (rows.min(nominal), config.attention_width() - whole_panels),
        };
        let grid = Grid::linear(queries, without_queries, &layer.qkv);
        progress.work(Stage::Queries, grid.of_band(own.min(rows.saturating_sub(first))), |part| {
            compute(part, 0, 0)
        })?;
        let (nominal, outputs) = (nominal.min(tokens), layer.qkv.outputs.saturating_sub(without_queries));
        loop {
            let block = progress.block(nominal);
            let grid = Grid::linear(block.len(), outputs, &layer.qkv);
            progress.work(Stage::Qkv, grid.of_band(own.saturating_sub(block.start)), |part| {
                compute(part, block.start, without_queries)
            })?;
            if !progress.next_block(Stage::Qkv, Stage::Attention, nominal) {
                return Ok(progress);
            }
        }
    }

    /// Goes on computing the attention of the queries of `shape` and quantizes it into `context`. The first band has
    /// `nominal` queries.
    #[expect(clippy::too_many_arguments, reason = "one caller")]
    fn context<T: Qkv>(
        &self,
        config: &LayerConfig,
        qkv: &[T],
        shape: AttentionShape,
        nominal: usize,
        stage: AttentionBand<'_>,
        mut context: QuantizedRows<'_>,
        mut progress: Progress,
    ) -> Result<Progress, ShapeMismatch> {
        let (coefficient, scale) = (config.attention_coefficient, config.context_scale);
        let (input, width) = (config.attention_output_input, shape.width());
        let grid = Grid::attention(nominal, shape.heads, shape.head_dim, shape.tokens);
        progress.work(Stage::Attention, grid.of_band(shape.queries), |Part { rows, columns }| {
            let shape = AttentionShape {
                first_query: shape.first_query + rows.start,
                queries: rows.len(),
                first_head: columns.start,
                computed_heads: columns.len(),
                ..shape
            };
            let (quantization, out) = context.write(input, rows.start, rows.len())?;
            let out = match quantization {
                Quantization::Static { .. } => ContextOutput::I8 { out, scale },
                Quantization::PerToken { .. } => {
                    ContextOutput::F32 { out: rows_of(stage.context, &rows, width)?, scale }
                }
            };
            T::attention(self.kernels, qkv, shape, coefficient, out, stage.scratch)
        })?;
        let rows = if input == InputQuantization::PerToken { nominal } else { 0 };
        let grid = Grid::rows(rows, width).of_band(shape.queries);
        progress.work(Stage::Context, grid, |Part { rows, .. }| {
            let (quantization, out) = context.write(input, rows.start, rows.len())?;
            self.kernels.quantize(rows_of(stage.context, &rows, width)?, width, quantization, out)
        })?;
        Ok(progress)
    }
}

/// The rows of which a band computes queries, keys and values.
#[derive(Clone, Copy)]
struct QkvShape {
    tokens: usize,
    /// The first `rows` of the tokens need queries.
    rows: usize,
    /// The first token of the band.
    first: usize,
    /// As in [`Band`].
    nominal: usize,
}
