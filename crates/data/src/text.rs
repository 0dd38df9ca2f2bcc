//! Reading UTF-8 text so that every fault has a file and a line.

use std::path::Path;

use tinybert_base::{Error, Result};

/// Reads a whole file as UTF-8, without its byte order mark.
pub(super) fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let mut text = String::from_utf8(bytes).map_err(|fault| {
        let valid = fault.utf8_error().valid_up_to();
        let line = 1 + fault.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        let byte = fault.as_bytes()[valid];
        Error::line(path, line, format!("byte 0x{byte:02x} is not UTF-8; convert the file to UTF-8 first"))
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Lines with their numbers counted from 1, without `\n` or `\r\n`.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
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
