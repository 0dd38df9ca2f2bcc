//! The end of a run: the image of the chosen model, after quantization-aware training where that helps.

use super::image::BuiltImage;
use super::outcome::{CompressOutcome, JudgedModel};
use super::{Pipeline, report};
use crate::search::SearchResult;
use tinybert_base::{Error, FileHash, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;
use tinybert_distill::check_student_answers;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::plan::AttentionPrecision;
use tinybert_model::{Checkpoint, image_file};

/// Name of the image in the output folder.
const IMAGE: &str = "model.tbim";

impl CompressOutcome {
    /// Makes the image of the chosen model, makes sure that it keeps within the budget, writes it, judges it
    /// and writes the report. `inputs` are the files that the run has read; `baseline` is the linear one, or why there is
    /// none.
    pub(crate) fn make(
        pipeline: &mut Pipeline,
        inputs: Vec<FileHash>,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: &SearchResult,
        baseline: std::result::Result<BaselineRow, String>,
    ) -> Result<Self> {
        let (compress, context) = (pipeline.compress, pipeline.context);
        let image = BuiltImage::within_budget(pipeline, small, found)?;
        let mut notes = Vec::new();
        if image.attention == AttentionPrecision::Int8 {
            notes.push("Attention is int8 in all layers: in f32, which calibration would have preferred, it breaks the budget.".into());
        }
        match image.layers_in_f32()? {
            0 => {}
            layers => notes.push(format!(
                "Attention is f32 in {layers} of the layers: calibration prefers it, and the budget allows it. Candidates are \
                 costed with attention in int8."
            )),
        }
        let (image, untrained) = train_quantized(pipeline, teacher, small, found, image, &mut notes)?;
        let path = pipeline.out.folder.join(IMAGE);
        image_file::write(&path, image.image.bytes())?;
        let max_tokens = compress.settings.max_tokens;
        let teacher = Predictor::Folder(Box::new(FloatModel::new(teacher, max_tokens)?));
        let splits = [("dev", Some(compress.data.dev)), ("test", compress.test)];
        let mut metrics = Vec::new();
        for (split, data) in splits.into_iter().filter_map(|(split, data)| Some((split, data?))) {
            let of_teacher = teacher.evaluate(data, compress.data.metrics, context)?;
            metrics.push(JudgedModel { model: "teacher", split, metrics: of_teacher });
            let of_image = image.judge(compress, data, context)?;
            if let ("dev", Some(untrained)) = (split, &untrained) {
                notes.push(format!(
                    "Trained as it computes, the image has {} {:.4} on the development set, and {:.4} without.",
                    of_image.primary,
                    of_image.primary(),
                    untrained.primary()
                ));
            }
            metrics.push(JudgedModel { model: "image", split, metrics: of_image });
        }
        let baseline =
            baseline.map_err(|none| notes.push(format!("No comparison with a baseline: {none}."))).ok();
        let outcome = Self { image: path, cost: image.cost, metrics, baseline, notes };
        report::write(pipeline, found, &outcome, &image.image, inputs)?;
        Ok(outcome)
    }
}

/// Trains the chosen model as its image computes. Returns the image of the trained model, and the metrics of
/// `untrained` (the image before this training) on the development set. The stage itself keeps the untrained
/// weights if training does not improve them. If the stage is left out, `untrained` is returned without
/// metrics; `notes` gets the reason, unless the settings leave the stage out.
fn train_quantized(
    pipeline: &mut Pipeline,
    teacher: &Checkpoint,
    small: &Checkpoint,
    found: &SearchResult,
    untrained: BuiltImage,
    notes: &mut Vec<String>,
) -> Result<(BuiltImage, Option<Metrics>)> {
    let (compress, context) = (pipeline.compress, pipeline.context);
    if compress.settings.quantization_aware.prediction.epochs == 0 {
        return Ok((untrained, None));
    }
    let (dev, metrics) = (compress.data.dev, compress.data.metrics);
    let untrained_metrics = untrained.judge(compress, dev, context)?;
    if pipeline.has_finished_student(teacher) && found.chosen.point.keeps_student() {
        let float = Predictor::Folder(Box::new(FloatModel::new(small, found.max_tokens)?));
        if untrained_metrics.primary() >= float.evaluate(dev, metrics, context)?.primary() {
            return Ok((untrained, None));
        }
    }
    match check_student_answers(teacher, small, &compress.data, found.max_tokens) {
        Err(Error::Input(what)) => {
            notes.push(format!("Not trained as the image computes: {what}."));
            return Ok((untrained, None));
        }
        other => other?,
    }
    let model = pipeline.quantization_aware(teacher, small, found, untrained.attention)?;
    let trained = BuiltImage::new(compress, &model, found, untrained.attention, context)?;
    trained.check_budget(pipeline)?;
    Ok((trained, Some(untrained_metrics)))
}
