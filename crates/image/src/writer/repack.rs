//! Functions that turn an image back into plain arrays, and into an image for another kernel family.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use tinybert_layout::{Panel, decode_row, unpack};

use super::aligned::AlignedBytes;
use super::builder::ImageBuilder;
use super::data::{
    CalibrationData, EmbeddingsData, HeadData, LayerData, LayerNormData, LinearData, ScaledRowsData,
    SelfTestData,
};
use crate::views::{LayerNormView, LinearView, ScaledRowsView, StoredRow};
use crate::{Error, Image};

/// Writes the image anew with its weights in `panel`s, the native layout of another kernel family. The answers stay the
/// same to the bit. The speed changes, and so does the workspace if weights are not int8;
/// [`Config::workspace_bytes`](crate::Config::workspace_bytes) is copied without a change.
///
/// # Errors
/// [`Invalid`](Error::Invalid) if `panel` is out of range.
pub fn repack(image: &Image<'_>, panel: Panel) -> Result<AlignedBytes, Error> {
    let mut builder = ImageBuilder::from_image(image);
    builder.config.panel = panel;
    builder.build()
}

impl ImageBuilder {
    /// Unpacks an image into plain arrays.
    pub fn from_image(image: &Image<'_>) -> Self {
        let embeddings = image.embeddings();
        let head = image.head();
        Self {
            config: *image.config(),
            vocabulary: image.vocabulary().into(),
            embeddings: EmbeddingsData {
                word: (&embeddings.word).into(),
                position: (&embeddings.position).into(),
                types: embeddings.types.into(),
                norm: (&embeddings.norm).into(),
            },
            layers: image
                .layers()
                .map(|layer| LayerData {
                    config: layer.config,
                    qkv: (&layer.qkv).into(),
                    attention_output: (&layer.attention_output).into(),
                    attention_norm: (&layer.attention_norm).into(),
                    up: (&layer.up).into(),
                    down: (&layer.down).into(),
                    output_norm: (&layer.output_norm).into(),
                })
                .collect(),
            head: HeadData {
                pooler: head.pooler.as_ref().map(Into::into),
                output: (&head.output).into(),
                thresholds: head.thresholds.into(),
            },
            labels: image.labels().map(String::from).collect(),
            calibration: image.calibration().map(|calibration| CalibrationData {
                examples: calibration.examples,
                layers: calibration.layers.into(),
            }),
            provenance: image.provenance().copied(),
            self_tests: image
                .self_tests()
                .map(|test| SelfTestData {
                    ids: test.ids.into(),
                    type_ids: test.type_ids.into(),
                    outputs: test.outputs.into(),
                })
                .collect(),
            confidence: image.confidence(),
            metadata: image.metadata().map(|metadata| metadata.to_owned()),
        }
    }
}

impl From<&LinearView<'_>> for LinearData {
    fn from(linear: &LinearView<'_>) -> Self {
        Self {
            inputs: linear.inputs,
            weights: unpacked(linear),
            scale: linear.scale.into(),
            bias: linear.bias.into(),
        }
    }
}

impl From<&LayerNormView<'_>> for LayerNormData {
    fn from(norm: &LayerNormView<'_>) -> Self {
        Self { gamma: norm.gamma.into(), beta: norm.beta.into() }
    }
}

impl From<&ScaledRowsView<'_>> for ScaledRowsData {
    fn from(rows: &ScaledRowsView<'_>) -> Self {
        let stored = (0..rows.scales.len()).filter_map(|index| Some(rows.row(index)?.0));
        Self { rows: stored.flat_map(|row| decoded(row, rows.width)).collect(), scales: rows.scales.into() }
    }
}

/// Returns the weights `[outputs, inputs]` of a linear layer of a checked image, which has all of them.
pub(super) fn unpacked(linear: &LinearView<'_>) -> Vec<i8> {
    let LinearView { outputs, inputs, panel, weights, .. } = *linear;
    let mut rows = vec![0; outputs * inputs];
    let packed = panel.matrix(outputs, inputs).map(|matrix| weights.decode(panel, matrix));
    let done = packed.map(|packed| unpack(&packed, outputs, inputs, panel, &mut rows));
    debug_assert_eq!(done, Some(Ok(())), "a checked image has all its weights");
    rows
}

/// Returns the values of a row of a checked image.
fn decoded(row: StoredRow<'_>, width: usize) -> Vec<i8> {
    match row {
        StoredRow::Int8(row) => row.into(),
        StoredRow::Int4(stored) => {
            let mut values = vec![0; width];
            let done = decode_row(stored, &mut values);
            debug_assert_eq!(done, Ok(()), "a row has as many bytes as its width wants");
            values
        }
    }
}
