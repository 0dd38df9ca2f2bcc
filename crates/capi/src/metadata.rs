//! What an image says about itself, and how old it may be.

use tinybert_runtime::image::Metadata;
use tinybert_runtime::image_metadata;

use crate::memory::{one, place, slice};
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
        place.write(CMetadata::of(&model.image().metadata().unwrap_or_default()));
        Ok(())
    })
}

/// Does the same as `tinybert_metadata_of` for an image that is not open, so that a program can choose between two
/// images. The checksums and the metadata are checked, but nothing else: the statuses are TINYBERT_STATUS_NOT_AN_IMAGE
/// and TINYBERT_STATUS_IMAGE_DAMAGED. `image_bytes` is the length of the image, as for `tinybert_open`.
///
/// # Safety
/// `image` points to `image_bytes` bytes, `metadata` to metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_image_metadata(
    image: *const u8,
    image_bytes: usize,
    metadata: *mut CMetadata,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (image, place) = unsafe { (slice(image, image_bytes)?, place(metadata)?) };
        place.write(CMetadata::of(&image_metadata(image)?));
        Ok(())
    })
}

/// Writes to `order` which of two images is newer by what they say about themselves: 1 if `one` is newer than `other`,
/// -1 if it is older, and 0 if neither is. The security versions are compared first, then the semantic versions
/// (semver.org, so that 1.10.0 is newer than 1.9.0); an image without a version is older than one that has one. The
/// names are not compared.
///
/// # Safety
/// `one` and `other` point to metadata whose texts are still there, `order` to an int32_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_metadata_precedence(
    one: *const CMetadata,
    other: *const CMetadata,
    order: *mut i32,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (one, other, order) =
            unsafe { (self::one(one)?.read()?, self::one(other)?.read()?, place(order)?) };
        order.write(one.precedence(&other) as i32);
        Ok(())
    })
}

impl CMetadata {
    /// Returns metadata that C reads as long as the texts are there.
    fn of(metadata: &Metadata<&str>) -> Self {
        let Metadata { name, version, license, created, security_version } = *metadata;
        let [name, version, license, created] =
            [name, version, license, created].map(|text| CText::of(text.unwrap_or_default()));
        Self { name, version, license, created, security_version }
    }

    /// Returns what decides which of two images is newer.
    ///
    /// # Safety
    /// The texts point to as many bytes as they say, for `'t`.
    unsafe fn read<'t>(&self) -> Result<Metadata<&'t str>, Status> {
        // SAFETY: as the caller promises.
        let version = Some(unsafe { self.version.read()? }).filter(|version| !version.is_empty());
        Ok(Metadata { version, security_version: self.security_version, ..Metadata::default() })
    }
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
