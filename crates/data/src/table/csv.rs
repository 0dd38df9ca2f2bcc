//! CSV files.

use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

use super::separated::{ColumnPositions, columns_differ, empty};
use crate::row::SourceRow;
use crate::spec::ColumnNames;
use crate::{compression, text};
use tinybert_base::{Error, Result};

/// Hands every row of a CSV file to `each`.
pub(super) fn csv(
    path: &Path,
    columns: &ColumnNames,
    each: &mut dyn FnMut(SourceRow) -> Result<()>,
) -> Result<()> {
    let mut position = RecordPosition::new();
    let content = Tee { inner: without_byte_order_mark(path)?, kept: Rc::clone(&position.kept) };
    // The number of cells is compared here, behind the quotes: a quote out of place explains it.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(content);
    let names = reader.headers().map_err(|error| fault(path, &mut position, error))?.clone();
    if names.is_empty() {
        return Err(empty(path));
    }
    position.check_quotes(path, reader.position())?;
    let header = ColumnPositions::find(path, &names.iter().collect::<Vec<_>>(), columns)?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| fault(path, &mut position, error))? {
        position.go_to(record.position().expect("a record that was read has a position"));
        position.check_quotes(path, reader.position())?;
        if record.len() != names.len() {
            return Err(columns_differ(path, position.line, names.len(), record.len()));
        }
        each(header.row(position.line, |column| &record[column]))?;
    }
    Ok(())
}

/// Opens a file behind its byte order mark.
fn without_byte_order_mark(path: &Path) -> Result<Box<dyn BufRead>> {
    let mut reader = compression::open(path)?;
    let mark = text::BYTE_ORDER_MARK.as_bytes();
    let start = reader.fill_buf().map_err(|error| compression::fault(path, 1, error))?;
    let skipped = if start.starts_with(mark) { mark.len() } else { 0 };
    reader.consume(skipped);
    Ok(reader)
}

/// Puts file and line to what the reader says.
fn fault(path: &Path, position: &mut RecordPosition, error: csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Utf8 { pos, .. } => {
            if let Some(pos) = pos {
                position.go_to(pos);
            }
            let kept = position.kept.borrow();
            let record = &kept[position.start..];
            let valid = std::str::from_utf8(record).map_or_else(|fault| fault.valid_up_to(), str::len);
            let line = position.line + line_ends(&record[..valid]);
            text::not_utf8(path, line, record.get(valid).copied().unwrap_or_default())
        }
        csv::ErrorKind::Io(_) => {
            let line = position.line + line_ends(&position.kept.borrow()[position.start..]);
            match error.into_kind() {
                csv::ErrorKind::Io(error) if error.kind() == ErrorKind::FileTooLarge => {
                    let what =
                        "the record that begins here is longer than 64 MiB; does a quoted field never end?";
                    Error::line(path, position.line, what)
                }
                csv::ErrorKind::Io(error) => compression::fault(path, line, error),
                other => Error::input(path, format!("{other:?}")),
            }
        }
        _ => Error::input(path, error),
    }
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Where the last record begins. The reader's positions stand before the line ends that it skips, and its line numbers
/// suffer from that.
struct RecordPosition {
    /// What has been read of the file from byte `forgotten` on.
    kept: Rc<RefCell<Vec<u8>>>,
    forgotten: usize,
    /// First byte of the record in `kept`.
    start: usize,
    line: usize,
}

impl RecordPosition {
    /// The beginning of a file.
    fn new() -> Self {
        Self { kept: Rc::default(), forgotten: 0, start: 0, line: 1 }
    }

    /// Goes on to a record and forgets what is before it.
    fn go_to(&mut self, position: &csv::Position) {
        /// Bytes that are forgotten at once.
        const BLOCK: usize = 1 << 16;

        let mut kept = self.kept.borrow_mut();
        let mut next = position.byte() as usize - self.forgotten;
        next += kept[next..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += line_ends(&kept[self.start..next]);
        self.start = next;
        if self.start > BLOCK {
            kept.drain(..self.start);
            self.forgotten += self.start;
            self.start = 0;
        }
    }
}

impl RecordPosition {
    /// Makes sure that the quotes of the record, which ends at `end`, are those of RFC 4180. The reader takes text
    /// behind a closing quote for part of the cell, and the end of the file for a missing quote.
    fn check_quotes(&self, path: &Path, end: &csv::Position) -> Result<()> {
        let kept = self.kept.borrow();
        let record = &kept[self.start..end.byte() as usize - self.forgotten];
        let (at, what) = match misplaced_quote(record) {
            None => return Ok(()),
            Some(Misplaced::Behind(at)) => (
                at,
                "text stands behind the closing quote of a cell; a quote inside a quoted cell is written as two quotes",
            ),
            Some(Misplaced::Open) => (0, "a quoted field begins here and never ends"),
        };
        Err(Error::line(path, self.line + line_ends(&record[..at]), what))
    }
}

/// How the quotes of a record differ from those of RFC 4180.
enum Misplaced {
    /// There is text behind the closing quote at this byte.
    Behind(usize),
    /// A quote is never closed.
    Open,
}

/// The first fault in the quotes of a record. A quote within a cell that does not begin with one is an ordinary
/// character.
fn misplaced_quote(record: &[u8]) -> Option<Misplaced> {
    if !record.contains(&b'"') {
        return None;
    }
    let mut bytes = record.iter().copied().enumerate().peekable();
    let mut begins_cell = true;
    while let Some((_, byte)) = bytes.next() {
        if byte != b'"' || !begins_cell {
            begins_cell = matches!(byte, b',' | b'\r' | b'\n');
            continue;
        }
        // The closing quote is the first one that is not followed by another.
        let closing = loop {
            match bytes.by_ref().find(|(_, byte)| *byte == b'"') {
                None => return Some(Misplaced::Open),
                Some((at, _)) if bytes.next_if(|(_, byte)| *byte == b'"').is_none() => break at,
                Some(_) => {}
            }
        };
        match bytes.peek() {
            Some((_, b',' | b'\r' | b'\n')) | None => begins_cell = false,
            Some(_) => return Some(Misplaced::Behind(closing)),
        }
    }
    None
}

/// Keeps what is read.
struct Tee {
    inner: Box<dyn BufRead>,
    kept: Rc<RefCell<Vec<u8>>>,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The record that is being read is in memory as a whole.
        if self.kept.borrow().len() > text::LONGEST_LINE {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let read = self.inner.read(buffer)?;
        self.kept.borrow_mut().extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
