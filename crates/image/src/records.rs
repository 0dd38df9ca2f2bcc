//! The small sections: labels, calibration, provenance, self-tests, confidence.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::config::{Config, HeadKind};
use crate::error::ensure;
use crate::{Error, Field, SectionKind};

/// Splits `count` values of `T` off the front. `bytes` needs no alignment beyond that of `T`.
pub(crate) fn take<'a, T>(bytes: &mut &'a [u8], count: usize, section: SectionKind) -> Result<&'a [T], Error>
where
    T: FromBytes + Immutable + KnownLayout,
{
    let (values, rest) =
        <[T]>::ref_from_prefix_with_elems(bytes, count).map_err(|_| Error::SectionSize(section))?;
    *bytes = rest;
    Ok(values)
}

pub(crate) fn take_u32(bytes: &mut &[u8], section: SectionKind) -> Result<u32, Error> {
    let (value, rest) = bytes.split_first_chunk().ok_or(Error::SectionSize(section))?;
    *bytes = rest;
    Ok(u32::from_le_bytes(*value))
}

pub(crate) fn take_count(bytes: &mut &[u8], section: SectionKind) -> Result<usize, Error> {
    usize::try_from(take_u32(bytes, section)?).map_err(|_| Error::SectionSize(section))
}

fn used_up(bytes: &[u8], section: SectionKind) -> Result<(), Error> {
    if bytes.is_empty() { Ok(()) } else { Err(Error::SectionSize(section)) }
}

/// The names of the labels, in the order of the outputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    remaining: usize,
    rest: &'a [u8],
}

impl<'a> Labels<'a> {
    /// Reads and checks all names.
    pub(crate) fn open(mut section: &'a [u8]) -> Result<Self, Error> {
        let remaining = take_count(&mut section, SectionKind::Labels)?;
        let labels = Self { remaining, rest: section };
        let mut walk = labels;
        while walk.read()?.is_some() {}
        used_up(walk.rest, SectionKind::Labels)?;
        Ok(labels)
    }

    fn read(&mut self) -> Result<Option<&'a str>, Error> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let bytes = take_count(&mut self.rest, SectionKind::Labels)?;
        let text = take(&mut self.rest, bytes, SectionKind::Labels)?;
        self.remaining -= 1;
        core::str::from_utf8(text).map(Some).map_err(|_| Error::Invalid(Field::Label))
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        // Checked when the image was opened.
        self.read().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Labels<'_> {}

/// An observed range of real values.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ObservedRange {
    /// Smallest value seen.
    pub min: f32,
    /// Largest value seen.
    pub max: f32,
}

/// The ranges that calibration observed in one layer.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CalibrationRecord {
    /// Inputs of the linears qkv, attention output, up, down.
    pub inputs: [ObservedRange; 4],
    /// Largest magnitude of the queries.
    pub query: f32,
    /// Largest magnitude of the keys.
    pub key: f32,
    /// Largest magnitude of the values.
    pub value: f32,
    /// Zero.
    pub reserved: u32,
}

/// What calibration observed: information for people, which the device does not use.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationView<'a> {
    /// Number of calibration examples.
    pub examples: u32,
    /// One record per layer.
    pub layers: &'a [CalibrationRecord],
}

impl<'a> CalibrationView<'a> {
    pub(crate) fn open(mut section: &'a [u8], layers: usize) -> Result<Self, Error> {
        let examples = take_u32(&mut section, SectionKind::Calibration)?;
        let layers: &[CalibrationRecord] = take(&mut section, layers, SectionKind::Calibration)?;
        if layers.iter().any(|layer| layer.reserved != 0) {
            return Err(Error::Padding);
        }
        used_up(section, SectionKind::Calibration)?;
        Ok(Self { examples, layers })
    }
}

/// SHA-256 of what the image was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Provenance {
    /// The weights file.
    pub weights: [u8; 32],
    /// The vocabulary file.
    pub vocabulary: [u8; 32],
    /// The calibration data; zero if there was none.
    pub calibration: [u8; 32],
}

impl Provenance {
    pub(crate) fn open(section: &[u8]) -> Result<&Self, Error> {
        Self::ref_from_bytes(section).map_err(|_| Error::SectionSize(SectionKind::Provenance))
    }
}

/// What the holder of a key has signed: section 10, as `docs/image-format.md` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Signature {
    /// SHA-256 of the image.
    pub digest: [u8; 32],
    /// The Ed25519 public key that the image says it was signed with. Anybody can write this field, so compare it with
    /// a key that you trust.
    pub public_key: [u8; 32],
    /// Ed25519 signature.
    pub signature: [u8; 64],
}

impl Signature {
    pub(crate) fn open(section: &[u8]) -> Result<&Self, Error> {
        Self::ref_from_bytes(section).map_err(|_| Error::SectionSize(SectionKind::Signature))
    }
}

