//! What makes two invocations the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{FileHash, RunRecord};
use crate::{Error, Result};

/// All that the weights of a run depend on. None of it may differ between a run and its continuation.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    version: String,
    command: String,
    settings: Value,
    seed: u64,
    /// Files that are read: compared by their contents, not by their paths.
    inputs: Vec<FileHash>,
    /// Digests of what is read from them, by name.
    sets: BTreeMap<String, String>,
}

impl Identity {
    /// That of the run which `record` describes, before any data.
    pub fn new(record: &RunRecord) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            command: record.command.clone(),
            settings: record.settings.clone(),
            seed: record.seed,
            inputs: record.inputs.clone(),
            sets: BTreeMap::new(),
        }
    }

    /// With the digest of what is learned from or judged by, as it is read from the inputs.
    pub fn with_digest(mut self, name: &str, digest: String) -> Self {
        self.sets.insert(name.into(), digest);
        self
    }

    /// Makes sure that `present` goes on with the run of this identity, whose checkpoints stand in `folder`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming every setting, or [`Error::Input`] naming every input, that differs.
    pub(crate) fn check(&self, present: &Self, folder: &Path) -> Result<()> {
        let settings = self.settings_that_differ(present);
        let inputs = self.inputs_that_differ(present);
        if settings.is_empty() && inputs.is_empty() {
            return Ok(());
        }
        let list: String = settings.iter().chain(&inputs).map(|line| format!("\n  {line}")).collect();
        let message = format!(
            "{}: an interrupted run is there, and this is not the same run:{list}\n\
             give it what it began with, or choose another --out, or remove that folder to begin anew",
            folder.display()
        );
        Err(if settings.is_empty() { Error::Input(message) } else { Error::Usage(message) })
    }

    fn settings_that_differ(&self, present: &Self) -> Vec<String> {
        let [began, now] = [self, present].map(Self::leaves);
        let names: BTreeSet<&String> = began.keys().chain(now.keys()).collect();
        let value = |of: &BTreeMap<_, _>, name| of.get(name).map_or("not set".into(), String::clone);
        names
            .into_iter()
            .filter(|name| began.get(*name) != now.get(*name))
            .map(|name| format!("{name}: it began with {}, now {}", value(&began, name), value(&now, name)))
            .collect()
    }

    /// All settings by name.
    fn leaves(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::from([
            ("version".into(), self.version.clone()),
            ("command".into(), self.command.clone()),
            ("seed".into(), self.seed.to_string()),
        ]);
        flatten("", &self.settings, &mut leaves);
        leaves
    }

    fn inputs_that_differ(&self, present: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for at in 0..self.inputs.len().max(present.inputs.len()) {
            match (self.inputs.get(at), present.inputs.get(at)) {
                (Some(began), Some(now)) if began.sha256 == now.sha256 => {}
                (Some(began), Some(now)) => lines.push(format!(
                    "it began with {} of SHA-256 {}, now {} of {}",
                    began.path,
                    short(&began.sha256),
                    now.path,
                    short(&now.sha256)
                )),
                (Some(began), None) => {
                    lines.push(format!("it began with {}, which is not given now", began.path))
                }
                (None, Some(now)) => lines.push(format!("it began without {}", now.path)),
                (None, None) => {}
            }
        }
        // Other columns of the same files, for instance.
        for (name, began) in &self.sets {
            if lines.is_empty() && present.sets.get(name) != Some(began) {
                lines.push(format!("the same files give other {name} now"));
            }
        }
        lines
    }
}

/// Enough of a hash to tell two apart.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// The leaves of a JSON value by their dotted path. Time limits are left out: they may change on the way.
fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != "budget") {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, leaves);
            }
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(settings: Value, seed: u64, sha256: &str) -> Identity {
        let input = FileHash { path: "train.tsv".into(), bytes: 1, sha256: sha256.into() };
        let record =
            RunRecord { command: "test".into(), settings, seed, inputs: vec![input], metrics: Value::Null };
        Identity::new(&record).with_digest("training samples", "d1".into())
    }

    fn check(began: &Identity, now: &Identity) -> Result<()> {
        began.check(now, Path::new("out.run"))
    }

    #[test]
    fn paths_and_time_limits_may_change() {
        let began = identity(json!({"rate": 5e-5, "budget": {"max_minutes": 3}}), 1, "aa");
        let mut now = identity(json!({"rate": 5e-5, "budget": {"max_minutes": null}}), 1, "aa");
        now.inputs[0].path = "elsewhere/train.tsv".into();
        check(&began, &now).unwrap();
    }

    #[test]
    fn every_difference_is_named_with_both_values() {
        let began = identity(json!({"stage": {"rate": 0.5, "epochs": 3}}), 1, "aa");
        let error =
            check(&began, &identity(json!({"stage": {"rate": 0.3, "epochs": 3}}), 2, "aa")).unwrap_err();
        let Error::Usage(what) = &error else { panic!("{error}") };
        assert!(what.contains("stage.rate: it began with 0.5, now 0.3"), "{what}");
        assert!(what.contains("seed: it began with 1, now 2") && !what.contains("epochs"), "{what}");
        assert!(what.contains("out.run") && what.contains("--out"), "{what}");
    }

    #[test]
    fn other_data_are_an_input_error() {
        let began = identity(json!({}), 1, "aa");
        let error = check(&began, &identity(json!({}), 1, "bb")).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains("train.tsv of SHA-256 aa")), "{error}");

        let mut other_column = began.clone();
        other_column.sets.insert("training samples".into(), "d2".into());
        let error = check(&began, &other_column).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains("training samples")), "{error}");

        let mut fewer = began.clone();
        fewer.inputs.clear();
        let error = check(&began, &fewer).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains("not given now")), "{error}");
        assert!(check(&fewer, &began).unwrap_err().to_string().contains("began without train.tsv"));
    }
}
