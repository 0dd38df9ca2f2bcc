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

mod handle;
mod memory;
mod metadata;
#[cfg(target_os = "none")]
mod panic;
mod status;
mod words;

use core::ffi::c_char;

use tinybert_runtime::{Answer, Input, Model};

pub use handle::{HANDLE_WORDS, Handle};
use memory::{one, place, slice, slice_mut};
#[cfg(feature = "signature")]
pub use metadata::tinybert_open_signed_at_least;
pub use metadata::{CMetadata, tinybert_metadata_of};
pub use status::Status;
use status::call_status;
pub use words::CWordRows;

/// Bytes of an Ed25519 public key.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// The kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)] // As for a status.
pub enum Kind {
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

/// How far an answer with one label can be trusted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CConfidence {
    /// The probability of the label, 0 to 1, by the temperature that the image states, or by a temperature of 1.
    pub probability: f32,
    /// Whether the probability is at least the threshold that the image states, and the label is not the one that
    /// stands for everything out of scope. If not, the model does not know the answer. An image that states neither
    /// accepts every answer.
    pub accepted: bool,
}

/// Checks the whole image and makes `model` ready. The image must begin at a multiple of TINYBERT_IMAGE_ALIGNMENT
/// bytes and stay where it is, unchanged, while the model is used, because nothing of it is copied. A model need not
/// be closed. If this function fails, `model` is zeroed and not open, even if it was open before.
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
/// refuses older images.
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

/// Returns the number of bytes of workspace that the model's longest input needs, wherever the workspace begins; 0 if
/// the model is not open. This library computes the number. The number in `model.h` (`inspect --header`) may differ a
/// little if another version made that file.
///
/// # Safety
/// `model` points to a model that is zero or was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_workspace_bytes(model: *const Handle) -> usize {
    // SAFETY: as the caller promises.
    unsafe { Handle::get(model) }.map_or(0, Model::max_workspace_bytes)
}

/// Returns the number of outputs of an answer, or of each token if the answer is tags; 0 if the model is not open.
///
/// # Safety
/// `model` points to a model that is zero or was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_output_count(model: *const Handle) -> usize {
    // SAFETY: as the caller promises.
    unsafe { Handle::get(model) }.map_or(0, |model| model.config().outputs)
}

/// Runs the image's self-tests and compares their outputs bit by bit with those that the host computed. This shows
/// whether the device computes what the host measured. For an image without self-tests it returns
/// TINYBERT_STATUS_NO_SELF_TESTS, and the caller decides whether to go on.
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

/// Answers a text.
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

/// Answers a pair of texts.
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

/// Answers token ids, special ones included. Each token has a token type.
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

/// Writes the name of a label to `name`. The name lies in the image.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `name` to a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_label(model: *const Handle, label: u32, name: *mut CText) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, name) = unsafe { (Handle::get(model)?, place(name)?) };
        let label =
            usize::try_from(label).ok().and_then(|label| model.label(label)).ok_or(Status::NoSuchLabel)?;
        name.write(CText { bytes: label.as_ptr().cast(), length: label.len() });
        Ok(())
    })
}

/// Writes to `threshold` the least logit with which an answer has a label, for models whose answers are of the kind
/// TINYBERT_KIND_LABELS. Other models have no such label: the status is TINYBERT_STATUS_NO_SUCH_LABEL.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `threshold` to a float.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_threshold(model: *const Handle, label: u32, threshold: *mut f32) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, threshold) = unsafe { (Handle::get(model)?, place(threshold)?) };
        let thresholds = model.image().head().thresholds;
        let of_label = usize::try_from(label).ok().and_then(|label| thresholds.get(label));
        threshold.write(*of_label.ok_or(Status::NoSuchLabel)?);
        Ok(())
    })
}

/// Writes to `confidence` how probable the label of an answer is, and whether the answer is accepted. The answer is one
/// that `tinybert_run_text`, `tinybert_run_pair` or `tinybert_run_ids` has written with this model, and the workspace
/// has not been used since. Answers of another kind than TINYBERT_KIND_LABEL have no such label: the status is
/// TINYBERT_STATUS_NO_SUCH_LABEL.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
/// `confidence` to a confidence.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_confidence_of(
    model: *const Handle,
    answer: *const CAnswer,
    confidence: *mut CConfidence,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, confidence) = unsafe { (Handle::get(model)?, place(confidence)?) };
        // SAFETY: as the caller promises.
        match unsafe { answer_again(model, answer)? } {
            Answer::Label { probability, accepted, .. } => {
                confidence.write(CConfidence { probability, accepted });
                Ok(())
            }
            _ => Err(Status::NoSuchLabel),
        }
    })
}

/// Writes the probability of every label to `probabilities`, which has as many floats as the answer has outputs. The
/// answer is one as for `tinybert_confidence_of`, of the kind TINYBERT_KIND_LABEL or TINYBERT_KIND_LABELS. Answers of
/// other kinds have no probabilities: the status is TINYBERT_STATUS_NO_SUCH_LABEL.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
/// `probabilities` to as many floats as the answer has outputs, which are nobody else's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_probabilities(
    model: *const Handle,
    answer: *const CAnswer,
    probabilities: *mut f32,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let model = unsafe { Handle::get(model)? };
        // SAFETY: as the caller promises.
        let answer = unsafe { answer_again(model, answer)? };
        // SAFETY: as the caller promises.
        let room = unsafe { slice_mut(probabilities, answer.outputs().len())? };
        match answer.probabilities(room) {
            [] => Err(Status::NoSuchLabel),
            _ => Ok(()),
        }
    })
}

/// Returns what a status means, in English, ending with a zero.
#[cfg(feature = "status-text")]
#[unsafe(no_mangle)]
pub extern "C" fn tinybert_status_text(status: u32) -> *const c_char {
    status::text(status).as_ptr()
}

/// Returns the answer that C has got from a run.
///
/// # Safety
/// If `answer` is not null, it points to an answer of the model that nobody writes for `'m`, and neither does anybody
/// write the outputs.
unsafe fn answer_again<'m>(model: &'m Model<'_>, answer: *const CAnswer) -> Result<Answer<'m>, Status> {
    // SAFETY: as the caller promises.
    let CAnswer { outputs, output_count, .. } = *unsafe { one(answer)? };
    // SAFETY: as the caller promises.
    let outputs = unsafe { slice(outputs, output_count)? };
    Ok(model.answer(outputs, "")?)
}

impl CText {
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
    let reply = session.run(input)?;
    let (kind, label) = match reply.answer {
        Answer::Label { index, .. } => (Kind::Label, u32::try_from(index).unwrap_or(u32::MAX)),
        Answer::Score(_) => (Kind::Score, 0),
        Answer::Tags(_) => (Kind::Tags, 0),
        Answer::Embedding(_) => (Kind::Embedding, 0),
        Answer::Labels(_) => (Kind::Labels, 0),
        _ => (Kind::Other, 0),
    };
    let outputs = reply.answer.outputs();
    answer.write(CAnswer {
        kind,
        label,
        outputs: outputs.as_ptr(),
        output_count: outputs.len(),
        tokens: reply.tokens,
        truncated: reply.truncated,
    });
    Ok(())
}
