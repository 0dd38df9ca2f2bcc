//! Checksums of a laid-out file.

use core::mem::offset_of;

use zerocopy::FromBytes;

use crate::crc32c;
use crate::format::{FileHeader, TableEntry};

/// Computes all checksums of a laid-out file anew and writes them into it.
///
/// This is the writer's last step. Tests that damage an image also use it, to get past the checksums. Sections that do
/// not lie in the file are left alone.
pub fn seal(file: &mut [u8]) {
    let Ok((header, rest)) = FileHeader::mut_from_prefix(file) else { return };
    let table_bytes = usize::from(header.section_count) * size_of::<TableEntry>();
    let Some((table, body)) = rest.split_at_mut_checked(table_bytes) else { return };
    let body_start = (size_of::<FileHeader>() + table_bytes) as u64;
    let Ok(entries) = <[TableEntry]>::mut_from_bytes(table) else { return };
    for entry in entries {
        let section = (|| {
            let start = usize::try_from(entry.offset.checked_sub(body_start)?).ok()?;
            body.get(start..start.checked_add(usize::try_from(entry.bytes).ok()?)?)
        })();
        if let Some(section) = section {
            entry.crc = crc32c(section);
        }
    }
    header.table_crc = crc32c(table);
    if let Some(covered) = file.get(..offset_of!(FileHeader, header_crc)) {
        let crc = crc32c(covered);
        file[offset_of!(FileHeader, header_crc)..size_of::<FileHeader>()].copy_from_slice(&crc.to_le_bytes());
    }
}
