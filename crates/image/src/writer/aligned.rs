//! A heap buffer with the alignment that images need.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::format::ALIGNMENT;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct AlignedBlock([u8; ALIGNMENT]);

/// Bytes that begin at a multiple of [`ALIGNMENT`].
#[derive(Clone)]
pub struct AlignedBytes {
    blocks: Vec<AlignedBlock>,
    length: usize,
}

impl AlignedBytes {
    /// Returns `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        let mut blocks = Vec::new();
        blocks.resize(length.div_ceil(ALIGNMENT), AlignedBlock::new_zeroed());
        Self { blocks, length }
    }

    /// Returns a copy of `bytes`.
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.copy_from_slice(bytes);
        copy
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.blocks.as_bytes()[..self.length]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.blocks.as_mut_bytes()[..self.length]
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.length)
    }
}
