//! The runtime as firmware for QEMU's virt board: the image in flash, a static workspace, answers on the serial console
//! (`targets/console`). Exit code 0 if all went well.
#![no_std]
#![no_main]

mod board;
mod semihosting;

use core::arch::global_asm;
use core::fmt::Write;
use core::panic::PanicInfo;

use board::Virt;
#[cfg(feature = "negative-control")]
use tinybert_console::Board;
use tinybert_console::{Output, serve, stack};

global_asm!(include_str!("start.s"));

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// 64-byte aligned, so that nothing of it is lost to alignment.
#[repr(align(64))]
struct Workspace([u8; WORKSPACE_BYTES]);
static mut WORKSPACE: Workspace = Workspace([0; WORKSPACE_BYTES]);
static mut LINE: [u8; 1024] = [0; 1024];

unsafe extern "C" {
    // Of link.ld.
    static stack_bottom: u32;
    static stack_top: u32;
    /// Defined nowhere: if anything in this firmware can panic, it does not link.
    fn a_panic_path_was_linked() -> !;
}

// SAFETY: start.s calls the one function of this name.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let mut board = Virt::new();
    // SAFETY: `main` is called once, on one core, and nothing else names these.
    let (workspace, line) = unsafe { (&mut (*&raw mut WORKSPACE).0, &mut *&raw mut LINE) };
    // The control of the rule that no panic path may be linked: an index that can be out of bounds.
    #[cfg(feature = "negative-control")]
    let line = &mut line[..Board::cycles(&board) as usize];
    let served = serve(&mut board, MODEL, workspace, line);
    if let Err(error) = &served {
        let _ = writeln!(Output(&mut board), "error: {error}");
    }
    // SAFETY: the linker script's bounds of the stack that this runs on.
    let used = unsafe { stack::used(&raw const stack_bottom, &raw const stack_top) };
    let _ = writeln!(Output(&mut board), "{used} bytes of stack used");
    semihosting::exit(served.is_err().into())
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: a program in which this is reachable does not link.
    unsafe { a_panic_path_was_linked() }
}
