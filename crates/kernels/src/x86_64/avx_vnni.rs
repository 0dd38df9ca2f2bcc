//! AVX2 with the 8-bit dot product of AVX-VNNI: Alder Lake, Zen 5.

use super::i8_4x24_vpdpbusd;
use super::ymm::AvxVnni;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

crate::simd::entry_points!(AvxVnni, "avx2,avxvnni");

crate::simd::micro_kernel!(AvxVnni, i8_4x24_vpdpbusd, 3, Panel::X86, LAYOUT);

/// The layout of activations: unsigned.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout { bias: 128, ..ActivationLayout::ROW_MAJOR };