/// How the logits of a classifier become probabilities, and which of its answers are accepted: section 12. The default
/// is that of an image without the section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// Logits are divided by it before the softmax: a positive normal number.
    pub temperature: f32,
    /// The least probability with which an answer is accepted, 0 to 1. With 0 every probability is enough.
    pub threshold: f32,
    /// The label that stands for everything that is none of the other labels. An answer with it is not accepted.
    pub out_of_scope: Option<u32>,
}

impl Default for Confidence {
    fn default() -> Self {
        Self { temperature: 1.0, threshold: 0.0, out_of_scope: None }
    }
}

/// The section as it is stored.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct ConfidenceRecord {
    temperature: f32,
    threshold: f32,
    out_of_scope: u32,
}

impl Confidence {
    /// Returns whether an answer with this label and this probability is accepted.
    pub fn accepts(&self, label: usize, probability: f32) -> bool {
        let is_in_scope = self.out_of_scope.is_none_or(|other| usize::try_from(other) != Ok(label));
        is_in_scope && probability >= self.threshold
    }

    /// The stored index that stands for no label.
    const NO_LABEL: u32 = u32::MAX;

    pub(crate) fn open(section: &[u8], config: &Config) -> Result<Self, Error> {
        let record = ConfidenceRecord::ref_from_bytes(section)
            .map_err(|_| Error::SectionSize(SectionKind::Confidence))?;
        let ConfidenceRecord { temperature, threshold, out_of_scope } = *record;
        let out_of_scope = (out_of_scope != Self::NO_LABEL).then_some(out_of_scope);
        let is_label = |label: u32| usize::try_from(label).is_ok_and(|label| label < config.outputs);
        ensure(config.head == HeadKind::Classification, Field::HeadKind)?;
        ensure(temperature.is_normal() && temperature > 0.0, Field::Temperature)?;
        ensure((0.0..=1.0).contains(&threshold), Field::Threshold)?;
        ensure(out_of_scope.is_none_or(is_label), Field::OutOfScope)?;
        Ok(Self { temperature, threshold, out_of_scope })
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn encode(self) -> ConfidenceRecord {
        let Self { temperature, threshold, out_of_scope } = self;
        ConfidenceRecord { temperature, threshold, out_of_scope: out_of_scope.unwrap_or(Self::NO_LABEL) }
    }
}

/// An input with the exact outputs that the host computed for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfTest<'a> {
    /// Token ids, special tokens included; each below the vocabulary size.
    pub ids: &'a [u32],
    /// The token type of each token.
    pub type_ids: &'a [u8],
    /// Outputs of the head (logits or score; `[tokens, outputs]` for token classification). A device must compute the
    /// same bits.
    pub outputs: &'a [f32],
}

/// The self-tests of an image.
#[derive(Clone, Copy, Debug)]
pub struct SelfTests<'a> {
    remaining: usize,
    head: HeadKind,
    outputs: usize,
    rest: &'a [u8],
}

impl<'a> SelfTests<'a> {
    /// Returns no self-tests, for an image without the section.
    pub(crate) fn none(config: &Config) -> Self {
        Self { remaining: 0, head: config.head, outputs: config.outputs, rest: &[] }
    }

    /// Reads and checks all self-tests.
    pub(crate) fn open(mut section: &'a [u8], config: &Config) -> Result<Self, Error> {
        let mut tests = Self::none(config);
        tests.remaining = take_count(&mut section, SectionKind::SelfTest)?;
        tests.rest = section;
        let mut walk = tests;
        while let Some(test) = walk.read()? {
            let possible = (1..=config.max_tokens).contains(&test.ids.len())
                && test.ids.iter().all(|id| usize::try_from(*id).is_ok_and(|id| id < config.vocab))
                && test.type_ids.iter().all(|id| usize::from(*id) < config.types);
            if !possible {
                return Err(Error::Invalid(Field::SelfTest));
            }
        }
        used_up(walk.rest, SectionKind::SelfTest)?;
        Ok(tests)
    }

    fn read(&mut self) -> Result<Option<SelfTest<'a>>, Error> {
        const SECTION: SectionKind = SectionKind::SelfTest;
        if self.remaining == 0 {
            return Ok(None);
        }
        let tokens = take_count(&mut self.rest, SECTION)?;
        let ids = take(&mut self.rest, tokens, SECTION)?;
        let type_ids = take(&mut self.rest, tokens, SECTION)?;
        let padding: &[u8] = take(&mut self.rest, tokens.wrapping_neg() % 4, SECTION)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Padding);
        }
        let outputs = self.head.answers(tokens).saturating_mul(self.outputs);
        let outputs = take(&mut self.rest, outputs, SECTION)?;
        self.remaining -= 1;
        Ok(Some(SelfTest { ids, type_ids, outputs }))
    }
}

impl<'a> Iterator for SelfTests<'a> {
    type Item = SelfTest<'a>;

    fn next(&mut self) -> Option<SelfTest<'a>> {
        // Checked when the image was opened.
        self.read().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for SelfTests<'_> {}
