//! The table of kernels of each instruction set.

#[cfg(target_arch = "aarch64")]
use crate::aarch64::{dotprod, i8mm, neon};
use crate::activation_layout::ActivationLayout;
#[cfg(arm_dsp)]
use crate::arm_dsp;
#[cfg(arm_mve)]
use crate::arm_mve;
use crate::attention::{AttentionOperands, ContextOutput};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::detect::has;
use crate::embedding::Embedding;
use crate::linear::{Activations, ActivationsMut, Epilogue, LayerNorm, Linear, Quantization};
use crate::scratch::{Scratch, ScratchF32};
#[cfg(target_arch = "x86_64")]
use crate::x86_64::{avx_vnni, avx2, avx512_vnni};
use crate::{Isa, Panel, scalar};

/// The kernels of one instruction set.
///
/// # Safety
/// The CPU must have the instruction set when one of them is called. Their operands must be checked, or results are
/// wrong; memory stays safe even then.
#[derive(Clone, Copy)]
pub(crate) struct KernelTable {
    pub isa: Isa,
    /// Weight layout of `linear`; the scalar kernel reads every layout.
    pub panel: Panel,
    /// Layout of int8 activations.
    pub layout: ActivationLayout,
    pub linear: unsafe fn(&Activations, &Linear, Epilogue, &mut [i8]),
    pub attention: unsafe fn(&AttentionOperands, ContextOutput, Scratch),
    pub attention_f32: unsafe fn(&AttentionOperands<f32>, ContextOutput, ScratchF32),
    pub layer_norm: unsafe fn(&mut [f32], &LayerNorm),
    pub layer_norm_quantize: unsafe fn(&mut [f32], &LayerNorm, Quantization, ActivationsMut),
    pub quantize: unsafe fn(&[f32], usize, Quantization, ActivationsMut),
    pub embed: unsafe fn(&Embedding, &mut [f32]),
}

pub(crate) static SCALAR: KernelTable = KernelTable {
    isa: Isa::Scalar,
    panel: Panel::PORTABLE,
    layout: ActivationLayout::ROW_MAJOR,
    linear: |a, w, epilogue, decoded| scalar::linear(ActivationLayout::ROW_MAJOR, a, w, epilogue, decoded),
    attention: |operands, context, scratch| {
        scalar::attention(ActivationLayout::ROW_MAJOR, operands, context, scratch)
    },
    attention_f32: |operands, context, scratch| {
        scalar::attention_f32(ActivationLayout::ROW_MAJOR, operands, context, scratch)
    },
    layer_norm: scalar::layer_norm,
    layer_norm_quantize: scalar::layer_norm_quantize,
    quantize: scalar::quantize,
    embed: scalar::embed,
};

/// Cortex-M with the DSP extension; linear layers and attention by `i8_2x4_smlad`.
#[cfg(arm_dsp)]
static ARM_DSP: KernelTable = KernelTable {
    isa: Isa::ArmDsp,
    panel: Panel::CORTEX_M,
    layout: arm_dsp::LAYOUT,
    linear: arm_dsp::linear,
    attention: arm_dsp::attention,
    attention_f32: |operands, context, scratch| {
        scalar::attention_f32(arm_dsp::LAYOUT, operands, context, scratch)
    },
    layer_norm: scalar::layer_norm,
    layer_norm_quantize: arm_dsp::layer_norm_quantize,
    quantize: arm_dsp::quantize,
    embed: scalar::embed,
};

/// MVE; linear layers and attention by `i8_2x4_vmladava`. Attention in f32 is scalar.
#[cfg(arm_mve)]
static ARM_MVE: KernelTable = KernelTable {
    isa: Isa::ArmMve,
    panel: Panel::CORTEX_M,
    layout: ActivationLayout::ROW_MAJOR,
    linear: arm_mve::linear,
    attention: arm_mve::attention,
    attention_f32: |operands, context, scratch| {
        scalar::attention_f32(ActivationLayout::ROW_MAJOR, operands, context, scratch)
    },
    layer_norm: arm_mve::layer_norm,
    layer_norm_quantize: arm_mve::layer_norm_quantize,
    quantize: arm_mve::quantize,
    embed: arm_mve::embed,
};

/// AVX2; linear layers and attention by `i8_6x8_pmaddwd`.
#[cfg(target_arch = "x86_64")]
static AVX2: KernelTable = KernelTable {
    isa: Isa::Avx2,
    panel: Panel::X86,
    layout: avx2::LAYOUT,
    linear: avx2::linear,
    attention: avx2::attention,
    attention_f32: avx2::attention_f32,
    layer_norm: avx2::layer_norm,
    layer_norm_quantize: avx2::layer_norm_quantize,
    quantize: avx2::quantize,
    embed: avx2::embed,
};

