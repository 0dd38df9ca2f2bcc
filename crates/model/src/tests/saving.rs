//! Saving: all or nothing, the same bytes every time, and loadable again.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;

use super::folder::{ModelFolder, assert_same, classification, config, record, tensors, text};
use crate::{Checkpoint, FolderContents, Head, Storage, check_target, save};
use tinybert_base::{FileHash, Result, own_folder};

fn save_classifier(folder: &Path) -> Result<()> {
    save(folder, &config(), &classification(), &tensors(&config(), &classification()), &text(), &record())
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_loaded_with_every_head() {
    let parent = TempDir::new().unwrap();
    let labels = vec!["O".to_owned(), "B".to_owned()];
    let several = Head::MultiLabel { labels: labels.clone(), thresholds: vec![0.37, 0.5] };
    let one = Head::multi_label(vec!["only".to_owned()]);
    let tags = Head::TokenClassification { labels };
    for head in [Head::None, classification(), several, one, Head::Regression, tags, Head::MaskedLm] {
        let folder = parent.path().join("model");
        let tensors = tensors(&config(), &head);
        save(&folder, &config(), &head, &tensors, &text(), &record()).unwrap();
        let loaded = Checkpoint::load(&folder).unwrap();
        assert_eq!(loaded.config, config());
        assert_eq!(loaded.head, head);
        assert_same(&loaded.tensors, &tensors);
        assert_eq!(loaded.text.pieces(), text().pieces());
        assert!(loaded.text.lowercase());
    }
}

#[test]
fn a_multi_label_folder_of_transformers_has_the_usual_thresholds_and_ours_its_own() {
    let head = Head::MultiLabel { labels: vec!["a".to_owned(), "b".to_owned()], thresholds: vec![0.2, 0.9] };
    let theirs = ModelFolder::new(&head).finish().load().unwrap().head;
    assert!(
        theirs == Head::multi_label(head.labels().to_vec())
            && theirs.same_but_thresholds(&head)
            && theirs != head
    );

    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("model");
    save(&folder, &config(), &head, &tensors(&config(), &head), &text(), &record()).unwrap();
    let written: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    assert_eq!(written["architectures"], serde_json::json!(["BertForSequenceClassification"]));
    assert_eq!(written["problem_type"], "multi_label_classification");
    assert_eq!(written["label_thresholds"], serde_json::json!([0.2, 0.9]));
}

#[test]
fn a_saved_folder_has_the_record_and_nothing_beside_it_remains() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/b/model");
    save_classifier(&folder).unwrap();
    assert_eq!(
        names(&folder),
        ["config.json", "model.safetensors", "run.json", "tokenizer_config.json", "vocab.txt"]
    );
    assert_eq!(names(folder.parent().unwrap()), ["model"]);
    let run: Value = serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!(run["program"], "tinybert-compress");
    assert_eq!(run["seed"], 7);
    assert_eq!(run["command"], "init");
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let parent = TempDir::new().unwrap();
    let [one, other] = ["one", "other"].map(|name| parent.path().join(name));
    save_classifier(&one).unwrap();
    save_classifier(&other).unwrap();
    for name in names(&one) {
        assert_eq!(fs::read(one.join(&name)).unwrap(), fs::read(other.join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn half_precision_halves_the_file_and_rounds_each_value_once() {
    let parent = TempDir::new().unwrap();
    let [single, half] = ["single", "half"].map(|name| parent.path().join(name));
    let mut tensors = tensors(&config(), &Head::None);
    for tensor in tensors.values_mut() {
        *tensor = (&*tensor * 0.1).unwrap();
    }
    for (folder, storage) in [(&single, Storage::F32), (&half, Storage::F16)] {
        let (config, head, text, record) = (&config(), &Head::None, &text(), &record());
        let contents = FolderContents { storage, config, head, tensors: &tensors, text, record };
        contents.save(folder, &[]).unwrap();
    }
    let bytes = |folder: &Path| fs::metadata(folder.join("model.safetensors")).unwrap().len();
    let values: usize = tensors.values().map(Tensor::elem_count).sum();
    let saved = bytes(&single) - bytes(&half);
    // Two bytes a value; the headers differ by digits in their offsets.
    assert!(saved.abs_diff(2 * values as u64) < 512, "{saved} bytes saved on {values} values");
    let loaded = Checkpoint::load(&half).unwrap();
    for (name, tensor) in &tensors {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, exact) in values(&loaded.tensors[name]).into_iter().zip(values(tensor)) {
            assert!((found - exact).abs() <= exact.abs() / 2048.0, "{name}: {exact} became {found}");
        }
    }
}

#[test]
fn a_checkpoint_of_ours_is_replaced() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("model");
    save_classifier(&folder).unwrap();
    fs::write(folder.join("metrics.jsonl"), "{}\n").unwrap();
    let tensors = tensors(&config(), &Head::None);
    save(&folder, &config(), &Head::None, &tensors, &text(), &record()).unwrap();
    assert_eq!(Checkpoint::load(&folder).unwrap().head, Head::None);
    assert_eq!(names(parent.path()), ["model"]);
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("model");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.json"), "{}").unwrap();
    let error = save_classifier(&folder).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("not a checkpoint that this program wrote"), "{error}");
    assert_eq!(names(&folder), ["config.json"]);
    assert_eq!(names(parent.path()), ["model"]);
}

#[test]
fn a_checkpoint_with_a_users_file_in_it_is_left_alone() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("model");
    save_classifier(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let error = check_target(&folder).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    save_classifier(&folder).unwrap_err();
    assert!(folder.join("notes.txt").exists());
}

#[test]
fn an_empty_folder_and_a_new_one_can_become_checkpoints() {
    let parent = TempDir::new().unwrap();
    check_target(&parent.path().join("new")).unwrap();
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).unwrap();
    check_target(&empty).unwrap();
    save_classifier(&empty).unwrap();
    Checkpoint::load(&empty).unwrap();
}

