//! Byte-level BPE and Unigram tokenizers against transformers (see `reference/own_pieces.py` of the crate `testing`).

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::TextEncoder;

const KINDS: [&str; 2] = ["bpe", "unigram"];

fn reference(kind: &str) -> Value {
    let all: Value =
        serde_json::from_str(include_str!("../../../testing/reference/own_pieces.json")).unwrap();
    all[kind].clone()
}

/// A folder with the tokenizer of `reference`.
fn folder(reference: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::write(folder.path().join(file), reference[file].to_string()).unwrap();
    }
    folder
}

#[test]
fn ids_and_truncation_are_those_of_transformers() {
    for kind in KINDS {
        let reference = reference(kind);
        let encoder = TextEncoder::from_folder(folder(&reference).path()).unwrap();
        assert!(encoder.has_own_pieces());
        for case in reference["cases"].as_array().unwrap() {
            let max_tokens = case["max_tokens"].as_u64().unwrap() as usize;
            let found =
                encoder.encode(case["text"].as_str().unwrap(), case["pair"].as_str(), max_tokens).unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(found.ids, ids, "{kind}: {case}");
            assert_eq!(found.type_ids, vec![0; ids.len()], "{kind}: {case}");
        }
    }
}

#[test]
fn words_begin_where_their_first_token_stands() {
    for kind in KINDS {
        let reference = reference(kind);
        let encoder = TextEncoder::from_folder(folder(&reference).path()).unwrap();
        for case in reference["words"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let expected: Vec<Option<u32>> = serde_json::from_value(case["first_tokens"].clone()).unwrap();
            let (whole, starts) = encoder.encode_words(text, usize::MAX).unwrap();
            assert_eq!(starts, expected, "{kind}: {text:?}");
            let (cut, kept) = encoder.encode_words(text, 6).unwrap();
            assert_eq!(cut.ids.len(), whole.ids.len().min(6));
            let last = cut.ids.len() as u32 - 1;
            let begins = |start: &Option<u32>| start.filter(|&start| start < last);
            assert!(kept.iter().copied().eq(expected.iter().map(begins)), "{kind}: {text:?}");
        }
    }
}

#[test]
fn a_pair_without_room_for_four_special_pieces_is_a_usage_error() {
    let encoder = TextEncoder::from_folder(folder(&reference("bpe")).path()).unwrap();
    assert_eq!(encoder.encode("the", Some("dog"), 3).unwrap_err().exit_code(), 2);
    assert_eq!(encoder.encode("the", Some("dog"), 4).unwrap().ids, [0, 2, 2, 2]);
}

#[test]
fn tokenizers_that_are_not_robertas_are_refused() {
    let refused = |file: &str, pointer: &str, value: Value, parts: &[&str]| {
        let mut reference = reference("unigram");
        *reference[file].pointer_mut(pointer).unwrap() = value;
        let error =
            TextEncoder::from_folder(folder(&reference).path()).err().expect("it is spoilt, but it loads");
        assert_eq!(error.exit_code(), 3, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
        }
    };
    refused("tokenizer_config.json", "/pad_token", json!("<none>"), &["\"<none>\"", "pad_token"]);
    refused("tokenizer.json", "/model/vocab", json!([["a", "b"]]), &["tokenizer.json", "not read"]);
    // BERT's order of special pieces: one separator between the texts.
    let mut pair = reference("unigram")["tokenizer.json"]["post_processor"]["pair"].clone();
    pair.as_array_mut().unwrap().remove(2);
    refused("tokenizer.json", "/post_processor/pair", pair, &["<s> a </s></s> b </s>"]);
}

#[test]
fn other_tokenizer_files_lead_to_tokenizer_json() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("vocab.json"), "{}").unwrap();
    std::fs::write(folder.path().join("merges.txt"), "").unwrap();
    let error = TextEncoder::from_folder(folder.path()).err().unwrap();
    assert!(error.to_string().contains("AutoTokenizer"), "{error}");
}
