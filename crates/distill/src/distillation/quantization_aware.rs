//! Quantization-aware training: the prediction stage of a student that computes as its image will.

use std::sync::Arc;

use super::compatibility::student_head;
use super::teacher_inputs::TeacherInputs;
use tinybert_base::{Context, Error, Result};
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
    /// The arithmetic of attention.
    pub attention: AttentionPrecision,
    /// Number of training examples, evenly spread over the data set, from which the scales of activations are
    /// computed.
    pub calibration_examples: usize,
}

impl QuantizationAware {
    /// Makes sure that a run can train `student`, whose head has to be `head`, as it will be quantized.
    /// Quantization needs a finished student, so that the run must have 0 `intermediate_epochs`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming an impossible setting; [`Error::Input`] for a student with another head.
    pub fn check(
        &self,
        intermediate_epochs: u64,
        student: &Checkpoint,
        head: &Head,
        output: &Output,
    ) -> Result<()> {
        if intermediate_epochs > 0 {
            return Err(Error::Usage(format!(
                "{intermediate_epochs} intermediate epochs with quantization: it is for the prediction stage of a finished \
                 student; give --intermediate-epochs 0"
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

    /// The quantization plan of the student before the first step. The plan does not change during training:
    /// the weights adapt to it.
    ///
    /// # Errors
    /// Returns the errors of [`calibrate`].
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

/// Makes sure that a student has the head that its teacher teaches, and that both answer for the same words
/// of all texts.
///
/// # Errors
/// [`Error::Input`] naming the difference; the errors of tokenizing.
pub fn check_student_answers(
    teacher: &Checkpoint,
    student: &Checkpoint,
    data: &TaskData,
    max_tokens: usize,
) -> Result<()> {
    check_head(student, &student_head(&teacher.head))?;
    let set = encode_to_learn(&student.text, data.train, max_tokens)?;
    TeacherInputs::new(teacher, student, &set, data, max_tokens).map(drop)
}

fn check_head(student: &Checkpoint, head: &Head) -> Result<()> {
    if student.head.same_but_thresholds(head) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{}: quantization-aware distillation ends the training of a student that answers the task already; found {}: \
         distil it without quantization first",
        student.folder.display(),
        student.head.kind()
    )))
}
