//! What both programs share: the model, its workspace, the tick, and the end.
#![no_std]

use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hprintln;
use tinybert_runtime::{Error, Model};

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Multiply-adds of a step.
pub const BUDGET: usize = 20_000;

/// Clocks of the board between two ticks: 0.1 ms at 25 MHz. Under `qemu -icount shift=0`, where an instruction takes a
/// nanosecond, the core executes 100,000 instructions in that time.
const CLOCKS: u32 = 2_500;

/// The alignment is 64 bytes, so that the session loses no bytes to alignment.
#[repr(align(64))]
struct Workspace([u8; WORKSPACE_BYTES]);

/// Returns the workspace.
///
/// # Safety
/// The function is called once.
pub unsafe fn workspace() -> &'static mut [u8] {
    static mut WORKSPACE: Workspace = Workspace([0; WORKSPACE_BYTES]);
    // SAFETY: as the caller promises, nobody else has it.
    unsafe { &mut (*&raw mut WORKSPACE).0 }
}

/// Opens the model and runs its self-tests, which takes several answers' time: before the watchdog is on.
///
/// # Errors
/// The fault of the image, the workspace or the board.
pub fn open(workspace: &mut [u8]) -> Result<Model<'static>, Error> {
    let model = Model::from_bytes(core::hint::black_box(MODEL))?;
    model.self_test(workspace)?;
    Ok(model)
}

/// Starts the tick: the exception `SysTick` every 0.1 ms.
pub fn start_ticks() {
    if let Some(Peripherals { SYST: mut timer, .. }) = Peripherals::take() {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(CLOCKS - 1);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
    }
}

/// Ends the emulation (Arm semihosting).
pub fn end(result: Result<(), &str>) -> ! {
    if let Err(reason) = result {
        hprintln!("error: {}", reason);
    }
    loop {
        debug::exit(if result.is_ok() { EXIT_SUCCESS } else { EXIT_FAILURE });
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    end(Err("panic"))
}
