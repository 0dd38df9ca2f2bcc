//! Advanced SIMD with the matrix multiplication of Armv8.6: Cortex-A510, A715, X2, Neoverse V1.

use super::i8_8x12_smmla;
use super::neon::Neon;
use super::vector::Vector;
use crate::Panel;
use crate::activation_layout::ActivationLayout;

/// The micro-kernel of the matrix multiplication.
#[derive(Clone, Copy)]
pub(super) struct I8mm;

pub(super) type NeonI8mm = Vector<I8mm>;

impl NeonI8mm {
    /// # Safety
    /// The CPU must have Advanced SIMD, the dot product and the matrix multiplication.
    #[inline(always)]
    unsafe fn new_unchecked() -> Self {
        Vector(I8mm)
    }
}

crate::simd::entry_points!(NeonI8mm, "neon,dotprod,i8mm", products);
crate::simd::entry_points!(Neon, "neon", others);

crate::simd::micro_kernel!(NeonI8mm, i8_8x12_smmla, 3, Panel::I8MM, LAYOUT);

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout =
    ActivationLayout { rows: i8_8x12_smmla::MR, depth: i8_8x12_smmla::KR, bias: 0 };
