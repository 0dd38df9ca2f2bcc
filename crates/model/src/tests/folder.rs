//! A tiny model folder, correct until a test spoils it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BertConfig, Checkpoint, Head, RunRecord, Tensors, TextEncoder, expected_shapes, preset};

/// Pieces of the toy vocabulary.
pub const PIECES: [&str; 10] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "."];

pub fn config() -> BertConfig {
    BertConfig {
        vocab_size: PIECES.len(),
        hidden_size: 8,
        embedding_size: None,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 12,
        max_position_embeddings: 16,
        ..preset("tinybert-4l-312").unwrap()
    }
}

pub fn classification() -> Head {
    Head::Classification { labels: vec!["no".to_owned(), "yes".to_owned(), "maybe".to_owned()] }
}

pub fn text() -> TextEncoder {
    TextEncoder::from_pieces(PIECES.map(str::to_owned).to_vec(), true).unwrap()
}

pub fn record() -> RunRecord {
    RunRecord { metrics: json!({}), ..RunRecord::new("init", json!({ "preset": null }), 7, vec![]) }
}

/// Every tensor of the head's model, all values distinct and exact in half and in bfloat16 precision's range of
/// small integers.
pub fn tensors(config: &BertConfig, head: &Head) -> Tensors {
    let mut tensors = Tensors::new();
    for (number, (name, shape)) in expected_shapes(config, head).into_iter().enumerate() {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|i: usize| ((i * 7 + number) % 128) as f32 / 64.0 - 1.0)
            .collect();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    tensors
}

/// A folder as transformers writes it, to be spoilt.
pub struct ModelFolder {
    pub tensors: BTreeMap<String, Tensor>,
    pub config: Value,
    folder: TempDir,
}

impl ModelFolder {
    /// A complete folder with this head.
    pub fn new(head: &Head) -> Self {
        let config = config();
        let architecture = match head {
            Head::None | Head::Embedding { .. } => "BertModel",
            Head::Classification { .. } | Head::MultiLabel { .. } | Head::Regression => {
                "BertForSequenceClassification"
            }
            Head::TokenClassification { .. } => "BertForTokenClassification",
            Head::MaskedLm => "BertForMaskedLM",
        };
        let mut json = json!({
            "architectures": [architecture], "model_type": "bert", "hidden_act": "gelu",
            "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
            "num_hidden_layers": config.num_hidden_layers, "num_attention_heads": config.num_attention_heads,
            "intermediate_size": config.intermediate_size, "max_position_embeddings": config.max_position_embeddings,
            "transformers_version": "4.8.2", "gradient_checkpointing": false,
        });
        if !head.labels().is_empty() {
            json["id2label"] =
                head.labels().iter().enumerate().map(|(id, label)| (id.to_string(), json!(label))).collect();
        }
        if matches!(head, Head::MultiLabel { .. }) {
            json["problem_type"] = json!("multi_label_classification");
        }
        if *head == Head::Regression {
            json["id2label"] = json!({ "0": "LABEL_0" });
        }
        let this = Self { tensors: tensors(&config, head), config: json, folder: TempDir::new().unwrap() };
        this.write("vocab.txt", PIECES.map(|piece| format!("{piece}\n")).concat());
        this
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.file(name), contents).unwrap();
    }

    /// Writes `config.json`, and all tensors into `model.safetensors`.
    pub fn finish(&self) -> &Self {
        self.write_config();
        self.write_safetensors("model.safetensors", |_| true);
        self
    }

    pub fn write_config(&self) {
        self.write("config.json", self.config.to_string());
    }

    /// Writes the tensors whose stored names are wanted.
    pub fn write_safetensors(&self, file: &str, wanted: impl Fn(&str) -> bool) {
        let chosen = self.tensors.iter().filter(|(name, _)| wanted(name));
        ::safetensors::serialize_to_file(chosen, None, &self.file(file)).unwrap();
    }

    /// Stores every tensor by another name.
    pub fn rename(&mut self, new_name: impl Fn(&str) -> String) {
        self.tensors =
            std::mem::take(&mut self.tensors).into_iter().map(|(name, t)| (new_name(&name), t)).collect();
    }

    /// Replaces a tensor by zeros of another shape or number format.
    pub fn replace(&mut self, name: &str, shape: &[usize], dtype: DType) {
        self.tensors.insert(name.to_owned(), Tensor::zeros(shape, dtype, &Device::Cpu).unwrap());
    }

    pub fn load(&self) -> tinybert_base::Result<Checkpoint> {
        Checkpoint::load(self.path())
    }

    /// The message of the error that loading must end with; also checks that its exit code is "bad input".
    pub fn fault(&self) -> String {
        let error = self.load().err().expect("the folder is spoilt, but it loads");
        assert_eq!(error.exit_code(), 3, "{error}");
        error.to_string()
    }
}

/// Asserts that all tensors are equal in name, shape and value.
pub fn assert_same(found: &Tensors, expected: &Tensors) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in expected {
        assert_eq!(found[name].dims(), tensor.dims(), "{name}");
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(&found[name]), values(tensor), "{name}");
    }
}
