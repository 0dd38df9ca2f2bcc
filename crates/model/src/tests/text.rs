//! Tokenizer files, and token ids against transformers (see `tests/reference/checkpoint.py`).

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{EncodedInput, TextEncoder};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/text_encoder.json")).unwrap()
}

fn reference_pieces() -> Vec<String> {
    serde_json::from_value(reference()["pieces"].clone()).unwrap()
}

fn ids(list: &Value) -> Vec<u32> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn ids_and_truncation_are_those_of_transformers() {
    let reference = reference();
    let encoders =
        [false, true].map(|lowercase| TextEncoder::from_pieces(reference_pieces(), lowercase).unwrap());
    let cases = reference["cases"].as_array().unwrap();
    assert!(cases.len() > 500);
    for case in cases {
        let encoder = &encoders[usize::from(case["lowercase"] == true)];
        let max_tokens = case["max_tokens"].as_u64().unwrap() as usize;
        let found =
            encoder.encode(case["text"].as_str().unwrap(), case["pair"].as_str(), max_tokens).unwrap();
        assert_eq!(
            found,
            EncodedInput { ids: ids(&case["ids"]), type_ids: ids(&case["type_ids"]) },
            "{case}"
        );
    }
}

#[test]
fn words_begin_where_their_first_token_stands() {
    let reference = reference();
    for case in reference["cases"].as_array().unwrap() {
        let encoder = TextEncoder::from_pieces(reference_pieces(), case["lowercase"] == true).unwrap();
        let text = case["text"].as_str().unwrap();
        let (whole, starts) = encoder.encode_words(text, usize::MAX).unwrap();
        let words = tinybert_tokenizer::words(text).map(|word| encoder.piece_ids(&text[word]).unwrap());
        let mut next = 1;
        for (pieces, start) in words.zip(&starts) {
            assert_eq!(*start, (!pieces.is_empty()).then_some(next as u32), "{text:?}");
            assert_eq!(whole.ids[next..][..pieces.len()], pieces, "{text:?}");
            next += pieces.len();
        }
        assert_eq!(next + 1, whole.ids.len(), "{text:?}");

        let (cut, kept) = encoder.encode_words(text, 5).unwrap();
        let begins = |start: &Option<u32>| start.filter(|&start| (start as usize) < cut.ids.len() - 1);
        assert!(kept.iter().copied().eq(starts.iter().map(begins)), "{text:?}");
    }
}

#[test]
fn a_batch_is_encoded_in_order() {
    let encoder = TextEncoder::from_pieces(reference_pieces(), true).unwrap();
    let texts: Vec<String> = (0..500).map(|i| "the cat ".repeat(i % 7)).collect();
    let inputs: Vec<_> = texts.iter().map(|text| (text.as_str(), Some("sat"))).collect();
    let one_by_one: Vec<_> =
        inputs.iter().map(|(text, pair)| encoder.encode(text, *pair, 9).unwrap()).collect();
    assert_eq!(encoder.encode_all(&inputs, 9).unwrap(), one_by_one);
}

#[test]
fn a_length_without_room_for_the_special_pieces_is_a_usage_error() {
    let encoder = TextEncoder::from_pieces(reference_pieces(), true).unwrap();
    assert_eq!(encoder.encode("the", None, 1).unwrap_err().exit_code(), 2);
    assert_eq!(encoder.encode("the", Some("cat"), 2).unwrap_err().exit_code(), 2);
}

