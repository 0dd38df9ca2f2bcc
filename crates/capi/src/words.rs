//! Word rows that a C function reads from where they are stored.

use core::ffi::c_void;

/// A way to read the word rows of an image that was written without them. The rows may lie in SPI flash, for instance.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CWordRows {
    /// Fills `into` with `bytes` bytes of the file of word rows from byte `offset` on; returns false if they cannot
    /// be read. The library checks the bytes. Threads that share the model may call this function at the same time.
    /// It must return: it must neither throw an exception nor leave by longjmp.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, offset: usize, into: *mut u8, bytes: usize) -> bool,
    >,
    /// Is passed to `read` as it is; may be null.
    pub context: *mut c_void,
}

/// Word rows for which the C program has made the promise of [`new`](Self::new), in the place where it keeps them.
#[repr(transparent)]
pub(crate) struct PromisedWordRows(CWordRows);

impl PromisedWordRows {
    /// # Safety
    /// For as long as the result is used, any thread may call `rows.read` with `rows.context`, and `read` writes no
    /// more bytes than it is asked for.
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
        // SAFETY: `read` may be called with its context and writes no more than it is asked for, as `new` demands;
        // `into` has so many bytes to write, which nobody else uses during the call.
        unsafe { read(self.0.context, offset, into.as_mut_ptr(), into.len()) }
    }
}
