//! Advanced SIMD with the dot product of Armv8.2, for out-of-order cores: Cortex-A76 and later.

use super::i8_8x12_sdot;
use super::vector::Vector;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of the dot product.
pub(super) enum Dotprod {}

type NeonDotprod = Vector<Dotprod>;

crate::simd::entry_points!(NeonDotprod, "neon,dotprod");

impl MicroKernel for NeonDotprod {
    const MR: usize = i8_8x12_sdot::MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::DOTPROD;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves the instruction set; the rest is asked of the caller.
        unsafe { i8_8x12_sdot::tile(rows, columns, init) }
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
        unsafe { i8_8x12_sdot::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations.
pub(crate) const LAYOUT: Layout = Layout { rows: i8_8x12_sdot::MR, depth: i8_8x12_sdot::KR, bias: 0 };
