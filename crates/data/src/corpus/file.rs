//! One file of a corpus, which is read from any place and never as a whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tinybert_base::{Error, Result};

use crate::compression::{self, Compression};
use crate::unchanged::{FileState, changed};
use crate::{table, text};

/// The column of a table that holds its documents.
const TEXT_COLUMN: &str = "text";
/// Bytes that are read at once where the whole file is read.
const BLOCK: usize = 1 << 20;
/// Bytes of a part of a document; a longer line is a part of its own. Tests have few bytes and many parts.
const PART: usize = if cfg!(test) { 16 } else { 4 << 20 };

/// A file of plain text.
pub(super) struct CorpusFile {
    /// The file that was named.
    path: PathBuf,
    /// Its text. That of a compressed file is in a file without a name, which is gone with the process.
    file: File,
    /// Length of the text in bytes.
    pub bytes: u64,
    /// Whether `file` is another file than the named one: a copy of its text.
    is_copy: bool,
    /// The state of the named file when it was opened.
    state: FileState,
}

impl CorpusFile {
    /// Opens a file. The text of a compressed file or of a table is first written to a file in `scratch`.
    pub fn open(path: &Path, scratch: &Path) -> Result<Self> {
        let is_table = table::is_table_of_texts(path);
        table::check_is_file(path)?;
        let named = FileState::of_path(path)?;
        let is_text = Compression::of(path) == Compression::None && !is_table;
        let file = match is_text {
            true => File::open(path).map_err(Error::io(path))?,
            false => {
                let file = tempfile::tempfile_in(scratch).map_err(Error::io(scratch))?;
                let mut writer = BufWriter::with_capacity(BLOCK, file);
                match is_table {
                    true => copy_documents(path, scratch, &mut writer)?,
                    false => copy_uncompressed(path, scratch, &mut writer)?,
                }
                writer.into_inner().map_err(|error| Error::io(scratch)(error.into_error()))?
            }
        };
        let metadata = file.metadata().map_err(Error::io(path))?;
        let state = if is_text { FileState::of(&metadata) } else { named };
        Ok(Self { path: path.into(), file, bytes: metadata.len(), is_copy: !is_text, state })
    }

    /// Makes sure that the file is what it was when it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = match self.is_copy {
            true => FileState::of_path(&self.path)?,
            false => FileState::of(&self.file.metadata().map_err(Error::io(&self.path))?),
        };
        self.state.check(&self.path, &now)
    }

    /// Hands the bytes of every document to `found`: from its first line to its last. Checks that all of the text is
    /// UTF-8.
    pub fn scan(&self, mut found: impl FnMut(Range<u64>)) -> Result<()> {
        let mut lines = self.lines(0, BLOCK);
        let mut number = 0;
        let mut document: Option<Range<u64>> = None;
        while let Some((mut start, mut line)) = lines.next()? {
            number += 1;
            let end = start + line.len() as u64;
            if start == 0 && line.starts_with(text::BYTE_ORDER_MARK.as_bytes()) {
                start += text::BYTE_ORDER_MARK.len() as u64;
                line = &line[text::BYTE_ORDER_MARK.len()..];
            }
            let line = std::str::from_utf8(line)
                .map_err(|fault| text::not_utf8(&self.path, number, line[fault.valid_up_to()]))?;
            match (line.trim().is_empty(), &mut document) {
                (true, document) => document.take().into_iter().for_each(&mut found),
                (false, Some(document)) => document.end = end,
                (false, document @ None) => *document = Some(start..end),
            }
        }
        document.into_iter().for_each(found);
        Ok(())
    }

    /// Hands the document that begins at `start`, all lines up to a blank one, to `each`: in parts of whole lines,
    /// each with its place in the file, as long as it returns true. `guess` is about how many bytes the document has.
    pub fn parts(
        &self,
        start: u64,
        guess: usize,
        each: &mut dyn FnMut(u64, &str) -> Result<bool>,
    ) -> Result<()> {
        let mut part = Vec::new();
        let mut lines = self.lines(start, guess.clamp(1 << 10, 1 << 16));
        let mut begin = start;
        while let Some((at, line)) = lines.next()? {
            if std::str::from_utf8(line).is_ok_and(|line| line.trim().is_empty()) {
                break;
            }
            if part.len() + line.len() > PART && !part.is_empty() {
                if !each(begin, self.checked(&part)?)? {
                    return Ok(());
                }
                part.clear();
                begin = at;
            }
            part.extend_from_slice(line);
        }
        each(begin, self.checked(&part)?).map(drop)
    }

    /// The text of `bytes` bytes from `start` on.
    pub fn text(&self, start: u64, bytes: usize) -> Result<String> {
        let mut text = vec![0; bytes];
        self.file.read_exact_at(&mut text, start).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => changed(&self.path),
            _ => Error::io(&self.path)(error),
        })?;
        self.check_unchanged()?;
        self.checked(&text).map(String::from)
    }

    /// Text that was UTF-8 when the file was opened.
    fn checked<'t>(&self, text: &'t [u8]) -> Result<&'t str> {
        std::str::from_utf8(text).map_err(|_| changed(&self.path))
    }

    fn lines(&self, start: u64, buffer: usize) -> Lines<'_> {
        let reader = ReaderAt { file: &self.file, offset: start };
        let reader = BufReader::with_capacity(buffer, reader);
        Lines { path: &self.path, reader, start, line: Vec::new() }
    }
}

/// Lines with the place of their first byte, each with its end.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<ReaderAt<'a>>,
    start: u64,
    line: Vec<u8>,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        self.start += self.line.len() as u64;
        let read = text::read_line(&mut self.reader, &mut self.line).map_err(Error::io(self.path))?;
        if self.line.len() > text::LONGEST_LINE {
            let (path, start) = (self.path, self.start);
            return Err(Error::input(
                path,
                format!("the line that begins at byte {start} is {}", text::TOO_LONG),
            ));
        }
        Ok((read > 0).then_some((self.start, &self.line)))
    }
}

/// Reads from an offset of a file that other threads read, too.
struct ReaderAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReaderAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Writes what a compressed file holds.
fn copy_uncompressed(path: &Path, scratch: &Path, writer: &mut impl Write) -> Result<()> {
    let mut reader = compression::open(path)?;
    let mut line = 1;
    loop {
        let block = reader.fill_buf().map_err(|error| compression::fault(path, line, error))?;
        if block.is_empty() {
            return Ok(());
        }
        line += block.iter().filter(|&&byte| byte == b'\n').count();
        writer.write_all(block).map_err(Error::io(scratch))?;
        let length = block.len();
        reader.consume(length);
    }
}

/// Writes the documents of a table, each row one. Blank lines inside of them would separate documents.
fn copy_documents(path: &Path, scratch: &Path, writer: &mut impl Write) -> Result<()> {
    table::read_texts(path, TEXT_COLUMN, &mut |document| {
        let mut lines = document.lines().filter(|line| !line.trim().is_empty());
        lines.try_for_each(|line| writeln!(writer, "{line}")).map_err(Error::io(scratch))?;
        writeln!(writer).map_err(Error::io(scratch))
    })
}
