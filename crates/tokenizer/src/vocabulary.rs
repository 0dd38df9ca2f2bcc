//! The packed vocabulary, used in place.

use crate::format::{CONTINUATION, MAX_PIECE_BYTES, NARROW_PIECES, PIECES_PER_GROUP, PackedHeader};
use crate::hash::{self, PieceHash};
use crate::special_ids::SpecialIds;

/// A checked view of a packed vocabulary; it borrows the bytes and copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    options: Options,
    special: SpecialIds,
    pieces: u32,
    longest: usize,
    seed: u64,
    /// Text offset of each group of pieces.
    groups: &'a [[u8; 4]],
    displacements: &'a [[u8; 2]],
    slots: Slots<'a>,
    /// For each piece, and for one past the last: `CONTINUATION`, and the offset from the offset of the group.
    starts: &'a [[u8; 2]],
    text: &'a str,
}

/// The id in each slot of the perfect hash.
#[derive(Clone, Copy, Debug)]
enum Slots<'a> {
    Narrow(&'a [[u8; 2]]),
    Wide(&'a [[u8; 4]]),
}

/// The parts of BERT's normalisation that models choose. Cleaning is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `do_lower_case`.
    pub lowercase: bool,
    /// Decompose (NFD) and drop non-spacing marks. Hugging Face's default is the value of `lowercase`.
    pub strip_accents: bool,
    /// `tokenize_chinese_chars`: an ideograph is a word of its own.
    pub split_chinese: bool,
}

impl Options {
    /// The options of `bert-base-uncased`.
    pub const UNCASED: Self = Self { lowercase: true, strip_accents: true, split_chinese: true };
    /// The options of `bert-base-cased`.
    pub const CASED: Self = Self { lowercase: false, strip_accents: false, split_chinese: true };

    /// Returns the header's flags: one bit each, in this order.
    #[cfg(feature = "alloc")]
    pub(crate) fn flags(self) -> u16 {
        u16::from(self.lowercase)
            | (u16::from(self.strip_accents) << 1)
            | (u16::from(self.split_chinese) << 2)
    }

    fn from_flags(flags: u16) -> Option<Self> {
        let bit = |n: u16| (flags >> n) & 1 == 1;
        let options = Self { lowercase: bit(0), strip_accents: bit(1), split_chinese: bit(2) };
        (flags >> 3 == 0).then_some(options)
    }
}

/// A piece of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Whether the piece continues a word: it is then written `##text`.
    pub continuation: bool,
    /// The text without the `##`.
    pub text: &'a str,
}

/// Why bytes are not a packed vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VocabularyError {
    /// The header is too short, has another format or version, unknown flags, a count that is zero, or reserved bytes
    /// that are not zero.
    Header,
    /// The counts in the header do not fit the number of bytes.
    Length,
    /// A slot holds an id that no piece has.
    Slot,
    /// The pieces' offsets are not ascending, do not cover the text, do not stand between characters, or disagree with
    /// the stated longest piece.
    Offset,
    /// The text is not UTF-8.
    Text,
    /// A special piece is missing or its id belongs to another piece.
    Special,
}

