//! The image of the chosen model, after quantization-aware training where that helps, and the end of a run.

use super::image::BuiltImage;
use super::outcome::{CompressOutcome, FloorOutcome, JudgedModel};
use super::tries::TriedModel;
use super::{Pipeline, report};
use crate::Compress;
use crate::floor::FloorCheck;
use crate::search::SearchResult;
use tinybert_base::{Error, FileHash, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_distill::check_student_answers;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_evaluate::{Judgement, ScopedJudgement};
use tinybert_model::plan::AttentionPrecision;
use tinybert_model::{Checkpoint, image_file};

/// Name of the image in the output folder.
const IMAGE: &str = "model.tbim";

/// The image of a chosen model, not written yet.
pub(crate) struct FinishedModel {
    pub(super) image: BuiltImage,
    /// Its answers to the development set.
    pub dev: ScopedJudgement,
    /// The search, whose choice this model is.
    pub found: SearchResult,
    /// Notes for the user about choices that were made.
    pub notes: Vec<String>,
}

impl FinishedModel {
    /// Makes the image of the model `small`, which `found` has chosen. An image that exceeds the budget is not trained
    /// any further.
    pub fn make(
        pipeline: &mut Pipeline,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: SearchResult,
    ) -> Result<Self> {
        let image = BuiltImage::for_budget(pipeline, small, &found)?;
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
        let (image, untrained) = match image.exceeded(pipeline.compress) {
            None => train_quantized(pipeline, teacher, small, &found, image, &mut notes)?,
            Some(_) => (image, None),
        };
        let (compress, context) = (pipeline.compress, pipeline.context);
        let dev = image.judge_dev(compress, context)?;
        let mut finished = Self { image, dev, found, notes };
        if let Some(untrained) = untrained {
            finished.notes.push(format!(
                "Trained as it computes, the image has {} {} on the development set, and {untrained} without.",
                finished.found.metric,
                finished.on_dev()
            ));
        }
        Ok(finished)
    }

    /// The metric that selects on the development set.
    pub fn on_dev(&self) -> Estimate {
        self.dev.labelled.outcomes.estimate()
    }

    /// Each limit of the budget that the image exceeds, in words; `None` if it keeps within the budget.
    pub fn exceeded(&self, compress: &Compress) -> Option<String> {
        self.image.exceeded(compress)
    }
}

impl CompressOutcome {
    /// Writes the image of the finished model, judges it and writes the report. `inputs` are the files that the run has
    /// read, `tried` is the search for the smallest image, if the run has a floor, and `baseline` is the linear one, or
    /// why there is none.
    pub(crate) fn make(
        pipeline: &Pipeline,
        inputs: Vec<FileHash>,
        teacher: &Checkpoint,
        finished: &FinishedModel,
        tried: Option<&TriedModel>,
        baseline: std::result::Result<BaselineRow, String>,
    ) -> Result<Self> {
        let (compress, context) = (pipeline.compress, pipeline.context);
        let image = &finished.image;
        let path = pipeline.out.folder.join(IMAGE);
        image_file::write(&path, image.image.bytes())?;
        let max_tokens = compress.settings.max_tokens;
        let teacher = Predictor::Folder(Box::new(FloatModel::new(teacher, max_tokens)?));
        let answers = |data| teacher.judge(data, compress.data.metrics, context);
        let teacher_on_dev = teacher.judge_scoped(compress.dev, compress.data.metrics, context)?;
        let intervals = |judged: &Judgement| judged.outcomes.metrics_with_intervals();
        let (of_teacher, of_image) = (intervals(&teacher_on_dev.labelled), intervals(&finished.dev.labelled));
        let mut metrics = Vec::from(JudgedModel::pair("dev", of_teacher, of_image));
        let mut floor = None;
        if let (Some(asked), Some(tried)) = (&compress.floor, tried) {
            let of_image = image.judge(compress, asked.held_out, context)?;
            let of_teacher = answers(asked.held_out)?;
            let check = FloorCheck::new(asked.floor, &of_teacher.outcomes, &of_image.outcomes)?;
            metrics.extend(JudgedModel::pair("held-out", check.teacher.clone(), check.image.clone()));
            floor = Some(FloorOutcome {
                teacher: tried.teacher,
                least: asked.floor.beside(tried.teacher),
                image: finished.on_dev().value,
                tries: tried.tries.clone(),
                check,
            });
        }
        if let Some(test) = compress.test {
            let of_image = intervals(&image.judge(compress, test, context)?);
            metrics.extend(JudgedModel::pair("test", intervals(&answers(test)?), of_image));
        }
        let mut notes = finished.notes.clone();
        let baseline =
            baseline.map_err(|none| notes.push(format!("No comparison with a baseline: {none}."))).ok();
        let confidence = image.confidence.clone();
        let outcome = Self { image: path, cost: image.cost, metrics, confidence, baseline, floor, notes };
        report::write(pipeline, finished, &outcome, &teacher_on_dev, inputs)?;
        Ok(outcome)
    }
}

/// Trains the chosen model as its image computes. Returns the image of the trained model, and the metric of
/// `untrained` (the image before this training) on the development set. The stage itself keeps the untrained
/// weights if training does not improve them. If the stage is left out, `untrained` is returned without
/// a metric; `notes` gets the reason, unless the settings leave the stage out.
fn train_quantized(
    pipeline: &mut Pipeline,
    teacher: &Checkpoint,
    small: &Checkpoint,
    found: &SearchResult,
    untrained: BuiltImage,
    notes: &mut Vec<String>,
) -> Result<(BuiltImage, Option<Estimate>)> {
    let (compress, context) = (pipeline.compress, pipeline.context);
    if compress.settings.quantization_aware.prediction.epochs == 0 {
        return Ok((untrained, None));
    }
    let (dev, metrics) = (compress.data.dev, compress.data.metrics);
    let of_untrained = untrained.judge(compress, dev, context)?.outcomes.estimate();
    if pipeline.has_finished_student(teacher) && found.chosen.point.keeps_student() {
        let float = Predictor::Folder(Box::new(FloatModel::new(small, found.max_tokens)?));
        if of_untrained.value >= float.evaluate(dev, metrics, context)?.primary() {
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
    Ok((trained, Some(of_untrained)))
}
