//! The open model in memory that C provides for it.

use tinybert_runtime::{Error, Model};

use crate::Status;

/// Words of a model.
pub const HANDLE_WORDS: usize = 144;

/// The first word of an open model. Zeroed memory does not have it.
const OPEN: u64 = u64::from_le_bytes(*b"TinyBERT");

/// An open model. Its contents are this library's alone; it may be copied. Zero it before it is opened: `= {0}`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Handle {
    /// The caller must not use them.
    pub words: [u64; HANDLE_WORDS],
}

/// The contents of the words.
#[repr(C)]
struct OpenModel {
    open: u64,
    model: Model<'static>,
}

const _: () =
    assert!(size_of::<OpenModel>() <= size_of::<Handle>() && align_of::<OpenModel>() <= align_of::<Handle>());

impl Handle {
    /// Closes the model that is open there, so that nobody can use it if the next model cannot be opened.
    ///
    /// # Safety
    /// If `handle` is not null, it points to room for a handle that is nobody else's for `'h`.
    pub(crate) unsafe fn closed<'h>(handle: *mut Self) -> Result<&'h mut Self, Status> {
        // SAFETY: as the caller promises.
        let room = unsafe { crate::memory::place::<Self>(handle)? };
        Ok(room.write(Self { words: [0; HANDLE_WORDS] }))
    }

    /// Writes an open model.
    pub(crate) fn open(&mut self, model: &Result<Model<'static>, Error>) -> Result<(), Status> {
        // The model is written by reference and field by field, because copies of it are large for a small stack.
        let model = model.as_ref().map_err(|error| *error)?;
        let opened = (&raw mut *self).cast::<OpenModel>();
        // SAFETY: a handle is at least as large and as aligned as its contents (asserted above), and this function may
        // write it.
        unsafe {
            (&raw mut (*opened).model).write(*model);
            (&raw mut (*opened).open).write(OPEN);
        }
        Ok(())
    }

    /// Returns the model, if it is open.
    ///
    /// # Safety
    /// If `handle` is not null, it points to a handle that is zero or was opened, and nobody writes it for `'h`.
    pub(crate) unsafe fn get<'h>(handle: *const Self) -> Result<&'h Model<'static>, Status> {
        // SAFETY: as the caller promises; a handle's words have no invalid bits.
        let [handle] = (unsafe { crate::memory::slice(handle, 1)? }) else { return Err(Status::NotOpen) };
        let [OPEN, ..] = handle.words else { return Err(Status::NotOpen) };
        // SAFETY: the first word says that `open` has written an `OpenModel` here, which is no larger and no more
        // aligned.
        Ok(unsafe { &(*(&raw const *handle).cast::<OpenModel>()).model })
    }

    /// Returns the model, if it is open, for a caller that changes it.
    ///
    /// # Safety
    /// Those of [`get`](Self::get); and nobody else reads or writes the handle for `'h`.
    pub(crate) unsafe fn get_mut<'h>(handle: *mut Self) -> Result<&'h mut Model<'static>, Status> {
        // SAFETY: as the caller promises. The result is not used.
        unsafe { Self::get(handle)? };
        // SAFETY: the handle is open, as `get` has found, and nobody else uses it.
        Ok(unsafe { &mut (*handle.cast::<OpenModel>()).model })
    }
}
