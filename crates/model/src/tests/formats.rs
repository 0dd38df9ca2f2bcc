//! Folders that must load, in every dialect.

use candle_core::{DType, Tensor};
use serde_json::json;

use super::folder::{ModelFolder, PIECES, assert_same, classification, config, tensors};
use crate::Head;

fn heads() -> [Head; 5] {
    let labels = vec!["O".to_owned(), "B-city".to_owned()];
    [Head::None, classification(), Head::Regression, Head::TokenClassification { labels }, Head::MaskedLm]
}

#[test]
fn every_head_loads_with_its_labels_and_tensors() {
    for head in heads() {
        let folder = ModelFolder::new(&head);
        let checkpoint = folder.finish().load().unwrap();
        assert_eq!(checkpoint.head, head);
        assert_eq!(checkpoint.config, config());
        assert_same(&checkpoint.tensors, &tensors(&config(), &head));
        assert_eq!(checkpoint.text.pieces(), PIECES);
    }
}

#[test]
fn a_bare_encoder_without_prefix_and_with_tensorflow_names_is_the_same_model() {
    let mut folder = ModelFolder::new(&Head::None);
    folder.rename(|name| {
        name.strip_prefix("bert.")
            .unwrap()
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    });
    assert!(folder.tensors.contains_key("encoder.layer.1.attention.output.LayerNorm.gamma"));
    assert_same(&folder.finish().load().unwrap().tensors, &tensors(&config(), &Head::None));
}

#[test]
fn half_and_bfloat16_weights_are_widened_exactly() {
    for dtype in [DType::F16, DType::BF16] {
        let mut folder = ModelFolder::new(&classification());
        for tensor in folder.tensors.values_mut() {
            *tensor = tensor.to_dtype(dtype).unwrap();
        }
        // The toy's values have seven significant bits.
        assert_same(&folder.finish().load().unwrap().tensors, &tensors(&config(), &classification()));
    }
}

#[test]
fn shards_are_read_together() {
    let folder = ModelFolder::new(&classification());
    folder.write_config();
    let first = |name: &str| name.contains(".layer.0.");
    folder.write_safetensors("model-00001-of-00002.safetensors", first);
    folder.write_safetensors("model-00002-of-00002.safetensors", |name| !first(name));
    let map: serde_json::Map<_, _> = folder
        .tensors
        .keys()
        .map(|name| {
            (name.clone(), json!(format!("model-0000{}-of-00002.safetensors", 2 - u8::from(first(name)))))
        })
        .collect();
    folder.write("model.safetensors.index.json", json!({ "metadata": {}, "weight_map": map }).to_string());

    let checkpoint = folder.load().unwrap();
    assert_same(&checkpoint.tensors, &tensors(&config(), &classification()));
    let read: Vec<_> = checkpoint.hashes().unwrap().into_iter().map(|hash| hash.path).collect();
    assert_eq!(read.len(), 5, "config, index, two shards and the vocabulary: {read:?}");
}

#[test]
fn buffers_and_tied_copies_are_passed_over_and_a_spare_pooler_is_kept() {
    let mut folder = ModelFolder::new(&Head::MaskedLm);
    folder.replace("bert.embeddings.position_ids", &[1, 16], DType::I64);
    folder.replace("cls.predictions.decoder.weight", &[PIECES.len(), 8], DType::F32);
    folder.replace("cls.seq_relationship.weight", &[2, 8], DType::F32);
    folder.replace("bert.pooler.dense.weight", &[8, 8], DType::F32);
    folder.replace("bert.pooler.dense.bias", &[8], DType::F32);
    let found = folder.finish().load().unwrap().tensors;
    assert!(found.contains_key("bert.pooler.dense.weight"));
    assert_eq!(found.len(), tensors(&config(), &Head::MaskedLm).len() + 2);
}

#[test]
fn a_missing_architecture_is_told_from_the_tensors() {
    for head in heads() {
        let mut folder = ModelFolder::new(&head);
        folder.config.as_object_mut().unwrap().remove("architectures");
        assert_eq!(folder.finish().load().unwrap().head, head);
    }
}

#[test]
fn labels_come_from_either_map_and_default_to_the_libraries_two() {
    let mut folder = ModelFolder::new(&classification());
    folder.config["id2label"] = json!(null);
    folder.config["label2id"] = json!({ "yes": 1, "no": 0, "maybe": 2 });
    assert_eq!(folder.finish().load().unwrap().head, classification());

    let two = Head::Classification { labels: vec!["LABEL_0".to_owned(), "LABEL_1".to_owned()] };
    let mut folder = ModelFolder::new(&two);
    folder.config["id2label"] = json!(null);
    assert_eq!(folder.finish().load().unwrap().head, two);
}

#[test]
fn more_than_ten_labels_keep_the_order_of_their_indices() {
    let labels: Vec<_> = (0..12).map(|class| format!("class {class}")).collect();
    let head = Head::Classification { labels };
    assert_eq!(ModelFolder::new(&head).finish().load().unwrap().head, head);
}

/// Tables are padded to a multiple of 8 or 64 by some; transformers reads them, and no id leads to the further rows.
#[test]
fn rows_of_the_embeddings_beyond_the_pieces_are_left_out_and_said() {
    for head in [classification(), Head::MaskedLm] {
        let mut folder = ModelFolder::new(&head);
        let padded = |tensor: &Tensor| tensor.pad_with_zeros(0, 0, 64 - PIECES.len()).unwrap();
        for name in ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"] {
            if let Some(table) = folder.tensors.get_mut(name) {
                *table = padded(table);
            }
        }
        folder.config["vocab_size"] = json!(64);
        let checkpoint = folder.finish().load().unwrap();
        assert_eq!(checkpoint.config, config());
        assert_same(&checkpoint.tensors, &tensors(&config(), &head));
        let said = checkpoint.notice().unwrap();
        assert!(said.contains("54 rows") && said.contains("10 pieces") && said.contains("is 64"), "{said}");
        assert_eq!(ModelFolder::new(&head).finish().load().unwrap().notice(), None);
    }
}

#[test]
fn indices_of_labels_may_be_text() {
    for label2id in
        [json!({ "no": "0", "yes": "1", "maybe": "2" }), json!({ "no": 0, "yes": "1", "maybe": 2 })]
    {
        for id2label in [json!(null), json!({ "0": "no", "1": "yes", "2": "maybe" })] {
            let mut folder = ModelFolder::new(&classification());
            (folder.config["label2id"], folder.config["id2label"]) = (label2id.clone(), id2label);
            assert_eq!(folder.finish().load().unwrap().head, classification());
        }
    }
    let mut folder = ModelFolder::new(&classification());
    folder.config["label2id"] = json!({ "no": "zero" });
    let said = folder.finish().fault();
    assert!(said.contains("label2id") && said.contains("\"no\""), "{said}");
}

#[test]
fn a_configuration_may_have_a_byte_order_mark() {
    let folder = ModelFolder::new(&classification());
    folder.finish().write("config.json", format!("\u{feff}{}", folder.config));
    assert_eq!(folder.load().unwrap().head, classification());
}
