//! The opened model in memory that C has put aside for it.

use tinybert_runtime::{Error, Model};

use crate::Status;

/// Words of a model.
pub const HANDLE_WORDS: usize = 144;

/// Says that a model has been opened. Zeroed memory and most other bytes do not.
const OPEN: u64 = u64::from_le_bytes(*b"TinyBERT");

/// An open model. Its contents are this library's alone; it may be copied. Zero it before it is opened: `= {0}`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Handle {
    /// Not for the caller.
    pub words: [u64; HANDLE_WORDS],
}

/// What is in the words.
#[repr(C)]
struct OpenModel {
    open: u64,
    model: Model<'static>,
}

const _: () =
    assert!(size_of::<OpenModel>() <= size_of::<Handle>() && align_of::<OpenModel>() <= align_of::<Handle>());

impl Handle {
    /// Closes what is open there, so that nobody goes on with it when another model cannot be opened.
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
        // By reference, and field by field: copies of a model are large for a small stack.
        let model = model.as_ref().map_err(|error| *error)?;
        let opened = (&raw mut *self).cast::<OpenModel>();
        // SAFETY: a handle is at least as large and as aligned as what is in it (asserted above), and is ours to write.
        unsafe {
            (&raw mut (*opened).model).write(*model);
            (&raw mut (*opened).open).write(OPEN);
        }
        Ok(())
    }

    /// The model, if it is open.
    ///
    /// # Safety
    /// If `handle` is not null, it points to a handle that is zero or was opened, and nobody writes it for `'h`.
    pub(crate) unsafe fn get<'h>(handle: *const Self) -> Result<&'h Model<'static>, Status> {
        // SAFETY: as the caller promises; a handle's words have no invalid bits.
        let [handle] = (unsafe { crate::memory::slice(handle, 1)? }) else { return Err(Status::NotOpen) };
        let [OPEN, ..] = handle.words else { return Err(Status::NotOpen) };
        // SAFETY: the first word says that `open` has written an `OpenModel` here, which is no larger and no more aligned.
        Ok(unsafe { &(*(&raw const *handle).cast::<OpenModel>()).model })
    }

    /// The same, to be changed.
    ///
    /// # Safety
    /// As of [`get`](Self::get); and nobody else reads or writes the handle for `'h`.
    pub(crate) unsafe fn get_mut<'h>(handle: *mut Self) -> Result<&'h mut Model<'static>, Status> {
        // SAFETY: as the caller promises. What it gives is not used.
        unsafe { Self::get(handle)? };
        // SAFETY: the handle is open, as has just been seen, and nobody else's.
        Ok(unsafe { &mut (*handle.cast::<OpenModel>()).model })
    }
}
