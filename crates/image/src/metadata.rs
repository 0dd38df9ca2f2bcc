//! What an image says about itself: section 13.

use core::cmp::Ordering;

use crate::container::Container;
use crate::error::ensure;
use crate::records::{take, take_count, take_u32};
use crate::version::{is_version, precedence};
use crate::{Checksum, Error, Field, SectionKind};

/// What an image says about itself, in borrowed texts (`&str`) or in its own (`String`). The default is that of an
/// image without the section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata<Text> {
    /// The name of the model: 1 to 255 bytes without control characters.
    pub name: Option<Text>,
    /// The version of the model: a semantic version (`1.2.0`) of at most 255 bytes.
    pub version: Option<Text>,
    /// The licence of the model, such as an SPDX expression; restricted like the name.
    pub license: Option<Text>,
    /// When the image was made: RFC 3339 in UTC and whole seconds, `2026-12-01T13:00:00Z`.
    pub created: Option<Text>,
    /// How old the image is for a device that must not go back: the device refuses an image with a smaller number than
    /// the least that it accepts.
    pub security_version: u32,
}

/// Returns what an image says about itself, for a program that chooses between images before it opens one. An image
/// without metadata gives those of [`Metadata::default`].
///
/// The checksums of all sections are checked, and the metadata, but nothing else. Nothing proves the metadata until the
/// signature is verified.
///
/// # Errors
/// As of [`Image::from_bytes`](crate::Image::from_bytes).
#[inline(never)] // The stack that the checks need is free again when answers are computed.
pub fn image_metadata(bytes: &[u8], checksum: Checksum) -> Result<Metadata<&str>, Error> {
    Ok(Metadata::of(&Container::open(bytes, checksum)?)?.unwrap_or_default())
}

/// Most bytes of a text.
const MAX_TEXT: usize = 255;

impl<'a> Metadata<&'a str> {
    /// Reads and checks the section, if the file has it.
    pub(crate) fn of(container: &Container<'a>) -> Result<Option<Self>, Error> {
        container.find(SectionKind::Metadata).map(Self::open).transpose()
    }

    fn open(mut section: &'a [u8]) -> Result<Self, Error> {
        const SECTION: SectionKind = SectionKind::Metadata;
        let security_version = take_u32(&mut section, SECTION)?;
        let mut metadata = Self { security_version, ..Self::default() };
        let mut last = 0;
        while !section.is_empty() {
            let key = take_u32(&mut section, SECTION)?;
            let bytes = take_count(&mut section, SECTION)?;
            let text = take(&mut section, bytes, SECTION)?;
            ensure(key > last, Field::MetadataKey)?;
            last = key;
            let (place, field) = match key {
                1 => (&mut metadata.name, Field::ModelName),
                2 => (&mut metadata.version, Field::ModelVersion),
                3 => (&mut metadata.license, Field::License),
                4 => (&mut metadata.created, Field::Created),
                _ => return Err(Error::Invalid(Field::MetadataKey)),
            };
            *place = Some(core::str::from_utf8(text).map_err(|_| Error::Invalid(field))?);
        }
        metadata.check()?;
        Ok(metadata)
    }

    /// Refuses an image with a smaller security version than `least`.
    #[cfg(feature = "signature")]
    pub(crate) fn check_age(&self, least: u32) -> Result<(), Error> {
        let Self { security_version, .. } = *self;
        if security_version < least { Err(Error::TooOld { security_version, least }) } else { Ok(()) }
    }
}

impl<Text: AsRef<str>> Metadata<Text> {
    /// Checks the texts.
    ///
    /// # Errors
    /// [`Field::ModelName`], [`Field::ModelVersion`], [`Field::License`] or [`Field::Created`].
    pub fn check(&self) -> Result<(), Error> {
        let allowed = |text: &Option<Text>, is_allowed: fn(&str) -> bool, field| {
            let text = text.as_ref().map(Text::as_ref);
            ensure(text.is_none_or(|text| text.len() <= MAX_TEXT && is_allowed(text)), field)
        };
        allowed(&self.name, is_line, Field::ModelName)?;
        allowed(&self.version, is_version, Field::ModelVersion)?;
        allowed(&self.license, is_line, Field::License)?;
        allowed(&self.created, is_time, Field::Created)
    }

    /// Compares how new two images are: by their security versions, then by the precedence of their semantic versions.
    /// No version comes before every version.
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.security_version.cmp(&other.security_version).then_with(|| {
            match (&self.version, &other.version) {
                (Some(one), Some(other)) => precedence(one.as_ref(), other.as_ref()),
                (one, other) => one.is_some().cmp(&other.is_some()),
            }
        })
    }
}

/// Returns whether a text is one line that a terminal can show.
fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// Returns whether a text is a time in UTC: `2026-12-01T13:00:00Z`.
fn is_time(text: &str) -> bool {
    let [c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2, b'T', time @ ..] = text.as_bytes() else { return false };
    let [h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] = time else { return false };
    let pairs = [[c1, c2], [y1, y2], [m1, m2], [d1, d2], [h1, h2], [n1, n2], [s1, s2]];
    if !pairs.as_flattened().iter().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let [century, year, month, day, hour, minute, second] =
        pairs.map(|[tens, ones]| u32::from(tens & 15) * 10 + u32::from(ones & 15));
    let is_leap = year.is_multiple_of(4) && (year != 0 || century.is_multiple_of(4));
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60
}
