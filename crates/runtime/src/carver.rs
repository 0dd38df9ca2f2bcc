//! Cutting memory into aligned parts.

use core::mem;

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

/// Every part begins at a multiple of this, for vector loads and cache lines.
pub(crate) const ALIGNMENT: usize = 64;

/// Cuts padded parts off the front of an aligned buffer.
pub(crate) struct Carver<'w>(&'w mut [u8]);

impl<'w> Carver<'w> {
    /// Begins at the first place of `memory` that is aligned.
    pub fn aligned(memory: &'w mut [u8]) -> Self {
        let skip = memory.as_ptr().align_offset(ALIGNMENT);
        Self(memory.get_mut(skip..).unwrap_or_default())
    }

    /// Begins at the front of `memory`, which is aligned.
    pub fn new(memory: &'w mut [u8]) -> Self {
        Self(memory)
    }

    /// Returns the bytes that are left.
    pub fn rest(self) -> &'w mut [u8] {
        self.0
    }

    /// Takes `count` values off the front, or returns `None` if fewer are left.
    pub fn take<T: FromBytes + IntoBytes + KnownLayout>(&mut self, count: usize) -> Option<&'w mut [T]> {
        let (part, rest) = mem::take(&mut self.0).split_at_mut_checked(padded::<T>(count)?)?;
        self.0 = rest;
        let (values, _) = <[T]>::mut_from_prefix_with_elems(part, count).ok()?;
        Some(values)
    }
}

/// Returns the number of bytes of `count` values of `T`, padded.
pub(crate) fn padded<T>(count: usize) -> Option<usize> {
    count.checked_mul(size_of::<T>())?.checked_next_multiple_of(ALIGNMENT)
}

/// Returns the sum, or `None` if it is beyond a `usize`.
pub(crate) fn sum(bytes: &[usize]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |total, bytes| total.checked_add(*bytes))
}
