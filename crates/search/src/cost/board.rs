//! The cores that latency is modelled for.

use std::fmt;
use std::str::FromStr;

use tinybert_base::{Error, Result};
use tinybert_quantize::KernelLayout;

/// A model of a core from `docs/performance.md`; it was not measured on a board.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Core {
    /// The compiler's name of the core.
    pub name: &'static str,
    /// The weight layout of the kernels that the core runs.
    pub layout: KernelLayout,
    /// The kernels whose instructions were counted.
    pub kernels: KernelFamily,
    /// Multiply-adds per cycle in the micro-kernel, with all operands in the first-level cache.
    pub multiply_adds: f64,
    /// Instructions per cycle in all other code.
    pub instructions: f64,
}

/// Kernels whose instructions are modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelFamily {
    /// `i8_4x4_smlal`.
    Neon,
    /// `i8_8x12_sdot`.
    Dotprod,
    /// `i8_8x12_sdot_a55`.
    DotprodInOrder,
    /// `i8_8x12_smmla`.
    I8mm,
    /// `i8_2x4_smlad`.
    ArmDsp,
    /// `i8_2x4_vmladava`.
    ArmMve,
}

impl KernelFamily {
    /// All families.
    pub const ALL: [Self; 6] =
        [Self::Neon, Self::Dotprod, Self::DotprodInOrder, Self::I8mm, Self::ArmDsp, Self::ArmMve];

    /// Whether the kernels are those of a Cortex-M.
    pub(crate) fn is_cortex_m(self) -> bool {
        matches!(self, Self::ArmDsp | Self::ArmMve)
    }
}

/// Every core that `--board` takes.
const CORES: [Core; 11] = [
    core("cortex-a53", KernelLayout::Neon, KernelFamily::Neon, 3.9, 1.0),
    core("cortex-a55", KernelLayout::Dotprod, KernelFamily::DotprodInOrder, 15.7, 1.0),
    core("cortex-a72", KernelLayout::Neon, KernelFamily::Neon, 8.0, 2.0),
    core("cortex-a76", KernelLayout::Dotprod, KernelFamily::Dotprod, 32.0, 2.0),
    core("neoverse-n1", KernelLayout::Dotprod, KernelFamily::Dotprod, 32.0, 2.0),
    core("neoverse-v1", KernelLayout::I8mm, KernelFamily::I8mm, 127.4, 2.0),
    core("cortex-m4", KernelLayout::CortexM, KernelFamily::ArmDsp, ARM_DSP, 1.0),
    core("cortex-m7", KernelLayout::CortexM, KernelFamily::ArmDsp, ARM_DSP, 1.0),
    core("cortex-m33", KernelLayout::CortexM, KernelFamily::ArmDsp, ARM_DSP, 1.0),
    core("cortex-m55", KernelLayout::CortexM, KernelFamily::ArmMve, ARM_MVE, 1.0),
    core("cortex-m85", KernelLayout::CortexM, KernelFamily::ArmMve, ARM_MVE, 1.0),
];

/// 128 multiply-adds take 107 instructions, each of them a cycle. A Cortex-M7 can execute two in a cycle; no public
/// figure says how often it does, so that it counts as the others.
const ARM_DSP: f64 = 128.0 / 107.0;

/// 128 multiply-adds take eight multiplications of two cycles each, which the loads of the next operands overlap.
const ARM_MVE: f64 = 8.0;

const fn core(
    name: &'static str,
    layout: KernelLayout,
    kernels: KernelFamily,
    multiply_adds: f64,
    instructions: f64,
) -> Core {
    Core { name, layout, kernels, multiply_adds, instructions }
}

/// Named boards with their core and its clock in MHz.
const BOARDS: [(&str, &str, f64); 11] = [
    ("raspberry-pi-3", "cortex-a53", 1200.0),
    ("raspberry-pi-4", "cortex-a72", 1800.0),
    ("raspberry-pi-5", "cortex-a76", 2400.0),
    ("imx-8m-mini", "cortex-a53", 1800.0),
    ("imx-93", "cortex-a55", 1700.0),
    ("stm32f407", "cortex-m4", 168.0),
    ("stm32h743", "cortex-m7", 480.0),
    ("nrf5340", "cortex-m33", 128.0),
    ("rp2350", "cortex-m33", 150.0),
    ("stm32n657", "cortex-m55", 800.0),
    ("alif-ensemble-e7", "cortex-m55", 400.0),
];

