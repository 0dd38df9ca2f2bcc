//! Settings beside a WordPiece vocabulary, of which transformers says whether they change the ids of a text (see
//! `tests/reference/settings.py`).

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::folder::ModelFolder;
use crate::{Head, TextEncoder};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/settings.json")).unwrap()
}

/// The folder of a case.
fn folder(case: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, contents: &str| fs::write(folder.path().join(name), contents).unwrap();
    if case["tokenizer.json"].is_object() {
        write("tokenizer.json", &case["tokenizer.json"].to_string());
        write("tokenizer_config.json", &case["tokenizer_config.json"].to_string());
        return folder;
    }
    let pieces: Vec<String> = serde_json::from_value(reference()["pieces"].clone()).unwrap();
    write("vocab.txt", &(pieces.join("\n") + "\n"));
    let mut config = json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": true });
    let mut file = json!({});
    let changed = if case["file"] == "tokenizer_config.json" { &mut config } else { &mut file };
    changed[case["key"].as_str().unwrap()] = case["value"].clone();
    write("tokenizer_config.json", &config.to_string());
    if case["file"] != "tokenizer_config.json" {
        write(case["file"].as_str().unwrap(), &file.to_string());
    }
    folder
}

/// Settings that are refused although they change no probe.
const STRICTER: [(&str, &str); 2] = [("tokenizer_config.json", "unk_token"), ("added_tokens.json", "subj")];

#[test]
fn what_changes_ids_is_refused_by_file_and_key_and_nothing_else_is() {
    let reference = reference();
    let cases = reference["cases"].as_array().unwrap();
    assert!(cases.iter().filter(|case| case["changes"] == true).count() > 20);
    // Whether a model needs segment types depends on its family (see `a_model_with_segment_types_needs_them`).
    for case in cases.iter().filter(|case| case["key"] != "model_input_names") {
        let [file, key] = ["file", "key"].map(|name| case[name].as_str().unwrap());
        let read = TextEncoder::from_folder(folder(case).path());
        if case["changes"] == true || STRICTER.contains(&(file, key)) {
            let said = read.err().unwrap_or_else(|| panic!("{case} is read")).to_string();
            assert!(said.contains(file) && said.contains(key), "{case}: {said}");
        } else if let Err(error) = read {
            panic!("{case} is refused: {error}");
        }
    }
}

#[test]
fn a_model_with_segment_types_needs_them() {
    let folder = ModelFolder::new(&Head::None);
    let names = |names: &[&str]| json!({ "model_input_names": names }).to_string();
    folder.finish().write("tokenizer_config.json", names(&["input_ids", "attention_mask", "token_type_ids"]));
    folder.load().unwrap();
    folder.write("tokenizer_config.json", names(&["input_ids", "attention_mask"]));
    let said = folder.fault();
    assert!(said.contains("tokenizer_config.json") && said.contains("model_input_names"), "{said}");
}

#[test]
fn a_written_tokenizer_has_nothing_that_nobody_looked_at() {
    let folder =
        folder(&json!({ "file": "tokenizer_config.json", "key": "secret", "value": "of another file" }));
    // What a stranger's link may lead to.
    fs::write(folder.path().join("special_tokens_map.json"), r#"{"password": "private"}"#).unwrap();
    let encoder = TextEncoder::from_folder(folder.path()).unwrap();
    let names: Vec<&str> = encoder.files().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["vocab.txt", "tokenizer_config.json"]);
    for (_, contents) in encoder.files() {
        let contents = String::from_utf8_lossy(contents);
        assert!(!contents.contains("private") && !contents.contains("of another file"), "{contents}");
    }
}

#[test]
fn byte_order_marks_are_no_part_of_the_vocabulary() {
    let with_mark = folder(&json!({ "file": "tokenizer_config.json", "key": "x", "value": 0 }));
    let plain = TextEncoder::from_folder(with_mark.path()).unwrap();
    for name in ["vocab.txt", "tokenizer_config.json"] {
        let path = with_mark.path().join(name);
        let contents = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{contents}")).unwrap();
    }
    let read = TextEncoder::from_folder(with_mark.path()).unwrap();
    assert_eq!(read.pieces(), plain.pieces());
}

/// `docs/checkpoints.md` lists every setting, with what the program does about it.
#[test]
fn every_setting_is_in_the_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/checkpoints.md");
    let document = fs::read_to_string(path).unwrap();
    for case in reference()["cases"].as_array().unwrap() {
        let [file, key] = ["file", "key"].map(|name| case[name].as_str().unwrap());
        let is_listed = file == "added_tokens.json"
            || document.lines().any(|line| line.starts_with("| ") && line.contains(&format!("`{key}`")))
            || ["name_or_path", "subject_token"].contains(&key);
        assert!(is_listed, "{key} of {file} is not in {path}");
    }
}
