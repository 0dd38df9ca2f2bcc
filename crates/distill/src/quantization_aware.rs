//! The prediction stage of a student that computes as its image will.

use std::sync::Arc;

use super::TaskSettings;
use super::task::student_head;
use super::teachers_text::TeachersText;
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::task::Dataset;
use tinybert_evaluate::judge::encode_to_learn;
use tinybert_model::plan::{AttentionPrecision, ModelPlan, Precision};
use tinybert_model::{Checkpoint, Head};
use tinybert_quantize::{calibrate, calibration_inputs};
use tinybert_train::{Output, TaskData};

/// How the student is quantized while it learns.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationAware {
    /// How weights and embeddings are stored.
    pub precision: Precision,
    /// Who chooses how attention is computed.
    pub attention: AttentionPrecision,
    /// Training examples that the scales of activations come from, evenly spread over the data set.
    pub calibration_examples: usize,
}

impl QuantizationAware {
    /// Makes sure that a run of these settings can train a student that answers by `head` so.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting that cannot be; [`Error::Input`] for a student without that head.
    pub fn check(
        &self,
        settings: &TaskSettings,
        student: &Checkpoint,
        head: &Head,
        output: &Output,
    ) -> Result<()> {
        if settings.intermediate.epochs > 0 {
            return Err(Error::Usage(format!(
                "{} intermediate epochs with quantization: it is for the prediction stage of a finished student; give \
                 --intermediate-epochs 0",
                settings.intermediate.epochs
            )));
        }
        if !output.compute.device.is_cpu() {
            return Err(Error::Usage(
                "quantization-aware distillation computes with the device's own kernels, on the CPU: leave out --device"
                    .into(),
            ));
        }
        if self.calibration_examples == 0 {
            return Err(Error::Usage("0 calibration examples: scales need at least one".into()));
        }
        check_head(student, head)?;
        self.precision.of_layers(student.config.num_hidden_layers).map(drop)
    }

    /// The plan of the student as it is before the first step. It stays: weights follow it.
    ///
    /// # Errors
    /// Those of [`calibrate`].
    pub fn plan(
        &self,
        student: &Checkpoint,
        data: &Dataset,
        max_tokens: usize,
        context: &Context,
    ) -> Result<Arc<ModelPlan>> {
        let inputs = calibration_inputs(&student.text, data, self.calibration_examples, max_tokens)?;
        let plan = calibrate(student, &inputs, self.attention, &self.precision, context)?;
        Ok(Arc::new(ModelPlan { max_tokens: Some(max_tokens), ..plan }))
    }
}

/// Makes sure that a student answers as its teacher teaches, and to the same words of all texts.
///
/// # Errors
/// [`Error::Input`] with what stands in the way; those of tokenizing.
pub fn check_pair(
    teacher: &Checkpoint,
    student: &Checkpoint,
    data: &TaskData,
    max_tokens: usize,
) -> Result<()> {
    check_head(student, &student_head(&teacher.head))?;
    let set = encode_to_learn(&student.text, data.train, max_tokens)?;
    TeachersText::new(teacher, student, &set, data, max_tokens).map(drop)
}

fn check_head(student: &Checkpoint, head: &Head) -> Result<()> {
    if student.head == *head {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{}: quantization-aware distillation ends the training of a student that answers the task already; found {}: \
         distil it without quantization first",
        student.folder.display(),
        student.head.kind()
    )))
}
