//! Damaged images: nothing goes unnoticed, and nothing panics even behind right checksums.

mod common;

use common::{full_toy, mixed_toy};
use proptest::prelude::*;
use tinybert_image::{AlignedBytes, Error, Field, Image, ImageBuilder, SectionKind, image_bytes, seal};

/// Reads everything that an image gives.
fn read_all(bytes: &[u8]) -> Result<(), Error> {
    let image = Image::from_bytes(bytes)?;
    assert_eq!(image.layers().count(), image.config().layers);
    assert_eq!(image.self_tests().count(), image.self_tests().len());
    assert_eq!(image.labels().count(), image.labels().len());
    // Unpacking visits every array.
    let _ = ImageBuilder::from_image(&image);
    Ok(())
}

#[test]
fn a_truncated_or_extended_image_is_refused_at_every_length() {
    for file in [full_toy().build().unwrap(), mixed_toy().build().unwrap()] {
        for length in 0..file.len() {
            assert!(Image::from_bytes(&file[..length]).is_err(), "cut to {length} bytes");
        }
    }
    let file = full_toy().build().unwrap();
    let mut longer = AlignedBytes::zeroed(file.len() + 64);
    longer[..file.len()].copy_from_slice(&file);
    assert_eq!(
        Image::from_bytes(&longer).err(),
        Some(Error::FileSize { stated: file.len() as u64, actual: longer.len() as u64 })
    );
}

#[test]
fn the_length_of_an_image_in_a_slot_comes_from_its_header() {
    let file = full_toy().build().unwrap();
    let mut slot = AlignedBytes::from_slice(&vec![0xff; file.len() + 4096]);
    assert_eq!(image_bytes(&slot), Err(Error::Magic), "an erased slot");
    slot[..file.len()].copy_from_slice(&file);
    let bytes = image_bytes(&slot).unwrap();
    assert_eq!(bytes, file.len());
    assert!(Image::from_bytes(&slot[..bytes]).is_ok());
    assert_eq!(image_bytes(&slot[..bytes]), Ok(bytes));
    let cut = Error::FileSize { stated: bytes as u64, actual: bytes as u64 - 1 };
    assert_eq!(image_bytes(&slot[..bytes - 1]), Err(cut));
    assert_eq!(image_bytes(&slot[1..]), Err(Error::Misaligned));
    for length in 0..64 {
        assert!(image_bytes(&slot[..length]).is_err(), "a slot of {length} bytes");
    }
    // The header has 64 bytes, and every bit of them counts.
    for bit in 0..8 * 64 {
        slot[bit / 8] ^= 1 << (bit % 8);
        assert!(image_bytes(&slot).is_err(), "bit {bit}");
        slot[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    for mut file in [full_toy().build().unwrap(), mixed_toy().build().unwrap()] {
        for position in 0..file.len() {
            for bit in 0..8 {
                file[position] ^= 1 << bit;
                assert!(Image::from_bytes(&file).is_err(), "bit {bit} of byte {position}");
                file[position] ^= 1 << bit;
            }
        }
        assert_eq!(read_all(&file), Ok(()));
    }
}

#[test]
fn flipped_bits_behind_right_checksums_never_panic() {
    for original in [full_toy().build().unwrap(), mixed_toy().build().unwrap()] {
        let mut file = original.clone();
        for position in 0..file.len() {
            for mask in [1, 0x80, 0xff] {
                file.copy_from_slice(&original);
                file[position] ^= mask;
                seal(&mut file);
                let _ = read_all(&file);
            }
        }
    }
}

/// In every encoding, and in panels that are filled up at both ends.
#[test]
fn a_row_sum_that_is_not_of_its_weights_is_found_on_the_host() {
    for builder in [full_toy(), mixed_toy()] {
        let mut file = builder.build().unwrap();
        let image = Image::from_bytes(&file).unwrap();
        assert_eq!(image.check_row_sums(), Ok(()));
        let layers = image.layers().flat_map(|layer| layer.linears());
        let linears = layers.chain(image.head().pooler).chain([image.head().output]);
        let sums = linears.flat_map(|linear| linear.row_sum);
        let places: Vec<_> =
            sums.map(|sum| std::ptr::from_ref(sum) as usize - file.as_ptr() as usize).collect();
        for place in places {
            let original = file.clone();
            // The sum changes by one towards zero, so that it stays within the bounds that opening checks.
            let sum = i32::from_le_bytes(*file[place..].first_chunk().unwrap());
            let wrong = sum - if sum > 0 { 1 } else { -1 };
            file[place..place + 4].copy_from_slice(&wrong.to_le_bytes());
            seal(&mut file);
            let image = Image::from_bytes(&file).unwrap();
            assert_eq!(image.check_row_sums(), Err(Error::Invalid(Field::RowSum)));
            file = original;
        }
    }
}

#[test]
fn the_sections_of_an_image_are_needed_known_and_in_order() {
    let file = full_toy().build().unwrap();
    let with_kind = |index: usize, kind: u32| {
        let mut changed = file.clone();
        changed[64 + 32 * index..][..4].copy_from_slice(&kind.to_le_bytes());
        seal(&mut changed);
        Image::from_bytes(&changed).err()
    };
    assert_eq!(with_kind(8, 14), Some(Error::UnknownSection(14)));
    assert_eq!(with_kind(7, 12), Some(Error::SectionOrder(SectionKind::SelfTest)));
    assert_eq!(
        with_kind(7, 10),
        Some(Error::SectionOrder(SectionKind::SelfTest)),
        "nothing follows a signature"
    );
    assert_eq!(with_kind(0, 0), Some(Error::UnknownSection(0)));
    assert_eq!(with_kind(1, 1), Some(Error::SectionOrder(SectionKind::Configuration)));
    assert_eq!(with_kind(3, 2), Some(Error::SectionOrder(SectionKind::Vocabulary)));
}

/// Header, section table, configuration and two layer records: where sizes and offsets lie.
const SIZES_REGION: usize = (64 + 9 * 32_usize).next_multiple_of(64) + 64 * 3;

/// Values at which sizes, counts and floats go wrong.
const EXTREMES: [u32; 13] =
    [0, 1, 2, 63, 64, 65, 0x7f, 0xff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Sizes, offsets, counts and scales replaced by extreme and by random words.
    #[test]
    fn changed_words_behind_right_checksums_never_panic(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop_oneof![
                prop::sample::select(EXTREMES.to_vec()),
                any::<u32>(),
                0..100_u32,
            ]),
            1..4,
        ),
        mixed: bool,
    ) {
        let mut file = if mixed { mixed_toy() } else { full_toy() }.build().unwrap();
        for (place, near, word) in changes {
            let words = if near { SIZES_REGION } else { file.len() } / 4;
            let start = place.index(words) * 4;
            file[start..start + 4].copy_from_slice(&word.to_le_bytes());
        }
        seal(&mut file);
        let _ = read_all(&file);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), start in any::<bool>()) {
        let mut file = AlignedBytes::from_slice(&bytes);
        if start && file.len() >= 8 {
            file[..8].copy_from_slice(b"TBIM\x03\x00\x03\x00");
        }
        seal(&mut file);
        prop_assert!(Image::from_bytes(&file).is_err());
    }
}
