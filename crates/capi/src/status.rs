//! The status that functions return.

use tinybert_runtime::{Error, image};

/// The result of a call. Values keep their meaning in later versions, which may have new values.
// Not `repr(C)`: C compilers for bare-metal ARM do not agree on the size of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// The call succeeded.
    Ok = 0,
    /// A pointer that is needed is null.
    NullPointer = 1,
    /// A pointer is not aligned to its type, or the image is not aligned to TINYBERT_IMAGE_ALIGNMENT.
    Misaligned = 2,
    /// A size is larger than the memory or than this library accepts.
    TooLarge = 3,
    /// The model has not been opened.
    NotOpen = 4,
    /// The bytes are not a model image of a version that this library knows.
    NotAnImage = 5,
    /// The image is damaged, cut, or was written wrongly.
    ImageDamaged = 6,
    /// The workspace is smaller than tinybert_workspace_bytes.
    WorkspaceTooSmall = 7,
    /// The text is not UTF-8.
    NotUtf8 = 8,
    /// There are no token ids, or more than the model accepts.
    TokenCount = 9,
    /// The model does not have a token id or a token type of the input.
    TokenId = 10,
    /// This device computes other bits than the host. Do not trust the image, the memory or the processor.
    SelfTestFailed = 11,
    /// The model has no label with that number.
    NoSuchLabel = 12,
    /// This library has a fault.
    Internal = 13,
    /// The input is a pair of texts, but the model reads single texts.
    NoPairs = 14,
    /// The image was written without its word rows: call tinybert_set_word_rows.
    WordRowsMissing = 15,
    /// The row of a word could not be read, or does not belong to the image.
    WordRow = 16,
    /// The image is not signed.
    NotSigned = 17,
    /// The image is signed with another key.
    OtherKey = 18,
    /// The image was changed after it was signed, or the signature is forged.
    Forged = 19,
    /// The public key is not a usable Ed25519 key.
    PublicKey = 20,
    /// The image has no self-tests, so nothing was compared.
    NoSelfTests = 21,
    /// The memory for a result has room for fewer elements than the result has.
    BufferTooSmall = 22,
    /// The model gives answers of another kind.
    OtherKind = 23,
    /// There is no further word or entity.
    End = 24,
    /// The answer needs further steps.
    Pending = 25,
    /// No run has been started, or the run has ended.
    NotStarted = 26,
    /// The image is signed, but its security version is below the least that is accepted.
    TooOld = 27,
    /// The answer is not one that the model gives: the number of its outputs or its label does not fit.
    ForeignAnswer = 28,
}

/// Runs `call` and returns its status.
pub(crate) fn call_status(call: impl FnOnce() -> Result<(), Status>) -> Status {
    call().err().unwrap_or(Status::Ok)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Image(image::Error::Misaligned) => Self::Misaligned,
            Error::Image(image::Error::Magic | image::Error::TooShort | image::Error::Version(_)) => {
                Self::NotAnImage
            }
            Error::Image(image::Error::NotSigned) => Self::NotSigned,
            Error::Image(image::Error::OtherKey) => Self::OtherKey,
            Error::Image(image::Error::Forged) => Self::Forged,
            Error::Image(image::Error::TooOld { .. }) => Self::TooOld,
            Error::Image(image::Error::PublicKey) => Self::PublicKey,
            Error::Image(_) | Error::Vocabulary(_) | Error::VocabularySize { .. } => Self::ImageDamaged,
            Error::TooLarge => Self::TooLarge,
            Error::WorkspaceTooSmall { .. } => Self::WorkspaceTooSmall,
            Error::TokenCount { .. } => Self::TokenCount,
            Error::TokenId | Error::TypeCount => Self::TokenId,
            Error::Pair => Self::NoPairs,
            Error::WordRowsMissing => Self::WordRowsMissing,
            Error::WordRow { .. } => Self::WordRow,
            Error::SelfTest { .. } => Self::SelfTestFailed,
            _ => Self::Internal,
        }
    }
}

/// Returns what a status means, in English, ending with a zero. The text is never changed or freed. A number that is
/// not a status has the text "unknown status".
#[cfg(feature = "status-text")]
#[unsafe(no_mangle)]
pub extern "C" fn tinybert_status_text(status: u32) -> *const core::ffi::c_char {
    const TEXTS: [&core::ffi::CStr; 29] = [
        c"ok",
        c"a pointer that is needed is null",
        c"a pointer or the image is misaligned",
        c"a size is too large",
        c"the model has not been opened",
        c"the bytes are no model image of a known version",
        c"the image is damaged",
        c"the workspace is too small",
        c"the text is not UTF-8",
        c"no token ids, or more than the model takes",
        c"a token id or type that the model does not have",
        c"this device computes other bits than the host did",
        c"the model has no label of that number",
        c"internal error",
        c"the model reads single texts, not pairs",
        c"the image was written without its word rows",
        c"a word's row could not be read, or is not the image's",
        c"the image is not signed",
        c"the image is signed with another key",
        c"the image was changed after it was signed, or the signature is forged",
        c"the public key is not a usable Ed25519 key",
        c"the image has no self-tests",
        c"the memory for the result is too small",
        c"the model gives answers of another kind",
        c"there is no further word or entity",
        c"the answer needs further steps",
        c"no run has been started, or the run has ended",
        c"the image is older than those that are accepted",
        c"the answer is not one that the model gives",
    ];
    usize::try_from(status)
        .ok()
        .and_then(|status| TEXTS.get(status))
        .copied()
        .unwrap_or(c"unknown status")
        .as_ptr()
}
