//! AVX-512 with its 8-bit dot product: Ice Lake, Zen 4.

use super::i8_8x48_vpdpbusd;
use super::zmm::Zmm;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

crate::simd::entry_points!(Zmm, "avx512f,avx512bw,avx512vl,avx512vnni");

impl MicroKernel for Zmm {
    const MR: usize = i8_8x48_vpdpbusd::MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::X86;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves AVX-512 F, BW, VL and VNNI; the rest is asked of the caller.
        unsafe { i8_8x48_vpdpbusd::tile(rows, columns, init) }
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
        unsafe { i8_8x48_vpdpbusd::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations: unsigned.
pub(crate) const LAYOUT: Layout = Layout { bias: 128, ..Layout::ROW_MAJOR };
