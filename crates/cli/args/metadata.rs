//! What an image says about itself: options of `quantize` and `sign`.

use clap::Args;
use tinybert_base::{Error, Result};
use tinybert_runtime::image::{AlignedBytes, Image, Metadata, with_metadata};

/// What the image says about itself.
#[derive(Args)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataArgs {
    /// Name of the model in the image.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    model_name: Option<String>,
    /// Semantic version of the model in the image, such as 1.2.0.
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    model_version: Option<String>,
    /// Licence of the model in the image, such as an SPDX expression.
    #[arg(long, value_name = "LICENSE", value_parser = parse_license)]
    license: Option<String>,
    /// How old the image is: a device refuses a signed image whose number is below the least that it accepts; 0 if
    /// nothing has said it.
    #[arg(long, value_name = "N")]
    security_version: Option<u32>,
    /// When the image was made: RFC 3339 in UTC, such as 2026-12-01T13:00:00Z. Without this option no time is
    /// written, so that the same model gives the same bytes.
    #[arg(long, value_name = "TIME", value_parser = parse_created)]
    created: Option<String>,
}

impl MetadataArgs {
    /// The same image with the metadata that the options name. The image keeps its others, and loses its signature.
    /// If no option is there, the image stays as it is.
    ///
    /// # Errors
    /// [`Error::Input`] for bytes that are no image.
    pub fn apply(&self, image: AlignedBytes) -> Result<AlignedBytes> {
        let Self { model_name, model_version, license, security_version, created } = self;
        let texts = [model_name, model_version, license, created];
        if security_version.is_none() && texts.iter().all(|text| text.is_none()) {
            return Ok(image);
        }
        let refused = |error| Error::Input(format!("the image cannot have metadata: {error}"));
        let image = Image::from_bytes(&image).map_err(refused)?;
        let old = image.metadata().unwrap_or_default().to_owned();
        let new = Metadata {
            name: model_name.clone().or(old.name),
            version: model_version.clone().or(old.version),
            license: license.clone().or(old.license),
            created: created.clone().or(old.created),
            security_version: security_version.unwrap_or(old.security_version),
        };
        with_metadata(&image, &new).map_err(refused)
    }
}

/// Returns the text, if metadata with it are allowed.
fn parse(
    text: &str,
    metadata: Metadata<&str>,
    expected: &'static str,
) -> std::result::Result<String, &'static str> {
    metadata.check().map(|()| text.to_owned()).map_err(|_| expected)
}

fn parse_name(text: &str) -> std::result::Result<String, &'static str> {
    let metadata = Metadata { name: Some(text), ..Metadata::default() };
    parse(text, metadata, "expected one line of 1 to 255 bytes")
}

fn parse_license(text: &str) -> std::result::Result<String, &'static str> {
    let metadata = Metadata { license: Some(text), ..Metadata::default() };
    parse(text, metadata, "expected one line of 1 to 255 bytes")
}

fn parse_version(text: &str) -> std::result::Result<String, &'static str> {
    let metadata = Metadata { version: Some(text), ..Metadata::default() };
    parse(text, metadata, "expected a semantic version (https://semver.org), such as 1.2.0")
}

fn parse_created(text: &str) -> std::result::Result<String, &'static str> {
    let metadata = Metadata { created: Some(text), ..Metadata::default() };
    parse(text, metadata, "expected a time in UTC, such as 2026-12-01T13:00:00Z (`date -u +%FT%TZ`)")
}
