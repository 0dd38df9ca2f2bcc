//! Advanced SIMD with the dot product of Armv8.2, scheduled for the in-order Cortex-A55.

use super::dotprod;
use super::i8_8x12_sdot::MR;
use super::i8_8x12_sdot_a55;
use super::vector::Vector;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of the dot product for in-order cores.
pub(super) enum InOrder {}

type NeonDotprodA55 = Vector<InOrder>;

crate::simd::entry_points!(NeonDotprodA55, "neon,dotprod", products);

impl MicroKernel for NeonDotprodA55 {
    const MR: usize = MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::DOTPROD;
    const LAYOUT: Layout = dotprod::LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves the instruction set; the rest is asked of the caller.
        unsafe { i8_8x12_sdot_a55::tile(rows, columns, init) }
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
        unsafe { i8_8x12_sdot_a55::edge(rows, columns, init, tile) }
    }
}
