//! The shipped data, as the shipped teacher labels them.

use std::path::Path;

use tinybert_base::Result;
use tinybert_base::progress::Progress;
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_data::{ColumnNames, DataSpec, Source, Split, TableFiles};
use tinybert_model::Head;
use tinybert_train::TaskData;

/// Name of the folder with the data in the folder of the demo.
const FOLDER: &str = "clinc150";
/// With `--quick`, one of so many sentences without labels, and one of so many test sentences are read.
const QUICK: usize = 5;

/// The sentences of the demo.
pub struct DemoData {
    /// A few sentences of each intent, with their labels.
    pub labelled: Dataset,
    /// The same, and behind them sentences without labels.
    pub train: Dataset,
    pub dev: Dataset,
    pub test: Dataset,
}

impl DemoData {
    /// Reads what `files::unpack` has written to `out`, with the labels of `teacher`.
    ///
    /// # Errors
    /// Those of [`tinybert_data::load`] and [`tinybert_data::unlabelled`].
    pub fn read(out: &Path, teacher: &Head, quick: bool, progress: &dyn Progress) -> Result<Self> {
        let file = |split: &str| out.join(FOLDER).join(split).with_extension("jsonl");
        let columns =
            ColumnNames { text: "text".into(), pair: None, label: Some("label".into()), soft_labels: None };
        let kind = TaskKind::Classification;
        let files = TableFiles {
            train: Some(file("train")),
            dev: Some(file("dev")),
            test: Some(file("test")),
            format: None,
            columns: columns.clone(),
            kind,
            dev_share: None,
        };
        let spec = DataSpec { source: Source::Table(files), labels: Some(teacher.labels().to_vec()) };
        let load = |split| tinybert_data::load(&spec, split, progress);
        let (labelled, dev, mut test) = (load(Split::Train)?, load(Split::Dev)?, load(Split::Test)?);
        let path = file("unlabelled");
        let mut unlabelled = tinybert_data::unlabelled(&path, &columns, kind)?;
        if quick {
            unlabelled = unlabelled.into_iter().step_by(QUICK).collect();
            test = test.sample(test.examples.len() / QUICK);
        }
        let mut train = labelled.clone();
        train.add_unlabelled(&path, unlabelled, &dev, progress);
        Ok(Self { labelled, train, dev, test })
    }

    /// What the student learns from and is selected by.
    pub fn task(&self) -> TaskData<'_> {
        TaskData { train: &self.train, dev: &self.dev, metrics: MetricSet::Accuracy }
    }
}
