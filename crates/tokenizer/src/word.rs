//! One word during normalisation, in fixed memory.

use crate::unicode::class;

/// Largest number of characters of a word; a longer word becomes `[UNK]` (`max_input_chars_per_word`).
const MAX_CHARS: usize = 100;
const MAX_BYTES: usize = 4 * MAX_CHARS;

/// The characters of one word, in UTF-8.
///
/// Canonical reordering (the second half of NFD) sorts every run of combining marks by class. A run can be as long as
/// the text, but it never leaves its word, and the characters of a word that is too long do not matter. The buffer can
/// therefore sort marks into place as they come, without memory beyond the word.
pub(crate) struct WordBuffer {
    utf8: [u8; MAX_BYTES],
    bytes: usize,
    chars: usize,
    /// Bytes before the last starter that was dropped; marks do not move across it.
    barrier: usize,
}

impl WordBuffer {
    pub(crate) fn new() -> Self {
        Self { utf8: [0; MAX_BYTES], bytes: 0, chars: 0, barrier: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.chars = 0;
        self.barrier = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chars == 0
    }

    /// Returns the word, or `None` if it is too long.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        if self.chars > MAX_CHARS { None } else { self.utf8.get(..self.bytes) }
    }

    /// Appends ASCII letters and digits, in lower case if `lowercase` says so.
    pub(crate) fn push_alphanumeric(&mut self, run: &[u8], lowercase: bool) {
        self.chars = self.chars.saturating_add(run.len());
        if self.chars > MAX_CHARS {
            return;
        }
        // Lower-case letters and digits have this bit, capitals do not.
        let lower = if lowercase { 0x20 } else { 0 };
        let places = self.utf8.iter_mut().skip(self.bytes);
        places.zip(run).for_each(|(place, byte)| *place = byte | lower);
        self.bytes += run.len();
    }

    /// Appends a character.
    pub(crate) fn push(&mut self, c: char) {
        self.insert(self.bytes, c);
    }

    /// Puts a mark of combining class `combining` (above 0) behind the last character of the same run whose
    /// class is not higher.
    pub(crate) fn push_mark(&mut self, mark: char, combining: u8) {
        let run = self
            .utf8
            .get(self.barrier..self.bytes)
            .and_then(|run| core::str::from_utf8(run).ok())
            .unwrap_or("");
        let higher = run.chars().rev().take_while(|&c| class(c).combining() > combining);
        let behind: usize = higher.map(char::len_utf8).sum();
        self.insert(self.bytes - behind, mark);
    }

    /// Says that a starter stood here that is not part of the word.
    pub(crate) fn set_barrier(&mut self) {
        self.barrier = self.bytes;
    }

    fn insert(&mut self, at: usize, c: char) {
        self.chars = self.chars.saturating_add(1);
        if self.chars > MAX_CHARS {
            return;
        }
        let mut utf8 = [0; 4];
        let added = c.encode_utf8(&mut utf8).len();
        for i in (at..self.bytes).rev() {
            self.set(i + added, self.utf8.get(i).copied().unwrap_or(0));
        }
        for (i, byte) in utf8.into_iter().take(added).enumerate() {
            self.set(at + i, byte);
        }
        self.bytes += added;
    }

    fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.utf8.get_mut(at) {
            *place = byte;
        }
    }
}
