//! The model under training.

use std::path::Path;

use serde_json::{Value, json};

use super::sparsity::zero_share;
use crate::Result;
use crate::checkpoint::{self, BertConfig, Companion, Head, RunRecord, Tensors, TextEncoder};
use crate::nn::Parameters;

/// In the metrics of a pruned model's `run.json`: the share of zeros in the linears of its layers.
const ZERO_SHARE: &str = "zero_weights";

/// A model under training with all that its folder holds.
#[derive(Clone, Copy)]
pub struct Trainee<'a> {
    /// Sizes of the encoder.
    pub config: &'a BertConfig,
    /// What stands on top of it.
    pub head: &'a Head,
    /// Its tokenizer.
    pub text: &'a TextEncoder,
    /// Every tensor of its folder.
    pub parameters: &'a Parameters,
    /// How it comes to be; the metrics are filled in at the end.
    pub record: &'a RunRecord,
}

impl Trainee<'_> {
    /// Writes a model folder with `tensors`, which may be others than the present ones.
    pub(super) fn save(
        &self,
        folder: &Path,
        tensors: &Tensors,
        metrics: Value,
        companions: &[Companion],
    ) -> Result<()> {
        let mut record = RunRecord { metrics, ..self.record.clone() };
        if let Some(share) = zero_share(tensors)? {
            record.metrics[ZERO_SHARE] = json!(share);
        }
        checkpoint::save_with(folder, self.config, self.head, tensors, self.text, &record, companions)
    }
}
