//! Many short lists of numbers, such as the token ids of samples: in memory, and beyond a limit in a file without a
//! name, which is gone with the process.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tinybert_base::{Error, Result};

/// Bytes that stay in memory where there is a folder for the others.
const IN_MEMORY: usize = 32 << 20;
/// Rows between two starts that are kept; those in between are sums of sizes.
const STRIDE: usize = 64;
/// The bit of [`Rows::lengths`] that says that the numbers of a row take four bytes each and not two.
const WIDE: u32 = 1 << 31;

/// Rows of numbers, one after the other. A row takes two bytes for each number if all of its numbers are below 65536,
/// and four otherwise.
#[derive(Debug, Default)]
pub struct Rows {
    bytes: Bytes,
    /// How many numbers each row has, and [`WIDE`].
    lengths: Vec<u32>,
    /// Where rows 0, [`STRIDE`], … begin.
    starts: Vec<u64>,
    /// Numbers of all rows together.
    total: usize,
}

impl Rows {
    /// No rows. They go to a file in `folder` if they become many.
    #[must_use]
    pub fn spilling_to(folder: &Path) -> Self {
        Self { bytes: Bytes { folder: Some(folder.into()), ..Bytes::default() }, ..Self::default() }
    }

    /// Appends a row, in memory for the time being.
    pub fn push(&mut self, numbers: &[u32]) {
        if self.lengths.len().is_multiple_of(STRIDE) {
            self.starts.push(self.bytes.len());
        }
        let is_wide = numbers.iter().any(|&number| number > u32::from(u16::MAX));
        match is_wide {
            true => self.bytes.memory.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            false => {
                self.bytes.memory.extend(numbers.iter().flat_map(|&number| (number as u16).to_le_bytes()))
            }
        }
        self.lengths.push(numbers.len() as u32 | if is_wide { WIDE } else { 0 });
        self.total += numbers.len();
    }

    /// Moves the rows to the file, if there is a folder for it and they are many.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be made or written.
    pub fn spill(&mut self) -> Result<()> {
        self.bytes.spill()
    }

    /// Keeps the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        if rows >= self.len() {
            return;
        }
        let end = self.start(rows);
        self.total -= (rows..self.len()).map(|row| self.length(row)).sum::<usize>();
        self.lengths.truncate(rows);
        self.starts.truncate(rows.div_ceil(STRIDE));
        self.bytes.truncate(end);
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Numbers of all rows together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many numbers a row has.
    #[must_use]
    pub fn length(&self, row: usize) -> usize {
        (self.lengths[row] & !WIDE) as usize
    }

    /// The numbers of a row.
    ///
    /// # Errors
    /// [`Error::Io`] if they are in the file and cannot be read.
    pub fn get(&self, row: usize) -> Result<Vec<u32>> {
        let start = self.start(row);
        let bytes = self.bytes.read(start..start + self.size(row))?;
        Ok(match self.lengths[row] & WIDE {
            0 => bytes.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes).into()).collect(),
            _ => bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect(),
        })
    }

    /// Bytes of a row.
    fn size(&self, row: usize) -> u64 {
        let number = if self.lengths[row] & WIDE == 0 { size_of::<u16>() } else { size_of::<u32>() };
        (self.length(row) * number) as u64
    }

    /// Where a row begins.
    fn start(&self, row: usize) -> u64 {
        let known = row - row % STRIDE;
        self.starts[known / STRIDE] + (known..row).map(|row| self.size(row)).sum::<u64>()
    }
}

/// A long run of bytes.
#[derive(Debug, Default)]
struct Bytes {
    /// The folder of the file; without it everything stays in memory.
    folder: Option<PathBuf>,
    /// The first bytes, and how many they are.
    file: Option<File>,
    in_file: u64,
    /// Those behind them.
    memory: Vec<u8>,
}

impl Bytes {
    fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    fn spill(&mut self) -> Result<()> {
        let is_due = self.memory.len() >= IN_MEMORY;
        let Some(folder) = self.folder.as_ref().filter(|_| is_due) else { return Ok(()) };
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(folder).map_err(Error::io(folder))?,
        };
        file.write_all_at(&self.memory, self.in_file).map_err(Error::io(folder))?;
        self.in_file += self.memory.len() as u64;
        self.memory.clear();
        self.file = Some(file);
        Ok(())
    }

    /// Keeps the first `bytes`.
    fn truncate(&mut self, bytes: u64) {
        match bytes.checked_sub(self.in_file) {
            Some(in_memory) => self.memory.truncate(in_memory as usize),
            // What the file has behind them is written over.
            None => {
                self.memory.clear();
                self.in_file = bytes;
            }
        }
    }

    /// The bytes of a range, which may lie in the file and in memory.
    fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let in_file = range.start.min(self.in_file)..range.end.min(self.in_file);
        let mut bytes = vec![0; (in_file.end - in_file.start) as usize];
        if let (Some(file), Some(folder)) = (&self.file, &self.folder) {
            file.read_exact_at(&mut bytes, in_file.start).map_err(Error::io(folder))?;
        }
        let in_memory = |place: u64| (place.max(self.in_file) - self.in_file) as usize;
        bytes.extend_from_slice(&self.memory[in_memory(range.start)..in_memory(range.end)]);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of many lengths, of which most lie in the file.
    fn many(folder: &Path) -> (Rows, Vec<Vec<u32>>) {
        let mut rows = Rows::spilling_to(folder);
        // Every third row has numbers on both sides of 65536.
        let number =
            |row: u32, at: u32| if row % 3 == 0 { 60_000 + 97 * at + row } else { (7 * at + row) % 65536 };
        let all: Vec<Vec<u32>> =
            (0..14_000).map(|row| (0..row % 1999).map(|at| number(row, at)).collect()).collect();
        for numbers in &all {
            rows.push(numbers);
            rows.spill().unwrap();
        }
        assert!(rows.bytes.in_file > 0 && !rows.bytes.memory.is_empty());
        (rows, all)
    }

    fn total(rows: &[Vec<u32>]) -> usize {
        rows.iter().map(Vec::len).sum()
    }

    #[test]
    fn rows_are_the_same_in_the_file_and_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (rows, all) = many(folder.path());
        assert_eq!(rows.len(), all.len());
        for (row, numbers) in all.iter().enumerate() {
            assert_eq!((&rows.get(row).unwrap(), rows.length(row)), (numbers, numbers.len()), "{row}");
        }
        assert_eq!(rows.total(), total(&all));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn what_is_cut_off_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        for left in [14_000, 13_999, 12_000, 64, 1, 0] {
            let (mut rows, mut all) = many(folder.path());
            rows.truncate(left);
            all.truncate(left);
            // What comes then follows what is left.
            rows.push(&[1, 70_000]);
            all.push(vec![1, 70_000]);
            assert_eq!((rows.len(), rows.total()), (left + 1, total(&all)));
            for row in [0, left / 2, left.saturating_sub(1), left] {
                assert_eq!(rows.get(row).unwrap(), all[row], "{row} of {left}");
            }
        }
    }

    #[test]
    fn without_a_folder_rows_stay_in_memory() {
        let mut rows = Rows::default();
        (0..20_000).for_each(|_| rows.push(&[5; 1000]));
        rows.spill().unwrap();
        assert_eq!((rows.bytes.in_file, rows.bytes.memory.len()), (0, 40_000_000));
    }

    #[test]
    fn a_folder_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Rows::spilling_to(&folder.path().join("gone"));
        (0..20_000).for_each(|_| rows.push(&[5; 1000]));
        assert!(rows.spill().unwrap_err().to_string().contains("gone"));
    }
}
