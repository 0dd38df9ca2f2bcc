//! Linear layer: each epilogue's sink takes the tiles of the products, and a quantization per token follows in blocks
//! of rows.

use super::math::{Quantizer, gelu};
use super::micro_kernel::MicroKernel;
use super::sink::{GeluActivations, RowsF32, RowsI8};
use super::{Simd, quantize};
use crate::linear::{Activations, ActivationsMut, Epilogue, Linear, Quantization, ROW_BLOCK};

/// Computes [`crate::scalar::linear`] for weights in the micro-kernel's own layout. Operands are checked.
#[inline(always)]
pub(crate) fn linear<S: MicroKernel>(
    s: S,
    a: &Activations,
    w: &Linear,
    epilogue: Epilogue,
    decoded: &mut [i8],
) {
    let (all, n) = (0..a.m, w.n);
    let (out, stride, mut per_token) = match epilogue {
        Epilogue::AddF32 { residual, stride } => {
            return s.tiles(a, w, all, decoded, RowsF32::<true> { out: residual, n, stride });
        }
        Epilogue::I8 { out, stride } => return s.tiles(a, w, all, decoded, RowsI8 { out, stride }),
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            let quantizer = Quantizer::new(s.vectors(), inv_scale, zero_point);
            return s.tiles(a, w, all, decoded, GeluActivations { out, quantizer });
        }
        Epilogue::Gelu { out, quantization: Quantization::PerToken { scale }, scratch } => {
            (scratch, n, Some((out, scale)))
        }
        Epilogue::F32 { out, stride } => (out, stride, None),
    };
    // A block is all rows, or as many as are quantized together. Every panel is decoded again for each block, which
    // costs less than memory for all rows in f32.
    let block = if per_token.is_some() { ROW_BLOCK } else { a.m.max(1) };
    for first in all.step_by(block) {
        let rows = first..a.m.min(first + block);
        s.tiles(a, w, rows.clone(), decoded, RowsF32::<false> { out: &mut *out, n, stride });
        if let Some((activations, scale)) = &mut per_token {
            let x = out.get_mut(..rows.len() * n).unwrap_or(&mut []);
            gelu_all(s.vectors(), x);
            let (stride, scale) = (activations.stride, scale.get_mut(rows).unwrap_or(&mut []));
            let data = activations.data.get_mut(first * stride..).unwrap_or(&mut []);
            let out = ActivationsMut { data, stride };
            quantize(s.vectors(), S::LAYOUT, x, n, Quantization::PerToken { scale }, out);
        }
    }
}

/// Computes GELU of every element.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn gelu_all<S: Simd>(s: S, x: &mut [f32]) {
    for x in x.chunks_mut(S::LANES) {
        s.store(gelu(s, s.load(x)), x);
    }
}
