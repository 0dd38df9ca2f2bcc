//! Ed25519 signatures of images (RFC 8032, section 5.1.7), verified without a heap, a table or a panic path.
//!
//! Verification handles no secrets and runs once at start, so the few lines below use the small parts of the
//! curve's code alone. The verification of `ed25519-dalek` would link tables and panic paths.

use core::mem::offset_of;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use zerocopy::FromBytes;

use crate::container::Container;
use crate::format::{FileHeader, TableEntry};
use crate::records::Signature;
use crate::sha2::{sha256, sha512};
use crate::{Error, SectionKind};

/// Keeps signatures of images apart from other messages that the key may sign.
const DOMAIN: [u8; 16] = *b"TBIM signature 1";

/// What Ed25519 signs: the domain, then the image's digest.
pub(crate) type Message = [u8; DOMAIN.len() + 32];

/// Refuses an image that has no signature, that was signed with another key than `public_key`, or that was changed
/// afterwards.
#[inline(never)] // Here and below: the hashes and the curve take large stack frames, which must not add up.
pub(crate) fn verify(file: &[u8], container: &Container<'_>, public_key: &[u8; 32]) -> Result<(), Error> {
    let section = container.find(SectionKind::Signature).ok_or(Error::NotSigned)?;
    let signature = Signature::open(section)?;
    if signature.public_key != *public_key {
        return Err(Error::OtherKey);
    }
    let digest = digest(file).ok_or(Error::TooShort)?;
    if signature.digest != digest {
        return Err(Error::Forged);
    }
    verify_message(public_key, &message(&digest), &signature.signature)
}

/// Returns the SHA-256 of everything that is signed: the file without its signature, without the header's two
/// checksums, and without the signature's entry, which is the last one of the table. Returns `None` if the file is too
/// short.
#[inline(never)]
pub(crate) fn digest(file: &[u8]) -> Option<[u8; 32]> {
    let (header, _) = FileHeader::ref_from_prefix(file).ok()?;
    let others = usize::from(header.section_count).checked_sub(1)?.checked_mul(size_of::<TableEntry>())?;
    let (table, sections) = file.split_at_checked(size_of::<FileHeader>())?.1.split_at_checked(others)?;
    let end = sections.len().checked_sub(size_of::<Signature>())?;
    let header = file.get(..offset_of!(FileHeader, table_crc))?;
    Some(sha256(&[header, table, sections.get(size_of::<TableEntry>()..end)?]))
}

pub(crate) fn message(digest: &[u8; 32]) -> Message {
    let mut message = [0; _];
    let bytes = DOMAIN.iter().chain(digest);
    message.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    message
}

/// Refuses bytes that are not an Ed25519 public key: bytes that encode no point of the curve, a point in another
/// encoding than that of RFC 8032, and a point of small order, for which anybody can sign.
///
/// # Errors
/// [`PublicKey`](Error::PublicKey).
pub fn check_public_key(public_key: &[u8; 32]) -> Result<(), Error> {
    point(public_key).map(|_| ())
}

#[inline(never)]
fn point(public_key: &[u8; 32]) -> Result<EdwardsPoint, Error> {
    let point = CompressedEdwardsY(*public_key).decompress();
    let usable = |point: &EdwardsPoint| !point.is_small_order() && point.compress().0 == *public_key;
    point.filter(usable).ok_or(Error::PublicKey)
}

/// Checks that `R = s·B − k·A` for the signature `R ‖ s`, the key `A` and `k = SHA-512(R ‖ A ‖ message)`. A comparison
/// of encodings refuses every other encoding of `R`. `s` must be below the group's order, so that nobody can turn a
/// signature into another one.
#[inline(never)]
fn verify_message(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
    let key = point(public_key)?;
    let ([r, s], _) = signature.as_chunks() else { return Err(Error::Forged) };
    let s: Scalar = Option::from(Scalar::from_canonical_bytes(*s)).ok_or(Error::Forged)?;
    let k = challenge(r, public_key, message);
    if combination(&s, &k, &-&key).compress().0 == *r { Ok(()) } else { Err(Error::Forged) }
}

