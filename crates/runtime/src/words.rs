//! Word rows: in the image, or read from flash that is not memory-mapped.

use tinybert_image::{Image, ScaledRows};
use zerocopy::IntoBytes;

use crate::Error;
use crate::model::checksum;

/// Reads the word rows of an image that has been written without them
/// (`tinybert_image::detach_words`), for instance from SPI flash.
pub trait WordRows: Sync {
    /// Fills `into` with the bytes of the file of word rows from `offset` on. `false` where they cannot be read.
    fn read(&self, offset: usize, into: &mut [u8]) -> bool;
}

/// Where the word rows of a model are.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    table: ScaledRows<'a>,
    /// CRC-32C of each row, where they are elsewhere.
    checks: Option<&'a [u32]>,
    elsewhere: Option<&'a dyn WordRows>,
}

impl<'a> Words<'a> {
    pub fn new(image: &Image<'a>, elsewhere: Option<&'a dyn WordRows>) -> Self {
        Self { table: image.embeddings().word, checks: image.word_checks(), elsewhere }
    }

    /// The row `[hidden]` of a word and its scale. A row from elsewhere is read into `room` and checked.
    pub fn row<'r>(&self, id: u32, room: &'r mut [i8]) -> Result<(&'r [i8], f32), Error>
    where
        'a: 'r,
    {
        let index = usize::try_from(id).map_err(|_| Error::TokenId)?;
        let Some(checks) = self.checks else { return self.table.row(index).ok_or(Error::TokenId) };
        let (check, scale) = checks.get(index).zip(self.table.scale(index)).ok_or(Error::TokenId)?;
        let elsewhere = self.elsewhere.ok_or(Error::WordRowsMissing)?;
        let room = room.get_mut(..self.table.width).ok_or(Error::Shape)?;
        let offset = index.checked_mul(self.table.width).ok_or(Error::TokenId)?;
        let bytes = room.as_mut_bytes();
        if !elsewhere.read(offset, bytes) || checksum()(bytes) != *check {
            return Err(Error::WordRow { id });
        }
        Ok((room, scale))
    }
}
