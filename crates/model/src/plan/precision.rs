//! The encoding of every part of a model.

use serde::{Deserialize, Serialize};

use super::encoding::WeightEncoding;
use crate::PerLinear;
use tinybert_base::{Error, Result};

/// How the parts of a model are stored. The head stays int8: it is small, and its errors go straight into the
/// answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precision {
    /// The layers' linears.
    pub weights: LayerEncodings,
    /// The word rows: int8 or four bits. Position rows are int8, types f32.
    pub embeddings: WeightEncoding,
}

/// Encodings of the layers' linears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LayerEncodings {
    /// All alike.
    Alike(WeightEncoding),
    /// Layer by layer.
    Each(Vec<PerLinear<WeightEncoding>>),
}

impl Default for Precision {
    fn default() -> Self {
        Self { weights: LayerEncodings::Alike(WeightEncoding::Int8), embeddings: WeightEncoding::Int8 }
    }
}

impl Precision {
    /// The encodings of every layer's linears.
    ///
    /// # Errors
    /// [`Error::Usage`]: not as many as `layers`, or an encoding that embeddings cannot have.
    pub fn of_layers(&self, layers: usize) -> Result<Vec<PerLinear<WeightEncoding>>> {
        if self.embeddings == WeightEncoding::Sparse {
            return Err(Error::Usage("embeddings cannot be sparse: expected int8 or int4".into()));
        }
        match &self.weights {
            LayerEncodings::Alike(encoding) => Ok(vec![PerLinear::all(*encoding); layers]),
            LayerEncodings::Each(each) if each.len() == layers => Ok(each.clone()),
            LayerEncodings::Each(each) => Err(Error::Usage(format!(
                "encodings for {} layers, but the model has {layers}: expected one entry per layer",
                each.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_encodings_as_layers() {
        let all = Precision { weights: LayerEncodings::Alike(WeightEncoding::Int4), ..Precision::default() };
        assert_eq!(all.of_layers(2).unwrap(), [PerLinear::all(WeightEncoding::Int4); 2]);
        let two = Precision {
            weights: LayerEncodings::Each(vec![PerLinear::all(WeightEncoding::Sparse); 2]),
            ..all.clone()
        };
        assert_eq!(two.of_layers(2).unwrap(), [PerLinear::all(WeightEncoding::Sparse); 2]);
        assert!(matches!(two.of_layers(3), Err(Error::Usage(_))));
        let sparse = Precision { embeddings: WeightEncoding::Sparse, ..all };
        assert!(matches!(sparse.of_layers(1), Err(Error::Usage(_))));
    }

    #[test]
    fn reads_what_it_writes() {
        let each = vec![
            [WeightEncoding::Int8, WeightEncoding::Int4, WeightEncoding::Sparse, WeightEncoding::Int4].into(),
        ];
        let precision = Precision { weights: LayerEncodings::Each(each), embeddings: WeightEncoding::Int4 };
        let json = serde_json::to_string(&precision).unwrap();
        assert_eq!(json, r#"{"weights":[["int8","int4","sparse","int4"]],"embeddings":"int4"}"#);
        assert_eq!(serde_json::from_str::<Precision>(&json).unwrap(), precision);
        let json = serde_json::to_string(&Precision::default()).unwrap();
        assert_eq!(json, r#"{"weights":"int8","embeddings":"int8"}"#);
    }
}
