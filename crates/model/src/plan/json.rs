//! How the image's own types are written in a plan's JSON.

use serde::{Deserialize, Serialize};

use tinybert_image::{AttentionMode, CalibrationRecord, ObservedRange};

/// The JSON form of [`AttentionMode`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "AttentionMode", rename_all = "snake_case")]
pub enum AttentionModeJson {
    Int8,
    F32,
}

/// The JSON form of [`CalibrationRecord`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationRecordJson {
    /// Smallest and largest value of each linear's input; arrays are the form of the file.
    inputs: [[f32; 2]; 4],
    query: f32,
    key: f32,
    value: f32,
}

impl CalibrationRecordJson {
    pub fn serialize<S: serde::Serializer>(seen: &CalibrationRecord, to: S) -> Result<S::Ok, S::Error> {
        let &CalibrationRecord { inputs, query, key, value, .. } = seen;
        let inputs = inputs.map(|ObservedRange { min, max }| [min, max]);
        Serialize::serialize(&Self { inputs, query, key, value }, to)
    }

    pub fn deserialize<'d, D: serde::Deserializer<'d>>(from: D) -> Result<CalibrationRecord, D::Error> {
        let Self { inputs, query, key, value } = Deserialize::deserialize(from)?;
        let inputs = inputs.map(|[min, max]| ObservedRange { min, max });
        Ok(CalibrationRecord { inputs, query, key, value, reserved: 0 })
    }
}

/// A SHA-256 that may be unknown, in lower-case hexadecimal.
pub mod hash {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use tinybert_base::hex;

    pub fn serialize<S: Serializer>(hash: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
        hash.as_ref().map(|hash| hex(hash)).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
        let Some(hex) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let byte = |at: usize| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len().div_ceil(2)).map(byte).collect();
        let hash = bytes.and_then(|bytes| bytes.try_into().ok());
        hash.map(Some).ok_or_else(|| de::Error::custom("expected a SHA-256 of 64 hexadecimal digits"))
    }
}
