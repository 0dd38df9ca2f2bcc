//! Weight layouts by name.

use clap::ValueEnum;
use tinybert_quantize::KernelLayout;

/// Weight layouts by name.
#[derive(Clone, Copy, ValueEnum)]
pub enum LayoutName {
    /// aarch64 without the dot product: Cortex-A53, A72.
    Neon,
    /// aarch64 with the dot product: Cortex-A55, A76 and later.
    Dotprod,
    /// aarch64 with the int8 matrix multiplication: Cortex-A510, X2, Neoverse V1 and later.
    I8mm,
    /// Cortex-M with the DSP extension or Helium: Cortex-M4, M7, M33, M55, M85.
    CortexM,
    /// x86-64.
    X86,
    /// Any other.
    Portable,
}

impl LayoutName {
    /// The layout of that name.
    pub fn layout(self) -> KernelLayout {
        match self {
            Self::Neon => KernelLayout::Neon,
            Self::Dotprod => KernelLayout::Dotprod,
            Self::I8mm => KernelLayout::I8mm,
            Self::CortexM => KernelLayout::CortexM,
            Self::X86 => KernelLayout::X86,
            Self::Portable => KernelLayout::Portable,
        }
    }
}
