//! What an image says about itself, and how old it may be.

use tinybert_runtime::image::Metadata;

use crate::memory::place;
#[cfg(feature = "signature")]
use crate::memory::slice;
use crate::{CText, Handle, Status, call_status};

/// What an image says about itself. The texts lie in the image. A text that the image does not have is empty.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CMetadata {
    /// The name of the model.
    pub name: CText,
    /// The semantic version of the model, such as 1.2.0.
    pub version: CText,
    /// The licence of the model.
    pub license: CText,
    /// When the image was made, in UTC, such as 2026-12-01T13:00:00Z.
    pub created: CText,
    /// How old the image is for tinybert_open_signed_at_least; 0 if the image does not say it.
    pub security_version: u32,
}

/// Writes to `metadata` what the image of an open model says about itself (`quantize --model-name`, `--model-version`,
/// `--license`, `--security-version`, `--created`). Only a signature proves it.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `metadata` to metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_metadata_of(model: *const Handle, metadata: *mut CMetadata) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, place) = unsafe { (Handle::get(model)?, place(metadata)?) };
        let Metadata { name, version, license, created, security_version } =
            model.image().metadata().unwrap_or_default();
        let [name, version, license, created] = [name, version, license, created].map(|text| {
            let text = text.unwrap_or_default();
            CText { bytes: text.as_ptr().cast(), length: text.len() }
        });
        place.write(CMetadata { name, version, license, created, security_version });
        Ok(())
    })
}

/// Does the same as `tinybert_open_signed` for an image whose security version is at least `least_security_version`. It
/// refuses an older image with TINYBERT_STATUS_TOO_OLD, before it reads the image's contents. An image that states no
/// security version has the version 0. The program keeps the least version where nobody can reset it.
///
/// # Safety
/// As for `tinybert_open_signed`.
#[cfg(feature = "signature")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_open_signed_at_least(
    image: *const u8,
    image_bytes: usize,
    public_key: *const u8,
    least_security_version: u32,
    model: *mut Handle,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, image) = unsafe { (Handle::closed(model)?, slice(image, image_bytes)?) };
        // SAFETY: as the caller promises.
        let public_key = unsafe { slice(public_key, crate::PUBLIC_KEY_BYTES)? };
        let public_key = public_key.first_chunk().ok_or(Status::Internal)?;
        model.open(&tinybert_runtime::Model::from_signed_bytes(image, public_key, least_security_version))
    })
}