#[test]
fn what_a_killed_save_left_is_no_checkpoint_and_is_cleaned_away() {
    let parent = TempDir::new().unwrap();
    let left = parent.path().join(".model.partial");
    own_folder::open(&left).unwrap();
    fs::create_dir(left.join("contents")).unwrap();
    fs::write(left.join("contents/model.safetensors"), "half of it").unwrap();
    let folder = parent.path().join("model");
    assert_eq!(Checkpoint::load(&folder).err().unwrap().exit_code(), 4);
    save_classifier(&folder).unwrap();
    assert_eq!(names(parent.path()), ["model"]);
    Checkpoint::load(&folder).unwrap();
}

#[test]
fn two_processes_cannot_write_the_same_folder() {
    let parent = TempDir::new().unwrap();
    let partial = parent.path().join(".model.partial");
    fs::create_dir(&partial).unwrap();
    let other_process = fs::File::open(&partial).unwrap();
    other_process.lock().unwrap();
    let error = save_classifier(&parent.path().join("model")).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(partial.exists());
}

#[test]
fn a_target_that_cannot_be_made_is_an_io_error_and_leaves_nothing() {
    // A path through a file fails for every user, root included.
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("file"), "").unwrap();
    let error = save_classifier(&parent.path().join("file/model")).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert_eq!(save_classifier(&parent.path().join("file")).unwrap_err().exit_code(), 4);
    assert_eq!(names(parent.path()), ["file"]);
}

#[test]
fn weights_that_are_not_finite_are_never_saved() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("model");
    for bad in [f32::NAN, f32::INFINITY] {
        let mut tensors = tensors(&config(), &Head::None);
        let name = "bert.embeddings.LayerNorm.bias";
        tensors.insert(
            name.to_owned(),
            Tensor::new(&[0.0, bad, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &Device::Cpu).unwrap(),
        );
        let error = save(&folder, &config(), &Head::None, &tensors, &text(), &record()).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn hashes_are_sha256_of_the_files_that_were_read() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("abc");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-2, appendix B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let hash = FileHash::of_file(&path).unwrap();
    assert_eq!((hash.sha256.as_str(), hash.bytes), (expected, 3));

    let folder = parent.path().join("model");
    save_classifier(&folder).unwrap();
    let hashed: Vec<_> = Checkpoint::load(&folder)
        .unwrap()
        .hashes()
        .unwrap()
        .iter()
        .map(|hash| Path::new(&hash.path).file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(hashed, ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"]);
}
