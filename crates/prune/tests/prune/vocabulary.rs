//! Pruning a vocabulary takes away what it says, and nothing else.

use std::path::Path;

use tinybert_data::collate;
use tinybert_model::{Checkpoint, Head, TextEncoder};
use tinybert_nn::{Bert, Mode, init_parameters};
use tinybert_prune::{Characters, Coverage, PieceCounts, VocabularySettings};
use tinybert_testing::toy;

/// Letters, some of them as continuations only, and words of them; é occurs in a word and never alone.
const PIECES: [&str; 19] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "ab", "abc", "##bc",
    "cab", "caé", "я", "##я", "bca",
];

fn text() -> TextEncoder {
    TextEncoder::from_pieces(PIECES.map(String::from).into(), false).unwrap()
}

fn kept(texts: &[&str], settings: &VocabularySettings) -> Vec<String> {
    let text = text();
    let mut counts = PieceCounts::new(&text);
    counts.add(texts).unwrap();
    let folder = tempfile::tempdir().unwrap();
    counts.keep(settings).unwrap().prune(&model(folder.path(), &Head::MaskedLm)).unwrap().text.pieces()
}

fn model(folder: &Path, head: &Head) -> Checkpoint {
    let config = tinybert_model::BertConfig { vocab_size: PIECES.len(), ..toy::config(2, 16) };
    let tensors = init_parameters(&config, head, 5).unwrap();
    tinybert_model::save(folder, &config, head, &tensors, &text(), &toy::record()).unwrap();
    Checkpoint::load(folder).unwrap()
}

#[test]
fn used_pieces_specials_and_spellings_stay() {
    // "ab" and "cab" are used; "abc", "##bc" and "bca" are not. "caé" stays: é cannot be spelled without it.
    let left = kept(&["ab cab", "ab"], &VocabularySettings::default());
    let expected: Vec<&str> =
        PIECES.into_iter().filter(|piece| !["abc", "##bc", "bca"].contains(piece)).collect();
    assert_eq!(left, expected);
}

#[test]
fn ascii_characters_alone_leave_the_others_out() {
    let settings = VocabularySettings { characters: Characters::Ascii, ..VocabularySettings::default() };
    let left = kept(&["ab"], &settings);
    assert!(left.iter().all(|piece| piece.is_ascii()), "{left:?}");
    let left = kept(&["ab я"], &settings);
    assert!(left.contains(&"я".to_owned()), "what the text uses stays: {left:?}");
}

#[test]
fn rare_pieces_go_first() {
    let texts = ["ab ab ab cab cab bca"];
    let often = VocabularySettings { min_count: 2, ..VocabularySettings::default() };
    assert!(!kept(&texts, &often).contains(&"bca".to_owned()));
    let needed = kept(&[], &VocabularySettings::default()).len();
    let few = VocabularySettings { max_pieces: Some(needed + 1), ..VocabularySettings::default() };
    let left = kept(&texts, &few);
    assert!(left.contains(&"ab".to_owned()) && !left.contains(&"cab".to_owned()), "{left:?}");

    let text = text();
    let none = VocabularySettings { max_pieces: Some(3), ..VocabularySettings::default() };
    let error = PieceCounts::new(&text).keep(&none).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("3 pieces") && error.contains(&needed.to_string()), "{error}");
}

/// Greedy longest-first matching finds the same pieces as long as all of them stay.
#[test]
fn text_that_was_counted_is_answered_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let before = model(&folder.path().join("before"), &Head::None);
    let mut counts = PieceCounts::new(&before.text);
    counts.add(&["ab cab", "bb я"]).unwrap();
    let after = counts.keep(&VocabularySettings::default()).unwrap().prune(&before).unwrap();
    assert_eq!(after.text.vocab_size(), PIECES.len() - 3);
    let path = folder.path().join("after");
    tinybert_model::save(&path, &after.config, &after.head, &after.tensors, &after.text, &toy::record())
        .unwrap();
    let after = Checkpoint::load(&path).unwrap();

    let state = |model: &Checkpoint| -> Vec<u32> {
        let encoded = model.text.encode("cab ab я", Some("bb ab"), 16).unwrap();
        let batch = collate(&[encoded], &[0], model.text.special().pad);
        let output =
            Bert::frozen(&model.config, &model.tensors).unwrap().forward(&batch, Mode::Eval).unwrap();
        let last = output.states.last().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        last.into_iter().map(f32::to_bits).collect()
    };
    assert_eq!(state(&before), state(&after));
}

#[test]
fn a_word_that_could_not_be_spelled_stays_so() {
    // "abx" is "ab" and no more; without "ab" it would be "a" "##bx".
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "ab", "##bx", "abb"];
    let before = TextEncoder::from_pieces(pieces.map(String::from).into(), true).unwrap();
    let mut counts = PieceCounts::new(&before);
    counts.add(&["a ABX"]).unwrap();
    let after = counts.keep(&VocabularySettings::default()).unwrap().text(&before).unwrap();
    assert_eq!(after.pieces(), pieces[..8]);
    let coverage = Coverage::measure(&["a ABX"], &before, &after).unwrap();
    assert_eq!((coverage.words, coverage.same), (2, 2));
    assert_eq!(after.piece_ids("abx").unwrap(), [after.special().unk]);
}

#[test]
fn coverage_counts_words_that_changed_and_words_that_are_lost() {
    let before = text();
    let without = |gone: &[&str]| {
        let left = PIECES.into_iter().filter(|piece| !gone.contains(piece)).map(String::from).collect();
        TextEncoder::from_pieces(left, false).unwrap()
    };
    // "abc" falls apart into "ab" "##c", "я" is lost, "d" was unknown before.
    let coverage = Coverage::measure(&["abc ab", "я d"], &before, &without(&["abc", "я"])).unwrap();
    let expected = Coverage { words: 4, same: 2, lost: 1, pieces_before: 4, pieces_after: 5 };
    assert_eq!(coverage, expected);
}
