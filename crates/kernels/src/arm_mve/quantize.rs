//! Quantization of f32 to int8, with a static scale or with the row's own scale.

use core::arch::naked_asm;

use super::{Flagged, INVALID, clear_flags, cpu};
use crate::activation_layout::ActivationLayout;
use crate::linear::{ActivationsMut, Quantization};
use crate::{math, scalar};

/// Computes [`crate::scalar::quantize`].
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn quantize(x: &[f32], k: usize, quantization: Quantization, mut out: ActivationsMut) {
    let rows = x.chunks_exact(k.max(1)).enumerate();
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            for (m, x) in rows {
                // SAFETY: as this function requires.
                unsafe { write_row(m, x, inv_scale, zero_point, &mut out) };
            }
        }
        Quantization::PerToken { scale } => {
            for ((m, x), scale) in rows.zip(scale) {
                // SAFETY: likewise.
                *scale = unsafe { quantize_row(m, x, &mut out) };
            }
        }
    }
}

/// Quantizes row `m` such that its largest magnitude becomes 127; returns the scale.
///
/// # Safety
/// As [`quantize`].
pub(super) unsafe fn quantize_row(m: usize, x: &[f32], out: &mut ActivationsMut) -> f32 {
    // A subnormal number that counts as zero changes nothing, because rows without larger numbers have the scale 0. A
    // signalling NaN would become the largest number; where there is one, the largest number is found anew.
    // SAFETY: the row is valid for reads.
    let amax = unsafe { largest(x.as_ptr(), x.len()) }.without(INVALID);
    let amax = amax.unwrap_or_else(|| scalar::largest_magnitude(x));
    let (scale, inv_scale) = math::row_scales(amax);
    // SAFETY: as this function requires.
    unsafe { write_row(m, x, inv_scale, 0, out) };
    scale
}

/// Returns the largest magnitude of a row without its NaNs.
///
/// # Safety
/// `count` elements must be valid for reads.
#[unsafe(naked)]
unsafe extern "C" fn largest(x: *const f32, count: usize) -> Flagged {
    naked_asm!(
        cpu!(),
        "push {{r4, lr}}",
        clear_flags!(),
        "mov r2, #0",
        "wlstp.32 lr, r1, 2f",
        "1:",
        "vldrw.u32 q0, [r0], #16",
        "vmaxnmav.f32 r2, q0",
        "letp lr, 1b",
        "2: mov r0, r2",
        "vmrs r1, fpscr",
        "pop {{r4, pc}}",
        flushed = const INVALID,
    )
}

/// Quantizes `x` as row `m`.
///
/// A product that is flushed, because it or `x` is subnormal, is below 2^-2 in magnitude if `inv_scale` is at most
/// 2^124. The sum of it and the zero point, rounded to an integer, is then the zero point in either case.
///
/// # Safety
/// As [`quantize`].
unsafe fn write_row(m: usize, x: &[f32], inv_scale: f32, zero_point: i8, out: &mut ActivationsMut) {
    const MOST: f32 = (1_u128 << 124) as f32;
    if inv_scale == 0.0 || (f32::MIN_POSITIVE..=MOST).contains(&inv_scale.abs()) {
        let Some(row) = out.data.get_mut(m * out.stride..).and_then(|data| data.get_mut(..x.len())) else {
            return;
        };
        let constants = [inv_scale, f32::from(zero_point), -127.0, 127.0];
        // SAFETY: both rows have this length.
        unsafe { round_row(x.as_ptr(), row.as_mut_ptr(), x.len(), &constants) };
    } else {
        scalar::write_row(ActivationLayout::ROW_MAJOR, m, x, inv_scale, zero_point, out);
    }
}

/// Quantizes a row with 1/scale, zero point, and limits.
///
/// # Safety
/// `count` elements must be valid for reads at `x` and for writes at `out`.
#[unsafe(naked)]
unsafe extern "C" fn round_row(x: *const f32, out: *mut i8, count: usize, constants: &[f32; 4]) {
    naked_asm!(
        cpu!(),
        "push {{r4, lr}}",
        "ldrd r4, r12, [r3, #8]",
        "vdup.32 q2, r4",
        "vdup.32 q3, r12",
        "ldrd r4, r12, [r3]",
        "wlstp.32 lr, r2, 2f",
        "1:",
        "vldrw.u32 q0, [r0], #16",
        "vmul.f32 q0, q0, r4",
        "vadd.f32 q0, q0, r12",
        // NaN becomes −127, because VMAXNM returns its other operand then.
        "vmaxnm.f32 q0, q0, q2",
        "vminnm.f32 q0, q0, q3",
        "vcvtn.s32.f32 q0, q0",
        "vstrb.32 q0, [r1], #4",
        "letp lr, 1b",
        "2: pop {{r4, pc}}",
    )
}
