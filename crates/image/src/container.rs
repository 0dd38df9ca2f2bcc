//! The outer shell: header, section table, section places, padding and checksums.

use core::mem::offset_of;

use zerocopy::FromBytes;

use crate::format::{ALIGNMENT, FileHeader, MAGIC, MAX_SECTIONS, TableEntry, VERSION, padded};
use crate::{Checksum, Error, SectionKind, crc32c};

/// The sections of a file whose shell has been checked. Their contents have not been checked yet.
#[derive(Clone, Copy)]
pub(crate) struct Container<'a> {
    /// The section of each kind, in the order of [`SectionKind::ALL`].
    sections: [Option<&'a [u8]>; SectionKind::ALL.len()],
}

impl<'a> Container<'a> {
    /// Checks everything that can be checked without knowledge of what a section means. After this, a correct checksum
    /// covers every byte of the file that is not zero padding.
    pub fn open(bytes: &'a [u8], checksum: Checksum) -> Result<Self, Error> {
        let (header, rest) = header(bytes, checksum)?;
        let actual = bytes.len() as u64;
        if header.file_bytes != actual {
            return Err(Error::FileSize { stated: header.file_bytes, actual });
        }
        let table_bytes = usize::from(header.section_count) * size_of::<TableEntry>();
        let table_end = size_of::<FileHeader>() + table_bytes;
        let first = padded(table_end).filter(|first| *first <= bytes.len()).ok_or(Error::TooShort)?;
        let table = rest.get(..table_bytes).ok_or(Error::TooShort)?;
        if checksum(table) != header.table_crc {
            return Err(Error::TableCrc);
        }
        check_zero(bytes, table_end, first)?;
        let entries = <[TableEntry]>::ref_from_bytes(table).map_err(|_| Error::TooShort)?;

        let mut sections = [None; SectionKind::ALL.len()];
        let mut place = first;
        let mut slots = sections.iter_mut().zip(SectionKind::ALL);
        for entry in entries {
            let kind = SectionKind::from_raw(entry.kind).ok_or(Error::UnknownSection(entry.kind))?;
            // The search goes on behind the section before, so it does not find a section that is out of order or twice
            // there.
            let (slot, _) = slots.find(|(_, known)| *known == kind).ok_or(Error::SectionOrder(kind))?;
            if entry.reserved != 0 {
                return Err(Error::Padding);
            }
            let (section, next) = section_at(bytes, place, entry).ok_or(Error::SectionBounds(kind))?;
            if checksum(section) != entry.crc {
                return Err(Error::SectionCrc(kind));
            }
            check_zero(bytes, place + section.len(), next)?;
            *slot = Some(section);
            place = next;
        }
        if place != bytes.len() {
            return Err(Error::FileSize { stated: place as u64, actual: bytes.len() as u64 });
        }
        let container = Self { sections };
        // A signature does not cover a file of word rows, and their checksums do not keep anybody from changing them.
        if container.find(SectionKind::WordChecks).is_some()
            && container.find(SectionKind::Signature).is_some()
        {
            return Err(Error::UnsignedWordRows);
        }
        Ok(container)
    }

    /// Returns the bytes of a section, if the file has it.
    pub fn find(&self, kind: SectionKind) -> Option<&'a [u8]> {
        self.sections
            .iter()
            .zip(SectionKind::ALL)
            .find(|(_, known)| *known == kind)
            .and_then(|(bytes, _)| *bytes)
    }

    /// Returns the bytes of a section that must be there.
    pub fn need(&self, kind: SectionKind) -> Result<&'a [u8], Error> {
        self.find(kind).ok_or(Error::MissingSection(kind))
    }
}

/// Returns the number of bytes of the image that begins at the first byte of `slot`, such as a slot of flash that is
/// longer than the image and erased behind it. The number is at most the slot's length.
///
/// Only the header is read. Its checksum covers the number. [`Image::from_bytes`](crate::Image::from_bytes) of as many
/// bytes checks everything else.
///
/// # Errors
/// [`Misaligned`](Error::Misaligned), [`TooShort`](Error::TooShort), [`Magic`](Error::Magic) (an erased slot, for
/// example), [`Version`](Error::Version), [`HeaderCrc`](Error::HeaderCrc); [`FileSize`](Error::FileSize) if the slot is
/// shorter than the image.
pub fn image_bytes(slot: &[u8]) -> Result<usize, Error> {
    let (header, _) = header(slot, crc32c)?;
    let (stated, actual) = (header.file_bytes, slot.len());
    let bytes = usize::try_from(stated).ok().filter(|bytes| *bytes <= actual);
    bytes.ok_or(Error::FileSize { stated, actual: actual as u64 })
}

/// Returns the header, whose checksum and constants are right, and everything behind it.
fn header(bytes: &[u8], checksum: Checksum) -> Result<(&FileHeader, &[u8]), Error> {
    if !(bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
        return Err(Error::Misaligned);
    }
    let (header, rest) = FileHeader::ref_from_prefix(bytes).map_err(|_| Error::TooShort)?;
    if header.magic != MAGIC {
        return Err(Error::Magic);
    }
    if header.version != VERSION {
        return Err(Error::Version(header.version));
    }
    let covered = bytes.get(..offset_of!(FileHeader, header_crc)).ok_or(Error::TooShort)?;
    if checksum(covered) != header.header_crc {
        return Err(Error::HeaderCrc);
    }
    if header.reserved != [0; 10] {
        return Err(Error::Padding);
    }
    if header.section_count == 0 || header.section_count > MAX_SECTIONS {
        return Err(Error::SectionCount(header.section_count));
    }
    Ok((header, rest))
}

/// Returns the section that `entry` describes, if it begins at `place` and lies in the file; and the place of the next
/// one.
fn section_at<'a>(bytes: &'a [u8], place: usize, entry: &TableEntry) -> Option<(&'a [u8], usize)> {
    let offset = usize::try_from(entry.offset).ok()?;
    let length = usize::try_from(entry.bytes).ok()?;
    let end = offset.checked_add(length)?;
    let next = padded(end)?;
    if offset != place || next > bytes.len() {
        return None;
    }
    Some((bytes.get(offset..end)?, next))
}

fn check_zero(bytes: &[u8], from: usize, to: usize) -> Result<(), Error> {
    match bytes.get(from..to) {
        Some(gap) if gap.iter().all(|byte| *byte == 0) => Ok(()),
        _ => Err(Error::Padding),
    }
}
