//! The C interface of the runtime. C programs include `tinybert.h`, which lies in the folder of this crate.
//!
//! This crate cannot check one promise, which the C program makes: a pointer that is neither null nor misaligned points
//! to as many bytes as the caller says, nobody else writes these bytes during the call, and an open image stays where
//! it is. Every `unsafe` block relies on that promise and on checks just before it. Every other mistake has a status.
//!
//! ```
//! use tinybert::{HANDLE_WORDS, Handle, Status, tinybert_open, tinybert_workspace_bytes};
//!
//! let mut model = Handle { words: [0; HANDLE_WORDS] };
//! // SAFETY: a null pointer is refused, and `model` is a model that is zero.
//! let (status, bytes) = unsafe {
//!     (tinybert_open(std::ptr::null(), 0, &mut model), tinybert_workspace_bytes(&model))
//! };
//! assert_eq!((status, bytes), (Status::NullPointer, 0));
//! ```
#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

mod answers;
mod facts;
mod handle;
mod memory;
mod metadata;
#[cfg(target_os = "none")]
mod panic;
mod slices;
mod status;
mod tags;
mod words;

use core::ffi::c_char;
use core::mem::MaybeUninit;

use tinybert_runtime::image::HeadKind;
use tinybert_runtime::{Answer, Input, Model, Reply};

pub use answers::{
    CConfidence, tinybert_confidence_of, tinybert_cosine, tinybert_label, tinybert_probabilities,
    tinybert_threshold,
};
#[cfg(feature = "sha256")]
pub use facts::tinybert_image_sha256;
pub use facts::{
    SHA256_BYTES, tinybert_answer_kind, tinybert_image_bytes, tinybert_kernels, tinybert_label_count,
    tinybert_max_tokens, tinybert_output_count, tinybert_version, tinybert_workspace_bytes,
};
pub use handle::{HANDLE_WORDS, Handle};
use memory::{one, place, slice, slice_mut};
#[cfg(feature = "signature")]
pub use metadata::tinybert_open_signed_at_least;
pub use metadata::{CMetadata, tinybert_image_metadata, tinybert_metadata_of, tinybert_metadata_precedence};
pub use slices::{
    CRun, RUN_WORDS, tinybert_cancel, tinybert_start, tinybert_start_ids, tinybert_start_pair, tinybert_step,
};
pub use status::Status;
use status::call_status;
#[cfg(feature = "status-text")]
pub use status::tinybert_status_text;
pub use tags::{CEntity, CTagPlace, CWord, tinybert_next_entity, tinybert_next_word};
pub use words::CWordRows;

/// Bytes of an Ed25519 public key.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// The kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)] // As for a status.
pub enum Kind {
    /// No answer, because the model is not open.
    None = 0,
    /// One of several labels; the outputs are their logits.
    Label = 1,
    /// One real number: the first output.
    Score = 2,
    /// A label for each token; the outputs are their logits, token after token.
    Tags = 3,
    /// A vector, of length 1 unless the image says otherwise.
    Embedding = 4,
    /// Something that this version of the interface does not know.
    Other = 5,
    /// Zero, one or several labels; the outputs are the logits of all labels. The answer has the labels
    /// whose logit is at least what `tinybert_threshold` says. The probability of a label is 1 / (1 + exp(-logit)).
    Labels = 6,
}

/// A UTF-8 text, which need not end with a zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CText {
    /// The first byte; may be null if there are none.
    pub bytes: *const c_char,
    /// Number of bytes.
    pub length: usize,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CAnswer {
    /// The kind of the answer.
    pub kind: Kind,
    /// The label with the largest logit if the kind is TINYBERT_KIND_LABEL, else 0.
    pub label: u32,
    /// The head's outputs. They lie in the workspace and are valid until it is used again.
    pub outputs: *const f32,
    /// Number of outputs.
    pub output_count: usize,
    /// Number of tokens of the input, special ones included.
    pub tokens: usize,
    /// Whether the text was too long and has been cut.
    pub truncated: bool,
}

