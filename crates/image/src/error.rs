//! Why an image was refused: small codes, no strings.

use core::fmt;

use crate::SectionKind;

/// Why an image was refused, or could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin at a multiple of [`ALIGNMENT`](crate::ALIGNMENT).
    Misaligned,
    /// There are fewer bytes than a header has.
    TooShort,
    /// The file does not begin with `TBIM`.
    Magic,
    /// This reader does not know the format version.
    Version(u16),
    /// The header's checksum is wrong.
    HeaderCrc,
    /// The header states another file size than the number of bytes: the file was truncated, or something follows it.
    FileSize {
        /// Bytes that the header states.
        stated: u64,
        /// Bytes of the file.
        actual: u64,
    },
    /// The number of sections is 0, or larger than the format allows.
    SectionCount(u16),
    /// The section table's checksum is wrong.
    TableCrc,
    /// This reader does not know the section kind.
    UnknownSection(u32),
    /// The section is out of order or occurs twice.
    SectionOrder(SectionKind),
    /// The section does not begin where its predecessor ends, or ends outside the file.
    SectionBounds(SectionKind),
    /// The section's checksum is wrong.
    SectionCrc(SectionKind),
    /// A section that this model needs is missing.
    MissingSection(SectionKind),
    /// The section is shorter or longer than the configuration makes it.
    SectionSize(SectionKind),
    /// Padding or a reserved field is not zero.
    Padding,
    /// A value is not allowed.
    Invalid(Field),
    /// The image has no signature, but a signed one was asked for.
    NotSigned,
    /// The image was signed with another key than the one that is trusted.
    OtherKey,
    /// The image was changed after it was signed, or its signature was not made with the key that it names.
    Forged,
    /// The image is signed, but it is older than the images that are accepted.
    TooOld {
        /// The security version that the image states, or 0.
        security_version: u32,
        /// The least security version that is accepted.
        least: u32,
    },
    /// The public key is not an Ed25519 key, or it would accept forgeries.
    PublicKey,
    /// The image is signed, but its word rows are a file of their own, which a signature does not cover.
    UnsignedWordRows,
}

/// The value that was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// Hidden size: 1 to [`MAX_DIMENSION`](crate::MAX_DIMENSION).
    Hidden,
    /// Number of layers: at least 1, and as many as there are records.
    Layers,
    /// Number of word rows.
    Vocab,
    /// Number of position rows.
    Positions,
    /// Number of token types: 1 to 256.
    Types,
    /// Longest input: 3 to the number of positions.
    MaxTokens,
    /// Workspace size: must fit 32 bits.
    WorkspaceBytes,
    /// Kind of the task head: unknown to this reader, or one that a section of the image is not for.
    HeadKind,
    /// Number of outputs: 1 for regression, as many as labels for classification.
    Outputs,
    /// A flag that this reader does not know.
    Flags,
    /// Panel `nr` or `kr`: 1 to 64; with weights in four bits `kr` divides 16.
    Panel,
    /// LayerNorm's epsilon: a positive normal number.
    LayerNormEps,
    /// Number of attention heads of a layer.
    Heads,
    /// Attention mode of a layer: unknown to this reader.
    AttentionMode,
    /// Encoding of weights or word rows: unknown to this reader, or sparse word rows.
    Encoding,
    /// Attention coefficient of a layer: finite, not negative.
    AttentionCoefficient,
    /// Context scale of a layer: finite, not negative.
    ContextScale,
    /// FFN size of a layer.
    Ffn,
    /// Input quantization of a linear: scale with a finite reciprocal or 0, zero point in −127 to 127
    /// (0 where the format says so).
    InputQuantization,
    /// A scale of embedding rows that is not finite.
    RowScale,
    /// A type embedding that is not finite.
    TypeRow,
    /// A LayerNorm weight that is not finite.
    LayerNorm,
    /// A weight of −128, or a panel edge that is not zero. In four bits: a code of −8, or a multiplier outside 1 to 18.
    /// In sparse weights: a mask that does not fit the offsets and the values.
    Weight,
    /// A channel scale that is not finite.
    ChannelScale,
    /// A bias that is not finite.
    Bias,
    /// A row sum that no weights can have. The host also refuses a row sum that differs from that of the weights.
    RowSum,
    /// The threshold of a label that is not finite, or a threshold of probabilities that is not 0 to 1.
    Threshold,
    /// The temperature of probabilities: a positive normal number.
    Temperature,
    /// The label that stands for everything out of scope: the index of a label, or none.
    OutOfScope,
    /// A label that is not UTF-8.
    Label,
    /// The key of a text of the metadata: unknown to this reader, out of order or twice there.
    MetadataKey,
    /// The name of the model: 1 to 255 bytes of UTF-8 without control characters.
    ModelName,
    /// The version of the model: a semantic version of at most 255 bytes.
    ModelVersion,
    /// The licence of the model: as for [`ModelName`](Self::ModelName).
    License,
    /// When the image was made: a time in UTC such as `2026-12-01T13:00:00Z`.
    Created,
    /// A self-test whose tokens or token types the model does not have.
    SelfTest,
    /// Two lengths in the writer's input that should be equal.
    Length,
}

/// Returns [`Error::Invalid`] unless a field's value is allowed.
pub(crate) fn ensure(allowed: bool, field: Field) -> Result<(), Error> {
    if allowed { Ok(()) } else { Err(Error::Invalid(field)) }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => {
                write!(f, "the image must begin at a multiple of {} bytes in memory", crate::ALIGNMENT)
            }
            Self::TooShort => f.write_str("not a model image: shorter than its header"),
            Self::Magic => f.write_str("not a model image: it does not begin with \"TBIM\""),
            Self::Version(version) => {
                write!(f, "image format version {version}, but this program reads version 3: quantize again")
            }
            Self::HeaderCrc => f.write_str("the image's header is damaged (CRC-32C)"),
            Self::FileSize { stated, actual } => {
                write!(
                    f,
                    "the image states {stated} bytes but has {actual}: truncated, or something follows it"
                )
            }
            Self::SectionCount(count) => write!(f, "the image states {count} sections, expected 1 to 32"),
            Self::TableCrc => f.write_str("the image's section table is damaged (CRC-32C)"),
            Self::UnknownSection(kind) => {
                write!(f, "section kind {kind} is unknown: the image is newer than this program")
            }
            Self::SectionOrder(kind) => write!(f, "section {kind:?} is out of order or twice there"),
            Self::SectionBounds(kind) => write!(f, "section {kind:?} does not lie where it should"),
            Self::SectionCrc(kind) => write!(f, "section {kind:?} is damaged (CRC-32C)"),
            Self::MissingSection(kind) => write!(f, "section {kind:?} is missing"),
            Self::SectionSize(kind) => {
                write!(f, "section {kind:?} has another size than the configuration says")
            }
            Self::Padding => f.write_str("padding or a reserved field is not zero"),
            Self::Invalid(field) => write!(f, "the value of {field:?} is not allowed"),
            Self::NotSigned => f.write_str("the image is not signed"),
            Self::OtherKey => {
                f.write_str("the image is signed with another key than the one that is trusted")
            }
            Self::Forged => {
                f.write_str("the image was changed after it was signed, or the signature is forged")
            }
            Self::TooOld { security_version, least } => write!(
                f,
                "the image has security version {security_version}, but {least} is the oldest that is accepted"
            ),
            Self::PublicKey => f.write_str("the public key is not a usable Ed25519 key"),
            Self::UnsignedWordRows => {
                f.write_str("the word rows are a file of their own, which a signature does not cover")
            }
        }
    }
}

impl core::error::Error for Error {}
