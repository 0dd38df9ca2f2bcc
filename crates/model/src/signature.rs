//! Signing images, and the files that keys are in.

use std::path::Path;

use tinybert_base::{Error, Result, files};
use tinybert_image::{AlignedBytes, Image, KeyError, SigningKey, public_key_from_pem};

/// Reads an Ed25519 private key: PKCS#8 in PEM, not encrypted.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for one that is something else.
pub fn read_private_key(path: &Path) -> Result<SigningKey> {
    read(path, SigningKey::from_pem)
}

/// Reads an Ed25519 public key: `SubjectPublicKeyInfo` in PEM.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for one that is something else.
pub fn read_public_key(path: &Path) -> Result<[u8; 32]> {
    read(path, public_key_from_pem)
}

/// Signs an image that is in memory; a signature that it has is replaced.
///
/// # Errors
/// [`Error::Input`] for bytes that are no complete image, and for an image whose word rows are in a file of
/// their own.
pub fn sign(image: &[u8], key: &SigningKey) -> Result<AlignedBytes> {
    let refused = |error| Error::Input(format!("the image cannot be signed: {error}"));
    let image = Image::from_bytes(image).map_err(refused)?;
    if image.word_checks().is_some() {
        return Err(Error::Input(
            "an image whose word rows are in a file of their own (`quantize --word-rows`) cannot be signed: the signature would \
             not cover them; quantize without that option"
                .to_owned(),
        ));
    }
    key.sign(&image).map_err(refused)
}

fn read<K>(path: &Path, parse: impl FnOnce(&str) -> std::result::Result<K, KeyError>) -> Result<K> {
    let bytes = files::read(path)?;
    // PEM is text: other bytes are refused by `parse`.
    parse(&String::from_utf8_lossy(&bytes)).map_err(|error| Error::input(path, error))
}
