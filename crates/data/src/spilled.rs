//! A long run of bytes: in memory, and beyond a limit in a file without a name, which is gone with the process.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tinybert_base::{Error, Result};

/// Bytes that stay in memory where there is a folder for the others.
const IN_MEMORY: usize = 4 << 20;
/// Bytes of a number of a run of numbers.
pub(super) const NUMBER: u64 = size_of::<u32>() as u64;

/// A run of bytes, or of numbers of four bytes each.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    /// The folder of the file; without it everything stays in memory.
    folder: Option<PathBuf>,
    /// The first bytes, and how many they are.
    file: Option<File>,
    in_file: u64,
    /// Those behind them.
    memory: Vec<u8>,
}

impl Spilled {
    /// An empty run, which goes to a file in `folder` if it becomes long.
    pub fn to(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(PathBuf::from), ..Self::default() }
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    pub fn is_in_memory(&self) -> bool {
        self.in_file == 0
    }

    /// Appends bytes, in memory for the time being.
    pub fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.memory.extend(bytes);
    }

    /// Moves the bytes to the file, if there is a folder for it and they are many.
    pub fn spill(&mut self) -> Result<()> {
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
    pub fn truncate(&mut self, bytes: u64) {
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
    pub fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.read_to(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// The numbers of a range, whose places are counted in numbers.
    pub fn numbers(&self, range: Range<usize>) -> Result<Vec<u32>> {
        let bytes = self.read(range.start as u64 * NUMBER..range.end as u64 * NUMBER)?;
        Ok(bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    /// The number at a place, which is counted in numbers.
    pub fn number(&self, at: usize) -> Result<u32> {
        let mut bytes = [0; NUMBER as usize];
        self.read_to(&mut bytes, at as u64 * NUMBER)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Writes numbers over those from place `at` on, which is counted in numbers. None of them is new.
    pub fn put_numbers(&mut self, at: usize, numbers: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let start = at as u64 * NUMBER;
        let (in_file, in_memory) =
            bytes.split_at(self.in_file.saturating_sub(start).min(bytes.len() as u64) as usize);
        if let (Some(file), Some(folder), false) = (&self.file, &self.folder, in_file.is_empty()) {
            file.write_all_at(in_file, start).map_err(Error::io(folder))?;
        }
        let first = start.saturating_sub(self.in_file) as usize;
        self.memory[first..first + in_memory.len()].copy_from_slice(in_memory);
        Ok(())
    }

    fn read_to(&self, bytes: &mut [u8], start: u64) -> Result<()> {
        let split = self.in_file.saturating_sub(start).min(bytes.len() as u64) as usize;
        let (in_file, in_memory) = bytes.split_at_mut(split);
        if let (Some(file), Some(folder), false) = (&self.file, &self.folder, in_file.is_empty()) {
            file.read_exact_at(in_file, start).map_err(Error::io(folder))?;
        }
        let first = start.saturating_sub(self.in_file) as usize;
        in_memory.copy_from_slice(&self.memory[first..first + in_memory.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_across_the_end_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut run, mut expected) = (Spilled::to(Some(folder.path())), Vec::new());
        for block in 0..5u32 {
            let numbers = (0..300_000).map(|at| block * 300_000 + at);
            expected.extend(numbers.clone());
            run.extend(numbers.flat_map(u32::to_le_bytes));
            run.spill().unwrap();
        }
        let border = (run.in_file / NUMBER) as usize;
        assert!(border > 0 && border < expected.len());
        for at in [0, 1000, border - 2, expected.len() - 4] {
            let new = [7, 8, u32::MAX, at as u32];
            run.put_numbers(at, &new).unwrap();
            expected[at..at + 4].copy_from_slice(&new);
        }
        for range in [0..3, border - 3..border + 3, border..border + 1, 0..expected.len()] {
            assert_eq!(run.numbers(range.clone()).unwrap(), expected[range]);
        }
        assert_eq!(run.number(border - 1).unwrap(), expected[border - 1]);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
    }
}
