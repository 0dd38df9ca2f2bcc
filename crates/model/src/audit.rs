//! The check of all tensors before any work. One message lists everything that is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use super::names::{self, LayerNames, WORD_EMBEDDINGS};
use super::shapes::{expected_shapes, pooler_shapes};
use super::stored_tensor::{Dtype, StoredTensor};
use super::weights::WeightFiles;
use super::{BertConfig, Head};
use tinybert_base::{Error, Result};

/// Number of problems that one message lists; a wrong width shows in every tensor.
const LISTED: usize = 40;

/// Names of the tensors to read: all that configuration and head require, and the pooler's if the folder has
/// them.
///
/// # Errors
/// [`Error::Input`] listing every tensor that is missing, has another shape or number format than expected, or
/// belongs to an encoder of other sizes, with hints.
pub(super) fn audit(
    folder: &Path,
    weights: &WeightFiles,
    config: &BertConfig,
    head: &Head,
) -> Result<Vec<String>> {
    let mut expected = expected_shapes(config, head);
    let pooler = pooler_shapes(config);
    if pooler.keys().any(|name| weights.get(name).is_some()) {
        expected.extend(pooler);
    }
    let mut problems = Vec::new();
    let mut hints = BTreeSet::new();
    for (name, shape) in &expected {
        match weights.get(name) {
            None => {
                problems.push(format!("{name}: missing, expected {shape:?}"));
                hints.extend(hint_for_missing(name, weights, head));
            }
            Some(stored) if stored.shape != *shape => {
                problems.push(format!(
                    "{}: expected {shape:?}, found {:?}",
                    described(name, stored),
                    stored.shape
                ));
                hints.extend(hint_for_shape(config, name, shape, &stored.shape));
            }
            Some(stored) if matches!(stored.dtype, Dtype::Other(_)) => {
                problems.push(format!(
                    "{}: expected F32, F16 or BF16, found {}",
                    described(name, stored),
                    stored.dtype.name()
                ));
                hints.insert(
                    "convert the weights to F32, in Python: model.float().save_pretrained(folder)".to_owned(),
                );
            }
            Some(_) => {}
        }
    }
    for name in weights.names().filter(|name| names::is_encoder(name) && !expected.contains_key(*name)) {
        problems.push(format!("{name}: not expected in an encoder of this configuration"));
        hints.insert(format!(
            "compare config.json (num_hidden_layers {}) with the weights",
            config.num_hidden_layers
        ));
    }
    if problems.is_empty() {
        return Ok(expected.into_keys().collect());
    }
    Err(Error::input(folder, message(&problems, &hints, config, head)))
}

/// The canonical name, and the stored one where they differ.
fn described(name: &str, stored: &StoredTensor) -> String {
    if stored.name == name { name.to_owned() } else { format!("{name} (stored as {})", stored.name) }
}

fn hint_for_missing(name: &str, weights: &WeightFiles, head: &Head) -> Option<String> {
    if weights.names().next().is_some_and(|_| weights.get(WORD_EMBEDDINGS).is_none()) {
        let first = weights.names().next().unwrap_or_default();
        return Some(format!("the weights do not look like BERT's: the first tensor is {first}"));
    }
    if names::is_head(name) {
        return Some(format!(
            "config.json calls for {}, which these weights do not have: they may come from before fine-tuning",
            head.kind()
        ));
    }
    None
}

/// A hint at the setting of `config.json` that a wrong shape contradicts.
fn hint_for_shape(config: &BertConfig, name: &str, expected: &[usize], found: &[usize]) -> Option<String> {
    let width = if config.embedding_size.is_some() { "embedding_size" } else { "hidden_size" };
    let layer = names::split_layer(name).map(|(layer, _)| LayerNames::new(layer));
    let is_weight_of = |part: &str| name.strip_prefix(part) == Some(".weight");
    let is_part_of = |part: &str| is_weight_of(part) || name.strip_prefix(part) == Some(".bias");
    let axis_settings: [&str; 2] = match (name, &layer) {
        (WORD_EMBEDDINGS, _) => ["vocab_size", width],
        (names::POSITION_EMBEDDINGS, _) => ["max_position_embeddings", width],
        (names::TYPE_EMBEDDINGS, _) => ["type_vocab_size", width],
        _ if is_part_of(names::EMBEDDING_NORM) => [width, ""],
        _ if is_weight_of(names::EMBEDDING_PROJECTION) => ["hidden_size", width],
        (names::MASKED_LM_BIAS, _) => ["vocab_size", ""],
        _ if is_part_of(names::CLASSIFIER) => ["the number of labels in id2label", "hidden_size"],
        (_, Some(layer)) if is_part_of(&layer.up) => ["intermediate_size", "hidden_size"],
        (_, Some(layer)) if is_weight_of(&layer.down) => ["hidden_size", "intermediate_size"],
        _ => ["hidden_size", "hidden_size"],
    };
    if expected.len() != found.len() {
        return None;
    }
    let wrong =
        expected.iter().zip(found).zip(axis_settings).find(|((expected, found), _)| expected != found);
    wrong.map(|((expected, found), setting)| {
        format!("{setting} is {expected} by config.json and {found} by the weights: use the config.json they were saved with")
    })
}

fn message(problems: &[String], hints: &BTreeSet<String>, config: &BertConfig, head: &Head) -> String {
    let mut text = format!(
        "the weights are not those of the model in config.json ({}, {}):",
        config.architecture.name(),
        head.kind()
    );
    for problem in problems.iter().take(LISTED) {
        text += &format!("\n  {problem}");
    }
    if problems.len() > LISTED {
        text += &format!("\n  and {} more", problems.len() - LISTED);
    }
    for hint in hints {
        text += &format!("\nhint: {hint}");
    }
    text
}
