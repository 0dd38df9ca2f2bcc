//! Advanced SIMD with the matrix multiplication of Armv8.6: Cortex-A510, A715, X2, Neoverse V1.

use super::i8_8x12_smmla;
use super::tokens::{Neon, NeonI8mm};
use crate::Panel;
use crate::activation_layout::ActivationLayout;

crate::simd::entry_points!(NeonI8mm, "neon,dotprod,i8mm", products);
crate::simd::entry_points!(Neon, "neon", others);

crate::simd::micro_kernel!(NeonI8mm, i8_8x12_smmla, 3, Panel::I8MM, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout =
    ActivationLayout { rows: i8_8x12_smmla::MR, depth: i8_8x12_smmla::KR, bias: 0 };
