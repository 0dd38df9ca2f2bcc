//! The boards: a PL011 console, whose place the linker script knows, and the core's cycle counter.

use core::arch::asm;

use tinybert_console::Board;

unsafe extern "C" {
    /// The UART's registers.
    static mut uart: [u32; 13];
}

/// Data.
const DR: usize = 0;
/// Flags.
const FR: usize = 0x18 / 4;
/// Control.
const CR: usize = 0x30 / 4;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
const ENABLED: u32 = 1 | 1 << 8 | 1 << 9;

/// The board; there is one.
pub struct Pl011(());

fn register(index: usize) -> *mut u32 {
    (&raw mut uart).cast::<u32>().wrapping_add(index)
}

impl Pl011 {
    /// Switches the console on.
    pub fn new() -> Self {
        #[cfg(board = "raspi3b")]
        crate::raspi3b::connect(register(0));
        // SAFETY: the linker script says that the register is there, and start.s has mapped it as a device's.
        unsafe { register(CR).write_volatile(ENABLED) };
        Self(())
    }
}

impl Board for Pl011 {
    fn read(&mut self) -> u8 {
        // SAFETY: as in `new`.
        while unsafe { register(FR).read_volatile() } & RECEIVE_EMPTY != 0 {}
        // SAFETY: as in `new`.
        unsafe { register(DR).read_volatile() as u8 }
    }

    fn write(&mut self, byte: u8) {
        // SAFETY: as in `new`.
        while unsafe { register(FR).read_volatile() } & TRANSMIT_FULL != 0 {}
        // SAFETY: as in `new`.
        unsafe { register(DR).write_volatile(byte.into()) };
    }

    fn cycles(&self) -> u32 {
        let cycles: u64;
        // SAFETY: reads a counter that start.s has switched on.
        unsafe { asm!("isb", "mrs {}, pmccntr_el0", out(reg) cycles, options(nomem, nostack)) };
        cycles as u32
    }
}
