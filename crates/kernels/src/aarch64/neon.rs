//! Baseline Advanced SIMD (Armv8.0): Cortex-A53, A72.

use super::i8_4x4_smlal;
use super::tokens::Neon;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

crate::simd::entry_points!(Neon, "neon");

crate::simd::micro_kernel!(Neon, i8_4x4_smlal, 1, Panel::NEON, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout =
    ActivationLayout { rows: i8_4x4_smlal::MR, depth: i8_4x4_smlal::KR, bias: 0 };
