//! The thresholds of an image, chosen by the image's own answers.

use tinybert_base::{Context, Result};
use tinybert_data::task::Dataset;
use tinybert_evaluate::thresholds;
use tinybert_image::{AlignedBytes, HeadKind, ImageBuilder};
use tinybert_model::image_file::ImageFile;

use super::refused;

/// The same image with the thresholds that are best for its own answers to `dev` ([`thresholds::choose`]). An image
/// whose answers do not have any number of labels stays as it is. Thresholds change no logit, so that self-tests stay.
///
/// # Errors
/// Returns the errors of [`thresholds::of_image`].
pub fn with_thresholds_by(image: AlignedBytes, dev: &Dataset, context: &Context) -> Result<AlignedBytes> {
    let file = ImageFile::new(image.clone()).map_err(refused)?;
    if file.model()?.config().head != HeadKind::MultiLabel {
        return Ok(image);
    }
    let file = file.native()?;
    let chosen = thresholds::of_image(&file.model()?, dev, context)?;
    let mut builder = ImageBuilder::from_image(&tinybert_image::Image::from_bytes(&image).map_err(refused)?);
    builder.head.thresholds = chosen;
    builder.build().map_err(refused)
}
