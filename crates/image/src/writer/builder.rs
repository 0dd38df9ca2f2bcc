//! The builder, which makes the file from plain arrays.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use tinybert_layout::{Encoding, Panel, encode_row, pack};
use zerocopy::{Immutable, IntoBytes};

use super::aligned::AlignedBytes;
use super::data::{
    CalibrationData, EmbeddingsData, HeadData, LayerData, LayerNormData, LinearData, ScaledRowsData,
    SelfTestData,
};
use super::seal::seal;
use crate::config::Config;
use crate::format::{ALIGNMENT, FileHeader, MAGIC, TableEntry, VERSION, padded};
use crate::image::Image;
use crate::metadata::Metadata;
use crate::records::{Confidence, Provenance};
use crate::{Error, Field, PerLinear, SectionKind};

/// Everything an image is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBuilder {
    /// Sizes that hold for the whole model; they must be those of the arrays below.
    pub config: Config,
    /// The tokenizer's packed vocabulary.
    pub vocabulary: Vec<u8>,
    /// The embeddings.
    pub embeddings: EmbeddingsData,
    /// The layers.
    pub layers: Vec<LayerData>,
    /// The task head.
    pub head: HeadData,
    /// Label names: one per output for heads that have labels, none for others.
    pub labels: Vec<String>,
    /// What calibration observed.
    pub calibration: Option<CalibrationData>,
    /// Hashes of what the image is made from.
    pub provenance: Option<Provenance>,
    /// Inputs with their exact outputs.
    pub self_tests: Vec<SelfTestData>,
    /// How the logits of a classifier become probabilities, and which answers are accepted.
    pub confidence: Option<Confidence>,
    /// What the image says about itself.
    pub metadata: Option<Metadata<String>>,
}

impl ImageBuilder {
    /// Packs the weights, lays out the file, computes checksums, and reads the result back through all of the
    /// reader's checks.
    ///
    /// # Errors
    /// [`Field::Length`] if two arrays do not fit together, otherwise the error that the reader finds.
    pub fn build(&self) -> Result<AlignedBytes, Error> {
        let Config { hidden, vocab, positions, types, outputs, panel, words, .. } = self.config;
        if panel.nr == 0 || panel.kr == 0 {
            return Err(Error::Invalid(Field::Panel));
        }
        if self.layers.len() != self.config.layers {
            return Err(Error::Invalid(Field::Layers));
        }

        let mut configuration = Section::default();
        configuration.part(&[self.config.encode()?]);
        let records: Vec<_> =
            self.layers.iter().map(|layer| layer.config.encode()).collect::<Result<_, _>>()?;
        configuration.part(&records);

        let mut embeddings = Section::default();
        embeddings.scaled_rows(&self.embeddings.word, vocab, hidden, words)?;
        embeddings.scaled_rows(&self.embeddings.position, positions, hidden, Encoding::Int8)?;
        embeddings.part(exactly(&self.embeddings.types, types.saturating_mul(hidden))?);
        embeddings.layer_norm(&self.embeddings.norm, hidden)?;

        let mut layers = Section::default();
        for layer in &self.layers {
            let width = layer.config.attention_width();
            let PerLinear { qkv, attention_output, up, down } = layer.config.encodings;
            layers.linear(&layer.qkv, width.saturating_mul(3), hidden, panel, qkv)?;
            layers.linear(&layer.attention_output, hidden, width, panel, attention_output)?;
            layers.layer_norm(&layer.attention_norm, hidden)?;
            layers.linear(&layer.up, layer.config.ffn, hidden, panel, up)?;
            layers.linear(&layer.down, hidden, layer.config.ffn, panel, down)?;
            layers.layer_norm(&layer.output_norm, hidden)?;
        }

        let mut head = Section::default();
        if self.config.pooler != self.head.pooler.is_some() {
            return Err(Error::Invalid(Field::Flags));
        }
        if let Some(pooler) = &self.head.pooler {
            head.linear(pooler, hidden, hidden, panel, Encoding::Int8)?;
        }
        head.linear(&self.head.output, outputs, hidden, panel, Encoding::Int8)?;
        head.part(exactly(&self.head.thresholds, self.config.head.thresholds(outputs))?);

        let file = assemble(&[
            (SectionKind::Configuration, Some(configuration.0)),
            (SectionKind::Vocabulary, Some(self.vocabulary.clone())),
            (SectionKind::Embeddings, Some(embeddings.0)),
            (SectionKind::Layers, Some(layers.0)),
            (SectionKind::Head, Some(head.0)),
            (SectionKind::Labels, self.labels_section()?),
            (SectionKind::Calibration, self.calibration_section()?),
            (SectionKind::Provenance, self.provenance.map(|hashes| hashes.as_bytes().to_vec())),
            (SectionKind::SelfTest, self.self_test_section()?),
            (
                SectionKind::Confidence,
                self.confidence.map(|confidence| confidence.encode().as_bytes().to_vec()),
            ),
            (SectionKind::Metadata, self.metadata.as_ref().map(Metadata::encode).transpose()?),
        ]);
        Image::from_bytes(&file)?;
        Ok(file)
    }

    fn labels_section(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.labels.is_empty() {
            return Ok(None);
        }
        let mut section = count(self.labels.len())?.to_vec();
        for label in &self.labels {
            section.extend(count(label.len())?);
            section.extend(label.as_bytes());
        }
        Ok(Some(section))
    }

    fn calibration_section(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(calibration) = &self.calibration else { return Ok(None) };
        let mut section = calibration.examples.to_le_bytes().to_vec();
        section.extend(exactly(&calibration.layers, self.config.layers)?.as_bytes());
        Ok(Some(section))
    }

