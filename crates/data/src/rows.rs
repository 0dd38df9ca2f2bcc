//! Many short lists of numbers, such as the token ids of samples, on disk where they are many.

use std::path::Path;

use super::spilled::{NUMBER, Spilled};
use tinybert_base::Result;

/// Rows between two starts that are kept; those in between are sums of sizes.
const STRIDE: usize = 64;
/// The bit of a row's length that says that its numbers take four bytes each and not two.
const WIDE: u32 = 1 << 31;

/// Rows of numbers, one after the other. A row takes two bytes for each number if all of its numbers are below 65536,
/// and four otherwise.
#[derive(Debug, Default)]
pub struct Rows {
    bytes: Spilled,
    /// How many numbers each row has, and [`WIDE`].
    lengths: Spilled,
    /// Number of rows.
    count: usize,
    /// Where rows 0, [`STRIDE`], … begin.
    starts: Vec<u64>,
    /// Numbers of all rows together.
    total: usize,
}

impl Rows {
    /// No rows. They go to files in `folder` if they become many.
    #[must_use]
    pub fn spilling_to(folder: &Path) -> Self {
        let run = || Spilled::to(Some(folder));
        Self { bytes: run(), lengths: run(), ..Self::default() }
    }

    /// The folder of the files; `None` if everything stays in memory.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.bytes.folder()
    }

    /// Appends a row, in memory for the time being.
    pub fn push(&mut self, numbers: &[u32]) {
        if self.count.is_multiple_of(STRIDE) {
            self.starts.push(self.bytes.len());
        }
        let is_wide = numbers.iter().any(|&number| number > u32::from(u16::MAX));
        match is_wide {
            true => self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            false => self.bytes.extend(numbers.iter().flat_map(|&number| (number as u16).to_le_bytes())),
        }
        let length = numbers.len() as u32 | if is_wide { WIDE } else { 0 };
        self.lengths.extend(length.to_le_bytes());
        self.count += 1;
        self.total += numbers.len();
    }

    /// Moves the rows to the files, if there is a folder for them and they are many.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if a file cannot be made or written.
    pub fn spill(&mut self) -> Result<()> {
        self.bytes.spill()?;
        self.lengths.spill()
    }

    /// Keeps the first `rows` rows.
    ///
    /// # Errors
    /// As [`Rows::get`].
    pub fn truncate(&mut self, rows: usize) -> Result<()> {
        if rows >= self.count {
            return Ok(());
        }
        let lengths = self.lengths.numbers(rows..self.count)?;
        self.total -= lengths.into_iter().map(length).sum::<usize>();
        let end = self.start(rows)?;
        self.lengths.truncate(rows as u64 * NUMBER);
        self.starts.truncate(rows.div_ceil(STRIDE));
        self.bytes.truncate(end);
        self.count = rows;
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Numbers of all rows together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many numbers a row has.
    ///
    /// # Errors
    /// As [`Rows::get`].
    pub fn length(&self, row: usize) -> Result<usize> {
        self.lengths.number(row).map(length)
    }

    /// The numbers of a row.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if they are in a file and cannot be read.
    pub fn get(&self, row: usize) -> Result<Vec<u32>> {
        let known = row - row % STRIDE;
        let lengths = self.lengths.numbers(known..row + 1)?;
        let (before, own) = lengths.split_at(row - known);
        let start = self.starts[known / STRIDE] + before.iter().copied().map(size).sum::<u64>();
        let bytes = self.bytes.read(start..start + own.iter().copied().map(size).sum::<u64>())?;
        Ok(match own[0] & WIDE {
            0 => bytes.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes).into()).collect(),
            _ => bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect(),
        })
    }

    /// Where a row begins.
    fn start(&self, row: usize) -> Result<u64> {
        let known = row - row % STRIDE;
        let before = self.lengths.numbers(known..row)?;
        Ok(self.starts[known / STRIDE] + before.iter().copied().map(size).sum::<u64>())
    }
}

/// How many numbers a row has whose entry among the lengths is `entry`.
fn length(entry: u32) -> usize {
    (entry & !WIDE) as usize
}

/// Bytes of such a row.
fn size(entry: u32) -> u64 {
    let number = if entry & WIDE == 0 { size_of::<u16>() } else { size_of::<u32>() };
    (length(entry) * number) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of many lengths, of which most lie in the file.
    fn many(folder: &Path) -> (Rows, Vec<Vec<u32>>) {
        let mut rows = Rows::spilling_to(folder);
        // Every third row has numbers on both sides of 65536.
        let number = |row: u32, at: u32| {
            if row.is_multiple_of(3) { 60_000 + 97 * at + row } else { (7 * at + row) % 65536 }
        };
        let all: Vec<Vec<u32>> =
            (0..14_000).map(|row| (0..row % 1999).map(|at| number(row, at)).collect()).collect();
        for numbers in &all {
            rows.push(numbers);
            rows.spill().unwrap();
        }
        assert!(!rows.bytes.is_in_memory());
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
            assert_eq!(
                (&rows.get(row).unwrap(), rows.length(row).unwrap()),
                (numbers, numbers.len()),
                "{row}"
            );
        }
        assert_eq!(rows.total(), total(&all));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn what_is_cut_off_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        for left in [14_000, 13_999, 12_000, 64, 1, 0] {
            let (mut rows, mut all) = many(folder.path());
            rows.truncate(left).unwrap();
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
        assert!(rows.bytes.is_in_memory());
        assert_eq!(rows.bytes.len(), 40_000_000);
    }

    #[test]
    fn a_folder_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Rows::spilling_to(&folder.path().join("gone"));
        (0..20_000).for_each(|_| rows.push(&[5; 1000]));
        assert!(rows.spill().unwrap_err().to_string().contains("gone"));
    }
}
