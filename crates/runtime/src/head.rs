//! The task head: pooler and output linear on the first token's row.

use tinybert_image::{Head, InputQuantization};
use tinybert_kernels::{Epilogue, Kernels, Shape, math};

use crate::encoder::linear;
use crate::quantized::Quantized;
use crate::workspace::HeadStage;

/// Computes the outputs for `first`, the first token's row `[hidden]`, with per-token quantization.
pub(crate) fn run<'w>(
    kernels: &Kernels,
    head: &Head<'_>,
    first: &[f32],
    activations: &mut [i8],
    scales: &mut [f32],
    stage: HeadStage<'w>,
) -> Result<&'w [f32], Shape> {
    let hidden = first.len();
    let mut input = Quantized { data: activations, scales, input: InputQuantization::PerToken };
    input.write(kernels, first, hidden)?;
    if let Some(pooler) = &head.pooler {
        let epilogue = Epilogue::F32 { out: &mut *stage.pooled };
        kernels.linear(&input.read(1, hidden)?, &linear(pooler)?, epilogue)?;
        for x in stage.pooled.iter_mut() {
            *x = math::tanh(*x);
        }
        input.write(kernels, stage.pooled, hidden)?;
    }
    let epilogue = Epilogue::F32 { out: &mut *stage.outputs };
    kernels.linear(&input.read(1, hidden)?, &linear(&head.output)?, epilogue)?;
    Ok(stage.outputs)
}
