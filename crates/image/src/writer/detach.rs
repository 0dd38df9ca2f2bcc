//! An image without its word rows, for devices whose largest flash is not memory-mapped.

use alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::aligned::AlignedBytes;
use super::builder::assemble;
use crate::format::padded;
use crate::{Error, Field, Image, SectionKind, crc32c};

/// Splits an image into an image without word rows, which has a checksum of each row instead, and a file of the rows as
/// they are stored. Together they give the same answers as the whole image, to the bit. The new image has no signature,
/// because a signature covers the whole image.
///
/// # Errors
/// [`Field::Length`] if the image has no word rows.
pub fn detach_words(image: &Image<'_>) -> Result<(AlignedBytes, Vec<u8>), Error> {
    let word = &image.embeddings().word;
    let rows = word.rows;
    let row_bytes = padded(rows.len()).filter(|bytes| *bytes > 0).ok_or(Error::Invalid(Field::Length))?;
    let checks: Vec<u32> = rows.chunks_exact(word.row_bytes().max(1)).map(crc32c).collect();
    let sections: Vec<_> = SectionKind::ALL
        .into_iter()
        .map(|kind| {
            let bytes = match kind {
                SectionKind::WordChecks => Some(checks.as_bytes()),
                SectionKind::Signature => None,
                SectionKind::Embeddings => image.section(kind).and_then(|bytes| bytes.get(row_bytes..)),
                _ => image.section(kind),
            };
            (kind, bytes.map(Vec::from))
        })
        .collect();
    let detached = assemble(&sections);
    Image::from_bytes(&detached)?;
    Ok((detached, rows.to_vec()))
}
