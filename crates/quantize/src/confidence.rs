//! The temperature and the threshold of an image, chosen by the image's own answers.

use tinybert_base::{Context, Error, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::metrics::confidence::ConfidenceMetrics;
use tinybert_evaluate::confidence::{Rejection, doubt, judged, temperature};
use tinybert_evaluate::predictor::Predictor;
use tinybert_image::{AlignedBytes, Confidence, HeadKind, Image, ImageBuilder};
use tinybert_model::image_file::ImageFile;

use super::refused;

/// A temperature and a threshold, and how good an image is with them on the data that have chosen them.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedConfidence {
    /// What the image states.
    pub confidence: Confidence,
    /// The image's metrics with a temperature of 1 and without a threshold.
    pub before: ConfidenceMetrics,
    /// The same metrics with temperature and threshold.
    pub after: ConfidenceMetrics,
}

/// The same image with the temperature that fits its answers to `dev` best, and the threshold of `rejection` on them.
/// If the model has the label of what is out of scope, answers with it are rejected. No logit changes, so that
/// self-tests stay.
///
/// # Errors
/// [`Error::Usage`] for an image that does not answer with one label; [`Error::Input`] for [`Rejection::BestForScope`]
/// where no example is out of scope; the errors of [`Predictor::answers`] and [`temperature`].
pub fn with_confidence_by(
    image: &AlignedBytes,
    dev: &ScopedDataset,
    rejection: Rejection,
    context: &Context,
) -> Result<(AlignedBytes, FittedConfidence)> {
    let file = ImageFile::new(image.clone()).map_err(refused)?;
    let head = file.model()?.config().head;
    if head != HeadKind::Classification {
        return Err(Error::Usage(format!(
            "an image that answers {head:?} has no temperature; only one label has"
        )));
    }
    dev.labelled.check_labelled()?;
    if rejection == Rejection::BestForScope {
        dev.check_out_of_scope()?;
    }
    let predictor = Predictor::Image(file.native()?);
    let answered = predictor.answers(&dev.labelled, context)?;
    let of_unknown = predictor.answers(&dev.unknown, context)?;
    let logits: Vec<&[f32]> = answered.iter().map(|answered| answered.outputs.as_slice()).collect();
    let classes: Vec<u32> =
        dev.labelled.examples.iter().flat_map(|example| example.target.classes()).copied().collect();
    let plain = Confidence { out_of_scope: dev.class, ..Confidence::default() };
    let fitted = temperature(&logits, &classes)?;
    if let Some(doubt) = doubt(fitted, classes.len()) {
        context.progress.say(&format!("warning: {doubt}"));
    }
    let warm = Confidence { temperature: fitted as f32, ..plain };
    let answers = judged(warm, dev, &answered, &of_unknown);
    let confidence = Confidence { threshold: rejection.threshold(&answers), ..warm };
    let metrics = |confidence| ConfidenceMetrics::of(&judged(confidence, dev, &answered, &of_unknown));
    let mut builder = ImageBuilder::from_image(&Image::from_bytes(image).map_err(refused)?);
    builder.confidence = Some(confidence);
    let fitted = FittedConfidence { confidence, before: metrics(plain), after: metrics(confidence) };
    Ok((builder.build().map_err(refused)?, fitted))
}
