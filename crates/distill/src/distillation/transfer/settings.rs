//! Settings of the transfer losses.

use super::super::alignment::Align;
use super::super::layer_map::LayerMap;
use tinybert_base::{Error, Result};

/// How hidden states of the student are projected to the teacher's width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionKind {
    /// W_e for the embeddings and W_h for all layers, without bias, as in the paper.
    #[default]
    Separate,
    /// One linear with bias for all states, as in the authors' code.
    Shared,
}

/// The initial values of the projections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionStart {
    /// The least-squares fit of the teacher's states by the student's states on sample text. With a random
    /// projection the student would first learn states that belong to no useful projection.
    #[default]
    Fitted,
    /// Normal with the student's initializer range, as in the authors' code.
    Random,
}

/// The losses of the intermediate layers, and the layers that they compare.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransferSettings {
    /// g(m): the teacher layer of each student layer.
    pub layer_map: LayerMap,
    /// λ_0 (embeddings) to λ_M; empty for 1 throughout.
    pub layer_weights: Vec<f64>,
    /// Factor on the embedding loss.
    pub embedding_weight: f64,
    /// Factor on the hidden losses.
    pub hidden_weight: f64,
    /// Factor on the attention losses.
    pub attention_weight: f64,
    /// How widths are matched.
    pub projection: ProjectionKind,
    /// The initial values of the projections.
    pub projection_start: ProjectionStart,
    /// What positions are compared by; `None` for pieces where student and teacher have the same vocabulary, and for
    /// words where they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub align: Option<Align>,
}

impl Default for TransferSettings {
    fn default() -> Self {
        Self {
            layer_map: LayerMap::Uniform,
            layer_weights: Vec::new(),
            embedding_weight: 1.0,
            hidden_weight: 1.0,
            attention_weight: 1.0,
            projection: ProjectionKind::Separate,
            projection_start: ProjectionStart::Fitted,
            align: None,
        }
    }
}

impl TransferSettings {
    /// λ_0 to λ_M for a student of so many layers.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number of weights.
    pub(super) fn weights(&self, layers: usize) -> Result<Vec<f64>> {
        match self.layer_weights.len() {
            0 => Ok(vec![1.0; layers + 1]),
            found if found == layers + 1 => Ok(self.layer_weights.clone()),
            found => Err(Error::Usage(format!(
                "expected {} layer weights, one for the embeddings and one for each of the student's {layers} layers, \
                 found {found}",
                layers + 1
            ))),
        }
    }
}
