//! AVX2 with the 8-bit dot product of AVX-VNNI: Alder Lake, Zen 5.

use super::i8_4x24_vpdpbusd;
use super::ymm::Ymm;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of the dot product.
pub(super) enum Dot {}

type AvxVnni = Ymm<Dot>;

crate::simd::entry_points!(AvxVnni, "avx2,avxvnni");

impl MicroKernel for AvxVnni {
    const MR: usize = i8_4x24_vpdpbusd::MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::X86;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves AVX2 and AVX-VNNI; the rest is asked of the caller.
        unsafe { i8_4x24_vpdpbusd::tile(rows, columns, init) }
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
        unsafe { i8_4x24_vpdpbusd::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations: unsigned.
pub(crate) const LAYOUT: Layout = Layout { bias: 128, ..Layout::ROW_MAJOR };
