//! Without an operating system every program needs one panic handler. This one cannot be linked: should anything of this
//! library ever be able to panic, the firmware does not link, and the name of what is missing says why.

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Defined nowhere.
    fn a_panic_path_was_linked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: a program in which this is reachable does not link.
    unsafe { a_panic_path_was_linked() }
}
