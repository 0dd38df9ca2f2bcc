//! What a program can ask before any answer: about an image, an open model, and this library.

use core::ffi::{CStr, c_char};

use tinybert_runtime::Model;
use tinybert_runtime::image;

use crate::memory::{place, slice};
use crate::{CText, Handle, Kind, Status, call_status};

/// Bytes of a SHA-256.
pub const SHA256_BYTES: usize = 32;

/// The version of this library, with the zero that C wants.
const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version has no zero"),
};

/// Returns the version of this library, such as "0.1.0", ending with a zero. If it is not TINYBERT_VERSION, the program
/// was compiled with the header of another version, and must not call any other function.
#[unsafe(no_mangle)]
pub extern "C" fn tinybert_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Writes to `image_bytes` the length of the image that begins at `slot`, such as a slot of flash that is longer than
/// the image and erased behind it. The length is at most `capacity`, which is the number of bytes of the slot. The slot
/// begins at a multiple of TINYBERT_IMAGE_ALIGNMENT bytes.
///
/// Only the image's header is read; its checksum covers the length. `tinybert_open` with this length checks everything
/// else. The statuses are TINYBERT_STATUS_NOT_AN_IMAGE (also for an erased slot), and TINYBERT_STATUS_IMAGE_DAMAGED,
/// also for a slot that is shorter than the image.
///
/// # Safety
/// `slot` points to `capacity` bytes, `image_bytes` to a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_image_bytes(
    slot: *const u8,
    capacity: usize,
    image_bytes: *mut usize,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (slot, image_bytes) = unsafe { (slice(slot, capacity)?, place(image_bytes)?) };
        image_bytes.write(image::image_bytes(slot).map_err(tinybert_runtime::Error::from)?);
        Ok(())
    })
}

/// Writes the SHA-256 of an image to `sha256`, which has TINYBERT_SHA256_BYTES bytes. It is what `sha256sum` prints of
/// the image's file. The bytes are not checked and need no alignment.
///
/// # Safety
/// `image` points to `image_bytes` bytes, `sha256` to 32 bytes that are nobody else's.
#[cfg(feature = "sha256")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_image_sha256(
    image: *const u8,
    image_bytes: usize,
    sha256: *mut u8,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises. An array of bytes needs no alignment.
        let (image, sha256) =
            unsafe { (slice(image, image_bytes)?, place(sha256.cast::<[u8; SHA256_BYTES]>())?) };
        sha256.write(image::image_sha256(image));
        Ok(())
    })
}

/// Returns the kind of the model's answers; TINYBERT_KIND_NONE if the model is not open.
///
/// # Safety
/// `model` points to a model that is zero or was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_answer_kind(model: *const Handle) -> Kind {
    // SAFETY: as the caller promises.
    unsafe { Handle::get(model) }.map_or(Kind::None, |model| Kind::of(model.config().head))
}

/// Returns the number of labels, whose names `tinybert_label` gives; 0 if the model has none, because its answers are
/// scores or vectors, and 0 if it is not open.
///
/// # Safety
/// `model` points to a model that is zero or was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_label_count(model: *const Handle) -> usize {
    // SAFETY: as the caller promises.
    unsafe { Handle::get(model) }.map_or(0, |model| model.image().labels().len())
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

/// Returns the largest number of tokens of an input, special ones included; 0 if the model is not open. Longer texts
/// are cut, more token ids are refused.
///
/// # Safety
/// `model` points to a model that is zero or was opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_max_tokens(model: *const Handle) -> usize {
    // SAFETY: as the caller promises.
    unsafe { Handle::get(model) }.map_or(0, |model| model.config().max_tokens)
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

/// Writes to `name` the name of the kernels that the model runs on, such as `neon-dotprod`. The name is a part of this
/// library. Every kernel gives the same bits; they differ in speed.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `name` to a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_kernels(model: *const Handle, name: *mut CText) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, name) = unsafe { (Handle::get(model)?, place(name)?) };
        name.write(CText::of(model.kernels().isa().name()));
        Ok(())
    })
}
