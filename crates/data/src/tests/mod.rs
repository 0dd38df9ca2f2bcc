//! Tests of what callers see, on files written for each.

mod batch;
mod corpus;
mod files;
mod glue;
mod label_sets;
mod real;
mod scope;
mod table;
mod tags;

use std::path::PathBuf;
use std::sync::Mutex;

use super::{ColumnNames, DataSpec, Source, Split, TableFiles, load};
use crate::task::{Dataset, Target, TaskKind};
use tinybert_base::progress::Progress;

/// A folder with files of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("a file in a temporary folder");
        path
    }

    fn path(&self) -> PathBuf {
        self.0.path().into()
    }
}

/// Files with columns of these names.
fn table(train: Option<PathBuf>, dev: Option<PathBuf>, columns: ColumnNames, kind: TaskKind) -> DataSpec {
    let files = TableFiles { train, dev, test: None, format: None, columns, kind, dev_share: None };
    DataSpec { source: Source::Table(files), labels: None }
}

/// Keeps what it is told.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Progress for Listener {
    fn say(&self, line: &str) {
        self.0.lock().expect("no panic while saying").push(line.into());
    }
}

/// Loads and also returns what the user was told.
fn load_and_listen(spec: &DataSpec, split: Split) -> (Dataset, String) {
    let listener = Listener::default();
    let dataset = load(spec, split, &listener).expect("valid data");
    (dataset, listener.0.into_inner().expect("no panic while saying").join("\n"))
}

/// The message of the error that loading must end in.
fn fault(spec: &DataSpec, split: Split) -> String {
    load(spec, split, &tinybert_base::progress::Silent).expect_err("a fault").to_string()
}

fn targets(dataset: &Dataset) -> Vec<Target> {
    dataset.examples.iter().map(|example| example.target.clone()).collect()
}

fn texts(dataset: &Dataset) -> Vec<&str> {
    dataset.examples.iter().map(|example| example.text.as_str()).collect()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}
