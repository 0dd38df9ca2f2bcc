//! The packed vocabulary: what goes in comes out, and damaged bytes are refused or harmless.

use proptest::prelude::*;
use tinybert_tokenizer::{EncodeError, Options, PackError, Piece, Vocabulary, VocabularyError, pack};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// Packed bytes that bert-base-uncased's 30,522 pieces may take.
const BUDGET: usize = 325_000;

fn with_special<'a>(pieces: &[&'a str]) -> Vec<&'a str> {
    SPECIAL.into_iter().chain(pieces.iter().copied()).collect()
}

fn parse(piece: &str) -> Piece<'_> {
    let text = piece.strip_prefix("##");
    Piece { continuation: text.is_some(), text: text.unwrap_or(piece) }
}

/// Every piece is found by its id and by its text, and nothing else is.
fn check_lookups(pieces: &[&str]) -> usize {
    let packed = pack(pieces, Options::UNCASED).unwrap();
    let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
    assert_eq!(vocabulary.pieces() as usize, pieces.len());
    for (id, piece) in (0..).zip(pieces) {
        let piece = parse(piece);
        assert_eq!(vocabulary.piece(id), Some(piece));
        assert_eq!(vocabulary.id(piece), Some(id));
        let other = Piece { continuation: !piece.continuation, ..piece };
        if let Some(id) = vocabulary.id(other) {
            assert_eq!(vocabulary.piece(id), Some(other));
        }
    }
    assert_eq!(vocabulary.piece(pieces.len() as u32), None);
    assert_eq!(vocabulary.piece(u32::MAX), None);
    assert_eq!(vocabulary.id(parse("not-a-piece")), None);
    packed.len()
}

#[test]
fn pieces_are_found_by_id_and_by_text() {
    check_lookups(&with_special(&["a", "##a", "##", "", "été", "####x", "東", "##東"]));
}

/// `TINYBERT_VOCAB` names the `vocab.txt` of bert-base-uncased.
#[test]
fn a_real_vocabulary_fits_its_budget() {
    let Ok(path) = std::env::var("TINYBERT_VOCAB") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let pieces: Vec<&str> = text.lines().collect();
    let bytes = check_lookups(&pieces);
    println!("{} pieces in {bytes} bytes", pieces.len());
    assert!(pieces.len() != 30_522 || bytes <= BUDGET);
}

