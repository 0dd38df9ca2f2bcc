//! The metadata section: what it says, and everything that a reader refuses.

mod common;

use std::cmp::Ordering;

use common::{full_toy, metadata, mixed_toy};
use tinybert_image::{
    AlignedBytes, Error, Field, Image, ImageBuilder, Metadata, Panel, SectionKind, detach_words, image_bytes,
    repack, seal, with_metadata,
};

/// An image whose metadata section has these bytes.
fn with_section(section: &[u8]) -> AlignedBytes {
    // One or two texts make room.
    let room = section.len().max(13);
    let made = match room {
        ..268 => Metadata { name: Some("n".repeat(room - 12)), ..Metadata::default() },
        _ => Metadata { name: Some("n".into()), license: Some("l".repeat(room - 21)), ..Metadata::default() },
    };
    let mut file = ImageBuilder { metadata: Some(made), ..full_toy() }.build().unwrap();
    let (kind, bytes) = Image::from_bytes(&file).unwrap().section_bytes().last().unwrap();
    assert_eq!((kind, bytes), (SectionKind::Metadata, room));
    let entry = 64 + 32 * 9;
    let start = usize::try_from(u64::from_le_bytes(*file[entry + 8..].first_chunk().unwrap())).unwrap();
    file[start..].fill(0);
    file[start..][..section.len()].copy_from_slice(section);
    file[entry + 16..entry + 24].copy_from_slice(&(section.len() as u64).to_le_bytes());
    if section.is_empty() {
        // The file ends before a section without bytes.
        let mut cut = AlignedBytes::from_slice(&file[..start]);
        cut[8..16].copy_from_slice(&(start as u64).to_le_bytes());
        file = cut;
    }
    seal(&mut file);
    file
}

fn text(key: u32, text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&key.to_le_bytes(), &(text.len() as u32).to_le_bytes(), text].concat()
}

/// A section with a security version of 3 and these parts behind it.
fn section(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![3, 0, 0, 0], parts.concat()].concat()
}

#[test]
fn metadata_are_what_the_format_describes() {
    let name = text(1, "a name");
    let file =
        with_section(&section(&[name, text(2, "1.2.0"), text(3, "MIT"), text(4, "2026-12-01T13:00:00Z")]));
    let expected = Metadata {
        name: Some("a name"),
        version: Some("1.2.0"),
        license: Some("MIT"),
        created: Some("2026-12-01T13:00:00Z"),
        security_version: 3,
    };
    assert_eq!(Image::from_bytes(&file).unwrap().metadata(), Some(expected));
    let file = with_section(&section(&[text(2, "1.2.0")]));
    let expected = Metadata { version: Some("1.2.0"), security_version: 3, ..Metadata::default() };
    assert_eq!(Image::from_bytes(&file).unwrap().metadata(), Some(expected));
    let file = with_section(&[9, 0, 0, 1]);
    let expected = Metadata { security_version: 0x0100_0009, ..Metadata::default() };
    assert_eq!(Image::from_bytes(&file).unwrap().metadata(), Some(expected));
    assert_eq!(Image::from_bytes(&full_toy().build().unwrap()).unwrap().metadata(), None);
}

#[test]
fn metadata_survive_every_change_of_the_image() {
    let file = mixed_toy().build().unwrap();
    let image = Image::from_bytes(&file).unwrap();
    let repacked = repack(&image, Panel { nr: 4, kr: 8 }).unwrap();
    let (detached, _) = detach_words(&image).unwrap();
    for file in [&file, &repacked, &detached] {
        let found = Image::from_bytes(file).unwrap().metadata().unwrap().to_owned();
        assert_eq!(found, metadata());
    }
}

#[test]
fn metadata_are_added_and_replaced() {
    for builder in [full_toy(), mixed_toy()] {
        let file = builder.build().unwrap();
        let new = Metadata { version: Some("2.0.0".to_owned()), security_version: 8, ..metadata() };
        let changed = with_metadata(&Image::from_bytes(&file).unwrap(), &new).unwrap();
        let expected = ImageBuilder { metadata: Some(new), ..builder };
        assert_eq!(ImageBuilder::from_image(&Image::from_bytes(&changed).unwrap()), expected);
        assert_eq!(changed[..], expected.build().unwrap()[..]);
    }
}

/// The error of an image with this metadata section.
fn refused(section: &[u8]) -> Option<Error> {
    Image::from_bytes(&with_section(section)).err()
}

#[test]
fn a_section_of_a_wrong_length_is_refused() {
    let size = Some(Error::SectionSize(SectionKind::Metadata));
    let whole = section(&[text(1, "name"), text(2, "1.2.0")]);
    // Without its second text the section is whole, too.
    for length in (0..whole.len()).filter(|length| ![4, 4 + 8 + 4].contains(length)) {
        assert_eq!(refused(&whole[..length]), size, "{length} bytes");
    }
    for stated in [5, 0xffff, u32::MAX] {
        let mut wrong = section(&[text(1, "name")]);
        wrong[8..12].copy_from_slice(&stated.to_le_bytes());
        assert_eq!(refused(&wrong), size, "{stated} bytes of a name");
    }
    let mut shorter = section(&[text(1, "name")]);
    shorter[8] = 3;
    assert_eq!(refused(&shorter), size, "a byte behind the last text");
}

