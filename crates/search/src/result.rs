//! What a run has made: the small model's image, trained as it computes where that wins something.

use std::path::PathBuf;

use super::cost::Cost;
use super::found::Found;
use super::made::Made;
use super::report;
use super::stages::Stages;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_distill::check_student_answers;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::Checkpoint;
use tinybert_model::image_file;
use tinybert_model::plan::Attention;

/// Name of the image in the output folder.
const IMAGE: &str = "model.tbim";

/// What a run has made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// The image.
    pub image: PathBuf,
    /// What it costs: bytes as they are, latency modelled.
    pub cost: Cost,
    /// Whose metrics, and on what: `teacher`, `image`; `dev`, `test`.
    pub metrics: Vec<Judged>,
    /// What there is to say about it.
    pub notes: Vec<String>,
}

/// How good a model is on a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Judged {
    /// Which model.
    pub model: &'static str,
    /// Which split.
    pub split: &'static str,
    /// How good.
    pub metrics: Metrics,
}

impl Outcome {
    /// Makes the image of the small model, makes sure that it keeps within the budget, writes and judges it. `inputs` are
    /// the files that the run has read.
    pub(super) fn make(
        stages: &mut Stages,
        inputs: Vec<FileHash>,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: &Found,
    ) -> Result<Self> {
        let (compress, context) = (stages.compress, stages.context);
        let made = Made::within_budget(stages, small, found)?;
        let mut notes = Vec::new();
        if made.attention == Attention::Int8 {
            notes.push("Attention is int8 in all layers: in f32, which calibration would have preferred, it breaks the budget.".into());
        }
        match made.layers_in_f32()? {
            0 => {}
            layers => notes.push(format!(
                "Attention is f32 in {layers} of the layers: calibration prefers it, and the budget allows it. Candidates are \
                 costed with attention in int8."
            )),
        }
        let (made, untrained) = trained(stages, teacher, small, found, made, &mut notes)?;
        let path = stages.out.folder.join(IMAGE);
        image_file::write(&path, made.image.bytes())?;
        let max_tokens = compress.settings.max_tokens;
        let teacher = Predictor::Folder(Box::new(FloatModel::new(teacher, max_tokens)?));
        let splits = [("dev", Some(compress.data.dev)), ("test", compress.test)];
        let mut metrics = Vec::new();
        for (split, data) in splits.into_iter().filter_map(|(split, data)| Some((split, data?))) {
            let of_teacher = teacher.evaluate(data, compress.data.metrics, context)?;
            metrics.push(Judged { model: "teacher", split, metrics: of_teacher });
            let of_image = made.judge(compress, data, context)?;
            if let ("dev", Some(untrained)) = (split, &untrained) {
                notes.push(format!(
                    "Trained as it computes, the image has {} {:.4} on the development set, and {:.4} without.",
                    of_image.primary,
                    of_image.primary(),
                    untrained.primary()
                ));
            }
            metrics.push(Judged { model: "image", split, metrics: of_image });
        }
        let outcome = Self { image: path, cost: made.cost, metrics, notes };
        report::write(stages, found, &outcome, &made.image, inputs)?;
        Ok(outcome)
    }
}

/// The image of the small model after it was trained as that image, `made`, computes, with the metrics of `made` on the
/// development set: the stage itself goes back to the untrained weights where training wins nothing. `made` alone where
/// the stage is left out; says in `notes` why, if that was not asked for.
fn trained(
    stages: &mut Stages,
    teacher: &Checkpoint,
    small: &Checkpoint,
    found: &Found,
    made: Made,
    notes: &mut Vec<String>,
) -> Result<(Made, Option<Metrics>)> {
    let (compress, context) = (stages.compress, stages.context);
    if compress.settings.quantization_aware.prediction.epochs == 0 {
        return Ok((made, None));
    }
    let (dev, metrics) = (compress.data.dev, compress.data.metrics);
    let untrained = made.judge(compress, dev, context)?;
    if stages.student_is_given(teacher) && found.chosen.choice.is_whole() {
        let float = Predictor::Folder(Box::new(FloatModel::new(small, found.max_tokens)?));
        if untrained.primary() >= float.evaluate(dev, metrics, context)?.primary() {
            return Ok((made, None));
        }
    }
    match check_student_answers(teacher, small, &compress.data, found.max_tokens) {
        Err(Error::Input(what)) => {
            notes.push(format!("Not trained as the image computes: {what}."));
            return Ok((made, None));
        }
        other => other?,
    }
    let model = stages.quantization_aware(teacher, small, found, made.attention)?;
    let trained = Made::new(compress, &model, found, made.attention, context)?;
    trained.check(stages)?;
    Ok((trained, Some(untrained)))
}
