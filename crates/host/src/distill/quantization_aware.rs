//! The prediction stage of a student that computes as its image will.

use std::sync::Arc;

use super::TaskSettings;
use crate::checkpoint::{Checkpoint, Head};
use crate::progress::Progress;
use crate::quantize::{Attention, ModelPlan, Precision, calibration_inputs};
use crate::task::Dataset;
use crate::train::Output;
use crate::{Error, Result};

/// How the student is quantized while it learns.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationAware {
    /// How weights and embeddings are stored.
    pub precision: Precision,
    /// Who chooses how attention is computed.
    pub attention: Attention,
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
        if student.head != *head {
            return Err(Error::Input(format!(
                "{}: quantization-aware distillation ends the training of a student that answers the task already; \
                 found {}: distil it without quantization first",
                student.folder.display(),
                student.head.kind()
            )));
        }
        self.precision.of_layers(student.config.num_hidden_layers).map(drop)
    }

    /// The plan of the student as it is before the first step. It stays: weights follow it.
    ///
    /// # Errors
    /// Those of [`ModelPlan::calibrate`].
    pub fn plan(
        &self,
        student: &Checkpoint,
        data: &Dataset,
        max_tokens: usize,
        progress: &dyn Progress,
    ) -> Result<Arc<ModelPlan>> {
        let inputs = calibration_inputs(student, data, self.calibration_examples, max_tokens)?;
        ModelPlan::calibrate(student, &inputs, self.attention, &self.precision, progress).map(Arc::new)
    }
}