/// Checks the whole image and makes `model` ready. The image must begin at a multiple of TINYBERT_IMAGE_ALIGNMENT
/// bytes and stay where it is, unchanged, while the model is used, because nothing of it is copied. A model need not
/// be closed. If this function fails, `model` is zeroed and not open, even if it was open before. No other thread uses
/// `model` during the call.
///
/// `image_bytes` is the length of the image. If it lies in a longer slot, `tinybert_image_bytes` says the length. The
/// statuses are TINYBERT_STATUS_NOT_AN_IMAGE, TINYBERT_STATUS_IMAGE_DAMAGED and TINYBERT_STATUS_TOO_LARGE.
///
/// # Safety
/// `image` points to `image_bytes` bytes and `model` to a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_open(image: *const u8, image_bytes: usize, model: *mut Handle) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, image) = unsafe { (Handle::closed(model)?, slice(image, image_bytes)?) };
        model.open(&Model::from_bytes(image))
    })
}

/// Does the same as `tinybert_open` for an image that the holder of an Ed25519 key has signed. It refuses an image
/// that is not signed, that is signed with another key, or that was changed afterwards, before it reads the image's
/// contents. The public key has TINYBERT_PUBLIC_KEY_BYTES bytes and is not needed after the call. It is as
/// trustworthy as the memory that it lies in. Every security version is accepted: `tinybert_open_signed_at_least`
/// refuses older images. The statuses are those of `tinybert_open`, TINYBERT_STATUS_NOT_SIGNED,
/// TINYBERT_STATUS_OTHER_KEY, TINYBERT_STATUS_FORGED and TINYBERT_STATUS_PUBLIC_KEY.
///
/// # Safety
/// `image` points to `image_bytes` bytes, `public_key` to 32 and `model` to a model.
#[cfg(feature = "signature")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_open_signed(
    image: *const u8,
    image_bytes: usize,
    public_key: *const u8,
    model: *mut Handle,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe { tinybert_open_signed_at_least(image, image_bytes, public_key, 0, model) }
}

/// Says how to read the word rows of an image that was written without them (`quantize --word-rows`). Each row is read
/// into the workspace when it is needed, and checked. `rows` must stay where it is, unchanged, while the model or a
/// copy of it is used. An image that has its word rows does not need this function.
///
/// # Safety
/// `model` points to a model that is zero or was opened, and that nobody else uses during the call. `rows` points to
/// word rows. If their `read` is not null, every user of the model may call it with their `context`, and it writes no
/// more bytes than it is asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_set_word_rows(model: *mut Handle, rows: *const CWordRows) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, rows) = unsafe { (Handle::get_mut(model)?, one(rows)?) };
        if rows.read.is_none() {
            return Err(Status::NullPointer);
        }
        // SAFETY: as the caller promises.
        let rows = unsafe { words::PromisedWordRows::new(rows) };
        *model = model.with_word_rows(rows);
        Ok(())
    })
}

/// Runs the image's self-tests and compares their outputs bit by bit with those that the host computed. This shows
/// whether the device computes what the host measured. For an image without self-tests it returns
/// TINYBERT_STATUS_NO_SELF_TESTS, and the caller decides whether to go on. It takes as long as an answer to each
/// self-test, of which `quantize` writes four. The other statuses are TINYBERT_STATUS_SELF_TEST_FAILED and those of
/// `tinybert_run_ids`.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody
/// else's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_self_test(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, workspace) = unsafe { (Handle::get(model)?, slice_mut(workspace, workspace_bytes)?) };
        match model.self_test(workspace)? {
            0 => Err(Status::NoSelfTests),
            _ => Ok(()),
        }
    })
}

