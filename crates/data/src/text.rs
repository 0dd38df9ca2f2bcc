//! Reading UTF-8 text so that every fault has a file and a line.

use std::io::{self, BufRead, Read};
use std::path::Path;

use super::compression;
pub(super) use tinybert_base::files::BYTE_ORDER_MARK;
use tinybert_base::{Error, Result};

/// Bytes of the longest line that is read: no text of a task or a corpus has longer ones.
pub(super) const LONGEST_LINE: usize = 64 << 20;

/// What a line is that is longer, for messages.
pub(super) const TOO_LONG: &str = "longer than 64 MiB; expected text with line breaks";

/// Reads a line with its end into `line`, and gives its length in bytes; 0 at the end of the file. Of a line that is
/// longer than [`LONGEST_LINE`] it reads one byte more than that.
pub(super) fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    reader.take(LONGEST_LINE as u64 + 1).read_until(b'\n', line)
}

/// The lines of a file, one after the other, without its byte order mark and its compression.
pub(super) struct LineReader<'a> {
    path: &'a Path,
    reader: Box<dyn BufRead>,
    /// Number of the line that was read last, counted from 1.
    number: usize,
    line: Vec<u8>,
}

impl<'a> LineReader<'a> {
    pub fn open(path: &'a Path) -> Result<Self> {
        Ok(Self { path, reader: compression::open(path)?, number: 0, line: Vec::new() })
    }

    /// The next line with its number, without `\n` or `\r\n`; `None` behind the last.
    pub fn next_line(&mut self) -> Result<Option<(usize, &str)>> {
        self.number += 1;
        let read = read_line(&mut *self.reader, &mut self.line);
        if read.map_err(|error| compression::fault(self.path, self.number, error))? == 0 {
            return Ok(None);
        }
        if self.line.len() > LONGEST_LINE {
            return Err(Error::line(self.path, self.number, format!("this line is {TOO_LONG}")));
        }
        let line = std::str::from_utf8(&self.line)
            .map_err(|fault| not_utf8(self.path, self.number, self.line[fault.valid_up_to()]))?;
        let line = line.strip_prefix(if self.number == 1 { BYTE_ORDER_MARK } else { "" }).unwrap_or(line);
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(Some((self.number, line)))
    }
}

/// The error for a line with a byte that is not UTF-8.
pub(super) fn not_utf8(path: &Path, line: usize, byte: u8) -> Error {
    Error::line(path, line, format!("byte 0x{byte:02x} is not UTF-8; convert the file to UTF-8 first"))
}

/// Names for a message: all of them, or the first 20 and their number.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 20;
    let mut shown = names.iter().take(SHOWN).map(|name| name.as_ref()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        shown += &format!(", … ({} in all)", names.len());
    }
    shown
}

/// The words that white space separates.
pub(super) fn split_words(cell: &str) -> impl Iterator<Item = &str> {
    tinybert_tokenizer::words(cell).map(|word| &cell[word])
}
