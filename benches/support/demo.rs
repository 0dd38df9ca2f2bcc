//! A model of the sizes that the demo's student has, with fresh weights, and the texts that the demo learns
//! from.
//!
//! The time of an answer depends on sizes and tokens, not on what the weights are.

use std::path::Path;

use tinybert_base::progress::Silent;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_data::{ColumnNames, DataSpec, Source, Split, TableFiles};
use tinybert_model::{BertConfig, Checkpoint};
use tinybert_nn::init_parameters;

/// Tokens of the longest input.
pub const MAX_TOKENS: usize = 128;

/// 4 layers of 96, as the demo's student, with positions for [`MAX_TOKENS`] tokens.
pub fn student() -> Checkpoint {
    let mut model = Checkpoint::load(&root().join("demo/teacher")).unwrap();
    model.config = BertConfig {
        num_hidden_layers: 4,
        hidden_size: 96,
        intermediate_size: 384,
        max_position_embeddings: MAX_TOKENS,
        ..model.config
    };
    model.tensors = init_parameters(&model.config, &model.head, 1).unwrap();
    model
}

/// The development set of the demo.
pub fn texts() -> Dataset {
    let source = Source::Table(TableFiles {
        train: None,
        dev: Some(root().join("demo/clinc150/dev.jsonl")),
        test: None,
        format: None,
        columns: ColumnNames {
            text: "text".into(),
            pair: None,
            label: Some("label".into()),
            soft_labels: None,
        },
        kind: TaskKind::Classification,
        dev_share: None,
    });
    tinybert_data::load(&DataSpec { source, labels: None }, Split::Dev, &Silent).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