impl<'a> Vocabulary<'a> {
    /// Checks everything in one pass over the bytes. A vocabulary that passes can be used without a panic and without a
    /// read outside of `bytes`.
    ///
    /// # Errors
    /// [`VocabularyError`] names the check that failed.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, VocabularyError> {
        let (header, rest) = PackedHeader::read(bytes).ok_or(VocabularyError::Header)?;
        let options = Options::from_flags(header.flags).ok_or(VocabularyError::Header)?;
        if header.pieces == 0 || header.buckets == 0 || header.slots == 0 {
            return Err(VocabularyError::Header);
        }
        let sizes = header.sizes().ok_or(VocabularyError::Length)?;
        let (groups, rest) = rest.split_at_checked(sizes.groups).ok_or(VocabularyError::Length)?;
        let (displacements, rest) =
            rest.split_at_checked(sizes.displacements).ok_or(VocabularyError::Length)?;
        let (slots, rest) = rest.split_at_checked(sizes.slots).ok_or(VocabularyError::Length)?;
        let (starts, text) = rest.split_at_checked(sizes.starts).ok_or(VocabularyError::Length)?;
        if text.len() != sizes.text {
            return Err(VocabularyError::Length);
        }
        let vocabulary = Self {
            options,
            special: header.special,
            pieces: header.pieces,
            longest: usize::try_from(header.longest).map_err(|_| VocabularyError::Offset)?,
            seed: header.seed,
            groups: groups.as_chunks().0,
            displacements: displacements.as_chunks().0,
            slots: Slots::new(slots, header.pieces),
            starts: starts.as_chunks().0,
            text: core::str::from_utf8(text).map_err(|_| VocabularyError::Text)?,
        };
        vocabulary.check_slots()?;
        vocabulary.check_offsets()?;
        vocabulary.check_special()?;
        Ok(vocabulary)
    }

    /// Returns the number of ids.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Returns how text is normalised.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// Returns the special pieces.
    #[must_use]
    pub fn special(&self) -> SpecialIds {
        self.special
    }

    /// Returns the piece of an id, or `None` past the last.
    #[must_use]
    pub fn piece(&self, id: u32) -> Option<Piece<'a>> {
        let id = usize::try_from(id).ok()?;
        let (start, continuation) = self.start(id)?;
        let (end, _) = self.start(id.checked_add(1)?)?;
        Some(Piece { continuation, text: self.text.get(start..end)? })
    }

    /// Returns the id of a piece, whose text is without the `##` of a continuation. If a vocabulary has a piece twice,
    /// the last one counts.
    #[must_use]
    pub fn id(&self, piece: Piece<'_>) -> Option<u32> {
        let mut hash = PieceHash::new(self.seed, piece.continuation);
        piece.text.bytes().for_each(|byte| hash.push(byte));
        self.probe(hash, piece.text.as_bytes(), piece.continuation)
    }

    /// Returns the longest piece that `word` begins with, at least one character: its id and its bytes.
    pub(crate) fn longest_prefix(&self, word: &[u8], continuation: bool) -> Option<(u32, usize)> {
        let (mut candidate, after) = word.split_at(word.len().min(self.longest));
        let mut following = after.first().copied();
        let mut hash = PieceHash::new(self.seed, continuation);
        candidate.iter().for_each(|&byte| hash.push(byte));
        while let Some((&last, shorter)) = candidate.split_last() {
            let between_characters = following.is_none_or(|byte| byte & 0xc0 != 0x80);
            if between_characters && let Some(id) = self.probe(hash, candidate, continuation) {
                return Some((id, candidate.len()));
            }
            hash.pop(last);
            following = Some(last);
            candidate = shorter;
        }
        None
    }

    /// Looks at the slot to which the hash leads: it holds this piece, or no slot does.
    fn probe(&self, hash: PieceHash, text: &[u8], continuation: bool) -> Option<u32> {
        let hash = hash.finish();
        let buckets = self.displacements.len() as u32;
        let displacement = self.displacements.get(hash::bucket(hash, buckets) as usize)?;
        let slot = hash::slot(hash, u16::from_le_bytes(*displacement), self.slots.len() as u32);
        let id = self.slots.get(slot as usize)?;
        let (start, found_continuation) = self.start(id as usize)?;
        let (end, _) = self.start(id as usize + 1)?;
        let found = self.text.as_bytes().get(start..end)?;
        (found == text && found_continuation == continuation).then_some(id)
    }

    /// Returns where a piece's text starts, and whether it is a continuation.
    fn start(&self, id: usize) -> Option<(usize, bool)> {
        let start = u16::from_le_bytes(*self.starts.get(id)?);
        let group = u32::from_le_bytes(*self.groups.get(id / PIECES_PER_GROUP)?);
        Some(((group as usize).checked_add(usize::from(start & !CONTINUATION))?, start & CONTINUATION != 0))
    }

    fn check_slots(&self) -> Result<(), VocabularyError> {
        let in_range = match self.slots {
            Slots::Narrow(ids) => ids.iter().all(|id| u32::from(u16::from_le_bytes(*id)) < self.pieces),
            Slots::Wide(ids) => ids.iter().all(|id| u32::from_le_bytes(*id) < self.pieces),
        };
        in_range.then_some(()).ok_or(VocabularyError::Slot)
    }

    fn check_offsets(&self) -> Result<(), VocabularyError> {
        let mut longest = 0;
        let mut previous = 0;
        for id in 0..self.starts.len() {
            let (start, _) = self.start(id).ok_or(VocabularyError::Offset)?;
            let length = start.checked_sub(previous).ok_or(VocabularyError::Offset)?;
            if !self.text.is_char_boundary(start) || (id == 0 && start != 0) {
                return Err(VocabularyError::Offset);
            }
            longest = longest.max(length);
            previous = start;
        }
        let consistent = previous == self.text.len() && longest == self.longest && longest <= MAX_PIECE_BYTES;
        consistent.then_some(()).ok_or(VocabularyError::Offset)
    }

    fn check_special(&self) -> Result<(), VocabularyError> {
        let right = self.special.with_texts().into_iter().all(|(text, id)| {
            id.is_none_or(|id| self.piece(id) == Some(Piece { continuation: false, text }))
        });
        right.then_some(()).ok_or(VocabularyError::Special)
    }
}

impl<'a> Slots<'a> {
    fn new(bytes: &'a [u8], pieces: u32) -> Self {
        if pieces <= NARROW_PIECES {
            Self::Narrow(bytes.as_chunks().0)
        } else {
            Self::Wide(bytes.as_chunks().0)
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    fn get(self, slot: usize) -> Option<u32> {
        match self {
            Self::Narrow(ids) => Some(u16::from_le_bytes(*ids.get(slot)?).into()),
            Self::Wide(ids) => Some(u32::from_le_bytes(*ids.get(slot)?)),
        }
    }
}
