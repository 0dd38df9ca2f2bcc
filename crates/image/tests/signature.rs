//! Signed images: what is genuine opens, and nothing else does. The signature itself is tested beside its code.

mod common;

use common::{full_toy, mixed_toy};
use tinybert_image::{
    AlignedBytes, Error, Image, ImageBuilder, KeyError, Panel, SectionKind, SigningKey, crc32c, detach_words,
    public_key_from_pem, repack, seal, sign,
};

/// RFC 8410, section 10.3.
const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
/// RFC 8410, section 10.1: the public key that belongs to it.
const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";
/// The public key of RFC 8032, section 7.1, test 1.
const OTHER_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
    -----END PUBLIC KEY-----\n";

fn trusted() -> [u8; 32] {
    public_key_from_pem(PUBLIC_PEM).unwrap()
}

fn signed(builder: &ImageBuilder) -> AlignedBytes {
    let file = builder.build().unwrap();
    SigningKey::from_pem(PRIVATE_PEM).unwrap().sign(&Image::from_bytes(&file).unwrap()).unwrap()
}

fn open(file: &[u8]) -> Result<Image<'_>, Error> {
    Image::from_signed_bytes_with(file, crc32c, &trusted(), 0)
}

#[test]
fn a_signed_image_opens_with_its_key_and_holds_the_same_model() {
    assert_eq!(SigningKey::from_pem(PRIVATE_PEM).unwrap().public_key(), trusted());
    for builder in [full_toy(), mixed_toy()] {
        let file = signed(&builder);
        let image = open(&file).unwrap();
        assert_eq!(image.signature().unwrap().public_key, trusted());
        assert_eq!(ImageBuilder::from_image(&image), builder);
        let (last, bytes) = image.section_bytes().last().unwrap();
        assert_eq!((last, bytes), (SectionKind::Signature, 128));
        // A reader that trusts nobody reads it too.
        assert_eq!(ImageBuilder::from_image(&Image::from_bytes(&file).unwrap()), builder);
    }
}

#[test]
fn an_image_without_a_signature_is_refused() {
    assert_eq!(open(&full_toy().build().unwrap()).err(), Some(Error::NotSigned));
}

#[test]
fn an_image_signed_by_another_is_refused() {
    let other = public_key_from_pem(OTHER_PEM).unwrap();
    let file = signed(&full_toy());
    assert_eq!(Image::from_signed_bytes_with(&file, crc32c, &other, 0).err(), Some(Error::OtherKey));
}

/// The file with each byte changed in turn and its checksums made right again, with the position of the byte.
fn forgeries(file: &[u8]) -> impl Iterator<Item = (usize, AlignedBytes)> {
    (0..file.len()).map(|position| {
        let mut forged = AlignedBytes::from_slice(file);
        forged[position] ^= 1;
        seal(&mut forged);
        (position, forged)
    })
}

#[test]
fn no_change_passes_behind_right_checksums() {
    let file = signed(&full_toy());
    let [mut as_unsigned, mut forged] = [0; 2];
    for (position, changed) in forgeries(&file) {
        // Checksums themselves are made right again.
        if changed[..] == file[..] {
            continue;
        }
        as_unsigned += usize::from(Image::from_bytes(&changed).is_ok());
        let error = open(&changed).err();
        assert!(error.is_some(), "byte {position}");
        forged += usize::from(error == Some(Error::Forged));
    }
    assert!(as_unsigned > file.len() / 2, "most changes give an image that reads well: {as_unsigned}");
    assert!(forged >= as_unsigned - 32, "of those, all but the named key's are noticed by the signature");
}

#[test]
fn a_new_digest_over_a_changed_image_is_not_a_signature() {
    let file = signed(&full_toy());
    let mut builder = full_toy();
    builder.labels.swap(0, 1);
    let mut forged = signed(&builder);
    let old = file.len() - 64;
    forged[old..].copy_from_slice(&file[old..]);
    seal(&mut forged);
    assert_eq!(open(&forged).err(), Some(Error::Forged));
}

