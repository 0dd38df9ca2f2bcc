//! Tokens: a value of such a type proves that the CPU has the instruction set, and chooses the micro-kernel.

use super::vector::Vector;

/// Vectors, and the micro-kernel of the baseline (Armv8.0).
pub(super) type Neon = Vector<()>;

impl Neon {
    /// # Safety
    /// The CPU must have Advanced SIMD.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Vector(())
    }
}

/// The micro-kernel of the dot product (Armv8.2).
#[derive(Clone, Copy)]
pub(super) struct Dotprod {
    /// The schedule of in-order cores.
    pub(super) in_order: bool,
}

/// Vectors, and the micro-kernel of the dot product.
pub(super) type NeonDotprod = Vector<Dotprod>;

impl NeonDotprod {
    /// # Safety
    /// The CPU must have Advanced SIMD and the dot product.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked(in_order: bool) -> Self {
        Vector(Dotprod { in_order })
    }
}

/// The micro-kernel of the matrix multiplication (Armv8.6).
#[derive(Clone, Copy)]
pub(super) struct I8mm;

/// Vectors, and the micro-kernel of the matrix multiplication.
pub(super) type NeonI8mm = Vector<I8mm>;

impl NeonI8mm {
    /// # Safety
    /// The CPU must have Advanced SIMD, the dot product and the matrix multiplication.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Vector(I8mm)
    }
}
