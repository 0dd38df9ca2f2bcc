//! AVX2 without a dot product.

use super::i8_6x8_pmaddwd;
use super::ymm::Avx2;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

crate::simd::entry_points!(Avx2, "avx2");

crate::simd::micro_kernel!(Avx2, i8_6x8_pmaddwd, 1, Panel::X86, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout::ROW_MAJOR;
