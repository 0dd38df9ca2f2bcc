//! The measurement of the stack. Start-up code fills it with [`PAINT`], and words that still have this value were never
//! used.

/// The value with which start-up code fills the stack.
pub const PAINT: u32 = 0x5a5a_5a5a;

/// Returns the number of bytes between `top` and the lowest word that is no longer painted.
///
/// # Safety
/// `bottom` to `top` is the running program's stack, which grows down; both are aligned to four bytes.
pub unsafe fn used(bottom: *const u32, top: *const u32) -> usize {
    let mut word = bottom;
    // SAFETY: between the two is memory of this program. The read is volatile, because the program has never written
    // some of these words.
    while word < top && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    top as usize - word as usize
}
