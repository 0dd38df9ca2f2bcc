//! Word rows that C reads from where they are.

use core::ffi::c_void;

/// Where the word rows of an image are that was written without them, for instance in SPI flash.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CWordRows {
    /// Fills `into` with `bytes` bytes of the file of word rows from byte `offset` on; returns false where they cannot be read.
    /// What it gives is checked. Threads that share the model may call it at the same time.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, offset: usize, into: *mut u8, bytes: usize) -> bool,
    >,
    /// Handed to `read` as it is; may be null.
    pub context: *mut c_void,
}

/// Word rows about which C has made its promise, in the place where C keeps them.
#[repr(transparent)]
pub(crate) struct PromisedWordRows(CWordRows);

impl PromisedWordRows {
    /// # Safety
    /// For as long as the result is used, any thread may call `rows.read` with `rows.context`, and `read` writes no more bytes
    /// than it is asked for.
    pub(crate) unsafe fn new(rows: &CWordRows) -> &Self {
        // SAFETY: the type is transparent, so a reference to what is in it is one to it.
        unsafe { &*(&raw const *rows).cast() }
    }
}

// SAFETY: the pointers are followed only by a call of `read`, which any thread may make, as `new` demands.
unsafe impl Sync for PromisedWordRows {}

impl tinybert_runtime::WordRows for PromisedWordRows {
    fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(read) = self.0.read else { return false };
        // SAFETY: `read` may be called with its context and writes no more than it is asked for, as `new` demands; `into` has so
        // many bytes to write, which nobody else uses meanwhile.
        unsafe { read(self.0.context, offset, into.as_mut_ptr(), into.len()) }
    }
}
