//! AVX2 without a dot product.

use super::i8_6x8_pmaddwd;
use super::ymm::Ymm;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

/// Vectors, and the micro-kernel of AVX2.
pub(super) enum Multiply {}

pub(super) type Avx2 = Ymm<Multiply>;

crate::simd::entry_points!(Avx2, "avx2");

crate::simd::micro_kernel!(Avx2, i8_6x8_pmaddwd, 1, Panel::X86, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout = ActivationLayout::ROW_MAJOR;
