//! Checks of pointers from C, as far as they can be checked.

use core::mem::MaybeUninit;
use core::slice;

use crate::Status;

/// Refuses a pointer from which on `count` elements cannot be in memory.
fn check<T>(pointer: *const T, count: usize) -> Result<(), Status> {
    if pointer.is_null() {
        return Err(Status::NullPointer);
    }
    if !pointer.is_aligned() {
        return Err(Status::Misaligned);
    }
    let bytes = count.checked_mul(size_of::<T>()).filter(|bytes| isize::try_from(*bytes).is_ok());
    let end = bytes.and_then(|bytes| (pointer as usize).checked_add(bytes));
    end.map(|_| ()).ok_or(Status::TooLarge)
}

/// Returns `count` elements to read.
///
/// # Safety
/// If `pointer` is not null, it points to `count` elements that nobody writes for `'a`.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Status> {
    check(pointer, count)?;
    // SAFETY: not null, aligned, no longer than memory; the rest is the caller's promise. Every `T` of the callers (u8,
    // u32, f32) has no invalid bits.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// Returns one value to read.
///
/// # Safety
/// If `pointer` is not null, it points to a `T` that nobody writes for `'a`.
pub(crate) unsafe fn one<'a, T>(pointer: *const T) -> Result<&'a T, Status> {
    check(pointer, 1)?;
    // SAFETY: not null, aligned; that it is a `T` which nobody writes is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Returns `count` elements to write.
///
/// # Safety
/// If `pointer` is not null, it points to `count` elements that are nobody else's for `'a`.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, count: usize) -> Result<&'a mut [T], Status> {
    check(pointer, count)?;
    // SAFETY: as in `slice`, and nobody else's.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// Returns the place of one value, which may not be initialised.
///
/// # Safety
/// If `pointer` is not null, it points to room for a `T` that is nobody else's for `'a`.
pub(crate) unsafe fn place<'a, T>(pointer: *mut T) -> Result<&'a mut MaybeUninit<T>, Status> {
    check(pointer, 1)?;
    // SAFETY: not null, aligned; that it is room for a `T` and nobody else's is the caller's promise.
    Ok(unsafe { &mut *pointer.cast() })
}
