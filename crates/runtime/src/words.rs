//! Word rows: in the image, or read from flash that is not memory-mapped.

use tinybert_image::{Image, ScaledRowsView, StoredRow};
use tinybert_kernels::{decode_row, row_stride};
use zerocopy::IntoBytes;

use crate::Error;
use crate::checksum::checksum;

/// Reads the word rows of an image that has been written without them
/// (`tinybert_image::detach_words`), for instance from SPI flash.
pub trait WordRows: Sync {
    /// Fills `into` with the bytes of the file of word rows from `offset` on. Returns `false` if they cannot be read.
    fn read(&self, offset: usize, into: &mut [u8]) -> bool;
}

/// The word rows of a model, in the image or elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct WordTable<'a> {
    table: ScaledRowsView<'a>,
    /// CRC-32C of each row, where they are elsewhere.
    checks: Option<&'a [u32]>,
    elsewhere: Option<&'a dyn WordRows>,
}

impl<'a> WordTable<'a> {
    pub fn new(image: &Image<'a>, elsewhere: Option<&'a dyn WordRows>) -> Self {
        Self { table: image.embeddings().word, checks: image.word_checks(), elsewhere }
    }

    /// Returns the row `[hidden]` of a word and its scale. A row from elsewhere is read into `room` and checked; one in
    /// four bits is decoded there. `room` is large enough for two rows.
    pub fn row<'r>(&self, id: u32, room: &'r mut [i8]) -> Result<(&'r [i8], f32), Error>
    where
        'a: 'r,
    {
        let index = usize::try_from(id).map_err(|_| Error::TokenId)?;
        let scale = self.table.scale(index).ok_or(Error::TokenId)?;
        let width = self.table.width;
        let (decoded, read) = room.split_at_mut_checked(row_stride(width)).ok_or(Error::ShapeMismatch)?;
        let row = match self.checks {
            None => self.table.row(index).ok_or(Error::TokenId)?.0,
            Some(checks) => {
                let check = checks.get(index).ok_or(Error::TokenId)?;
                self.table.stored_row(self.read(id, index, *check, read)?).ok_or(Error::ShapeMismatch)?
            }
        };
        match row {
            StoredRow::Int8(row) => Ok((row, scale)),
            StoredRow::Int4(stored) => {
                let decoded = decoded.get_mut(..width).ok_or(Error::ShapeMismatch)?;
                decode_row(stored, decoded)?;
                Ok((decoded, scale))
            }
        }
    }

    /// Returns the bytes of a row from elsewhere, read into `room`.
    fn read<'r>(&self, id: u32, index: usize, check: u32, room: &'r mut [i8]) -> Result<&'r [u8], Error> {
        let elsewhere = self.elsewhere.ok_or(Error::WordRowsMissing)?;
        let length = self.table.row_bytes();
        let bytes = room.get_mut(..length).ok_or(Error::ShapeMismatch)?.as_mut_bytes();
        let offset = index.checked_mul(length).ok_or(Error::TokenId)?;
        if !elsewhere.read(offset, bytes) || checksum()(bytes) != check {
            return Err(Error::WordRow { id });
        }
        Ok(bytes)
    }
}

/// Returns a row of a table in int8, with its scale.
pub(crate) fn int8_row<'a>(table: &ScaledRowsView<'a>, index: usize) -> Option<(&'a [i8], f32)> {
    match table.row(index)? {
        (StoredRow::Int8(row), scale) => Some((row, scale)),
        (StoredRow::Int4(_), _) => None,
    }
}
