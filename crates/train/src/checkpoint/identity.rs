//! The identity of a run: what has to be equal for one invocation to continue another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use tinybert_base::collective::Collective;
use tinybert_base::{Error, FileHash, Result, json};
use tinybert_model::RunRecord;

/// Everything that the weights of a run depend on. A run and its continuation have the same identity.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    version: String,
    command: String,
    settings: Value,
    seed: u64,
    /// Files that the run reads. They are compared by their contents, not by their paths.
    inputs: Vec<FileHash>,
    /// Digests of the data that are read from the files, by name.
    sets: BTreeMap<String, String>,
}

impl Identity {
    /// The identity of the run that `record` describes, without any data.
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

    /// The same identity with the digest of training or evaluation data as they were read from the inputs.
    pub fn with_digest(mut self, name: &str, digest: String) -> Self {
        self.sets.insert(name.into(), digest);
        self
    }

    /// The files that the run reads.
    pub(crate) fn inputs(&self) -> &[FileHash] {
        &self.inputs
    }

    /// The same identity without some settings, for a run that has not reached the stage that depends on them.
    pub fn without(&self, settings: &[&str]) -> Self {
        let mut identity = self.clone();
        if let Value::Object(all) = &mut identity.settings {
            all.retain(|name, _| !settings.contains(&name.as_str()));
        }
        identity
    }

    /// Makes sure that all ranks have the same identity.
    ///
    /// # Errors
    /// On every rank [`Error::Usage`] naming every setting, or [`Error::Input`] naming every input, that
    /// differs from rank 0's; [`Error::Ranks`].
    pub fn check_ranks(&self, ranks: &dyn Collective) -> Result<()> {
        if ranks.size() == 1 {
            return Ok(());
        }
        let first = ranks.first_value(self.clone())?;
        let words = ValueWords { own: "rank 0 has", other: &format!("rank {} has", ranks.rank()) };
        let mine = first.differences(self, words);
        let all = ranks.gather_values(mine)?;
        let settings = all.iter().any(|(settings, _)| !settings.is_empty());
        let lines: Vec<String> =
            all.into_iter().flat_map(|(settings, inputs)| [settings, inputs].concat()).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let message = format!("the ranks were not started for the same run:{}", list(&lines));
        Err(if settings { Error::Usage(message) } else { Error::Input(message) })
    }

    /// Makes sure that `present` is the identity of the same run. The run's checkpoints are in `folder`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming every setting, or [`Error::Input`] naming every input, that differs.
    pub fn check(&self, present: &Self, folder: &Path) -> Result<()> {
        let (settings, inputs) = self.differences(present, ValueWords { own: "it began with", other: "now" });
        if settings.is_empty() && inputs.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{}: a run is there, and this is not the same run:{}\n\
             give it what it began with, or choose another --out, or remove that folder to begin anew",
            folder.display(),
            list(&[settings.as_slice(), inputs.as_slice()].concat())
        );
        Err(if settings.is_empty() { Error::Input(message) } else { Error::Usage(message) })
    }

    /// The settings and inputs that differ from `other`, in words.
    fn differences(&self, other: &Self, words: ValueWords) -> (Vec<String>, Vec<String>) {
        (self.settings_that_differ(other, words), self.inputs_that_differ(other, words))
    }

    fn settings_that_differ(&self, other: &Self, words: ValueWords) -> Vec<String> {
        let (mine, others) = (self.leaves(), other.leaves());
        let names: BTreeSet<&String> = mine.keys().chain(others.keys()).collect();
        let value = |leaves: &BTreeMap<_, _>, name| leaves.get(name).map_or("not set".into(), String::clone);
        let ValueWords { own, other } = words;
        names
            .into_iter()
            .filter(|name| mine.get(*name) != others.get(*name))
            .map(|name| format!("{name}: {own} {}, {other} {}", value(&mine, name), value(&others, name)))
            .collect()
    }

    /// All settings by name. Time limits (`budget`) are left out: they may change when a run is continued.
    fn leaves(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::from([
            ("version".into(), self.version.clone()),
            ("command".into(), self.command.clone()),
            ("seed".into(), self.seed.to_string()),
        ]);
        let settings = json::leaves(&self.settings);
        let lasting = settings.into_iter().filter(|(path, _)| !path.split('.').any(|name| name == "budget"));
        leaves.extend(lasting.map(|(path, value)| (path, value.to_string())));
        leaves
    }

    fn inputs_that_differ(&self, other: &Self, words: ValueWords) -> Vec<String> {
        let ValueWords { own, other: others_words } = words;
        let describe = |file: Option<&FileHash>| match file {
            Some(file) => format!("{} of SHA-256 {}", file.path, short(&file.sha256)),
            None => "no such file".into(),
        };
        let mut lines = Vec::new();
        for at in 0..self.inputs.len().max(other.inputs.len()) {
            let (mine, others) = (self.inputs.get(at), other.inputs.get(at));
            if mine.map(|file| &file.sha256) != others.map(|file| &file.sha256) {
                lines.push(format!("{own} {}, {others_words} {}", describe(mine), describe(others)));
            }
        }
        // The files may be the same and the data different, for instance other columns.
        let names: BTreeSet<&String> = self.sets.keys().chain(other.sets.keys()).collect();
        for name in names.into_iter().filter(|name| self.sets.get(*name) != other.sets.get(*name)) {
            match (self.sets.contains_key(name), other.sets.contains_key(name)) {
                (true, false) => lines.push(format!("{own} {name}, {others_words} none")),
                (false, true) => lines.push(format!("{own} no {name}, {others_words} some")),
                _ if lines.is_empty() => lines.push(format!("{own} other {name} from the same files")),
                // The message names other files already.
                _ => {}
            }
        }
        lines
    }
}

/// The words before the values of an identity, and before those of the other that it is compared with.
#[derive(Clone, Copy)]
struct ValueWords<'a> {
    own: &'a str,
    other: &'a str,
}

/// The lines of a message, each indented.
fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

/// The beginning of a hash, which is enough to tell two hashes apart.
pub(super) fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(settings: Value, seed: u64, sha256: &str) -> Identity {
        let input = FileHash { path: "train.tsv".into(), bytes: 1, sha256: sha256.into() };
        let record = RunRecord::new("test", settings, seed, vec![input]);
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
    fn numbers_are_read_as_they_were_written() {
        // 938us in milliseconds has 17 digits.
        let began = identity(json!({"latency_ms": 938.0 * 1e-3, "rate": 0.1f32 * 3.0}), 1, "aa");
        let text = serde_json::to_string(&began).unwrap();
        let read: Identity = serde_json::from_str(&text).unwrap();
        check(&read, &began).unwrap();
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

        let more = began.clone().with_digest("augmented examples", "d3".into());
        let error = check(&began, &more).unwrap_err();
        assert!(error.to_string().contains("began with no augmented examples, now some"), "{error}");
        let error = check(&more, &began).unwrap_err();
        assert!(error.to_string().contains("began with augmented examples, now none"), "{error}");

        let mut fewer = began.clone();
        fewer.inputs.clear();
        let error = check(&began, &fewer).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains("now no such file")), "{error}");
        let error = check(&fewer, &began).unwrap_err();
        assert!(error.to_string().contains("began with no such file, now train.tsv"), "{error}");
    }
}
