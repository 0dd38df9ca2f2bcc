//! The raw records as they are stored in the file, and the constants that limit them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Alignment in bytes of the file's base address, of every section and of every part of a section.
pub const ALIGNMENT: usize = 64;

/// Largest number of inputs of a linear, tokens, rows or channels.
///
/// It keeps every i32 sum from overflowing, whatever the weights are, if the row sums belong to the weights: `Σ a·w −
/// zero_point·row_sum` stays within `255 · 127 · K < 2^31`, and attention's `Σ p·v` within `255 · 128 · K`.
pub const MAX_DIMENSION: usize = 65_535;

/// The first bytes of every image.
pub const MAGIC: [u8; 4] = *b"TBIM";
pub(crate) const VERSION: u16 = 3;
pub(crate) const MAX_SECTIONS: u16 = 32;
/// Largest `nr` and `kr` of a panel.
pub(crate) const MAX_PANEL: u16 = 64;
/// A pair's three special tokens.
pub(crate) const MIN_TOKENS: usize = 3;
/// Flag: the head begins with a pooler linear and tanh.
pub(crate) const FLAG_POOLER: u32 = 1;
/// Bits of the model record's flags that hold how a sentence embedding is pooled.
pub(crate) const FLAGS_POOLING: u32 = 0b110;
/// The place of these bits.
pub(crate) const POOLING_SHIFT: u32 = 1;
/// Flag of the model record: the vector of a sentence embedding is not scaled to length 1.
pub(crate) const FLAG_NOT_NORMALIZED: u32 = 0b1000;

/// The sections an image is made of. The discriminants are the kinds in the file's section table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SectionKind {
    /// Sizes and quantization of the whole model and of each layer.
    Configuration = 1,
    /// The tokenizer's packed vocabulary, opaque here.
    Vocabulary = 2,
    /// Word, position and type rows and their LayerNorm.
    Embeddings = 3,
    /// The Transformer layers.
    Layers = 4,
    /// Pooler and output linear.
    Head = 5,
    /// Names of the labels.
    Labels = 6,
    /// What calibration observed; information only.
    Calibration = 7,
    /// Hashes of what the image was made from.
    Provenance = 8,
    /// Inputs with their exact outputs.
    SelfTest = 9,
    /// The signature of the image and the key that it was made with.
    Signature = 10,
    /// Checksums of the word rows, which are in a file of their own.
    WordChecks = 11,
    /// How logits become probabilities, and which answers are accepted.
    Confidence = 12,
    /// Name, version, licence and age of the model.
    Metadata = 13,
}

impl SectionKind {
    /// All kinds, in file order: by their numbers, except that the signature is the last, because it signs all others.
    pub const ALL: [Self; 13] = [
        Self::Configuration,
        Self::Vocabulary,
        Self::Embeddings,
        Self::Layers,
        Self::Head,
        Self::Labels,
        Self::Calibration,
        Self::Provenance,
        Self::SelfTest,
        Self::WordChecks,
        Self::Confidence,
        Self::Metadata,
        Self::Signature,
    ];

    pub(crate) fn from_raw(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u32 == kind)
    }
}

/// A brain-float: the upper half of an f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// Returns the same number in f32.
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }

    /// Rounds a finite number to the nearest one, ties to even.
    pub const fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        Self((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct FileHeader {
    pub magic: [u8; 4],
    pub version: u16,
    pub section_count: u16,
    pub file_bytes: u64,
    pub reserved: [u32; 10],
    pub table_crc: u32,
    pub header_crc: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct TableEntry {
    pub kind: u32,
    pub crc: u32,
    pub offset: u64,
    pub bytes: u64,
    pub reserved: u64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct ConfigRecord {
    pub hidden: u32,
    pub layers: u32,
    pub vocab: u32,
    pub positions: u32,
    pub types: u32,
    pub max_tokens: u32,
    pub workspace_bytes: u32,
    pub head: u32,
    pub outputs: u32,
    pub flags: u32,
    pub nr: u32,
    pub kr: u32,
    pub layer_norm_eps: f32,
    /// Encoding of the word rows.
    pub words: u32,
    pub reserved: [u32; 2],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct InputRecord {
    pub scale: f32,
    pub zero_point: i32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct LayerRecord {
    pub heads: u32,
    pub head_dim: u32,
    pub ffn: u32,
    pub attention: u32,
    pub attention_coefficient: f32,
    pub context_scale: f32,
    /// One for each of the linears qkv, attention output, up, down.
    pub inputs: [InputRecord; 4],
    /// Encodings of the same linears' weights.
    pub encodings: [u8; 4],
    pub reserved: u32,
}

/// Returns `bytes` rounded up to a multiple of [`ALIGNMENT`], or `None` if that overflows.
pub(crate) fn padded(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_documented_sizes() {
        assert_eq!(size_of::<FileHeader>(), 64);
        assert_eq!(size_of::<TableEntry>(), 32);
        assert_eq!(size_of::<ConfigRecord>(), 64);
        assert_eq!(size_of::<LayerRecord>(), 64);
    }

    #[test]
    fn the_largest_dimension_keeps_i32_sums_from_overflowing() {
        let k = MAX_DIMENSION as i64;
        assert!(2 * 128 * 128 * k < 1 << 31);
        assert!(255 * 128 * k < 1 << 31);
    }

    #[test]
    fn bf16_rounds_to_nearest_even_and_widens_exactly() {
        assert_eq!(Bf16::from_f32(1.0).0, 0x3f80);
        assert_eq!(Bf16::from_f32(f32::from_bits(0x3f80_8000)).0, 0x3f80, "a tie goes to the even neighbour");
        assert_eq!(Bf16::from_f32(f32::from_bits(0x3f81_8000)).0, 0x3f82);
        assert_eq!(Bf16::from_f32(f32::from_bits(0x3f80_8001)).0, 0x3f81);
        assert_eq!(Bf16(0xc049).to_f32(), -3.140625);
    }
}
