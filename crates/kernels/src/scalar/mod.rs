//! The specification: plain loops, one file per operation, for any panel. `thumb1.rs` has the same sums in assembly for
//! cores that execute Thumb-1 code alone.

mod attention;
mod attention_f32;
mod embedding;
mod layer_norm;
mod linear;
mod quantize;
#[cfg(arm_thumb1)]
mod thumb1;

pub(crate) use attention::attention;
pub(crate) use attention_f32::attention_f32;
pub(crate) use embedding::embed;
pub(crate) use layer_norm::{layer_norm, layer_norm_quantize};
pub(crate) use linear::linear;
#[cfg(any(arm_dsp, arm_mve))]
pub(crate) use quantize::largest_magnitude;
pub(crate) use quantize::quantize;
#[cfg(arm_mve)]
pub(crate) use quantize::write_row;
