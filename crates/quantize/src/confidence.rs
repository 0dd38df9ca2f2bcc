//! The temperature and the threshold of an image, chosen by the image's own answers.

use tinybert_base::{Context, Error, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::metrics::confidence::ConfidenceMetrics;
use tinybert_evaluate::confidence::{Rejection, judged, temperature};
use tinybert_evaluate::image_logits;
use tinybert_image::{AlignedBytes, Confidence, HeadKind, Image, ImageBuilder};
use tinybert_model::image_file::ImageFile;

use super::refused;

/// An image with a temperature and a threshold.
pub struct CalibratedImage {
    /// The file.
    pub image: AlignedBytes,
    /// What it states.
    pub confidence: Confidence,
    /// The image's metrics on the data that chose temperature and threshold, with a temperature of 1 and without a
    /// threshold.
    pub before: ConfidenceMetrics,
    /// The same metrics with temperature and threshold.
    pub after: ConfidenceMetrics,
}

/// The same image with the temperature that fits its answers to `dev` best, and the threshold of `rejection` on them. If
/// the model has the label of what is out of scope, answers with it are rejected. No logit changes, so that self-tests
/// stay.
///
/// # Errors
/// [`Error::Usage`] for an image that does not answer with one label; [`Error::Input`] for [`Rejection::BestForScope`]
/// where no example is out of scope; the errors of [`image_logits`] and [`temperature`].
pub fn with_confidence_by(
    image: &AlignedBytes,
    dev: &ScopedDataset,
    rejection: Rejection,
    context: &Context,
) -> Result<CalibratedImage> {
    let file = ImageFile::new(image.clone()).map_err(refused)?;
    let head = file.model()?.config().head;
    if head != HeadKind::Classification {
        return Err(Error::Usage(format!(
            "an image that answers {head:?} has no temperature; only one label has"
        )));
    }
    dev.labelled.check_labelled()?;
    let file = file.native()?;
    let model = file.model()?;
    let logits = image_logits(&model, &dev.labelled, context)?;
    let unknown_logits = image_logits(&model, &dev.unknown, context)?;
    let classes: Vec<u32> =
        dev.labelled.examples.iter().flat_map(|example| example.target.classes()).copied().collect();
    let plain = Confidence { out_of_scope: dev.class, ..Confidence::default() };
    let warm = Confidence { temperature: temperature(&logits, &classes)? as f32, ..plain };
    let answers = judged(warm, dev, &logits, &unknown_logits);
    if rejection == Rejection::BestForScope && answers.iter().all(|answer| answer.in_scope) {
        return Err(Error::Input(
            "no row of the development set is out of scope, so that no threshold can be chosen".into(),
        ));
    }
    let confidence = Confidence { threshold: rejection.threshold(&answers), ..warm };
    let metrics = |confidence| ConfidenceMetrics::of(&judged(confidence, dev, &logits, &unknown_logits));
    let mut builder = ImageBuilder::from_image(&Image::from_bytes(image).map_err(refused)?);
    builder.confidence = Some(confidence);
    Ok(CalibratedImage {
        image: builder.build().map_err(refused)?,
        confidence,
        before: metrics(plain),
        after: metrics(confidence),
    })
}
