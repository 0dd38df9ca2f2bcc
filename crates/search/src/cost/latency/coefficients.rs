//! Instructions of each unit of work, as `crates/search/examples/fit_latency.rs` prints them.

use super::{KernelFamily, PerUnit};

/// Instructions that the kernels of a family execute.
pub(super) struct InstructionCosts {
    /// Instructions per multiply-add in the inner loop (docs/performance.md).
    pub multiply_add: f64,
    /// Instructions per unit of work.
    pub units: PerUnit,
}

/// The coefficients of a family.
pub(super) fn instruction_costs(family: KernelFamily) -> &'static InstructionCosts {
    match family {
        KernelFamily::Neon => &NEON,
        KernelFamily::Dotprod => &DOTPROD,
        KernelFamily::DotprodInOrder => &DOTPROD_IN_ORDER,
        KernelFamily::I8mm => &I8MM,
        KernelFamily::ArmDsp => &ARM_DSP,
        KernelFamily::ArmMve => &ARM_MVE,
    }
}

const NEON: InstructionCosts = InstructionCosts {
    multiply_add: 56.0 / 256.0,
    units: [1227.5, 18140.0, 7.26, 0.0, 4.57, 7.3, 105.9, 92.6, 0.13, 286.4, 5.22, 0.0, 0.0],
};

const DOTPROD: InstructionCosts = InstructionCosts {
    multiply_add: 103.0 / 1536.0,
    units: [1191.7, 2993.6, 5.13, 0.45, 2.01, 3.38, 66.6, 556.7, 0.12, 530.6, 4.66, 0.0, 0.0],
};

const DOTPROD_IN_ORDER: InstructionCosts = InstructionCosts {
    multiply_add: 160.0 / 1536.0,
    units: [1109.0, 0.0, 5.97, 0.6, 1.96, 2.98, 74.1, 456.7, 0.08, 615.7, 4.66, 0.0, 0.0],
};

const I8MM: InstructionCosts = InstructionCosts {
    multiply_add: 55.0 / 1536.0,
    units: [1155.6, 2506.1, 5.96, 1.36, 2.62, 4.45, 67.1, 570.6, 0.09, 568.4, 4.67, 0.0, 0.0],
};

const ARM_DSP: InstructionCosts = InstructionCosts {
    multiply_add: 107.0 / 128.0,
    units: [0.0, 20539.6, 51.0, 7.3, 17.93, 77.3, 48.79, 192.1, 0.89, 345.7, 2.88, 13.17, 0.98],
};

const ARM_MVE: InstructionCosts = InstructionCosts {
    multiply_add: 114.0 / 1024.0,
    units: [582.4, 24623.7, 6.72, 3.35, 0.0, 5.85, 22.15, 54.9, 0.19, 97.8, 0.5, 4.7, 0.0],
};
