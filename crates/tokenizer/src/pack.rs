//! The packer of vocabularies. It is the only part that needs a heap, and it runs on the host.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use crate::format::{CONTINUATION, MAX_PIECE_BYTES, NARROW_PIECES, PIECES_PER_GROUP, PackedHeader};
use crate::hash::{self, PieceHash};
use crate::special_ids::{CLS, MASK, PAD, SEP, SpecialIds, UNK};
use crate::vocabulary::Options;

/// Mean number of pieces in a bucket, and slots per 100 pieces. They keep the table small, and the first seed still
/// succeeds nearly always.
const PIECES_PER_BUCKET: usize = 6;
const SLOTS_PER_100: usize = 101;
/// Attempts at a perfect hash. Each attempt has another seed and an eighth more buckets.
const ATTEMPTS: usize = 32;

/// Why a vocabulary cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// A special piece that BERT cannot do without is not in the vocabulary.
    MissingSpecial(&'static str),
    /// A piece is longer than the format allows.
    PieceTooLong {
        /// Its id; in a `vocab.txt` it stands on line `id + 1`.
        id: usize,
        /// Its text.
        piece: String,
    },
    /// There are more pieces or more text than the format can count.
    TooLarge {
        /// Number of pieces.
        pieces: usize,
        /// Bytes of their text.
        text_bytes: usize,
    },
    /// No perfect hash was found.
    NoPerfectHash,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingSpecial(piece) => {
                write!(
                    f,
                    "the vocabulary has no piece {piece:?}: a BERT vocabulary has [UNK], [CLS] and [SEP]; is this another model's?"
                )
            }
            Self::PieceTooLong { id, piece } => write!(
                f,
                "piece {id} (line {} of vocab.txt), {piece:?}, has {} bytes, at most {MAX_PIECE_BYTES} are possible: no word is so long; shorten or replace it",
                id + 1,
                piece.len()
            ),
            Self::TooLarge { pieces, text_bytes } => {
                write!(
                    f,
                    "{pieces} pieces with {text_bytes} bytes of text are more than the format's 32-bit counts hold"
                )
            }
            Self::NoPerfectHash => {
                write!(f, "no perfect hash was found in {ATTEMPTS} attempts: please report this vocabulary")
            }
        }
    }
}

impl core::error::Error for PackError {}