/// Returns `s·B + k·P`, both products at once, bit by bit from the highest bit (Straus). The multiplication of the
/// curve's crate takes constant time, which nobody needs here, and for that it takes more time and stack.
#[inline(never)]
fn combination(s: &Scalar, k: &Scalar, point: &EdwardsPoint) -> EdwardsPoint {
    let both = ED25519_BASEPOINT_POINT + point;
    let mut sum = EdwardsPoint::identity();
    for (s, k) in s.as_bytes().iter().zip(k.as_bytes()).rev() {
        for bit in (0..8).rev() {
            sum += sum;
            sum += match (s >> bit & 1, k >> bit & 1) {
                (0, 0) => continue,
                (1, 0) => &ED25519_BASEPOINT_POINT,
                (0, _) => point,
                _ => &both,
            };
        }
    }
    sum
}

#[inline(never)]
fn challenge(r: &[u8; 32], public_key: &[u8; 32], message: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&sha512(&[r, public_key, message]))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().as_chunks::<2>().0.iter();
        digits.map(|two| u8::from_str_radix(core::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn array<const N: usize>(hex: &str) -> [u8; N] {
        bytes(hex).try_into().unwrap()
    }

    /// RFC 8032, section 7.1: public key, message, signature.
    const VECTORS: [(&str, &str, &str); 4] = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589\
             09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ];

    #[test]
    fn the_signatures_of_rfc_8032_are_genuine_and_those_with_any_bit_flipped_are_not() {
        for (key, message, signature) in VECTORS {
            let (key, message, signature) = (array(key), bytes(message), array(signature));
            assert_eq!(verify_message(&key, &message, &signature), Ok(()));
            for bit in 0..512 {
                let mut flipped = signature;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(verify_message(&key, &message, &flipped), Err(Error::Forged), "bit {bit}");
            }
            for bit in 0..8 * message.len() {
                let mut flipped = message.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(verify_message(&key, &flipped, &signature), Err(Error::Forged), "bit {bit}");
            }
        }
    }

    #[test]
    fn the_key_of_another_does_not_verify() {
        let (_, message, signature) = VECTORS[1];
        let (other, ..) = VECTORS[2];
        let refused = verify_message(&array(other), &bytes(message), &array(signature));
        assert_eq!(refused, Err(Error::Forged));
    }

    /// Adding the group's order to `s` gives another signature that the equation alone would accept.
    #[test]
    fn a_scalar_beyond_the_order_is_refused() {
        let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        for (key, message, signature) in VECTORS {
            let mut signature: [u8; 64] = array(signature);
            let mut carry = 0;
            for (byte, addend) in signature[32..].iter_mut().zip(&order) {
                carry += u16::from(*byte) + u16::from(*addend);
                *byte = carry as u8;
                carry >>= 8;
            }
            assert_eq!(verify_message(&array(key), &bytes(message), &signature), Err(Error::Forged));
        }
    }

    fn with_sign_bit(mut key: [u8; 32]) -> [u8; 32] {
        key[31] |= 0x80;
        key
    }

    /// The points whose order divides 8. For the first, `R` the same point and `s = 0` fulfil the equation of
    /// every message.
    #[test]
    fn keys_of_small_order_are_refused() {
        let zeros = String::from("00").repeat(31);
        let small = [
            std::format!("01{zeros}"),
            std::format!("ec{}7f", "ff".repeat(30)),
            std::format!("00{zeros}"),
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".into(),
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".into(),
        ];
        for hex in &small {
            let key = array(hex);
            assert!(CompressedEdwardsY(key).decompress().is_some(), "{hex} is a point");
            assert_eq!(check_public_key(&key), Err(Error::PublicKey), "{hex}");
            assert_eq!(check_public_key(&with_sign_bit(key)), Err(Error::PublicKey), "{hex} with the sign");
        }
        let identity: [u8; 32] = array(&small[0]);
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&identity);
        assert_eq!(verify_message(&identity, b"any", &signature), Err(Error::PublicKey));
    }

    /// `y` from the field's prime `2^255 - 19` on encodes what `y` less the prime does.
    #[test]
    fn keys_in_another_encoding_are_refused() {
        for low in 0xed..=0xff {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (low, 0x7f);
            assert_eq!(check_public_key(&key), Err(Error::PublicKey), "{low:x}");
            assert_eq!(check_public_key(&with_sign_bit(key)), Err(Error::PublicKey), "{low:x} with the sign");
        }
        for (key, ..) in VECTORS {
            assert_eq!(check_public_key(&array(key)), Ok(()));
        }
    }
}
