//! Layout of a packed vocabulary, shared by its reader and its packer. `docs/tokenizer-format.md` describes it.

use crate::special_ids::SpecialIds;

/// First bytes of a packed vocabulary.
pub(crate) const MAGIC: [u8; 4] = *b"TBWP";
pub(crate) const VERSION: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 64;

/// Pieces that share one text offset in `groups`.
pub(crate) const PIECES_PER_GROUP: usize = 128;
/// Longest text of a piece. With it, a group's offsets fit in 15 bits.
pub(crate) const MAX_PIECE_BYTES: usize = 255;
/// Bit of a `starts` entry which says that the piece continues a word. Its text does not have the `##`.
pub(crate) const CONTINUATION: u16 = 0x8000;
/// Up to this number of pieces, the id in a slot takes two bytes; beyond it, four.
pub(crate) const NARROW_PIECES: u32 = 0x1_0000;

/// The id of a special piece that is not in the vocabulary; only `[PAD]` and `[MASK]` may be missing.
const NO_ID: u32 = u32::MAX;

/// The fixed record at the start.
pub(crate) struct PackedHeader {
    pub(crate) flags: u16,
    pub(crate) pieces: u32,
    pub(crate) buckets: u32,
    pub(crate) slots: u32,
    pub(crate) text_bytes: u32,
    /// Bytes of the longest text.
    pub(crate) longest: u32,
    pub(crate) special: SpecialIds,
    pub(crate) seed: u64,
}

/// Bytes of each part, in the order of the file.
pub(crate) struct PartSizes {
    pub(crate) groups: usize,
    pub(crate) displacements: usize,
    pub(crate) slots: usize,
    pub(crate) starts: usize,
    pub(crate) text: usize,
}

impl PackedHeader {
    /// Reads the header and returns it with the rest of the bytes. Returns `None` if the header is cut, has another
    /// format or version, or has reserved bytes that are not zero.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let mut fields = Fields(header);
        (fields.next::<4>()? == MAGIC && fields.u16()? == VERSION).then_some(())?;
        let header = Self {
            flags: fields.u16()?,
            pieces: fields.u32()?,
            buckets: fields.u32()?,
            slots: fields.u32()?,
            text_bytes: fields.u32()?,
            longest: fields.u32()?,
            special: SpecialIds {
                pad: fields.optional_id()?,
                unk: fields.u32()?,
                cls: fields.u32()?,
                sep: fields.u32()?,
                mask: fields.optional_id()?,
            },
            seed: u64::from_le_bytes(fields.next()?),
        };
        fields.0.iter().all(|&reserved| reserved == 0).then_some((header, rest))
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn write(&self, out: &mut alloc::vec::Vec<u8>) {
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        let counts = [self.pieces, self.buckets, self.slots, self.text_bytes, self.longest];
        let SpecialIds { pad, unk, cls, sep, mask } = self.special;
        let special = [pad.unwrap_or(NO_ID), unk, cls, sep, mask.unwrap_or(NO_ID)];
        out.extend(counts.into_iter().chain(special).flat_map(u32::to_le_bytes));
        out.extend(self.seed.to_le_bytes());
        out.resize(HEADER_BYTES, 0);
    }

    /// Returns the sizes of the parts, or `None` if they do not fit the address space.
    pub(crate) fn sizes(&self) -> Option<PartSizes> {
        let pieces = usize::try_from(self.pieces).ok()?;
        let starts = pieces.checked_add(1)?;
        let id_bytes = if self.pieces <= NARROW_PIECES { 2 } else { 4 };
        Some(PartSizes {
            groups: starts.div_ceil(PIECES_PER_GROUP).checked_mul(4)?,
            displacements: usize::try_from(self.buckets).ok()?.checked_mul(2)?,
            slots: usize::try_from(self.slots).ok()?.checked_mul(id_bytes)?,
            starts: starts.checked_mul(2)?,
            text: usize::try_from(self.text_bytes).ok()?,
        })
    }
}

/// Reads fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.next().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.next().map(u32::from_le_bytes)
    }

    /// Returns the id of a special piece that may be missing; the inner `None` says that it is.
    fn optional_id(&mut self) -> Option<Option<u32>> {
        self.u32().map(|id| (id != NO_ID).then_some(id))
    }
}
