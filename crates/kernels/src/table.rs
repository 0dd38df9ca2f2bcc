//! Which kernel runs where: one table per instruction set.

use crate::attention::{Attention, Context};
use crate::embedding::Embedding;
use crate::linear::{Activations, Epilogue, LayerNorm, Linear};
use crate::scratch::Scratch;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::avx2;
use crate::{Isa, Panel, scalar};

/// The kernels of one instruction set.
///
/// # Safety
/// The CPU must have the instruction set when one of them is called. Their operands must be checked, or results are
/// wrong; memory stays safe even then.
pub(crate) struct Table {
    pub isa: Isa,
    /// Weight layout of `linear`; other layouts go to the scalar kernel.
    pub panel: Panel,
    pub linear: unsafe fn(&Activations, &Linear, Epilogue),
    pub attention: unsafe fn(&Attention, Context, Scratch),
    pub layer_norm: unsafe fn(&mut [f32], &LayerNorm),
    pub quantize: unsafe fn(&[f32], f32, i8, &mut [i8]),
    pub quantize_row: unsafe fn(&[f32], &mut [i8]) -> f32,
    pub embed: unsafe fn(&Embedding, &mut [f32]),
}

pub(crate) static SCALAR: Table = Table {
    isa: Isa::Scalar,
    panel: Panel::PORTABLE,
    linear: scalar::linear,
    attention: scalar::attention,
    layer_norm: scalar::layer_norm,
    quantize: scalar::quantize,
    quantize_row: scalar::quantize_row,
    embed: scalar::embed,
};

/// AVX2; linear layers and attention by `i8_6x16_pmaddwd`.
#[cfg(target_arch = "x86_64")]
static AVX2: Table = Table {
    isa: Isa::Avx2,
    panel: Panel::X86,
    linear: avx2::linear,
    attention: avx2::attention,
    layer_norm: avx2::layer_norm,
    quantize: avx2::quantize,
    quantize_row: avx2::quantize_row,
    embed: avx2::embed,
};

/// Whether this CPU (with the feature `std`) or this build's target (without) has the features.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}

/// The table of that instruction set, if it may be used.
pub(crate) fn available(isa: Isa) -> Option<&'static Table> {
    match isa {
        Isa::Scalar => Some(&SCALAR),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if has!("avx2") => Some(&AVX2),
        _ => None,
    }
}
