//! A reader that walks through a section part by part.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::format::padded;
use crate::{Error, SectionKind};

/// The part of a section that has not been read yet. Each part is padded with zeros to [`ALIGNMENT`](crate::ALIGNMENT).
#[derive(Clone, Copy)]
pub(crate) struct PartReader<'a> {
    rest: &'a [u8],
    section: SectionKind,
}

impl<'a> PartReader<'a> {
    pub fn new(rest: &'a [u8], section: SectionKind) -> Self {
        Self { rest, section }
    }

    /// Takes `count` values of `T` and the zeros after them.
    pub fn take<T>(&mut self, count: usize) -> Result<&'a [T], Error>
    where
        T: FromBytes + Immutable + KnownLayout,
    {
        let too_short = Error::SectionSize(self.section);
        let bytes = count.checked_mul(size_of::<T>()).ok_or(too_short)?;
        let (part, rest) =
            padded(bytes).and_then(|padded| self.rest.split_at_checked(padded)).ok_or(too_short)?;
        let (values, padding) = part.split_at_checked(bytes).ok_or(too_short)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Padding);
        }
        self.rest = rest;
        // Sections begin aligned and parts are padded, so this fails only at the end of a section.
        <[T]>::ref_from_bytes(values).map_err(|_| too_short)
    }

    /// Returns an error unless the section is used up exactly.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::SectionSize(self.section)) }
    }
}
