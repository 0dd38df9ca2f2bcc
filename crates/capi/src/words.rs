//! Word rows that C reads from where they are.

use core::ffi::c_void;

/// Where the word rows of an image are that was written without them, for instance in SPI flash.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WordRows {
    /// Fills `into` with `bytes` bytes of the file of word rows from byte `offset` on; returns false where they cannot be read.
    /// What it gives is checked. Threads that share the model may call it at the same time.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, offset: usize, into: *mut u8, bytes: usize) -> bool,
    >,
    /// Handed to `read` as it is; may be null.
    pub context: *mut c_void,
}

// SAFETY: nothing here follows the pointers but a call of `read`, which C has promised that any thread may make
// (`tinybert_set_word_rows`).
unsafe impl Sync for WordRows {}

impl tinybert_runtime::WordRows for WordRows {
    fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(read) = self.read else { return false };
        // SAFETY: C has promised that `read` may be called with its context and writes no more than it is asked for
        // (`tinybert_set_word_rows`); `into` is so many bytes to write, and nobody else's meanwhile.
        unsafe { read(self.context, offset, into.as_mut_ptr(), into.len()) }
    }
}
