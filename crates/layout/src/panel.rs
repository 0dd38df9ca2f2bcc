//! The shape of a panel.

/// Shape of a panel. A matrix `[n, k]` is stored as `[ceil(n/nr)][ceil(k/kr)][nr][kr]`: a micro-kernel that
/// computes `nr` outputs reads its weights front to back.
///
/// `n` is padded with zeros to a multiple of gcd(nr, 8), `k` to a multiple of gcd(kr, 8), and no further: the
/// last panel has fewer outputs, and the last group of every panel has fewer inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panel {
    /// Outputs (columns of the result) per panel, at least 1.
    pub nr: u16,
    /// Consecutive inputs of one output that stand together, at least 1.
    pub kr: u16,
}

impl Panel {
    /// Output after output, each in runs of 16 inputs, which lets a compiler vectorise the portable kernel.
    pub const PORTABLE: Panel = Panel { nr: 1, kr: 16 };
    /// x86-64: four 8-bit products per 32-bit lane, 48 outputs.
    pub const X86: Panel = Panel { nr: 48, kr: 4 };
    /// Armv8.0 NEON: 16 products of one output per step, 4 outputs.
    pub const NEON: Panel = Panel { nr: 4, kr: 16 };
    /// Armv8.2 dot product: four products per 32-bit lane, 12 outputs.
    pub const DOTPROD: Panel = Panel { nr: 12, kr: 4 };
    /// Armv8.6 matrix multiplication: eight products per 32-bit lane, 12 outputs.
    pub const I8MM: Panel = Panel { nr: 12, kr: 8 };
    /// Cortex-M with the DSP extension or Helium: 16 inputs of one output, 4 outputs. The same shape as [`Self::NEON`].
    pub const CORTEX_M: Panel = Panel { nr: 4, kr: 16 };
    /// A row of embeddings in four bits is a matrix of one output in panels of this shape.
    pub const ROW: Panel = Panel::PORTABLE;
}
