//! The function that adds a signature to a finished image.

use alloc::vec::Vec;

use zerocopy::IntoBytes;

use super::aligned::AlignedBytes;
use super::builder::assemble;
use super::seal::seal;
use crate::records::Signature;
use crate::signature::{Message, digest, message};
use crate::{Error, Image, SectionKind, crc32c};

/// Returns the image with a signature, which replaces a signature that the image has. `signer` returns the Ed25519
/// signature of a message by the private key that belongs to `public_key`. [`SigningKey`](crate::SigningKey) has that
/// key in memory; a key in a hardware token works as well.
///
/// # Errors
/// [`UnsignedWordRows`](Error::UnsignedWordRows) for an image whose word rows are a file of their own; otherwise the
/// error that the reader finds.
pub fn sign(
    image: &Image<'_>,
    public_key: [u8; 32],
    signer: impl FnOnce(&Message) -> [u8; 64],
) -> Result<AlignedBytes, Error> {
    let mut signature = Signature { digest: [0; 32], public_key, signature: [0; 64] };
    let sections: Vec<_> = SectionKind::ALL
        .into_iter()
        .map(|kind| match kind {
            SectionKind::Signature => (kind, Some(signature.as_bytes().to_vec())),
            _ => (kind, image.section(kind).map(Vec::from)),
        })
        .collect();
    let mut file = assemble(&sections);
    signature.digest = digest(&file).ok_or(Error::TooShort)?;
    signature.signature = signer(&message(&signature.digest));
    let place = file.len() - size_of::<Signature>();
    file[place..].copy_from_slice(signature.as_bytes());
    seal(&mut file);
    Image::from_signed_bytes_with(&file, crc32c, &public_key, 0)?;
    Ok(file)
}
