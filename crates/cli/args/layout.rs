//! Weight layouts by name.

use clap::ValueEnum;
use tinybert_quantize::Layout;

/// Weight layouts by name.
#[derive(Clone, Copy, ValueEnum)]
pub enum LayoutName {
    /// aarch64 without the dot product: Cortex-A53, A72.
    Neon,
    /// aarch64 with the dot product: Cortex-A55, A76 and later.
    Dotprod,
    /// aarch64 with the int8 matrix multiplication: Cortex-A510, X2, Neoverse V1 and later.
    I8mm,
    /// x86-64.
    X86,
    /// Any other.
    Portable,
}

impl LayoutName {
    /// The layout of that name.
    pub fn layout(self) -> Layout {
        match self {
            Self::Neon => Layout::Neon,
            Self::Dotprod => Layout::Dotprod,
            Self::I8mm => Layout::I8mm,
            Self::X86 => Layout::X86,
            Self::Portable => Layout::Portable,
        }
    }
}