/// A folder with these files; JSON is written as such.
fn folder(files: &[(&str, &Value)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, contents) in files {
        let text = contents.as_str().map_or_else(|| contents.to_string(), str::to_owned);
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn vocab_txt() -> Value {
    json!(reference_pieces().join("\n") + "\n")
}

#[test]
fn tokenizer_json_and_vocab_txt_are_the_same_tokenizer() {
    let definition = &reference()["tokenizer.json"];
    let from_json = TextEncoder::from_folder(folder(&[("tokenizer.json", definition)]).path()).unwrap();
    assert_eq!(from_json.pieces(), reference_pieces());
    assert!(!from_json.lowercase(), "the reference is the cased one");

    let config = json!({ "do_lower_case": false, "cls_token": "[CLS]", "sep_token": { "content": "[SEP]" } });
    let files = [("vocab.txt", &vocab_txt()), ("tokenizer_config.json", &config)];
    let from_list = TextEncoder::from_folder(folder(&files).path()).unwrap();
    assert_eq!(from_list.pieces(), from_json.pieces());
    assert!(!from_list.lowercase());
    let both = [files[0], files[1], ("tokenizer.json", definition)];
    TextEncoder::from_folder(folder(&both).path()).unwrap();

    assert!(TextEncoder::from_folder(folder(&[("vocab.txt", &vocab_txt())]).path()).unwrap().lowercase());
    let windows = json!(reference_pieces().join("\r\n"));
    assert_eq!(
        TextEncoder::from_folder(folder(&[("vocab.txt", &windows)]).path()).unwrap().pieces(),
        reference_pieces()
    );
}

#[track_caller]
fn refused(files: &[(&str, &Value)], parts: &[&str]) {
    let error =
        TextEncoder::from_folder(folder(files).path()).err().expect("the folder is spoilt, but it loads");
    assert_eq!(error.exit_code(), 3, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn tokenizers_that_are_not_berts_are_refused() {
    for (pointer, value, part) in [
        ("/model/type", json!("WordLevel"), "model.type is \"WordLevel\", expected \"WordPiece\""),
        ("/model/continuing_subword_prefix", json!("_"), "continuing_subword_prefix"),
        ("/model/max_input_chars_per_word", json!(200), "expected 100"),
        ("/normalizer/type", json!("NFC"), "BertNormalizer"),
        ("/normalizer/clean_text", json!(false), "clean_text"),
        ("/normalizer/handle_chinese_chars", json!(false), "handle_chinese_chars"),
        ("/normalizer/strip_accents", json!(true), "strip_accents"),
        ("/pre_tokenizer/type", json!("Whitespace"), "BertPreTokenizer"),
        ("/added_tokens/0/content", json!("<extra>"), "<extra>"),
        ("/added_tokens/0/lstrip", json!(true), "lstrip"),
        ("/added_tokens/0/id", json!(9), "another id"),
        ("/model/vocab/the", json!(6), "same id 6"),
        ("/model/vocab/the", json!(25), "ids from 0 to 24"),
        ("/model/vocab", json!(null), "model.vocab is missing"),
    ] {
        let mut definition = reference()["tokenizer.json"].clone();
        *definition.pointer_mut(pointer).unwrap() = value;
        refused(&[("tokenizer.json", &definition)], &["tokenizer.json", part]);
    }
}

#[test]
fn settings_that_change_the_pieces_are_refused() {
    for (config, part) in [
        (json!({ "tokenizer_class": "BertJapaneseTokenizer" }), "BertJapaneseTokenizer"),
        (json!({ "strip_accents": false }), "strip_accents is false"),
        (json!({ "tokenize_chinese_chars": false }), "tokenize_chinese_chars"),
        (json!({ "cls_token": "<s>" }), "cls_token is \"<s>\""),
        (json!({ "mask_token": { "content": "<mask>" } }), "supports [MASK]"),
    ] {
        refused(
            &[("vocab.txt", &vocab_txt()), ("tokenizer_config.json", &config)],
            &["tokenizer_config.json", part],
        );
    }
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let definition = &reference()["tokenizer.json"];
    let other = json!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    refused(&[("tokenizer.json", definition), ("vocab.txt", &other)], &["vocab.txt beside it"]);
    let config = json!({ "do_lower_case": true });
    refused(&[("tokenizer.json", definition), ("tokenizer_config.json", &config)], &["do_lower_case true"]);
}

#[test]
fn bad_vocabularies_are_named() {
    for (list, part) in [
        ("[PAD]\n[UNK]\n[CLS]\nthe\n", "no [SEP]"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\ncat\nthe\n", "pieces 4 and 6 of the vocabulary are both \"the\""),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n\nthe\n", "piece 4 of the vocabulary is empty"),
    ] {
        refused(&[("vocab.txt", &json!(list))], &[part]);
    }
    let folder = folder(&[]);
    std::fs::write(folder.path().join("vocab.txt"), b"[PAD]\n[UNK]\n\xff\n").unwrap();
    let error = TextEncoder::from_folder(folder.path()).err().unwrap().to_string();
    assert!(error.contains("vocab.txt:3: not valid UTF-8"), "{error}");
}