/// A board: a core at a clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The name as the user gave it: `raspberry-pi-3`, `cortex-a53@1.2GHz`.
    pub(crate) name: String,
    /// The core; an answer is computed on one core.
    pub(crate) core: Core,
    /// Clock in MHz.
    pub(crate) mhz: f64,
}

impl Board {
    /// All named boards.
    pub(crate) fn named() -> Vec<Self> {
        BOARDS.iter().filter_map(|(name, ..)| name.parse().ok()).collect()
    }
}

impl FromStr for Board {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, mhz) = match (BOARDS.iter().find(|(name, ..)| *name == text), text.split_once('@')) {
            (Some((_, core, mhz)), _) => (*core, Some(*mhz)),
            (None, Some((core, clock))) => (core, parse_clock(clock)),
            (None, None) => (text, None),
        };
        let core = CORES.into_iter().find(|core| core.name == name);
        match (core, mhz) {
            (Some(core), Some(mhz)) => Ok(Self { name: text.into(), core, mhz }),
            _ => Err(Error::Usage(format!(
                "board {text}: expected one of {}, or a core and its clock such as cortex-a53@1.2GHz; cores: {}",
                BOARDS.map(|(name, ..)| name).join(", "),
                CORES.map(|core| core.name).join(", ")
            ))),
        }
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The clock in MHz of a text such as `1.2GHz` or `800MHz`.
fn parse_clock(text: &str) -> Option<f64> {
    let text = text.to_ascii_lowercase();
    let (number, factor) = match (text.strip_suffix("ghz"), text.strip_suffix("mhz")) {
        (Some(number), _) => (number, 1000.0),
        (None, Some(number)) => (number, 1.0),
        (None, None) => return None,
    };
    let mhz = number.parse::<f64>().ok()? * factor;
    (mhz.is_finite() && mhz > 0.0).then_some(mhz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_have_names_or_a_core_and_a_clock() {
        let known: Board = "raspberry-pi-3".parse().unwrap();
        assert_eq!((known.core.name, known.mhz), ("cortex-a53", 1200.0));
        let custom: Board = "cortex-a76@800MHz".parse().unwrap();
        assert_eq!((custom.core.layout, custom.mhz), (KernelLayout::Dotprod, 800.0));
        assert_eq!(Board::named().len(), BOARDS.len());
    }

    #[test]
    fn microcontrollers_are_boards_with_kernels_of_their_own() {
        let known: Board = "stm32f407".parse().unwrap();
        assert_eq!((known.core.name, known.mhz), ("cortex-m4", 168.0));
        for (text, mhz, kernels) in [
            ("cortex-m4@168MHz", 168.0, KernelFamily::ArmDsp),
            ("cortex-m7@480MHz", 480.0, KernelFamily::ArmDsp),
            ("cortex-m33@128MHz", 128.0, KernelFamily::ArmDsp),
            ("cortex-m55@0.4GHz", 400.0, KernelFamily::ArmMve),
            ("cortex-m85@480MHz", 480.0, KernelFamily::ArmMve),
        ] {
            let board: Board = text.parse().unwrap();
            assert_eq!((board.mhz, board.core.kernels), (mhz, kernels), "{text}");
            assert_eq!(board.core.layout, KernelLayout::CortexM, "{text}");
        }
    }

    #[test]
    fn what_is_no_board_is_refused_with_those_that_are() {
        for wrong in ["", "cortex-a53", "cortex-a53@", "cortex-a53@fast", "cortex-a53@-1GHz", "pentium@1GHz"]
        {
            let error = wrong.parse::<Board>().unwrap_err().to_string();
            assert!(error.contains("raspberry-pi-4") && error.contains("cortex-a55"), "{wrong}: {error}");
        }
    }
}
