//! How the image's own types are written in a plan's JSON.

use serde::{Deserialize, Serialize};
use tinybert_image::{AttentionMode, CalibrationRecord, Range};

/// [`AttentionMode`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "AttentionMode", rename_all = "snake_case")]
pub enum Mode {
    Int8,
    F32,
}

/// [`CalibrationRecord`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Smallest and largest value.
    inputs: [[f32; 2]; 4],
    query: f32,
    key: f32,
    value: f32,
}

impl Seen {
    pub fn serialize<S: serde::Serializer>(seen: &CalibrationRecord, to: S) -> Result<S::Ok, S::Error> {
        let &CalibrationRecord { inputs, query, key, value, .. } = seen;
        let inputs = inputs.map(|Range { min, max }| [min, max]);
        Serialize::serialize(&Self { inputs, query, key, value }, to)
    }

    pub fn deserialize<'d, D: serde::Deserializer<'d>>(from: D) -> Result<CalibrationRecord, D::Error> {
        let Self { inputs, query, key, value } = Deserialize::deserialize(from)?;
        let inputs = inputs.map(|[min, max]| Range { min, max });
        Ok(CalibrationRecord { inputs, query, key, value, reserved: 0 })
    }
}
