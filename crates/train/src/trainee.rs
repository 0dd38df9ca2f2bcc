//! The model under training.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::sparsity::zero_share;
use tinybert_base::Result;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{
    BertConfig, Companion, Head, QUANTIZATION, RunRecord, Tensors, TextEncoder, write_quantization,
};
use tinybert_nn::{Parameters, TaskModel};

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
    /// How it is trained to be quantized, if it is.
    pub quantization: Option<&'a Arc<ModelPlan>>,
    /// How it comes to be; the metrics are filled in at the end.
    pub record: &'a RunRecord,
}

/// Bytes of a plan's file at most: names and numbers of a few hundred thousand inputs.
const PLAN_BYTES: u64 = 16 << 20;

impl Trainee<'_> {
    /// The model that these tensors are, without graph; quantized if it is trained to be.
    ///
    /// # Errors
    /// Those of [`TaskModel::frozen`].
    pub(super) fn frozen(&self, tensors: &Tensors) -> Result<TaskModel> {
        Ok(self.as_trained(TaskModel::frozen(self.config, self.head, tensors)?))
    }

    /// A model of these weights, quantized if it is trained to be.
    pub fn as_trained(&self, model: TaskModel) -> TaskModel {
        match self.quantization {
            Some(plan) => model.quantized(plan.clone()),
            None => model,
        }
    }

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
        let write = |path: &Path| match self.quantization {
            Some(plan) => write_quantization(path, plan),
            None => Ok(()),
        };
        let plan = Companion { name: QUANTIZATION, bytes: PLAN_BYTES, write: &write };
        let plan = self.quantization.map(|_| plan);
        let companions: Vec<Companion> = plan.into_iter().chain(companions.iter().copied()).collect();
        tinybert_model::save_with(folder, self.config, self.head, tensors, self.text, &record, &companions)
    }
}
