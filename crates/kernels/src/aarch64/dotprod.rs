//! Advanced SIMD with the dot product of Armv8.2: Cortex-A76 and later, and, with a schedule of its own, the in-order
//! Cortex-A55.

use core::arch::aarch64::int32x4_t;
use core::ops::Range;

use tinybert_layout::PanelWeights;

use super::tokens::{Neon, NeonDotprod};
use super::{i8_8x12_sdot, i8_8x12_sdot_a55};
use crate::Panel;
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Linear};
use crate::simd::{LinearSink, MicroKernel, Operands, Tile};

crate::simd::entry_points!(NeonDotprod, "neon,dotprod", products, in_order: bool);
crate::simd::entry_points!(Neon, "neon", others);

impl MicroKernel for NeonDotprod {
    const MR: usize = i8_8x12_sdot::MR;
    const VECTORS: usize = 3;
    const PANEL: Panel = Panel::DOTPROD;
    const LAYOUT: ActivationLayout = LAYOUT;

    #[inline(always)]
    unsafe fn tile(self, operands: Operands<Self>, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
        // The code around the two kernels exists once; that costs a branch for each tile. SAFETY: the token proves the
        // instruction set; whole operands are asked of the caller.
        unsafe {
            if self.0.in_order {
                i8_8x12_sdot_a55::tile(operands, init)
            } else {
                i8_8x12_sdot::tile(operands, init)
            }
        }
    }

    #[inline(always)]
    fn edge(self, operands: Operands<Self>, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
        // SAFETY: the token proves the instruction set.
        unsafe { i8_8x12_sdot::edge(operands, init, tile) }
    }

    #[inline(always)]
    fn decode(self, stored: PanelWeights, width: usize, out: &mut [i8]) {
        // SAFETY: the token proves the instruction set.
        unsafe { decode(self.0.in_order, stored, width, out) }
    }

    #[inline(never)]
    fn tiles<K: LinearSink<Self>>(
        self,
        a: &Activations,
        w: &Linear,
        rows: Range<usize>,
        decoded: &mut [i8],
        sink: K,
    ) {
        // SAFETY: likewise.
        unsafe { tiles(self.0.in_order, a, w, rows, decoded, sink) }
    }
}

/// The layout of activations.
pub(crate) const LAYOUT: ActivationLayout =
    ActivationLayout { rows: i8_8x12_sdot::MR, depth: i8_8x12_sdot::KR, bias: 0 };