    fn self_test_section(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.self_tests.is_empty() {
            return Ok(None);
        }
        let mut section = count(self.self_tests.len())?.to_vec();
        for test in &self.self_tests {
            section.extend(count(test.ids.len())?);
            section.extend(test.ids.as_bytes());
            section.extend(exactly(&test.type_ids, test.ids.len())?);
            section.resize(section.len().next_multiple_of(4), 0);
            let outputs = self.config.head.answers(test.ids.len()).saturating_mul(self.config.outputs);
            section.extend(exactly(&test.outputs, outputs)?.as_bytes());
        }
        Ok(Some(section))
    }
}

/// A section whose parts are padded to [`ALIGNMENT`].
#[derive(Default)]
struct Section(Vec<u8>);

impl Section {
    fn part<T: IntoBytes + Immutable>(&mut self, values: &[T]) {
        self.0.extend(values.as_bytes());
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn scaled_rows(
        &mut self,
        data: &ScaledRowsData,
        rows: usize,
        width: usize,
        encoding: Encoding,
    ) -> Result<(), Error> {
        let values = exactly(&data.rows, rows.saturating_mul(width))?;
        match encoding {
            Encoding::Int8 => self.part(values),
            Encoding::Int4 => {
                let rows: Option<Vec<_>> = values.chunks(width.max(1)).map(encode_row).collect();
                self.part(&rows.ok_or(Error::Invalid(Field::Weight))?.concat());
            }
            Encoding::Sparse => return Err(Error::Invalid(Field::Encoding)),
        }
        self.part(exactly(&data.scales, rows)?);
        Ok(())
    }

    fn layer_norm(&mut self, data: &LayerNormData, hidden: usize) -> Result<(), Error> {
        self.part(exactly(&data.gamma, hidden)?);
        self.part(exactly(&data.beta, hidden)?);
        Ok(())
    }

    fn linear(
        &mut self,
        data: &LinearData,
        outputs: usize,
        inputs: usize,
        panel: Panel,
        encoding: Encoding,
    ) -> Result<(), Error> {
        if data.inputs != inputs || inputs == 0 {
            return Err(Error::Invalid(Field::Length));
        }
        let weights = exactly(&data.weights, outputs.saturating_mul(inputs))?;
        let row_sum: Vec<i32> =
            weights.chunks(inputs).map(|row| row.iter().map(|weight| i32::from(*weight)).sum()).collect();
        let matrix = panel.matrix(outputs, inputs).ok_or(Error::Invalid(Field::Length))?;
        let mut packed = vec![0; matrix.weights()];
        pack(weights, outputs, inputs, panel, &mut packed).map_err(|_| Error::Invalid(Field::Length))?;
        match encoding {
            Encoding::Int8 => self.part(&packed),
            Encoding::Int4 => {
                matrix.four_bit_bytes().ok_or(Error::Invalid(Field::Panel))?;
                let stored = matrix.encode_four_bits(&packed);
                self.part(&stored.ok_or(Error::Invalid(Field::Weight))?);
            }
            Encoding::Sparse => {
                let stored = matrix.encode_sparse(&packed).ok_or(Error::Invalid(Field::Length))?;
                self.part(&stored.offsets);
                self.part(&stored.mask);
                self.part(&stored.values);
            }
        }
        self.part(exactly(&data.scale, outputs)?);
        self.part(exactly(&data.bias, outputs)?);
        self.part(&row_sum);
        Ok(())
    }
}

/// Writes the sections that are present one after the other and seals the file.
pub(super) fn assemble(sections: &[(SectionKind, Option<Vec<u8>>)]) -> AlignedBytes {
    let present: Vec<_> =
        sections.iter().filter_map(|(kind, bytes)| Some((*kind, bytes.as_deref()?))).collect();
    let table_bytes = present.len() * size_of::<TableEntry>();
    let mut offset = first_section(present.len());
    let mut table = Vec::new();
    for (kind, bytes) in &present {
        table.push(TableEntry {
            kind: *kind as u32,
            crc: 0,
            offset: offset as u64,
            bytes: bytes.len() as u64,
            reserved: 0,
        });
        // Sections are in memory: their lengths do not overflow.
        offset = end_of_section(offset, bytes.len()).unwrap_or(usize::MAX);
    }
    let header = FileHeader {
        magic: MAGIC,
        version: VERSION,
        section_count: present.len() as u16,
        file_bytes: offset as u64,
        reserved: [0; 10],
        table_crc: 0,
        header_crc: 0,
    };
    let mut file = AlignedBytes::zeroed(offset);
    let (shell, _) = file.split_at_mut(size_of::<FileHeader>() + table_bytes);
    shell[..size_of::<FileHeader>()].copy_from_slice(header.as_bytes());
    shell[size_of::<FileHeader>()..].copy_from_slice(table.as_bytes());
    for (entry, (_, bytes)) in table.iter().zip(&present) {
        let start = entry.offset as usize;
        file[start..start + bytes.len()].copy_from_slice(bytes);
    }
    seal(&mut file);
    file
}

/// Returns the offset of the first section in a file with `count` sections.
pub(super) fn first_section(count: usize) -> usize {
    (size_of::<FileHeader>() + count * size_of::<TableEntry>()).next_multiple_of(ALIGNMENT)
}

/// Returns where a section ends with its padding, or `None` when that overflows.
pub(super) fn end_of_section(start: usize, bytes: usize) -> Option<usize> {
    padded(start.checked_add(bytes)?)
}

fn exactly<T>(values: &[T], length: usize) -> Result<&[T], Error> {
    if values.len() == length { Ok(values) } else { Err(Error::Invalid(Field::Length)) }
}

pub(super) fn count(length: usize) -> Result<[u8; 4], Error> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(|_| Error::Invalid(Field::Length))
}
