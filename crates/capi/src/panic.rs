//! Without an operating system every program needs one panic handler. This one cannot be linked. If any function of
//! this library could panic, the firmware would not link, and the name of the missing function would say why.

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Is defined nowhere.
    fn a_panic_path_was_linked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: a program in which this is reachable does not link.
    unsafe { a_panic_path_was_linked() }
}
