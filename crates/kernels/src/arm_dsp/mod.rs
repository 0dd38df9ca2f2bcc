//! Cortex-M with the DSP extension (Armv7E-M, Armv8-M): Cortex-M4, M7, M33, M35P.
//!
//! SMLAD adds two products of 16-bit numbers to a sum. A word of four int8 values becomes two words of such pairs,
//! bytes 0 and 2 and bytes 1 and 3 (SXTB16). Weights are turned into pairs once for all rows of a call, a panel at a
//! time. Everything in f32 is scalar: these cores have one f32 operation per instruction, and no fused multiply-add is
//! used.

mod attention;
mod i8_2x4_smlad;
#[cfg(arm_dsp_detect)]
pub(crate) mod id_registers;
mod instructions;
mod linear;
mod math;
mod pairs;
mod rows;

use crate::activation_layout::ActivationLayout;

pub(crate) use attention::attention;
pub(crate) use linear::linear;
pub(crate) use rows::{layer_norm_quantize, quantize};

/// The layout of activations: four bytes of a row and of the row below it are one double word.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout { rows: 2, depth: 4, bias: 0 };
