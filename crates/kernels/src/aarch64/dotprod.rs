//! Advanced SIMD with the dot product of Armv8.2, for out-of-order cores: Cortex-A76 and later.

use super::i8_8x12_sdot;
use super::vector::Vector;
use crate::Panel;
use crate::layout::Layout;

/// Vectors, and the micro-kernel of the dot product.
pub(super) enum Dotprod {}

type NeonDotprod = Vector<Dotprod>;

crate::simd::entry_points!(NeonDotprod, "neon,dotprod");

crate::simd::micro_kernel!(NeonDotprod, i8_8x12_sdot, 3, Panel::DOTPROD, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: Layout = Layout { rows: i8_8x12_sdot::MR, depth: i8_8x12_sdot::KR, bias: 0 };