#[test]
fn unknown_repeated_and_disordered_keys_are_refused() {
    let key = Some(Error::Invalid(Field::MetadataKey));
    for unknown in [0, 5, 0x0100_0001, u32::MAX] {
        assert_eq!(refused(&section(&[text(unknown, "text")])), key, "{unknown}");
    }
    assert_eq!(refused(&section(&[text(1, "one"), text(1, "two")])), key);
    assert_eq!(refused(&section(&[text(2, "1.2.0"), text(1, "one")])), key);
}

#[test]
fn texts_that_are_not_what_they_should_be_are_refused() {
    let fields = [(1, Field::ModelName), (2, Field::ModelVersion), (3, Field::License), (4, Field::Created)];
    for (key, field) in fields {
        let refused = |bytes: &[u8]| refused(&section(&[text(key, bytes)]));
        for bytes in [&b""[..], b"\xff", b"a\xc3", b"line\n", b"\x1b[2J", b"1.2.0\0", &[b'1'; 256]] {
            assert_eq!(refused(bytes), Some(Error::Invalid(field)), "{key}: {bytes:?}");
        }
    }
    for key in [1, 3] {
        assert_eq!(refused(&section(&[text(key, [b'a'; 255])])), None);
        assert_eq!(refused(&section(&[text(key, "Jäzz 爵士 (v2)")])), None);
    }
    for version in ["1.2", "v1.2.0", "1.2.0 ", "01.2.0", "1.2.0-", "1.2.0+ä"] {
        assert_eq!(
            refused(&section(&[text(2, version)])),
            Some(Error::Invalid(Field::ModelVersion)),
            "{version}"
        );
    }
}

#[test]
fn times_are_those_of_the_calendar() {
    let build = |created: &str| refused(&section(&[text(4, created)]));
    for time in
        ["2024-02-29T00:00:00Z", "2000-02-29T23:59:59Z", "2026-12-31T12:30:00Z", "1970-01-01T00:00:00Z"]
    {
        assert_eq!(build(time), None, "{time}");
    }
    for time in [
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00.5Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01t00:00:00z",
        "2O26-01-01T00:00:00Z",
        "2026-01-01",
    ] {
        assert_eq!(build(time), Some(Error::Invalid(Field::Created)), "{time}");
    }
}

#[test]
fn newer_is_the_security_version_and_then_the_semantic_version() {
    let of =
        |security_version, version| Metadata { version, security_version, ..Metadata::<&str>::default() };
    let ascending = [
        of(0, None),
        of(0, Some("0.9.0")),
        of(0, Some("2.0.0-rc.1")),
        of(0, Some("2.0.0")),
        of(1, None),
        of(1, Some("1.9.0")),
        of(1, Some("1.10.0")),
    ];
    for (index, one) in ascending.iter().enumerate() {
        for (place, other) in ascending.iter().enumerate() {
            assert_eq!(one.precedence(other), index.cmp(&place), "{one:?} {other:?}");
        }
    }
    let name = Metadata { name: Some("a"), ..of(1, None) };
    assert_eq!(name.precedence(&of(1, None)), Ordering::Equal);
}

/// Flash that is erased has ones; what an older image has left there may be anything.
#[test]
fn the_length_of_an_image_in_a_slot_does_not_depend_on_what_lies_behind_it() {
    let file = mixed_toy().build().unwrap();
    for behind in [0xff, 0, 0x5a] {
        for more in [0, 1, 64, 10_000] {
            let mut slot = AlignedBytes::zeroed(file.len() + more);
            slot.fill(behind);
            slot[..file.len()].copy_from_slice(&file);
            assert_eq!(image_bytes(&slot), Ok(file.len()));
            assert!(Image::from_bytes(&slot[..file.len()]).is_ok());
        }
    }
}

/// The power may fail at any moment of an update: no part of an image passes for one, over erased flash or an older
/// image.
#[test]
fn an_image_that_was_written_in_part_is_refused() {
    let (new, old) = (mixed_toy().build().unwrap(), full_toy().build().unwrap());
    for written in (0..new.len()).step_by(16) {
        let mut slot = AlignedBytes::zeroed(new.len().max(old.len()) + 64);
        slot.fill(0xff);
        let mut over_old = slot.clone();
        over_old[..old.len()].copy_from_slice(&old);
        for slot in [&mut slot, &mut over_old] {
            slot[..written].copy_from_slice(&new[..written]);
            let opened = image_bytes(slot).and_then(|bytes| Image::from_bytes(&slot[..bytes]));
            // Before the first byte the older image is whole, and zeros at the end of the new one may be there already.
            let is_whole = slot.starts_with(&old) || slot.starts_with(&new);
            assert_eq!(opened.is_ok(), is_whole, "{written} bytes written");
        }
    }
    let mut cut = AlignedBytes::from_slice(&new[..new.len() - 1]);
    let (stated, actual) = (new.len() as u64, new.len() as u64 - 1);
    assert_eq!(image_bytes(&cut).err(), Some(Error::FileSize { stated, actual }));
    cut[8] ^= 1;
    assert_eq!(image_bytes(&cut).err(), Some(Error::HeaderCrc));
    assert_eq!(image_bytes(&AlignedBytes::zeroed(8)).err(), Some(Error::TooShort));
    assert_eq!(image_bytes(&AlignedBytes::zeroed(64)).err(), Some(Error::Magic));
    let mut erased = AlignedBytes::zeroed(128);
    erased.fill(0xff);
    assert_eq!(image_bytes(&erased).err(), Some(Error::Magic));
    assert_eq!(image_bytes(&erased[1..]).err(), Some(Error::Misaligned));
}
