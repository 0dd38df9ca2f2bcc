//! The metadata section, and its change in a finished image.

use alloc::string::String;
use alloc::vec::Vec;

use super::aligned::AlignedBytes;
use super::builder::{assemble, count};
use crate::metadata::Metadata;
use crate::{Error, Image, SectionKind};

impl Metadata<&str> {
    /// Returns the same texts as texts of their own.
    pub fn to_owned(&self) -> Metadata<String> {
        let Self { name, version, license, created, security_version } = *self;
        let [name, version, license, created] =
            [name, version, license, created].map(|text| text.map(String::from));
        Metadata { name, version, license, created, security_version }
    }
}

impl<Text: AsRef<str>> Metadata<Text> {
    /// Returns the section.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut section = self.security_version.to_le_bytes().to_vec();
        for (key, text) in (1_u32..).zip([&self.name, &self.version, &self.license, &self.created]) {
            let Some(text) = text.as_ref().map(Text::as_ref) else { continue };
            section.extend(key.to_le_bytes());
            section.extend(count(text.len())?);
            section.extend(text.as_bytes());
        }
        Ok(section)
    }
}

/// Returns the image with these metadata in the place of those that it has. The new image has no signature, because a
/// signature covers the metadata.
///
/// # Errors
/// As [`Metadata::check`].
pub fn with_metadata(image: &Image<'_>, metadata: &Metadata<String>) -> Result<AlignedBytes, Error> {
    let metadata = metadata.encode()?;
    let sections: Vec<_> = SectionKind::ALL
        .into_iter()
        .map(|kind| match kind {
            SectionKind::Metadata => (kind, Some(metadata.clone())),
            SectionKind::Signature => (kind, None),
            _ => (kind, image.section(kind).map(Vec::from)),
        })
        .collect();
    let file = assemble(&sections);
    Image::from_bytes(&file)?;
    Ok(file)
}