#[test]
fn a_signature_section_of_another_size_is_refused() {
    let file = signed(&full_toy());
    for bytes in [0, 64, 127] {
        let mut cut = file.clone();
        let entry = 64 + 32 * 9;
        cut[entry + 16..entry + 24].copy_from_slice(&u64::to_le_bytes(bytes));
        seal(&mut cut);
        for error in [open(&cut).err(), Image::from_bytes(&cut).err()] {
            assert!(
                matches!(error, Some(Error::SectionSize(_) | Error::FileSize { .. } | Error::Padding)),
                "{bytes} bytes: {error:?}"
            );
        }
    }
}

#[test]
fn an_image_older_than_the_least_version_is_refused() {
    let open = |builder: &ImageBuilder, least| {
        let file = signed(builder);
        Image::from_signed_bytes_with(&file, crc32c, &trusted(), least).map(drop)
    };
    let too_old = |security_version, least| Err(Error::TooOld { security_version, least });
    // The metadata have the security version 7; without the section it is 0.
    for (builder, security_version) in [(mixed_toy(), 7), (full_toy(), 0)] {
        assert_eq!(open(&builder, 0), Ok(()));
        assert_eq!(open(&builder, security_version), Ok(()));
        for least in [security_version + 1, u32::MAX] {
            assert_eq!(open(&builder, least), too_old(security_version, least));
        }
    }
}

/// The version of an image that nobody has signed is not looked at.
#[test]
fn a_forged_version_is_a_forgery() {
    let mut file = signed(&mixed_toy());
    let begins = [7, 0, 0, 0, 1, 0, 0, 0, 13, 0, 0, 0];
    let version = file.windows(begins.len()).position(|bytes| bytes == begins);
    file[version.expect("the section begins with the security version, then the name's key and length")] = 9;
    seal(&mut file);
    assert_eq!(Image::from_bytes(&file).unwrap().metadata().unwrap().security_version, 9);
    assert_eq!(Image::from_signed_bytes_with(&file, crc32c, &trusted(), 8).err(), Some(Error::Forged));
}

#[test]
fn signing_again_replaces_the_signature() {
    let file = signed(&full_toy());
    let key = SigningKey::from_pem(PRIVATE_PEM).unwrap();
    assert_eq!(key.sign(&open(&file).unwrap()).unwrap()[..], file[..]);
}

#[test]
fn what_is_written_anew_is_not_signed() {
    let file = signed(&full_toy());
    let image = open(&file).unwrap();
    let other = repack(&image, Panel { nr: 4, kr: 2 }).unwrap();
    assert!(Image::from_bytes(&other).unwrap().signature().is_none());
    let (detached, _) = detach_words(&image).unwrap();
    assert!(Image::from_bytes(&detached).unwrap().signature().is_none());
}

/// Word rows in a file of their own are under CRC-32Cs alone, which anybody can match.
#[test]
fn an_image_without_its_word_rows_cannot_be_signed() {
    let file = full_toy().build().unwrap();
    let (detached, _) = detach_words(&Image::from_bytes(&file).unwrap()).unwrap();
    let key = SigningKey::from_pem(PRIVATE_PEM).unwrap();
    let refused = key.sign(&Image::from_bytes(&detached).unwrap()).err();
    assert_eq!(refused, Some(Error::UnsignedWordRows));
}

#[test]
fn a_signer_that_signs_something_else_is_noticed() {
    let file = full_toy().build().unwrap();
    let refused = sign(&Image::from_bytes(&file).unwrap(), trusted(), |_| [7; 64]).err();
    assert_eq!(refused, Some(Error::Forged));
}

#[test]
fn other_pem_files_are_not_keys() {
    assert!(matches!(SigningKey::from_pem(PUBLIC_PEM), Err(KeyError::Private(_))));
    assert!(matches!(public_key_from_pem(PRIVATE_PEM), Err(KeyError::Public(_))));
    assert!(matches!(public_key_from_pem(""), Err(KeyError::Public(_))));
    // The neutral element, with which every message is signed.
    let weak = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
        -----END PUBLIC KEY-----\n";
    assert!(matches!(public_key_from_pem(weak), Err(KeyError::Weak)));
}
