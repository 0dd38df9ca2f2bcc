//! The size of an image from its shape alone, for a search over many shapes.

use alloc::vec::Vec;

use tinybert_layout::{Encoding, Panel};

use super::builder::{end_of_section, first_section};
use crate::config::{Config, LayerConfig};
use crate::format::{Bf16, ConfigRecord, LayerRecord, padded};
use crate::metadata::Metadata;
use crate::records::{CalibrationRecord, ConfidenceRecord, Provenance};
use crate::{PerLinear, SectionKind};

/// Everything that the size of an image depends on. The number of zeros of sparse weights is not part of it, so sparse
/// linears have no size.
#[derive(Clone, Copy, Debug)]
pub struct ImageShape<'a> {
    /// Sizes that hold for the whole model.
    pub config: &'a Config,
    /// Sizes of its layers.
    pub layers: &'a [LayerConfig],
    /// Bytes of the packed vocabulary.
    pub vocabulary: usize,
    /// Bytes of each label's name; none for heads without labels.
    pub labels: &'a [usize],
    /// Whether the image has the calibration section.
    pub calibration: bool,
    /// Whether the image has the provenance section.
    pub provenance: bool,
    /// Tokens of each self-test.
    pub self_tests: &'a [usize],
    /// Whether the image has the confidence section.
    pub confidence: bool,
    /// What the image says about itself, if it has that section.
    pub metadata: Option<Metadata<&'a str>>,
}

impl ImageShape<'_> {
    /// Returns the sections that are present with their sizes in bytes, in file order. The padding after a section does
    /// not count. Returns `None` for sparse weights, and if a size overflows.
    pub fn sections(&self) -> Option<Vec<(SectionKind, usize)>> {
        let mut sections = Vec::from([
            (SectionKind::Configuration, self.configuration()?),
            (SectionKind::Vocabulary, self.vocabulary),
            (SectionKind::Embeddings, self.embeddings()?),
            (SectionKind::Layers, self.each_layer()?),
            (SectionKind::Head, self.head()?),
        ]);
        if !self.labels.is_empty() {
            sections.push((SectionKind::Labels, self.labels()?));
        }
        if self.calibration {
            sections.push((SectionKind::Calibration, self.calibration()?));
        }
        if self.provenance {
            sections.push((SectionKind::Provenance, size_of::<Provenance>()));
        }
        if !self.self_tests.is_empty() {
            sections.push((SectionKind::SelfTest, self.self_tests()?));
        }
        if self.confidence {
            sections.push((SectionKind::Confidence, size_of::<ConfidenceRecord>()));
        }
        if let Some(metadata) = &self.metadata {
            sections.push((SectionKind::Metadata, metadata.encode().ok()?.len()));
        }
        Some(sections)
    }

    /// Returns the number of bytes of the file that [`ImageBuilder::build`](super::ImageBuilder::build) makes. Returns
    /// `None` for sparse weights, and if the size overflows.
    pub fn bytes(&self) -> Option<usize> {
        let sections = self.sections()?;
        let first = first_section(sections.len());
        sections.into_iter().try_fold(first, |start, (_, bytes)| end_of_section(start, bytes))
    }

    fn configuration(&self) -> Option<usize> {
        sum([part::<ConfigRecord>(1)?, part::<LayerRecord>(self.layers.len())?])
    }

    fn embeddings(&self) -> Option<usize> {
        let Config { hidden, vocab, positions, types, words, .. } = *self.config;
        let types = part::<f32>(types.checked_mul(hidden)?)?;
        let words = scaled_rows(vocab, words.row_bytes(hidden)?)?;
        sum([words, scaled_rows(positions, hidden)?, types, layer_norm(hidden)?])
    }

    fn each_layer(&self) -> Option<usize> {
        let Config { hidden, panel, .. } = *self.config;
        self.layers.iter().try_fold(0_usize, |total, layer| {
            let width = layer.attention_width();
            let PerLinear { qkv, attention_output, up, down } = layer.encodings;
            let linears = sum([
                linear(width.checked_mul(3)?, hidden, panel, qkv)?,
                linear(hidden, width, panel, attention_output)?,
                linear(layer.ffn, hidden, panel, up)?,
                linear(hidden, layer.ffn, panel, down)?,
            ])?;
            sum([total, linears, layer_norm(hidden)?, layer_norm(hidden)?])
        })
    }

    fn head(&self) -> Option<usize> {
        let Config { hidden, outputs, pooler, panel, head, .. } = *self.config;
        let pooler = if pooler { linear(hidden, hidden, panel, Encoding::Int8)? } else { 0 };
        let thresholds = part::<f32>(head.thresholds(outputs))?;
        sum([pooler, linear(outputs, hidden, panel, Encoding::Int8)?, thresholds])
    }

    fn labels(&self) -> Option<usize> {
        self.labels.iter().try_fold(size_of::<u32>(), |total, name| sum([total, size_of::<u32>(), *name]))
    }

    fn calibration(&self) -> Option<usize> {
        size_of::<u32>().checked_add(self.layers.len().checked_mul(size_of::<CalibrationRecord>())?)
    }

    fn self_tests(&self) -> Option<usize> {
        self.self_tests.iter().try_fold(size_of::<u32>(), |total, &tokens| {
            let ids = size_of::<u32>().checked_add(tokens.checked_mul(size_of::<u32>())?)?;
            let types_end = sum([total, ids, tokens])?.checked_next_multiple_of(4)?;
            let outputs = self.config.head.answers(tokens).checked_mul(self.config.outputs)?;
            types_end.checked_add(outputs.checked_mul(size_of::<f32>())?)
        })
    }
}

/// Returns the number of bytes of a part of `count` values, padded.
fn part<T>(count: usize) -> Option<usize> {
    padded(count.checked_mul(size_of::<T>())?)
}

/// Returns the number of bytes of `rows` rows and their scales.
fn scaled_rows(rows: usize, row_bytes: usize) -> Option<usize> {
    part::<u8>(rows.checked_mul(row_bytes)?)?.checked_add(part::<Bf16>(rows)?)
}

fn layer_norm(hidden: usize) -> Option<usize> {
    part::<f32>(hidden)?.checked_mul(2)
}

/// Returns the number of bytes of a linear's weights, scales, biases and row sums.
fn linear(outputs: usize, inputs: usize, panel: Panel, encoding: Encoding) -> Option<usize> {
    let weights = match encoding {
        Encoding::Int8 => panel.packed_bytes(outputs, inputs)?,
        Encoding::Int4 => panel.matrix(outputs, inputs)?.four_bit_bytes()?,
        Encoding::Sparse => return None,
    };
    let channels = sum([part::<f32>(outputs)?, part::<f32>(outputs)?, part::<i32>(outputs)?])?;
    part::<u8>(weights)?.checked_add(channels)
}

fn sum<const N: usize>(bytes: [usize; N]) -> Option<usize> {
    bytes.into_iter().try_fold(0_usize, usize::checked_add)
}
