//! Folders that must be refused, with a message that says what is wrong.

use std::fs;

use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::folder::{ModelFolder, PIECES, classification};
use crate::{Checkpoint, Head, WORD_EMBEDDINGS};

/// Asserts that a message contains all of these.
#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn a_missing_folder_is_an_io_error() {
    let error = Checkpoint::load("no/such/folder".as_ref()).err().unwrap();
    assert_eq!(error.exit_code(), 4);
    says(&error.to_string(), &["no/such/folder"]);
}

#[test]
fn missing_files_are_named() {
    let folder = ModelFolder::new(&Head::None);
    says(&folder.fault(), &["config.json is missing"]);
    folder.write_config();
    says(&folder.fault(), &["no weights", "model.safetensors", "pytorch_model.bin"]);
    folder.finish();
    fs::remove_file(folder.file("vocab.txt")).unwrap();
    says(&folder.fault(), &["tokenizer.json", "vocab.txt"]);
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for name in ["model.safetensors", "config.json", "vocab.txt"] {
        let folder = ModelFolder::new(&Head::None);
        folder.finish().write(name, pointer);
        says(&folder.fault(), &[name, "Git-LFS pointer", "git lfs pull"]);
    }
}

#[test]
fn truncated_weights_are_named_with_both_lengths() {
    let folder = ModelFolder::new(&Head::None);
    folder.finish();
    let whole = fs::read(folder.file("model.safetensors")).unwrap();
    for keep in [0, 7, 8, 100, whole.len() - 1] {
        folder.write("model.safetensors", &whole[..keep]);
        says(&folder.fault(), &["model.safetensors", "truncated", &format!("the file has {keep};")]);
    }
    folder.write("model.safetensors", [&whole[..], b"more"].concat());
    says(&folder.fault(), &["damaged", &format!("describes {} bytes", whole.len())]);
}

#[test]
fn a_file_of_another_format_is_no_safetensors_file() {
    let folder = ModelFolder::new(&Head::None);
    folder.finish().write("model.safetensors", "<!DOCTYPE html><html>not found</html>");
    says(&folder.fault(), &["not a safetensors file"]);
}

#[test]
fn a_damaged_header_is_refused() {
    let folder = ModelFolder::new(&Head::None);
    folder.write_config();
    let write = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        folder.write("model.safetensors", bytes);
    };
    for (header, data) in [
        ("{", 0),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8),
        (r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#, 4),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4),
    ] {
        write(header, data);
        says(&folder.fault(), &["damaged safetensors header"]);
    }
}

#[test]
fn the_audit_lists_every_wrong_tensor_at_once() {
    let mut folder = ModelFolder::new(&classification());
    folder.tensors.remove("bert.encoder.layer.1.attention.self.key.bias");
    folder.replace("bert.encoder.layer.0.intermediate.dense.weight", &[16, 8], DType::F32);
    folder.replace("bert.encoder.layer.0.output.LayerNorm.bias", &[8], DType::I64);
    folder.replace("bert.encoder.layer.2.output.dense.bias", &[8], DType::F32);
    says(
        &folder.finish().fault(),
        &[
            "bert.encoder.layer.1.attention.self.key.bias: missing, expected [8]",
            "bert.encoder.layer.0.intermediate.dense.weight: expected [12, 8], found [16, 8]",
            "intermediate_size is 12 by config.json and 16 by the weights",
            "bert.encoder.layer.0.output.LayerNorm.bias: expected F32, F16 or BF16, found I64",
            "bert.encoder.layer.2.output.dense.bias: not expected",
            "num_hidden_layers 2",
        ],
    );
}

#[test]
fn a_stored_name_is_shown_where_it_differs() {
    let mut folder = ModelFolder::new(&Head::None);
    folder.rename(|name| name.strip_prefix("bert.").unwrap().to_owned());
    folder.replace("embeddings.word_embeddings.weight", &[99, 8], DType::F32);
    says(
        &folder.finish().fault(),
        &[
            "bert.embeddings.word_embeddings.weight (stored as embeddings.word_embeddings.weight): \
             expected [10, 8], found [99, 8]",
            "vocab_size is 10 by config.json and 99 by the weights",
        ],
    );
}

#[test]
fn a_teacher_without_its_head_is_told_to_be_fine_tuned() {
    let mut folder = ModelFolder::new(&Head::None);
    folder.config["architectures"] = json!(["BertForSequenceClassification"]);
    says(&folder.finish().fault(), &["classifier.weight: missing, expected [2, 8]", "before fine-tuning"]);
}