/// AVX-VNNI; linear layers and attention by `i8_4x24_vpdpbusd`.
#[cfg(target_arch = "x86_64")]
static AVX_VNNI: KernelTable = KernelTable {
    isa: Isa::AvxVnni,
    panel: Panel::X86,
    layout: avx_vnni::LAYOUT,
    linear: avx_vnni::linear,
    attention: avx_vnni::attention,
    attention_f32: avx_vnni::attention_f32,
    layer_norm: avx_vnni::layer_norm,
    layer_norm_quantize: avx_vnni::layer_norm_quantize,
    quantize: avx_vnni::quantize,
    embed: avx_vnni::embed,
};

/// AVX-512 VNNI; linear layers and attention by `i8_8x48_vpdpbusd`.
#[cfg(target_arch = "x86_64")]
static AVX512_VNNI: KernelTable = KernelTable {
    isa: Isa::Avx512Vnni,
    panel: Panel::X86,
    layout: avx512_vnni::LAYOUT,
    linear: avx512_vnni::linear,
    attention: avx512_vnni::attention,
    attention_f32: avx512_vnni::attention_f32,
    layer_norm: avx512_vnni::layer_norm,
    layer_norm_quantize: avx512_vnni::layer_norm_quantize,
    quantize: avx512_vnni::quantize,
    embed: avx512_vnni::embed,
};

/// Armv8.0; linear layers and attention by `i8_4x4_smlal`.
#[cfg(target_arch = "aarch64")]
static NEON: KernelTable = KernelTable {
    isa: Isa::Neon,
    panel: Panel::NEON,
    layout: neon::LAYOUT,
    linear: neon::linear,
    attention: neon::attention,
    attention_f32: neon::attention_f32,
    layer_norm: neon::layer_norm,
    layer_norm_quantize: neon::layer_norm_quantize,
    quantize: neon::quantize,
    embed: neon::embed,
};

/// Armv8.2 dot product; linear layers and attention by `i8_8x12_sdot`.
#[cfg(target_arch = "aarch64")]
static NEON_DOTPROD: KernelTable = KernelTable {
    isa: Isa::NeonDotprod,
    panel: Panel::DOTPROD,
    layout: dotprod::LAYOUT,
    // SAFETY: as of all functions of a table.
    linear: |a, w, epilogue, decoded| unsafe { dotprod::linear(false, a, w, epilogue, decoded) },
    // SAFETY: likewise.
    attention: |operands, context, scratch| unsafe { dotprod::attention(false, operands, context, scratch) },
    attention_f32: dotprod::attention_f32,
    layer_norm: dotprod::layer_norm,
    layer_norm_quantize: dotprod::layer_norm_quantize,
    quantize: dotprod::quantize,
    embed: dotprod::embed,
};

/// Armv8.2 dot product on an in-order core; linear layers and attention by `i8_8x12_sdot_a55`.
#[cfg(target_arch = "aarch64")]
static NEON_DOTPROD_A55: KernelTable = KernelTable {
    isa: Isa::NeonDotprodA55,
    // SAFETY: as of all functions of a table.
    linear: |a, w, epilogue, decoded| unsafe { dotprod::linear(true, a, w, epilogue, decoded) },
    // SAFETY: likewise.
    attention: |operands, context, scratch| unsafe { dotprod::attention(true, operands, context, scratch) },
    ..NEON_DOTPROD
};

/// Armv8.6 matrix multiplication; linear layers and attention by `i8_8x12_smmla`.
#[cfg(target_arch = "aarch64")]
static NEON_I8MM: KernelTable = KernelTable {
    isa: Isa::NeonI8mm,
    panel: Panel::I8MM,
    layout: i8mm::LAYOUT,
    linear: i8mm::linear,
    attention: i8mm::attention,
    attention_f32: i8mm::attention_f32,
    layer_norm: i8mm::layer_norm,
    layer_norm_quantize: i8mm::layer_norm_quantize,
    quantize: i8mm::quantize,
    embed: i8mm::embed,
};

/// Returns the table of an instruction set, if this CPU may use it.
#[cfg_attr(
    not(feature = "std"),
    allow(clippy::eq_op, clippy::nonminimal_bool, reason = "`has!` is a constant of the target there")
)]
pub(crate) fn available(isa: Isa) -> Option<&'static KernelTable> {
    match isa {
        Isa::Scalar => Some(&SCALAR),
        #[cfg(arm_dsp)]
        Isa::ArmDsp if crate::detect::has_dsp() => Some(&ARM_DSP),
        #[cfg(arm_mve)]
        Isa::ArmMve if crate::detect::has_mve() => Some(&ARM_MVE),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if has!("avx2") => Some(&AVX2),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni if has!("avx2") && has!("avxvnni") => Some(&AVX_VNNI),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni") => {
            Some(&AVX512_VNNI)
        }
        #[cfg(target_arch = "aarch64")]
        Isa::Neon if has!("neon") => Some(&NEON),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDotprodA55 if has!("neon") && has!("dotprod") => Some(&NEON_DOTPROD_A55),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDotprod if has!("neon") && has!("dotprod") => Some(&NEON_DOTPROD),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonI8mm if has!("neon") && has!("dotprod") && has!("i8mm") => Some(&NEON_I8MM),
        _ => None,
    }
}
