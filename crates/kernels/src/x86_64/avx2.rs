//! AVX2 without a dot product.

use super::i8_6x8_pmaddwd;
use super::ymm::Ymm;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of AVX2.
pub(super) enum Multiply {}

type Avx2 = Ymm<Multiply>;

crate::simd::entry_points!(Avx2, "avx2");

impl MicroKernel for Avx2 {
    const MR: usize = i8_6x8_pmaddwd::MR;
    const VECTORS: usize = 1;
    const PANEL: Panel = Panel::X86;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves AVX2; the rest is asked of the caller.
        unsafe { i8_6x8_pmaddwd::tile(rows, columns, init) }
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
        unsafe { i8_6x8_pmaddwd::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations.
pub(crate) const LAYOUT: Layout = Layout::ROW_MAJOR;
