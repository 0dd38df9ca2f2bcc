//! Which kernel runs where: one table per instruction set.

use crate::attention::{AttentionShape, Context};
use crate::embedding::Embedding;
use crate::linear::{Activations, Epilogue, LayerNorm, Linear};
use crate::scratch::Scratch;
use crate::{Isa, Panel, scalar};

/// The kernels of one instruction set.
///
/// # Safety
/// The CPU must have the instruction set when one of them is called. Their operands must be checked, or results are
/// wrong; memory stays safe even then.
pub(crate) struct Table {
    pub isa: Isa,
    /// Weight layout of `linear`; other layouts go to the scalar kernel.
    pub panel: Panel,
    pub linear: unsafe fn(&Activations, &Linear, Epilogue),
    pub attention: unsafe fn(&[i8], AttentionShape, f32, Context, Scratch),
    pub layer_norm: unsafe fn(&mut [f32], &LayerNorm),
    pub quantize: unsafe fn(&[f32], f32, i8, &mut [i8]),
    pub quantize_row: unsafe fn(&[f32], &mut [i8]) -> f32,
    pub embed: unsafe fn(&Embedding, &mut [f32]),
}

pub(crate) static SCALAR: Table = Table {
    isa: Isa::Scalar,
    panel: Panel::PORTABLE,
    linear: scalar::linear,
    attention: scalar::attention,
    layer_norm: scalar::layer_norm,
    quantize: scalar::quantize,
    quantize_row: scalar::quantize_row,
    embed: scalar::embed,
};

/// The table of that instruction set, if this CPU (with `std`) or this build's target (without) has it.
pub(crate) fn available(isa: Isa) -> Option<&'static Table> {
    match isa {
        Isa::Scalar => Some(&SCALAR),
        _ => None,
    }
}