/// The last two-byte id, the first four-byte one.
#[test]
fn ids_of_two_and_four_bytes() {
    let words: Vec<String> = (0..65_536 - 4).map(|n| format!("w{n}")).collect();
    let pieces = with_special(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let narrow = check_lookups(&pieces[..65_536]);
    let wide = check_lookups(&pieces);
    assert!(wide > narrow + 2 * 65_536);
}

#[test]
fn of_a_piece_that_occurs_twice_the_last_id_is_found() {
    let packed = pack(&with_special(&["twice", "once", "twice"]), Options::UNCASED).unwrap();
    let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
    assert_eq!(vocabulary.piece(5), Some(parse("twice")));
    assert_eq!(vocabulary.id(parse("twice")), Some(7));
}

#[test]
fn what_cannot_be_packed_is_named() {
    let missing = pack(&["[PAD]", "[UNK]", "[CLS]"], Options::CASED).unwrap_err();
    assert_eq!(missing, PackError::MissingSpecial("[SEP]"));
    let long = "x".repeat(256);
    let error = pack(&with_special(&["fine", &long]), Options::CASED).unwrap_err();
    assert_eq!(error, PackError::PieceTooLong { id: 6, piece: long.clone() });
    assert!(error.to_string().contains("line 7"), "{error}");
    assert!(pack(&with_special(&[&long[1..]]), Options::CASED).is_ok());
}

#[test]
fn optional_special_pieces() {
    let packed = pack(&["[UNK]", "[CLS]", "[SEP]"], Options::CASED).unwrap();
    let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
    assert_eq!((vocabulary.special().pad, vocabulary.special().mask), (None, None));
}

#[test]
fn options_survive() {
    for bits in 0..8 {
        let options =
            Options { lowercase: bits & 1 != 0, strip_accents: bits & 2 != 0, split_chinese: bits & 4 != 0 };
        let packed = pack(&SPECIAL, options).unwrap();
        assert_eq!(Vocabulary::from_bytes(&packed).unwrap().options(), options);
    }
}

#[test]
fn output_too_short() {
    let packed = pack(&SPECIAL, Options::CASED).unwrap();
    let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
    let mut ids = [7; 3];
    assert_eq!(vocabulary.encode("a", None, &mut ids[..2], &mut [7; 9]), Err(EncodeError::OutputTooShort));
    assert_eq!(vocabulary.encode("a", None, &mut ids, &mut [7; 2]), Err(EncodeError::OutputTooShort));
    assert_eq!(ids, [7; 3]);
}

/// Each field of the header and each part, made wrong one at a time. Offsets as in docs/tokenizer-format.md.
#[test]
fn each_kind_of_damage_has_its_error() {
    let pieces = with_special(&["été"]);
    let packed = pack(&pieces, Options::UNCASED).unwrap();
    let error_with = |at: usize, bytes: &[u8]| {
        let mut damaged = packed.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        Vocabulary::from_bytes(&damaged).err()
    };
    let (slots, starts) = (70, 70 + 2 * 7);
    assert_eq!(error_with(0, b"TBIM"), Some(VocabularyError::Header));
    assert_eq!(error_with(4, &[2]), Some(VocabularyError::Header));
    assert_eq!(error_with(6, &[8]), Some(VocabularyError::Header));
    assert_eq!(error_with(56, &[1]), Some(VocabularyError::Header));
    for count in [8, 12, 16] {
        assert_eq!(error_with(count, &[0; 4]), Some(VocabularyError::Header));
        assert_eq!(error_with(count, &[0xff; 4]), Some(VocabularyError::Length));
    }
    assert_eq!(error_with(20, &[0xff; 4]), Some(VocabularyError::Length));
    assert_eq!(error_with(24, &[1, 0, 0, 0]), Some(VocabularyError::Offset));
    for special in 0..5 {
        assert_eq!(error_with(28 + 4 * special, &[5, 0, 0, 0]), Some(VocabularyError::Special));
    }
    assert_eq!(error_with(slots, &[6, 0]), Some(VocabularyError::Slot));
    assert_eq!(error_with(64, &[1, 0, 0, 0]), Some(VocabularyError::Offset), "does not start at 0");
    assert_eq!(error_with(starts + 2, &[0xff, 0x7f]), Some(VocabularyError::Offset), "not ascending");
    assert_eq!(error_with(packed.len() - 1, b"e"), Some(VocabularyError::Text));
    assert_eq!(error_with(packed.len() - 26, b"{"), Some(VocabularyError::Special));
    assert_eq!(Vocabulary::from_bytes(&[]).err(), Some(VocabularyError::Header));
    assert_eq!(error_with(0, &packed), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_vocabulary_keeps_its_pieces(words in prop::collection::btree_set("(##)?\\PC{0,12}", 0..300)) {
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !SPECIAL.contains(word)).collect();
        check_lookups(&with_special(&words));
    }

    #[test]
    fn truncated_bytes_are_refused(words in prop::collection::btree_set("\\PC{1,6}", 0..40), cut in any::<prop::sample::Index>()) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let packed = pack(&with_special(&words), Options::UNCASED).unwrap();
        prop_assert!(Vocabulary::from_bytes(&packed[..cut.index(packed.len())]).is_err());
    }

    /// A bit flip is refused, or the vocabulary can still be used without a panic.
    #[test]
    fn flipped_bits_do_no_harm(
        words in prop::collection::btree_set("(##)?\\PC{1,6}", 0..40),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        text in "\\PC{0,60}",
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut packed = pack(&with_special(&words), Options::UNCASED).unwrap();
        for flip in flips {
            let bit = flip.index(packed.len() * 8);
            packed[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(vocabulary) = Vocabulary::from_bytes(&packed) {
            let (mut ids, mut type_ids) = ([0; 40], [0; 40]);
            let encoded = vocabulary.encode(&text, Some(&words.concat()), &mut ids, &mut type_ids).unwrap();
            prop_assert!(ids[..encoded.tokens].iter().all(|&id| id < vocabulary.pieces()));
            for id in 0..vocabulary.pieces() {
                prop_assert!(vocabulary.piece(id).is_some());
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Vocabulary::from_bytes(&bytes).is_err());
    }
}
