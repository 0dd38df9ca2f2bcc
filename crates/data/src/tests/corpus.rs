use std::borrow::BorrowMut;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::Folder;
use crate::{Corpus, WindowSettings};
use tinybert_base::{Context, Error};
use tinybert_model::TextEncoder;

/// `a` to `e` are words, `##x` continues one.
fn encoder() -> TextEncoder {
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "b", "c", "d", "e", "##x"];
    TextEncoder::from_pieces(pieces.map(String::from).to_vec(), true).expect("a valid vocabulary")
}

fn settings(max_tokens: usize) -> WindowSettings {
    WindowSettings { max_tokens, limit: None, seed: 0 }
}

fn open(content: &str) -> Corpus {
    let folder = Folder::new();
    Corpus::open(&[folder.write("corpus.txt", content)], Path::new(".")).expect("a valid corpus")
}

/// Windows as words, without `[CLS]` and `[SEP]`, which must be there.
fn windows(mut corpus: impl BorrowMut<Corpus>, settings: WindowSettings) -> Vec<String> {
    let text = encoder();
    let set = corpus.borrow_mut().windows(&text, settings, &Context::default()).expect("windows");
    (0..set.len())
        .map(|sample| {
            let [cls, inner @ .., sep] = &set.ids(sample).expect("ids")[..] else {
                panic!("a window without [CLS] and [SEP]")
            };
            assert_eq!((*cls, *sep), (text.special().cls, text.special().sep));
            inner.iter().map(|&id| text.pieces()[id as usize].clone()).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[test]
fn windows_hold_whole_sentences_of_one_document() {
    let mut corpus = open("a b. c.\nd e.\n\nb.\n");
    assert_eq!(corpus.documents(), 2);
    assert_eq!(windows(&mut corpus, settings(7)), ["a b . c .", "d e .", "b ."]);
    assert_eq!(windows(&mut corpus, settings(10)), ["a b . c . d e .", "b ."]);
}

#[test]
fn a_sentence_longer_than_a_window_is_cut_between_words() {
    assert_eq!(windows(open("a b cx d.\n"), settings(5)), ["a b", "c ##x d", "."]);
    // One word alone is longer than the window.
    assert_eq!(windows(open("axxxx b\n"), settings(4)), ["a ##x", "##x ##x", "##x b"]);
}

#[test]
fn the_text_of_a_window_has_its_pieces() {
    let text = encoder();
    let texts = |content: &str, max_tokens| {
        let mut corpus = open(content);
        let (set, texts) =
            corpus.windows_with_texts(&text, settings(max_tokens), &Context::default()).expect("windows");
        let texts: Vec<_> = (0..texts.len()).map(|window| texts.get(window).expect("a text")).collect();
        assert_eq!(texts.len(), set.len());
        for (sample, own) in texts.iter().enumerate() {
            let ids = text.encode(own, None, 99).expect("valid text").ids;
            assert_eq!(ids, set.ids(sample).expect("ids"), "{own:?}");
        }
        texts.iter().map(|text| text.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("a b. c.\nd e.\n\nb.\n", 7), ["a b. c.", "d e.", "b."]);
    assert_eq!(texts("a b. c.\nd e.\n\nb.\n", 10), ["a b. c.\nd e.", "b."]);
    assert_eq!(texts("a b cx d.\n", 5), ["a b", "cx d", "."]);
}

#[test]
fn a_document_that_is_read_in_parts_gives_the_same_windows_and_texts() {
    let text = encoder();
    let line = "a b. c dx. e.";
    for lines in [1, 2, 3, 40] {
        let parts = vec![line; lines].join("\n") + "\n\nb.\n";
        // One line is one part, whatever its length.
        let whole = vec![line; lines].join(" ") + "\n\nb.\n";
        assert_eq!(windows(open(&parts), settings(9)), windows(open(&whole), settings(9)), "{lines} lines");

        let mut corpus = open(&parts);
        let (set, texts) =
            corpus.windows_with_texts(&text, settings(9), &Context::default()).expect("windows");
        for sample in 0..set.len() {
            let own = texts.get(sample).expect("a text");
            let ids = text.encode(&own, None, 99).expect("valid text").ids;
            assert_eq!(ids, set.ids(sample).expect("ids"), "{own:?}");
        }
        let mut read = Vec::new();
        corpus
            .read_texts(|texts| {
                read.extend_from_slice(texts);
                Ok(())
            })
            .expect("texts");
        assert_eq!(read.concat(), parts.replace("\n\n", "\n"));
    }
}

#[test]
fn a_file_that_changes_is_noticed() {
    let folder = Folder::new();
    let path = folder.write("corpus.txt", "a b.\n\nc.\n");
    let mut corpus = Corpus::open(&[path], &folder.path()).expect("a valid corpus");
    let (_, texts) =
        corpus.windows_with_texts(&encoder(), settings(8), &Context::default()).expect("windows");
    assert_eq!(texts.get(1).expect("a text").trim(), "c.");
    folder.write("corpus.txt", "a");
    let error = texts.get(1).expect_err("a fault").to_string();
    assert!(error.contains("corpus.txt: the file has changed"), "{error}");
    assert!(corpus.windows(&encoder(), settings(8), &Context::default()).is_err());
    assert!(corpus.read_texts(|_| Ok(())).is_err());
}

#[test]
fn a_limit_ends_within_a_long_document() {
    let limited = |limit| WindowSettings { limit, ..settings(6) };
    let content = "a b. c.\n".repeat(100);
    let all = windows(open(&content), limited(None));
    // Windows of 5 and of 4 tokens take turns.
    assert_eq!(windows(open(&content), limited(Some(60)))[..], all[..13]);
}

#[test]
fn blank_lines_of_any_kind_and_number_part_documents() {
    assert_eq!(open("\n\na\r\n\r\n \t\nb\nc\n\n\n").documents(), 2);
    assert_eq!(open("\u{feff}a").documents(), 1);
    assert_eq!(windows(open("a\n\nb"), settings(8)), ["a", "b"]);
}

#[test]
fn a_limit_draws_documents_by_the_seed() {
    let content = ["a", "b", "c", "d", "e"].map(|word| format!("{word}.\n\n")).concat().repeat(20);
    let mut corpus = open(&content);
    let limited = |seed| WindowSettings { limit: Some(80), seed, ..settings(8) };
    let draw = windows(&mut corpus, limited(1));
    assert_eq!(draw.len(), 20, "4 tokens each");
    assert_eq!(draw, windows(&mut corpus, limited(1)));
    assert_ne!(draw, windows(&mut corpus, limited(2)));
    assert_ne!(draw, windows(&mut corpus, settings(8))[..20]);
}

#[test]
fn files_are_read_one_after_the_other() {
    let folder = Folder::new();
    let paths = [folder.write("1.txt", "a"), folder.write("2.txt", "b")];
    let mut corpus = Corpus::open(&paths, &folder.path()).expect("a valid corpus");
    assert_eq!(windows(&mut corpus, settings(8)), ["a", "b"]);
}

#[test]
fn faults_name_the_file_and_the_line() {
    let folder = Folder::new();
    let fault = |content: &[u8]| match Corpus::open(&[folder.write("corpus.txt", content)], &folder.path()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a fault was expected"),
    };
    assert!(fault(b"a\n\nb\xc3(\n").contains("corpus.txt:3: byte 0xc3 is not UTF-8"));
    assert!(fault(b"\n \n").contains("corpus.txt: there is no text"));
    assert!(matches!(open("a").windows(&encoder(), settings(2), &Context::default()), Err(Error::Usage(_))));
}

#[test]
fn the_user_may_stop_it() {
    let stop = AtomicBool::new(true);
    let context = Context { stop: &stop, ..Context::default() };
    assert!(matches!(open("a").windows(&encoder(), settings(8), &context), Err(Error::Interrupted(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every token of the corpus is in exactly one window, in order, and no window is too long.
    #[test]
    fn no_token_is_lost(content in "([abcdex. ]{0,20}\n){1,12}", max_tokens in 3usize..12) {
        prop_assume!(!content.trim().is_empty());
        let text = encoder();
        let set = open(&content).windows(&text, settings(max_tokens), &Context::default()).expect("windows");
        let inner = |sample| {
            let ids = set.ids(sample).expect("ids");
            ids[1..ids.len() - 1].to_vec()
        };
        let packed: Vec<u32> = (0..set.len()).flat_map(inner).collect();
        prop_assert_eq!(packed, text.piece_ids(&content).expect("valid text"));
        prop_assert!(set.lengths().expect("lengths").iter().all(|length| (3..=max_tokens).contains(length)));
    }
}
