//! Advanced SIMD with the matrix multiplication of Armv8.6: Cortex-A510, A715, X2, Neoverse V1.

use super::i8_8x12_smmla;
use super::vector::Vector;
use crate::Panel;
use crate::layout::Layout;
use crate::simd::{Columns, MicroKernel, Rows, Tile, VECTORS_MAX};

/// Vectors, and the micro-kernel of the matrix multiplication.
pub(super) enum I8mm {}

type NeonI8mm = Vector<I8mm>;

crate::simd::entry_points!(NeonI8mm, "neon,dotprod,i8mm");

impl MicroKernel for NeonI8mm {
    const MR: usize = i8_8x12_smmla::MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::I8MM;
    const LAYOUT: Layout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, rows: Rows, columns: Columns, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I> {
        // SAFETY: the token proves the instruction set; the rest is asked of the caller.
        unsafe { i8_8x12_smmla::tile(rows, columns, init) }
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
        unsafe { i8_8x12_smmla::edge(rows, columns, init, tile) }
    }
}

/// The layout of activations.
pub(crate) const LAYOUT: Layout = Layout { rows: i8_8x12_smmla::MR, depth: i8_8x12_smmla::KR, bias: 0 };
