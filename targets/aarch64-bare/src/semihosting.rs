//! Talking to the debugger or emulator that runs this firmware (Arm semihosting, AArch64).

use core::arch::asm;
use core::fmt;

const SYS_WRITE0: usize = 0x04;
const SYS_GET_CMDLINE: usize = 0x15;
const SYS_EXIT: usize = 0x18;
const ADP_STOPPED_APPLICATION_EXIT: usize = 0x20026;

/// # Safety
/// `argument` must point to what `operation` wants, for as long as the call takes.
unsafe fn call(operation: usize, argument: *mut u8) -> usize {
    let result;
    // SAFETY: the debugger reads and writes only what the argument block names, which the caller vouches for, and x0.
    unsafe { asm!("hlt #0xf000", inlateout("x0") operation => result, in("x1") argument, options(nostack)) }
    result
}

/// Standard output of the emulator.
pub struct Output;

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut buffer = [0; 128];
        for chunk in text.as_bytes().chunks(buffer.len() - 1) {
            buffer.fill(0);
            for (place, byte) in buffer.iter_mut().zip(chunk) {
                *place = *byte;
            }
            // SAFETY: the buffer ends with a zero, as SYS_WRITE0 wants.
            unsafe { call(SYS_WRITE0, buffer.as_mut_ptr()) };
        }
        Ok(())
    }
}

/// The command line the emulator was given, if it fits `buffer` and is UTF-8.
pub fn command_line(buffer: &mut [u8]) -> Option<&str> {
    let mut block = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the block holds the address and length of the buffer, as SYS_GET_CMDLINE wants; both outlive the call.
    let failed = unsafe { call(SYS_GET_CMDLINE, block.as_mut_ptr().cast()) } != 0;
    let length = block[1];
    if failed { None } else { core::str::from_utf8(buffer.get(..length)?).ok() }
}

/// Ends the emulation with an exit code.
pub fn exit(code: u8) -> ! {
    let mut block = [ADP_STOPPED_APPLICATION_EXIT, usize::from(code)];
    // SAFETY: the block holds the reason and the code, as SYS_EXIT wants on AArch64.
    unsafe { call(SYS_EXIT, block.as_mut_ptr().cast()) };
    loop {}
}
