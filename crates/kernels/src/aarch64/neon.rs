//! Baseline Advanced SIMD (Armv8.0): Cortex-A53, A72.

use super::i8_4x4_smlal;
use super::vector::Vector;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of the baseline.
pub(super) enum Baseline {}

type Neon = Vector<Baseline>;

crate::simd::entry_points!(Neon, "neon");

impl MicroKernel for Neon {
    const MR: usize = i8_4x4_smlal::MR;
    const VECTORS: usize = 1;
    const PANEL: Panel = Panel::NEON;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves Advanced SIMD; the rest is asked of the caller.
        unsafe { i8_4x4_smlal::tile(rows, columns, init) }
    }

    #[inline(always)]
    unsafe fn edge(
        self,
        rows: Rows,
        columns: Columns,
        init: [Self::I; VECTORS_MAX],
        tile: &mut Tile<Self::I>,
    ) {
        // SAFETY: as above.
        unsafe { i8_4x4_smlal::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations.
pub(crate) const LAYOUT: Layout = Layout { rows: i8_4x4_smlal::MR, depth: i8_4x4_smlal::KR, bias: 0 };
