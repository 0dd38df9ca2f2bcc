//! JSON values as they are written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The entries of a JSON object, each value as its text. A key that is there twice is an error, because one of its
/// values would be lost.
pub(super) struct Entries<'j>(pub BTreeMap<String, &'j RawValue>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<'de>, M::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if entries.contains_key(&key) {
                        return Err(M::Error::custom(format!("the key {key:?} is there twice")));
                    }
                    entries.insert(key, value);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Reads a value. If it is an object, none of its keys is there twice.
pub(super) fn value(json: &str) -> serde_json::Result<Value> {
    if json.starts_with('{') {
        serde_json::from_str::<Entries>(json)?;
    }
    serde_json::from_str(json)
}

/// Reads a name: a number is the text that is written, so that 1.10 and 1.1 are two names.
pub(super) fn name(json: &RawValue) -> serde_json::Result<Value> {
    match json.get().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(json.get().into()),
        _ => serde_json::from_str(json.get()),
    }
}

/// Reads a list of names; anything else is read as it is.
pub(super) fn names(json: &RawValue) -> serde_json::Result<Value> {
    match json.get().starts_with('[') {
        true => serde_json::from_str::<Vec<&RawValue>>(json.get())?.into_iter().map(name).collect(),
        false => serde_json::from_str(json.get()),
    }
}

/// What serde_json says about a text of one line, without the place.
pub(super) fn reason(fault: &serde_json::Error) -> String {
    let fault = fault.to_string();
    fault.split(" at line 1").next().unwrap_or(&fault).to_owned()
}
