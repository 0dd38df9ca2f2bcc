//! The checked view of a whole image.

use zerocopy::FromBytes;

use crate::config::{Config, LayerConfig};
use crate::container::Container;
use crate::format::{ConfigRecord, LayerRecord};
use crate::metadata::Metadata;
use crate::parts::PartReader;
use crate::records::{CalibrationView, Confidence, Labels, Provenance, SelfTests, Signature};
use crate::views::{EmbeddingsView, HeadView, Layers};
use crate::{Checksum, Error, Field, SectionKind, crc32c};

/// A model image whose every byte has been checked. Borrows from the file; copying it is cheap.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    config: Config,
    container: Container<'a>,
    vocabulary: &'a [u8],
    embeddings: EmbeddingsView<'a>,
    word_checks: Option<&'a [u32]>,
    layers: Layers<'a>,
    head: HeadView<'a>,
    labels: Labels<'a>,
    self_tests: SelfTests<'a>,
    calibration: Option<CalibrationView<'a>>,
    provenance: Option<&'a Provenance>,
    confidence: Option<Confidence>,
}

impl<'a> Image<'a> {
    /// Checks the file completely and returns its views.
    ///
    /// `bytes` must be the whole file and begin at a multiple of [`ALIGNMENT`](crate::ALIGNMENT): memory maps,
    /// [`include_model!`](crate::include_model) and [`AlignedBytes`](crate::AlignedBytes) do.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::from_bytes_with(bytes, crc32c)
    }

    /// Does the same as [`from_bytes`](Self::from_bytes) with another implementation of CRC-32C.
    ///
    /// # Errors
    /// The first thing found wrong.
    #[inline(never)] // The stack that the checks need is free again when answers are computed.
    pub fn from_bytes_with(bytes: &'a [u8], checksum: Checksum) -> Result<Self, Error> {
        Self::from_container(&Container::open(bytes, checksum)?)
    }

    /// Does the same as [`from_bytes_with`](Self::from_bytes_with) for an image that the holder of `public_key` has
    /// signed, and whose [security version](Metadata::security_version) is at least `least_security_version`. Both are
    /// verified before the contents of the other sections are read. An image without metadata has the security version
    /// 0, and a least version of 0 accepts every signed image.
    ///
    /// # Errors
    /// [`NotSigned`](Error::NotSigned), [`OtherKey`](Error::OtherKey), [`Forged`](Error::Forged),
    /// [`TooOld`](Error::TooOld), [`PublicKey`](Error::PublicKey), or the first thing found wrong.
    #[cfg(feature = "signature")]
    #[inline(never)] // As above.
    pub fn from_signed_bytes_with(
        bytes: &'a [u8],
        checksum: Checksum,
        public_key: &[u8; 32],
        least_security_version: u32,
    ) -> Result<Self, Error> {
        let container = Container::open(bytes, checksum)?;
        crate::signature::verify(bytes, &container, public_key)?;
        Metadata::of(&container)?.unwrap_or_default().check_age(least_security_version)?;
        Self::from_container(&container)
    }

    // The stack that this needs is not taken yet while a signature is verified.
    #[cfg_attr(feature = "signature", inline(never))]
    fn from_container(container: &Container<'a>) -> Result<Self, Error> {
        let section = |kind| container.need(kind).map(|bytes| PartReader::new(bytes, kind));

        let mut parts = section(SectionKind::Configuration)?;
        let record = parts.take::<ConfigRecord>(1)?.first();
        let config = Config::decode(record.ok_or(Error::SectionSize(SectionKind::Configuration))?)?;
        let records: &[LayerRecord] = parts.take(config.layers)?;
        parts.finish()?;

        let mut parts = section(SectionKind::Embeddings)?;
        let word_checks = container.find(SectionKind::WordChecks);
        let word_checks = word_checks.map(|bytes| word_checks_of(bytes, &config)).transpose()?;
        let embeddings = EmbeddingsView::read(&mut parts, &config, word_checks.is_some())?;
        parts.finish()?;
        embeddings.check()?;

        let layers = Layers::new(&config, records, section(SectionKind::Layers)?);
        layers.check()?;

        let mut parts = section(SectionKind::Head)?;
        let head = HeadView::read(&mut parts, &config)?;
        parts.finish()?;
        head.check()?;

        let labels = container.find(SectionKind::Labels).map_or(Ok(Labels::default()), Labels::open)?;
        let expected = if config.head.has_labels() { config.outputs } else { 0 };
        if labels.len() != expected {
            return Err(Error::Invalid(Field::Outputs));
        }
        let calibration = container.find(SectionKind::Calibration);
        let self_tests = container.find(SectionKind::SelfTest);
        let confidence = container.find(SectionKind::Confidence);
        container.find(SectionKind::Signature).map(Signature::open).transpose()?;
        Metadata::of(container)?;
        Ok(Self {
            config,
            container: *container,
            vocabulary: container.need(SectionKind::Vocabulary)?,
            embeddings,
            word_checks,
            layers,
            head,
            labels,
            self_tests: self_tests
                .map_or(Ok(SelfTests::none(&config)), |bytes| SelfTests::open(bytes, &config))?,
            calibration: calibration.map(|bytes| CalibrationView::open(bytes, config.layers)).transpose()?,
            provenance: container.find(SectionKind::Provenance).map(Provenance::open).transpose()?,
            confidence: confidence.map(|bytes| Confidence::open(bytes, &config)).transpose()?,
        })
    }

    /// Returns the sizes that hold for the whole model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the sizes and the quantization of each layer, without its weights.
    pub fn layer_configs(&self) -> impl Iterator<Item = LayerConfig> + use<'a> {
        self.layers.configs()
    }

    /// Returns the CRC-32C of each word row if the rows are in a file of their own, or `None` if they are in the image.
    pub fn word_checks(&self) -> Option<&'a [u32]> {
        self.word_checks
    }

    /// Returns the layers from first to last.
    pub fn layers(&self) -> Layers<'a> {
        self.layers
    }

    /// Returns the tokenizer's packed vocabulary; the tokenizer checks it.
    pub fn vocabulary(&self) -> &'a [u8] {
        self.vocabulary
    }

    /// Returns the embeddings.
    pub fn embeddings(&self) -> &EmbeddingsView<'a> {
        &self.embeddings
    }

    /// Returns the task head.
    pub fn head(&self) -> &HeadView<'a> {
        &self.head
    }

    /// Returns the names of the labels: as many as outputs for heads that have labels, none for others.
    pub fn labels(&self) -> Labels<'a> {
        self.labels
    }

    /// Returns inputs with their exact outputs.
    pub fn self_tests(&self) -> SelfTests<'a> {
        self.self_tests
    }

    /// Returns what calibration observed, if the image has that section.
    pub fn calibration(&self) -> Option<CalibrationView<'a>> {
        self.calibration
    }

    /// Returns the hashes of what the image was made from, if the image has that section.
    pub fn provenance(&self) -> Option<&'a Provenance> {
        self.provenance
    }

    /// Returns how logits become probabilities and which answers are accepted, if the image has that section. Without
    /// it, [`Confidence::default`] holds.
    pub fn confidence(&self) -> Option<Confidence> {
        self.confidence
    }

    /// Returns what the image says about itself, if it has that section. Only a signature proves it.
    pub fn metadata(&self) -> Option<Metadata<&'a str>> {
        Metadata::of(&self.container).ok().flatten()
    }

    /// Returns the signature, if the image has one. [`from_bytes`](Self::from_bytes) does not verify it.
    pub fn signature(&self) -> Option<&'a Signature> {
        self.container.find(SectionKind::Signature).and_then(|section| Signature::open(section).ok())
    }

    /// Returns a section as it is, unpadded.
    #[cfg(feature = "alloc")]
    pub(crate) fn section(&self, kind: SectionKind) -> Option<&'a [u8]> {
        self.container.find(kind)
    }

    /// Returns each section with its unpadded size in bytes, in file order.
    pub fn section_bytes(&self) -> impl Iterator<Item = (SectionKind, usize)> + use<'a> {
        let container = self.container;
        SectionKind::ALL.into_iter().filter_map(move |kind| Some((kind, container.find(kind)?.len())))
    }
}

/// Returns the checksums of the word rows, one per word.
fn word_checks_of<'a>(section: &'a [u8], config: &Config) -> Result<&'a [u32], Error> {
    let checks = <[u32]>::ref_from_bytes(section).ok();
    checks.filter(|checks| checks.len() == config.vocab).ok_or(Error::SectionSize(SectionKind::WordChecks))
}
