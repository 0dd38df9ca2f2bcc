//! Calls of the debugger or emulator that runs this firmware (Arm semihosting, AArch64).

use core::arch::asm;

const SYS_EXIT: usize = 0x18;
const ADP_STOPPED_APPLICATION_EXIT: usize = 0x20026;

/// Ends the emulation with an exit code. On a board without a debugger it stops there.
pub fn exit(code: u8) -> ! {
    let block = [ADP_STOPPED_APPLICATION_EXIT, usize::from(code)];
    // SAFETY: the block holds the reason and the code, as SYS_EXIT wants on AArch64; only x0 is written.
    unsafe { asm!("hlt #0xf000", inout("x0") SYS_EXIT => _, in("x1") block.as_ptr(), options(nostack)) }
    loop {}
}
