//! The task head: an output linear on the first token's row (after a pooler), on every token's row, or on one row that
//! all rows are pooled to.

use tinybert_image::{Config, HeadKind, HeadView, InputQuantization, LinearView, Pooling};
use tinybert_kernels::{Epilogue, ShapeMismatch, math};

use crate::encoder::Encoder;
use crate::progress::{Grid, Part, Progress, Stage};
use crate::quantized::QuantizedRows;
use crate::stages::HeadStage;
use crate::workspace::RowBuffers;

/// How the inputs of the head's linears are quantized. The weights of these linears are always int8.
const INPUT: InputQuantization = InputQuantization::PerToken;

/// Goes on computing the outputs of an input of `tokens` tokens: `[outputs]`, or `[tokens, outputs]` if each token has
/// its own.
pub(crate) fn run(
    encoder: &Encoder<'_>,
    config: &Config,
    head: &HeadView<'_>,
    buffers: RowBuffers<'_>,
    tokens: usize,
    stage: HeadStage<'_>,
    progress: &mut Progress,
) -> Result<(), ShapeMismatch> {
    let (kernels, hidden) = (&encoder.kernels, encoder.hidden);
    let m = config.head.answers(tokens);
    let HeadStage { pooled, outputs } = stage;
    let states = buffers.residual.get(..tokens.saturating_mul(hidden)).ok_or(ShapeMismatch)?;
    let embeds = config.head == HeadKind::Embedding;
    progress.work(Stage::Pool, Grid::rows(usize::from(embeds), states.len()), |_| {
        pool(states, config.pooling, pooled);
        Ok::<_, ShapeMismatch>(())
    })?;
    let mut input =
        QuantizedRows { data: buffers.activations, stride: buffers.stride, scales: buffers.scales };
    progress.work(Stage::HeadInput, Grid::rows(m, hidden), |part| {
        let states = if embeds { &*pooled } else { states };
        let rows = part.rows.start.saturating_mul(hidden)..part.rows.end.saturating_mul(hidden);
        let (quantization, out) = input.write(INPUT, part.rows.start, part.rows.len())?;
        kernels.quantize(states.get(rows).ok_or(ShapeMismatch)?, hidden, quantization, out)
    })?;
    let compute = |input: &QuantizedRows<'_>, weights: &LinearView<'_>, part: Part, out: &mut [f32]| {
        let place = part.rows.start.saturating_mul(weights.outputs).saturating_add(part.columns.start);
        let out = out.get_mut(place..).ok_or(ShapeMismatch)?;
        let epilogue = Epilogue::F32 { out, stride: weights.outputs };
        let input = input.read(INPUT, part.rows.start, part.rows.len(), hidden)?;
        encoder.linear(&input, weights, part.columns, epilogue, &mut [])
    };
    let pooler = head.pooler.as_ref();
    let rows = usize::from(pooler.is_some());
    let weights = pooler.unwrap_or(&head.output);
    progress.work(Stage::Pooler, Grid::linear(rows, weights.outputs, weights), |part| {
        compute(&input, weights, part, pooled)
    })?;
    progress.work(Stage::Pooled, Grid::rows(rows, hidden), |_| {
        for x in pooled.iter_mut() {
            *x = math::tanh(*x);
        }
        let (quantization, out) = input.write(INPUT, 0, 1)?;
        kernels.quantize(pooled, hidden, quantization, out)
    })?;
    progress.work(Stage::Outputs, Grid::linear(m, config.outputs, &head.output), |part| {
        compute(&input, &head.output, part, outputs)
    })?;
    let normalized = usize::from(embeds && config.normalized);
    progress.work(Stage::Normalize, Grid::rows(normalized, config.outputs), |_| {
        math::normalize(outputs);
        Ok(())
    })
}

/// Writes the row that the rows of `states` `[tokens, hidden]` are pooled to. It reads the rows in their order.
fn pool(states: &[f32], pooling: Pooling, pooled: &mut [f32]) {
    let rows = states.chunks_exact(pooled.len().max(1));
    match pooling {
        Pooling::Mean => {
            pooled.fill(0.0);
            let mut tokens = 0.0;
            for row in rows {
                pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += math::scalar(*x));
                tokens += 1.0;
            }
            pooled.iter_mut().for_each(|sum| *sum = math::scalar(*sum / tokens));
        }
        Pooling::Cls => pooled.iter_mut().zip(states).for_each(|(pooled, x)| *pooled = *x),
        Pooling::Max => {
            pooled.fill(f32::NEG_INFINITY);
            for row in rows {
                pooled
                    .iter_mut()
                    .zip(row)
                    .for_each(|(largest, x)| *largest = math::max(math::scalar(*x), *largest));
            }
        }
    }
}
