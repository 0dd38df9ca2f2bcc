//! Advanced SIMD with the dot product of Armv8.2, scheduled for the in-order Cortex-A55.

use super::dotprod;
use super::i8_8x12_sdot_a55;
use super::vector::Vector;
use crate::Panel;

/// Vectors, and the micro-kernel of the dot product for in-order cores.
pub(super) enum InOrder {}

type NeonDotprodA55 = Vector<InOrder>;

crate::simd::entry_points!(NeonDotprodA55, "neon,dotprod", products);

crate::simd::micro_kernel!(NeonDotprodA55, i8_8x12_sdot_a55, 3, Panel::DOTPROD, dotprod::LAYOUT);