/// Packs the pieces. The id of a piece is its index. A piece that begins with `##` is a continuation.
///
/// A piece may occur twice (the last id is its id) and an empty piece has an id too, as in Hugging Face's tokenizers.
///
/// # Errors
/// [`PackError`] names the piece and its line in a `vocab.txt`.
pub fn pack(pieces: &[&str], options: Options) -> Result<Vec<u8>, PackError> {
    let mut ids: BTreeMap<&str, u32> = BTreeMap::new();
    let mut groups: Vec<u32> = vec![];
    let mut starts: Vec<u16> = vec![];
    let mut text = String::new();
    let mut longest = 0;
    let too_large =
        || PackError::TooLarge { pieces: pieces.len(), text_bytes: pieces.iter().map(|p| p.len()).sum() };
    // The empty piece at the end closes the last one.
    for (id, &piece) in pieces.iter().chain(&[""]).enumerate() {
        let (continuation, piece_text) = split(piece);
        if piece_text.len() > MAX_PIECE_BYTES {
            return Err(PackError::PieceTooLong { id, piece: piece.to_string() });
        }
        let start = u32::try_from(text.len()).map_err(|_| too_large())?;
        if id % PIECES_PER_GROUP == 0 {
            groups.push(start);
        }
        let offset = groups.last().map_or(0, |group| start - group) as u16;
        starts.push(if continuation { offset | CONTINUATION } else { offset });
        text.push_str(piece_text);
        longest = longest.max(piece_text.len());
        if id < pieces.len() {
            ids.insert(piece, u32::try_from(id).map_err(|_| too_large())?);
        }
    }
    let optional = |piece| ids.get(piece).copied();
    let required = |piece| optional(piece).ok_or(PackError::MissingSpecial(piece));
    let special = SpecialIds {
        pad: optional(PAD),
        unk: required(UNK)?,
        cls: required(CLS)?,
        sep: required(SEP)?,
        mask: optional(MASK),
    };
    let hash = (0..ATTEMPTS)
        .find_map(|attempt| PerfectHash::build(&ids, attempt))
        .ok_or(PackError::NoPerfectHash)?;

    let mut bytes = Vec::new();
    let header = PackedHeader {
        flags: options.flags(),
        pieces: u32::try_from(pieces.len()).map_err(|_| too_large())?,
        buckets: hash.displacements.len() as u32,
        slots: hash.slots.len() as u32,
        text_bytes: text.len() as u32,
        longest: longest as u32,
        special,
        seed: hash.seed,
    };
    header.write(&mut bytes);
    bytes.extend(groups.iter().flat_map(|group| group.to_le_bytes()));
    bytes.extend(hash.displacements.iter().flat_map(|displacement| displacement.to_le_bytes()));
    if header.pieces <= NARROW_PIECES {
        bytes.extend(hash.slots.iter().flat_map(|&id| (id as u16).to_le_bytes()));
    } else {
        bytes.extend(hash.slots.iter().flat_map(|id| id.to_le_bytes()));
    }
    bytes.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

/// Returns whether a piece continues a word, and its text.
fn split(piece: &str) -> (bool, &str) {
    piece.strip_prefix("##").map_or((false, piece), |text| (true, text))
}

/// Hash and displace (Belazzougui, Botelho, Dietzfelbinger 2009): each bucket gets the first displacement that
/// sends its pieces to free slots, large buckets first.
struct PerfectHash {
    seed: u64,
    displacements: Vec<u16>,
    /// Ids. Unused slots hold 0, which is harmless because the reader always compares the piece.
    slots: Vec<u32>,
}

impl PerfectHash {
    fn build(ids: &BTreeMap<&str, u32>, attempt: usize) -> Option<Self> {
        let seed = attempt as u64;
        let buckets = (ids.len() * (8 + attempt)).div_ceil(8 * PIECES_PER_BUCKET);
        let slots = (ids.len() * SLOTS_PER_100).div_ceil(100);
        let mut members: Vec<Vec<(u64, u32)>> = vec![vec![]; buckets];
        for (piece, &id) in ids {
            let (continuation, text) = split(piece);
            let mut hash = PieceHash::new(seed, continuation);
            text.bytes().for_each(|byte| hash.push(byte));
            let hash = hash.finish();
            members[hash::bucket(hash, buckets as u32) as usize].push((hash, id));
        }
        let mut order: Vec<usize> = (0..buckets).collect();
        order.sort_by_key(|&bucket| Reverse(members[bucket].len()));

        let mut table = Self { seed, displacements: vec![0; buckets], slots: vec![0; slots] };
        let mut occupied = vec![false; slots];
        let mut places = vec![];
        for bucket in order {
            let members = &members[bucket];
            let displacement = (0..=u16::MAX)
                .find(|&displacement| find_places(members, displacement, &occupied, &mut places))?;
            table.displacements[bucket] = displacement;
            for (&place, &(_, id)) in places.iter().zip(members) {
                occupied[place] = true;
                table.slots[place] = id;
            }
        }
        Some(table)
    }
}

/// Writes the slots of a bucket's pieces. Returns whether they are all free and distinct.
fn find_places(
    members: &[(u64, u32)],
    displacement: u16,
    occupied: &[bool],
    places: &mut Vec<usize>,
) -> bool {
    places.clear();
    members.iter().all(|&(hash, _)| {
        let place = hash::slot(hash, displacement, occupied.len() as u32) as usize;
        let free = !occupied[place] && !places.contains(&place);
        places.push(place);
        free
    })
}
