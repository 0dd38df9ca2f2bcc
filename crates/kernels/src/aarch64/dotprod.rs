//! Advanced SIMD with the dot product of Armv8.2: Cortex-A55, A76.

use super::i8_6x12_sdot::i8_6x12_sdot;
use super::vector::Vector;
use crate::simd::{MicroKernel, Rows, Tile};

/// Vectors, and the micro-kernel of the dot product.
pub(super) enum Dotprod {}

type NeonDotprod = Vector<Dotprod>;

crate::simd::entry_points!(NeonDotprod, "neon,dotprod");

impl MicroKernel for NeonDotprod {
    const MR: usize = 6;
    const NR: usize = 12;
    const KR: usize = 4;

    #[inline(always)]
    fn tile(self, rows: Rows, panel: &[i8], tile: &mut Tile) {
        // SAFETY: the token proves Advanced SIMD and the dot product.
        unsafe { i8_6x12_sdot(rows, panel, tile) }
    }
}
