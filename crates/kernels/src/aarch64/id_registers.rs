//! The identification registers of a core, for programs without an operating system.
//!
//! They can be read from EL1 up. At EL0 the read traps, unless the operating system emulates it, as Linux does. Section
//! D23.2 of the Arm Architecture Reference Manual describes the fields.

use core::arch::asm;

/// Reads one identification register.
macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: this reads a constant of the core. If that is not allowed, it traps, which changes no memory.
        unsafe {
            asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Returns whether the core has the extension with this name in Rust.
pub(crate) fn has(feature: &str) -> bool {
    let field = |register: u64, bit: u32| register >> bit & 0xf != 0;
    match feature {
        "crc" => field(read!("ID_AA64ISAR0_EL1"), 16),
        "dotprod" => field(read!("ID_AA64ISAR0_EL1"), 44),
        "i8mm" => field(read!("ID_AA64ISAR1_EL1"), 52),
        _ => false,
    }
}

/// Returns Arm's part number of the core.
pub(crate) fn part() -> u64 {
    read!("MIDR_EL1") >> 4 & 0xfff
}
