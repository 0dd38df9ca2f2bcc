//! Baseline Advanced SIMD (Armv8.0): Cortex-A53, A72.

use super::i8_4x4_smlal::i8_4x4_smlal;
use super::vector::Vector;
use crate::simd::{MicroKernel, Rows, Tile};

/// Vectors, and the micro-kernel of the baseline.
pub(super) enum Baseline {}

type Neon = Vector<Baseline>;

crate::simd::entry_points!(Neon, "neon");

impl MicroKernel for Neon {
    const MR: usize = 4;
    const NR: usize = 4;
    const KR: usize = 16;

    #[inline(always)]
    fn tile(self, rows: Rows, panel: &[i8], tile: &mut Tile) {
        // SAFETY: the token proves Advanced SIMD.
        unsafe { i8_4x4_smlal(rows, panel, tile) }
    }
}
