//! Which kernel runs where: one table per instruction set.

#[cfg(target_arch = "aarch64")]
use crate::aarch64::{dotprod, neon};
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

/// Armv8.0; linear layers and attention by `i8_4x4_smlal`.
#[cfg(target_arch = "aarch64")]
static NEON: Table = Table {
    isa: Isa::Neon,
    panel: Panel::NEON,
    linear: neon::linear,
    attention: neon::attention,
    layer_norm: neon::layer_norm,
    quantize: neon::quantize,
    quantize_row: neon::quantize_row,
    embed: neon::embed,
};

/// Armv8.2 dot product; linear layers and attention by `i8_6x12_sdot`.
#[cfg(target_arch = "aarch64")]
static NEON_DOTPROD: Table = Table {
    isa: Isa::NeonDotprod,
    panel: Panel::DOTPROD,
    linear: dotprod::linear,
    attention: dotprod::attention,
    layer_norm: dotprod::layer_norm,
    quantize: dotprod::quantize,
    quantize_row: dotprod::quantize_row,
    embed: dotprod::embed,
};

/// Whether this CPU (with the feature `std`) or this build's target (without) has the instruction set extension.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let has = std::arch::is_aarch64_feature_detected!($feature);
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use has;

/// The table of that instruction set, if it may be used.
pub(crate) fn available(isa: Isa) -> Option<&'static Table> {
    match isa {
        Isa::Scalar => Some(&SCALAR),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if has!("avx2") => Some(&AVX2),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon if has!("neon") => Some(&NEON),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDotprod if has!("neon") && has!("dotprod") => Some(&NEON_DOTPROD),
        _ => None,
    }
}
