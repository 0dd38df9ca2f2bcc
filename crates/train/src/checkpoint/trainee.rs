//! The model under training.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::Var;
use serde_json::{Value, json};

use crate::zeros::zero_share;
use tinybert_base::Result;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{
    BertConfig, Companion, FolderContents, Head, QUANTIZATION, RunRecord, Storage, Tensors, TextEncoder,
    write_quantization,
};
use tinybert_nn::{Parameters, TaskModel};

/// Name, in the metrics of a pruned model's `run.json`, of the share of zeros in the linears of its layers.
const ZERO_SHARE: &str = "zero_weights";

/// Largest size of a quantization plan's file in bytes: names and numbers of a few hundred thousand inputs.
const PLAN_BYTES: u64 = 16 << 20;

/// A model under training with everything that its folder will hold.
#[derive(Clone)]
pub struct Trainee<'a> {
    /// Sizes of the encoder.
    pub config: &'a BertConfig,
    /// The head on top of the encoder.
    pub head: &'a Head,
    /// The tokenizer.
    pub text: &'a TextEncoder,
    /// All tensors of the model. A clone shares their storage.
    pub parameters: Parameters,
    /// The plan by which the model computes in integers while it is trained; `None` for a float model.
    pub quantization: Option<Arc<ModelPlan>>,
    /// The record for `run.json`; its metrics are filled in at the end of the run.
    pub record: &'a RunRecord,
}

impl Trainee<'_> {
    /// The parameters whose names fulfil `learns`, for an optimizer.
    pub fn parameters_where(&self, learns: impl Fn(&str) -> bool) -> BTreeMap<String, Var> {
        let learned = self.parameters.iter().filter(|(name, _)| learns(name));
        learned.map(|(name, var)| (name.to_owned(), var.clone())).collect()
    }

    /// The model of `tensors`, without a graph; quantized if it is trained to be.
    ///
    /// # Errors
    /// Returns the errors of [`TaskModel::frozen`].
    pub(crate) fn frozen(&self, tensors: &Tensors) -> Result<TaskModel> {
        Ok(self.quantized(TaskModel::frozen(self.config, self.head, tensors)?))
    }

    /// `model` as it computes in training: quantized if there is a plan.
    pub fn quantized(&self, model: TaskModel) -> TaskModel {
        match &self.quantization {
            Some(plan) => model.quantized(plan.clone()),
            None => model,
        }
    }

    /// Writes a model folder with `tensors`, which may differ from the present parameters.
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
        let write = |path: &Path| match &self.quantization {
            Some(plan) => write_quantization(path, plan),
            None => Ok(()),
        };
        let plan = Companion { name: QUANTIZATION, bytes: PLAN_BYTES, write: &write };
        let plan = self.quantization.as_ref().map(|_| plan);
        let companions: Vec<Companion> = plan.into_iter().chain(companions.iter().copied()).collect();
        let (config, head, text) = (self.config, self.head, self.text);
        let contents = FolderContents { storage: Storage::F32, config, head, tensors, text, record: &record };
        contents.save(folder, &companions)
    }
}