#[test]
fn a_label_count_that_is_not_the_classifiers_is_named() {
    let mut folder = ModelFolder::new(&classification());
    folder.config["id2label"] = json!({ "0": "no", "1": "yes" });
    says(
        &folder.finish().fault(),
        &["classifier.weight: expected [2, 8], found [3, 8]", "number of labels in id2label is 2"],
    );
}

#[test]
fn the_weights_of_another_kind_of_model_are_seen_as_such() {
    let mut folder = ModelFolder::new(&Head::None);
    folder.rename(|name| name.replace("bert.", "roberta."));
    says(&folder.finish().fault(), &["do not look like BERT's", "roberta."]);
}

#[test]
fn a_tensor_stored_twice_is_refused() {
    let mut folder = ModelFolder::new(&Head::None);
    let copy = folder.tensors[WORD_EMBEDDINGS].clone();
    folder.tensors.insert("embeddings.word_embeddings.weight".to_owned(), copy);
    says(&folder.finish().fault(), &["are the same one", WORD_EMBEDDINGS]);
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let mut folder = ModelFolder::new(&Head::None);
    let values = Tensor::new(&[0f32, 0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0], &Device::Cpu).unwrap();
    folder.tensors.insert("bert.embeddings.LayerNorm.bias".to_owned(), values);
    says(&folder.finish().fault(), &["bert.embeddings.LayerNorm.bias", "value 2 is NaN"]);
}

#[test]
fn a_vocabulary_of_another_size_is_named() {
    let folder = ModelFolder::new(&Head::None);
    let more = PIECES.map(|piece| format!("{piece}\n")).concat() + "more\n";
    folder.finish().write("vocab.txt", more);
    says(&folder.fault(), &["11 pieces", "vocab_size is 10"]);
}

#[test]
fn settings_beyond_bert_are_refused_with_what_is_supported() {
    for (key, value, parts) in [
        ("model_type", json!("xlnet"), ["xlnet", "\"bert\""]),
        ("model_type", json!(null), ["model_type is missing", "\"bert\""]),
        ("hidden_act", json!("gelu_new"), ["gelu_new", "erf"]),
        ("position_embedding_type", json!("relative_key"), ["relative_key", "absolute"]),
        ("is_decoder", json!(true), ["is_decoder", "encoders"]),
        (
            "architectures",
            json!(["BertForQuestionAnswering"]),
            ["BertForQuestionAnswering", "BertForMaskedLM"],
        ),
        ("num_attention_heads", json!(3), ["hidden_size 8", "heads that fit: 1, 2, 4, 8"]),
        ("num_hidden_layers", json!(1_000_000_000), ["num_hidden_layers is 1000000000", "1 to 256"]),
        ("hidden_size", json!("eight"), ["config.json:1", "invalid type"]),
        ("intermediate_size", json!(null), ["missing intermediate_size", "config.json"]),
    ] {
        let mut folder = ModelFolder::new(&Head::None);
        folder.config[key] = value;
        says(&folder.finish().fault(), &parts);
    }
}

#[test]
fn labels_that_contradict_themselves_are_refused() {
    for (id2label, label2id, part) in [
        (json!({ "0": "no", "1": "yes", "3": "maybe" }), json!(null), "[0, 1, 3]"),
        (json!({ "0": "no", "1": "yes", "2": "no" }), json!(null), "\"no\" twice"),
        (json!({ "zero": "no" }), json!(null), "\"zero\""),
        (
            json!({ "0": "no", "1": "yes", "2": "maybe" }),
            json!({ "yes": 0, "no": 1, "maybe": 2 }),
            "contradict",
        ),
    ] {
        let mut folder = ModelFolder::new(&classification());
        folder.config["id2label"] = id2label;
        folder.config["label2id"] = label2id;
        says(&folder.finish().fault(), &["config.json", part]);
    }
}

#[test]
fn the_number_of_labels_is_bounded() {
    let mut folder = ModelFolder::new(&classification());
    folder.config["id2label"] = json!(null);
    folder.config["num_labels"] = json!(1_000_000_000_000_u64);
    says(&folder.finish().fault(), &["config.json", "num_labels gives 1000000000000 labels"]);
}

