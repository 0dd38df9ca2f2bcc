//! The task head: pooler and output linear on the first token's row, or the output linear on every token's.

use tinybert_image::{Head, HeadKind, InputQuantization};
use tinybert_kernels::{Epilogue, Shape, math};

use crate::encoder::{Encoder, Rows, linear};
use crate::quantized::Quantized;
use crate::workspace::HeadStage;

/// How the head's linears take their input.
const INPUT: InputQuantization = InputQuantization::PerToken;

/// Computes the outputs of an input of `tokens` tokens: `[outputs]` for the first token's row, or `[tokens, outputs]`.
pub(crate) fn run<'w>(
    encoder: &Encoder<'_>,
    kind: HeadKind,
    head: &Head<'_>,
    rows: Rows<'_>,
    tokens: usize,
    stage: HeadStage<'w>,
) -> Result<&'w [f32], Shape> {
    let (kernels, hidden) = (&encoder.kernels, encoder.hidden);
    let m = kind.answers(tokens);
    let states = rows.residual.get(..m.saturating_mul(hidden)).ok_or(Shape)?;
    let mut input = Quantized { data: rows.activations, stride: rows.stride, scales: rows.scales };
    let (quantization, out) = input.write(INPUT, 0, m)?;
    kernels.quantize(states, hidden, quantization, out)?;
    if let Some(pooler) = &head.pooler {
        let epilogue = Epilogue::F32 { out: &mut *stage.pooled, stride: hidden };
        kernels.linear(&input.read(INPUT, 0, 1, hidden)?, &linear(pooler)?, epilogue)?;
        for x in stage.pooled.iter_mut() {
            *x = math::tanh(*x);
        }
        let (quantization, out) = input.write(INPUT, 0, 1)?;
        kernels.quantize(stage.pooled, hidden, quantization, out)?;
    }
    let epilogue = Epilogue::F32 { stride: head.output.outputs, out: &mut *stage.outputs };
    kernels.linear(&input.read(INPUT, 0, m, hidden)?, &linear(&head.output)?, epilogue)?;
    Ok(stage.outputs)
}
