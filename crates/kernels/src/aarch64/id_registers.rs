//! The identification registers of a core, for programs without an operating system.
//!
//! Readable from EL1 up; at EL0 the read traps unless the kernel below emulates it, as Linux does. Fields: Arm
//! Architecture Reference Manual, D23.2.

use core::arch::asm;

/// Reads one identification register.
macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads a constant of the core; where that is not allowed it traps, which touches no memory of ours.
        unsafe {
            asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Whether the core has the extension that Rust calls so.
pub(crate) fn has(feature: &str) -> bool {
    let field = |register: u64, bit: u32| register >> bit & 0xf != 0;
    match feature {
        "crc" => field(read!("ID_AA64ISAR0_EL1"), 16),
        "dotprod" => field(read!("ID_AA64ISAR0_EL1"), 44),
        "i8mm" => field(read!("ID_AA64ISAR1_EL1"), 52),
        _ => false,
    }
}

/// Arm's part number of the core.
pub(crate) fn part() -> u64 {
    read!("MIDR_EL1") >> 4 & 0xfff
}