/// Answers a text. A text that is too long for the model is cut, and the answer says so. The answer's outputs lie in
/// the workspace. They are valid until the workspace is used again, and every function that takes an answer reads them
/// there.
///
/// The statuses are TINYBERT_STATUS_WORKSPACE_TOO_SMALL, TINYBERT_STATUS_NOT_UTF8, and for an image without word rows
/// TINYBERT_STATUS_WORD_ROWS_MISSING and TINYBERT_STATUS_WORD_ROW.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `workspace` to `workspace_bytes` bytes that are nobody
/// else's, the text to as many bytes as it says, `answer` to an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_run_text(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    text: CText,
    answer: *mut CAnswer,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe { run(model, workspace, workspace_bytes, Input::text(text.read()?), answer) })
}

/// Answers a pair of texts. What is too long is cut from the longer text first.
///
/// The statuses are those of `tinybert_run_text`, TINYBERT_STATUS_NO_PAIRS for models that tag words or embed
/// sentences, and TINYBERT_STATUS_TOKEN_ID for models with one token type.
///
/// # Safety
/// As for `tinybert_run_text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_run_pair(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    text: CText,
    pair: CText,
    answer: *mut CAnswer,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe {
        run(model, workspace, workspace_bytes, Input::pair(text.read()?, pair.read()?), answer)
    })
}

/// Answers `count` token ids, special ones included. Each token has a token type.
///
/// The statuses are those of `tinybert_run_text`, TINYBERT_STATUS_TOKEN_COUNT for no ids or more than
/// `tinybert_max_tokens`, and TINYBERT_STATUS_TOKEN_ID.
///
/// # Safety
/// As for `tinybert_run_text`; `ids` and `type_ids` point to `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_run_ids(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    ids: *const u32,
    type_ids: *const u8,
    count: usize,
    answer: *mut CAnswer,
) -> Status {
    // SAFETY: as the caller promises.
    call_status(|| unsafe {
        let input = Input::ids(slice(ids, count)?, slice(type_ids, count)?);
        run(model, workspace, workspace_bytes, input, answer)
    })
}

impl Kind {
    fn of(head: HeadKind) -> Self {
        match head {
            HeadKind::Classification => Self::Label,
            HeadKind::Regression => Self::Score,
            HeadKind::TokenClassification => Self::Tags,
            HeadKind::Embedding => Self::Embedding,
            HeadKind::MultiLabel => Self::Labels,
        }
    }
}

impl CText {
    /// Returns a text that C reads as long as `text` is there.
    fn of(text: &str) -> Self {
        Self { bytes: text.as_ptr().cast(), length: text.len() }
    }

    /// # Safety
    /// The text points to as many bytes as it says, for `'t`.
    unsafe fn read<'t>(self) -> Result<&'t str, Status> {
        if self.length == 0 {
            return Ok("");
        }
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(self.bytes.cast::<u8>(), self.length)? };
        core::str::from_utf8(bytes).map_err(|_| Status::NotUtf8)
    }
}

/// # Safety
/// As for [`tinybert_run_text`].
unsafe fn run(
    model: *const Handle,
    workspace: *mut u8,
    workspace_bytes: usize,
    input: Input<'_>,
    answer: *mut CAnswer,
) -> Result<(), Status> {
    // SAFETY: as the caller promises.
    let (model, workspace, answer) =
        unsafe { (Handle::get(model)?, slice_mut(workspace, workspace_bytes)?, place(answer)?) };
    let mut session = model.session(workspace)?;
    write_answer(model, &session.run(input)?, answer);
    Ok(())
}

/// Writes an answer of a model for C.
fn write_answer(model: &Model<'_>, reply: &Reply<'_>, answer: &mut MaybeUninit<CAnswer>) {
    let label = match reply.answer {
        Answer::Label { index, .. } => u32::try_from(index).unwrap_or(u32::MAX),
        _ => 0,
    };
    let outputs = reply.answer.outputs();
    answer.write(CAnswer {
        kind: Kind::of(model.config().head),
        label,
        outputs: outputs.as_ptr(),
        output_count: outputs.len(),
        tokens: reply.tokens,
        truncated: reply.truncated,
    });
}
