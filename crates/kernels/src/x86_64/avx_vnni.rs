//! AVX2 with the 8-bit dot product of AVX-VNNI: Alder Lake, Zen 5.

use super::i8_4x24_vpdpbusd;
use super::ymm::Ymm;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

/// Vectors, and the micro-kernel of the dot product.
pub(super) enum Dot {}

pub(super) type AvxVnni = Ymm<Dot>;

crate::simd::entry_points!(AvxVnni, "avx2,avxvnni");

crate::simd::micro_kernel!(AvxVnni, i8_4x24_vpdpbusd, 3, Panel::X86, LAYOUT);

/// The layout of activations: unsigned.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout { bias: 128, ..ActivationLayout::ROW_MAJOR };
