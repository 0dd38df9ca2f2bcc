//! The task head: an output linear on the first token's row (after a pooler), on every token's row, or on one row that
//! all rows are pooled to.

use tinybert_image::{Config, HeadKind, HeadView, InputQuantization, Pooling};
use tinybert_kernels::{Epilogue, ShapeMismatch, math};

use crate::encoder::{Encoder, linear};
use crate::quantized::QuantizedRows;
use crate::stages::HeadStage;
use crate::workspace::RowBuffers;

/// How the inputs of the head's linears are quantized. The weights of these linears are always int8.
const INPUT: InputQuantization = InputQuantization::PerToken;

/// Computes the outputs of an input of `tokens` tokens: `[outputs]`, or `[tokens, outputs]` if each token has its own.
pub(crate) fn run<'w>(
    encoder: &Encoder<'_>,
    config: &Config,
    head: &HeadView<'_>,
    rows: RowBuffers<'_>,
    tokens: usize,
    stage: HeadStage<'w>,
) -> Result<&'w [f32], ShapeMismatch> {
    let (kernels, hidden) = (&encoder.kernels, encoder.hidden);
    let (kind, m) = (config.head, config.head.answers(tokens));
    let states = rows.residual.get(..tokens.saturating_mul(hidden)).ok_or(ShapeMismatch)?;
    let states = match kind {
        HeadKind::Embedding => {
            pool(states, config.pooling, stage.pooled);
            &*stage.pooled
        }
        _ => states.get(..m.saturating_mul(hidden)).ok_or(ShapeMismatch)?,
    };
    let mut input = QuantizedRows { data: rows.activations, stride: rows.stride, scales: rows.scales };
    let (quantization, out) = input.write(INPUT, 0, m)?;
    kernels.quantize(states, hidden, quantization, out)?;
    if let Some(pooler) = &head.pooler {
        let epilogue = Epilogue::F32 { out: &mut *stage.pooled, stride: hidden };
        kernels.linear(&input.read(INPUT, 0, 1, hidden)?, &linear(pooler), epilogue, &mut [])?;
        for x in stage.pooled.iter_mut() {
            *x = math::tanh(*x);
        }
        let (quantization, out) = input.write(INPUT, 0, 1)?;
        kernels.quantize(stage.pooled, hidden, quantization, out)?;
    }
    let epilogue = Epilogue::F32 { stride: head.output.outputs, out: &mut *stage.outputs };
    kernels.linear(&input.read(INPUT, 0, m, hidden)?, &linear(&head.output), epilogue, &mut [])?;
    if kind == HeadKind::Embedding && config.normalized {
        math::normalize(stage.outputs);
    }
    Ok(stage.outputs)
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
