//! The reasons why there is no answer: small codes, no strings.

use core::fmt;

use tinybert_kernels::ShapeMismatch;
use tinybert_tokenizer::{EncodeError, VocabularyError};

/// Why a model was refused, or gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The image is damaged or of another format.
    Image(tinybert_image::Error),
    /// The image's vocabulary section is not what the tokenizer reads.
    Vocabulary(VocabularyError),
    /// The vocabulary has another number of pieces than the model has word rows.
    VocabularySize {
        /// Word rows.
        rows: usize,
        /// Pieces.
        pieces: usize,
    },
    /// The model has a size that is beyond the limits of the kernels.
    TooLarge,
    /// The workspace is too small.
    WorkspaceTooSmall {
        /// Bytes that the model needs.
        needed: usize,
        /// Bytes that the workspace has.
        actual: usize,
    },
    /// The text was not encoded.
    Encode(EncodeError),
    /// There are no token ids, or more than the session accepts.
    TokenCount {
        /// Ids of the input.
        actual: usize,
        /// The most ids that this session accepts.
        limit: usize,
    },
    /// The number of type ids differs from the number of token ids.
    TypeCount,
    /// A token id has no word row, or the model does not have a token type.
    TokenId,
    /// The input is a pair of texts, but the model reads single texts.
    Pair,
    /// The image was written without its word rows, and the model has no others: see
    /// [`Model::with_word_rows`](crate::Model::with_word_rows).
    WordRowsMissing,
    /// The row of a word could not be read, or does not belong to the image.
    WordRow {
        /// The token id.
        id: u32,
    },
    /// The device computes other bits than the host. Do not trust the image, the memory or the processor.
    SelfTest {
        /// Number of the self-test, from 0.
        index: usize,
    },
    /// An operand did not fit its operation. This is a fault of this library.
    ShapeMismatch,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => error.fmt(f),
            Self::Vocabulary(error) => write!(f, "the image's vocabulary is not usable: {error:?}"),
            Self::VocabularySize { rows, pieces } => {
                write!(f, "the model has {rows} word rows but its vocabulary {pieces} pieces")
            }
            Self::TooLarge => f.write_str("the model has a size beyond what the kernels take"),
            Self::WorkspaceTooSmall { needed, actual } => {
                write!(f, "the workspace has {actual} bytes, {needed} are needed")
            }
            Self::Encode(error) => write!(f, "the text could not be encoded: {error:?}"),
            Self::TokenCount { actual, limit } => {
                write!(f, "{actual} token ids given, expected 1 to {limit}")
            }
            Self::TypeCount => f.write_str("as many type ids as token ids are needed"),
            Self::TokenId => f.write_str("a token id or type is outside of the model's tables"),
            Self::Pair => f.write_str("the model reads single texts, not pairs"),
            Self::WordRowsMissing => {
                f.write_str("the image has no word rows: give the file that was written with it")
            }
            Self::WordRow { id } => {
                write!(f, "word row {id} could not be read, or is not the image's: write the file again")
            }
            Self::SelfTest { index } => {
                write!(
                    f,
                    "self-test {index} gave other bits than the host computed: do not trust this device or image"
                )
            }
            Self::ShapeMismatch => f.write_str("internal error: an operand does not fit its operation"),
        }
    }
}

impl core::error::Error for Error {}

impl From<tinybert_image::Error> for Error {
    fn from(error: tinybert_image::Error) -> Self {
        Self::Image(error)
    }
}

impl From<VocabularyError> for Error {
    fn from(error: VocabularyError) -> Self {
        Self::Vocabulary(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<ShapeMismatch> for Error {
    fn from(_: ShapeMismatch) -> Self {
        Self::ShapeMismatch
    }
}
