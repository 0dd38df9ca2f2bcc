//! Why there is no answer: small codes, no strings.

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
    /// A size beyond what the kernels take.
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
    /// More token ids than the session takes, or none.
    TokenCount {
        /// Ids of the input.
        actual: usize,
        /// Most ids that this session takes.
        limit: usize,
    },
    /// Another number of type ids than of token ids.
    TypeCount,
    /// A token id that has no word row, or a token type that the model does not have.
    TokenId,
    /// A pair of texts, but the model reads single ones.
    Pair,
    /// The image was written without its word rows, and nothing was said about where they are:
    /// [`Model::with_word_rows`](crate::Model::with_word_rows).
    WordRowsMissing,
    /// A word's row could not be read, or is not the one that belongs to the image.
    WordRow {
        /// The token id.
        id: u32,
    },
    /// The device computes other bits than the host did: image, memory or processor are not to be trusted.
    SelfTest {
        /// Number of the self-test, from 0.
        index: usize,
    },
    /// An operand did not fit its operation; a fault of this library.
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