#[test]
fn settings_that_change_every_family_are_refused_by_name() {
    for (key, value) in [
        ("add_cross_attention", json!(true)),
        ("is_encoder_decoder", json!(true)),
        ("quantization_config", json!({ "quant_method": "gptq" })),
    ] {
        let mut folder = ModelFolder::new(&Head::None);
        folder.config[key] = value;
        says(&folder.finish().fault(), &["config.json", key]);
        folder.config[key] = json!(null);
        folder.finish().load().unwrap();
    }
    let folder = ModelFolder::new(&Head::None);
    folder.finish().write("adapter_config.json", "{}");
    says(&folder.fault(), &["adapter_config.json", "merge_and_unload"]);
}

#[test]
fn files_that_never_end_or_are_too_large_are_refused() {
    let folder = ModelFolder::new(&Head::None);
    std::os::unix::fs::symlink("/dev/zero", folder.finish().file("special_tokens_map.json")).unwrap();
    says(&folder.fault(), &["special_tokens_map.json", "not a regular file"]);
    let folder = ModelFolder::new(&Head::None);
    folder.finish();
    fs::remove_file(folder.file("model.safetensors")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.file("model.safetensors")).unwrap();
    says(&folder.fault(), &["model.safetensors", "not a regular file"]);
    let folder = ModelFolder::new(&Head::None);
    folder.finish();
    fs::File::create(folder.file("tokenizer.json")).unwrap().set_len(1 << 40).unwrap();
    says(&folder.fault(), &["tokenizer.json", "1099511627776 bytes"]);
}

#[test]
fn a_large_file_that_is_no_image_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.tbim");
    fs::File::create(&path).unwrap().set_len(1 << 42).unwrap();
    let error = crate::image_file::ImageFile::open(&path).err().unwrap();
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[test]
fn problems_without_a_head_here_are_refused() {
    let mut folder = ModelFolder::new(&classification());
    folder.config["problem_type"] = json!("ranking");
    says(&folder.finish().fault(), &["ranking", "single_label_classification", "multi_label_classification"]);
}

#[test]
fn thresholds_are_one_for_each_label_between_0_and_1() {
    let head = Head::multi_label(classification().labels().to_vec());
    for (thresholds, parts) in [
        (json!([0.5, 0.5]), &["2 numbers", "each of 3 labels"][..]),
        (json!([0.5, 0.0, 0.5]), &["has 0 for \"yes\"", "above 0 and below 1"]),
        (json!([0.5, 0.5, 1.0]), &["has 1 for \"maybe\""]),
        (json!([-0.5, 0.5, 0.5]), &["has -0.5 for \"no\""]),
        (json!([0.5, 0.5, "0.5"]), &["invalid type"]),
        (json!({ "no": 0.5 }), &["invalid type"]),
    ] {
        let mut folder = ModelFolder::new(&head);
        folder.config["label_thresholds"] = thresholds;
        says(&folder.finish().fault(), &[&["config.json"], parts].concat());
    }
}

#[test]
fn json_that_is_no_object_is_refused_by_its_file() {
    let folder = ModelFolder::new(&Head::None);
    folder.finish().write("config.json", "[1]");
    says(&folder.fault(), &["config.json", "expected a JSON object"]);
}

#[test]
fn bad_json_is_named_with_its_line() {
    let folder = ModelFolder::new(&Head::None);
    folder.finish().write("config.json", "{\n \"model_type\": \"bert\",\n}");
    says(&folder.fault(), &["config.json:3"]);
}

fn sharded(shard: &str) -> ModelFolder {
    let folder = ModelFolder::new(&Head::None);
    folder.write_config();
    folder.write_safetensors("shard.safetensors", |_| true);
    let map: serde_json::Map<_, _> = folder.tensors.keys().map(|name| (name.clone(), json!(shard))).collect();
    folder.write("model.safetensors.index.json", json!({ "weight_map": map }).to_string());
    folder
}

#[test]
fn an_index_cannot_lead_out_of_its_folder() {
    sharded("shard.safetensors").load().unwrap();
    for shard in ["../shard.safetensors", "/etc/passwd", "sub/shard.safetensors", "..", "."] {
        says(&sharded(shard).fault(), &[shard, "not a plain file name"]);
    }
}

#[test]
fn a_missing_shard_or_tensor_is_named() {
    says(&sharded("other.safetensors").fault(), &["other.safetensors is missing"]);
    let folder = sharded("shard.safetensors");
    folder.write_safetensors("shard.safetensors", |name| name != WORD_EMBEDDINGS);
    says(&folder.fault(), &[WORD_EMBEDDINGS, "is not in shard shard.safetensors"]);
}
