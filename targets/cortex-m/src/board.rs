//! The MPS2 boards: a CMSDK UART, whose place the linker script knows, and SysTick, which every Cortex-M has and QEMU
//! emulates, as the counter of cycles.

use core::arch::asm;

use tinybert_console::Board;

unsafe extern "C" {
    /// The UART's registers: data, state, control, interrupts, baud divider.
    static mut uart: [u32; 5];
    /// How often SysTick has begun anew; start.s counts.
    static systick_wraps: u32;
}

const TRANSMIT_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 1 << 1;
const ENABLED: u32 = 1 | 1 << 1;
/// The smallest divider there is.
const DIVIDER: u32 = 16;
/// SYST_CVR counts down, 24 bits.
const SYSTICK: *const u32 = 0xe000_e018 as *const u32;
const SYSTICK_BITS: u32 = 24;

const DATA: usize = 0;
const STATE: usize = 1;
const CONTROL: usize = 2;
const BAUD: usize = 4;

/// The board; there is one.
pub struct Mps2(());

fn register(index: usize) -> *mut u32 {
    (&raw mut uart).cast::<u32>().wrapping_add(index)
}

impl Mps2 {
    /// Switches the console on.
    pub fn new() -> Self {
        // SAFETY: the linker script says that the registers are there.
        unsafe {
            register(BAUD).write_volatile(DIVIDER);
            register(CONTROL).write_volatile(ENABLED);
        }
        Self(())
    }
}

impl Board for Mps2 {
    fn read(&mut self) -> u8 {
        // SAFETY: as in `new`.
        while unsafe { register(STATE).read_volatile() } & RECEIVE_FULL == 0 {}
        // SAFETY: as in `new`.
        unsafe { register(DATA).read_volatile() as u8 }
    }

    fn write(&mut self, byte: u8) {
        // SAFETY: as in `new`.
        while unsafe { register(STATE).read_volatile() } & TRANSMIT_FULL != 0 {}
        // SAFETY: as in `new`.
        unsafe { register(DATA).write_volatile(byte.into()) };
    }

    fn cycles(&self) -> u32 {
        loop {
            // SAFETY: every core of this architecture has the register, start.s has switched it on, and the exception
            // that counts is the one other writer of the variable. The barrier lets it happen before the second look.
            let (before, left, after) = unsafe {
                let before = (&raw const systick_wraps).read_volatile();
                let left = SYSTICK.read_volatile();
                asm!("isb", options(nostack));
                (before, left, (&raw const systick_wraps).read_volatile())
            };
            if before == after {
                return (before << SYSTICK_BITS).wrapping_add((1 << SYSTICK_BITS) - 1 - left);
            }
        }
    }
}

/// Ends the emulation with an exit code (Arm semihosting). On a board without a debugger it stops there.
pub fn exit(code: u8) -> ! {
    const SYS_EXIT_EXTENDED: u32 = 0x20;
    const ADP_STOPPED_APPLICATION_EXIT: u32 = 0x20026;
    let block = [ADP_STOPPED_APPLICATION_EXIT, code.into()];
    // SAFETY: the block holds the reason and the code, as SYS_EXIT_EXTENDED wants; only r0 is written.
    unsafe {
        asm!("bkpt #0xab", inout("r0") SYS_EXIT_EXTENDED => _, in("r1") block.as_ptr(), options(nostack))
    }
    loop {}
}
