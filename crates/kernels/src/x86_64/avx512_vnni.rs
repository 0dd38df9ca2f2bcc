//! AVX-512 with its 8-bit dot product: Ice Lake, Zen 4.

use super::i8_8x48_vpdpbusd;
use super::zmm::Zmm;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

crate::simd::entry_points!(Zmm, "avx512f,avx512bw,avx512vl,avx512vnni");

crate::simd::micro_kernel!(Zmm, i8_8x48_vpdpbusd, 3, Panel::X86, LAYOUT);

/// The layout of activations: unsigned.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout { bias: 128, ..ActivationLayout::ROW_MAJOR };
