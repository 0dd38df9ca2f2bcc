//! Keys in PEM files, as OpenSSL writes them, and signing with them. This is for the host.

use core::fmt;

use ed25519_dalek::pkcs8::{self, DecodePrivateKey, DecodePublicKey, spki};
use ed25519_dalek::{Signer, VerifyingKey};

use crate::writer::sign;
use crate::{AlignedBytes, Error, Image, check_public_key};

/// Why a text is not the key it should be.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no private key.
    Private(pkcs8::Error),
    /// The text is no public key.
    Public(spki::Error),
    /// Anybody could sign for this public key.
    Weak,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(error) => write!(
                f,
                "expected an Ed25519 private key, not encrypted, in PEM (`openssl genpkey -algorithm ed25519`): {error}"
            ),
            Self::Public(error) => write!(
                f,
                "expected an Ed25519 public key in PEM (`openssl pkey -pubout -in PRIVATE_KEY`): {error}"
            ),
            Self::Weak => f.write_str("the public key is of small order: anybody could sign for it"),
        }
    }
}

impl core::error::Error for KeyError {}

/// An Ed25519 private key, wiped from memory when it is dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Reads PKCS#8 in PEM.
    ///
    /// # Errors
    /// The text is something else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(text).map(Self).map_err(KeyError::Private)
    }

    /// Returns the public key that verifies the signatures.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Returns the image with this key's signature. It replaces a signature that the image has.
    ///
    /// # Errors
    /// As [`sign`](crate::sign).
    pub fn sign(&self, image: &Image<'_>) -> Result<AlignedBytes, Error> {
        sign(image, self.public_key(), |message| self.0.sign(message).to_bytes())
    }
}

/// Reads a public key (`SubjectPublicKeyInfo` in PEM) and checks that a device would accept it.
///
/// # Errors
/// The text is something else.
pub fn public_key_from_pem(text: &str) -> Result<[u8; 32], KeyError> {
    let key = VerifyingKey::from_public_key_pem(text).map_err(KeyError::Public)?.to_bytes();
    check_public_key(&key).map_err(|_| KeyError::Weak)?;
    Ok(key)
}
