//! The virt board: a PL011 console and the core's cycle counter.

use core::arch::asm;

use tinybert_console::Board;

/// Base of the UART's registers.
const UART: usize = 0x0900_0000;
/// Data.
const DR: *mut u32 = UART as *mut u32;
/// Flags.
const FR: *mut u32 = (UART + 0x18) as *mut u32;
/// Control.
const CR: *mut u32 = (UART + 0x30) as *mut u32;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
const ENABLED: u32 = 1 | 1 << 8 | 1 << 9;

/// The board; there is one.
pub struct Virt(());

impl Virt {
    /// Switches the console on.
    pub fn new() -> Self {
        // SAFETY: the board has this register there, and start.s has mapped it as a device's.
        unsafe { CR.write_volatile(ENABLED) };
        Self(())
    }
}

impl Board for Virt {
    fn read(&mut self) -> u8 {
        // SAFETY: as in `new`.
        while unsafe { FR.read_volatile() } & RECEIVE_EMPTY != 0 {}
        // SAFETY: as in `new`.
        unsafe { DR.read_volatile() as u8 }
    }

    fn write(&mut self, byte: u8) {
        // SAFETY: as in `new`.
        while unsafe { FR.read_volatile() } & TRANSMIT_FULL != 0 {}
        // SAFETY: as in `new`.
        unsafe { DR.write_volatile(byte.into()) };
    }

    fn cycles(&self) -> u32 {
        let cycles: u64;
        // SAFETY: reads a counter that start.s has switched on.
        unsafe { asm!("isb", "mrs {}, pmccntr_el0", out(reg) cycles, options(nomem, nostack)) };
        cycles as u32
    }
}
