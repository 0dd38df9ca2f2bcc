//! The description of the data to read: a GLUE folder by task name, or tables with named columns.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::dev_share::DevShare;
use crate::metrics::{LabelSetMetric, MetricSet};
use crate::task::TaskKind;
use tinybert_base::{Error, Result};

/// The place and the layout of labelled text, and the labels that a model already has.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// Files and their layout.
    pub source: Source,
    /// Label names by class index of a model that already has a head. `None`: GLUE's own order, or the labels
    /// of the training file in the order that `docs/data.md` states.
    pub labels: Option<Vec<String>>,
}

/// Files of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A folder in the official GLUE layout of a task.
    Glue {
        /// The task whose layout the folder has.
        task: GlueTask,
        /// Holds `train.tsv`, `dev.tsv`, ...
        folder: PathBuf,
    },
    /// JSONL, CSV, TSV or Parquet files with named columns.
    Table(TableFiles),
}

/// The files of a data set and how to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFiles {
    /// Training file; also says which labels there are.
    pub train: Option<PathBuf>,
    /// Development file.
    pub dev: Option<PathBuf>,
    /// Test file.
    pub test: Option<PathBuf>,
    /// `None`: by file name extension.
    pub format: Option<Format>,
    /// The names of the columns.
    pub columns: ColumnNames,
    /// Whether the label column holds a name, several names, a number, or a tag for each word.
    pub kind: TaskKind,
    /// The part of the training file that is the development set, where there is no development file.
    pub dev_share: Option<DevShare>,
}

/// Names of the columns (or JSON keys) of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames {
    /// First (or only) sentence; with tags its words, as a list or separated by white space.
    pub text: String,
    /// Second sentence of a pair.
    pub pair: Option<String>,
    /// Label, score or tags; `None` reads the table as unlabelled.
    pub label: Option<String>,
    /// Probabilities of the labels in the training file. With them a training row may lack its label, and the
    /// file may lack the label column.
    pub soft_labels: Option<String>,
}

/// File format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated with a header, quoted as in RFC 4180.
    Csv,
    /// Tab-separated with a header; a double quote is an ordinary character.
    Tsv,
    /// One word per line with its tag in the last column, and a blank line after each sentence.
    Conll,
    /// Parquet with named columns, whose lists hold words or tags.
    Parquet,
}

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Models learn from it.
    Train,
    /// Models are selected by it. For MNLI the matched set.
    Dev,
    /// Results are reported on it. For MNLI the matched set.
    Test,
    /// MNLI's mismatched development set.
    DevMismatched,
    /// MNLI's mismatched test set.
    TestMismatched,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Dev => "dev",
            Self::Test => "test",
            Self::DevMismatched => "mismatched dev",
            Self::TestMismatched => "mismatched test",
        })
    }
}

/// A task of the GLUE benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlueTask {
    /// Stanford Sentiment Treebank, two classes.
    Sst2,
    /// Corpus of Linguistic Acceptability.
    Cola,
    /// Recognizing Textual Entailment.
    Rte,
    /// Semantic Textual Similarity Benchmark, scores 0 to 5.
    Stsb,
    /// Microsoft Research Paraphrase Corpus.
    Mrpc,
    /// Multi-Genre Natural Language Inference.
    Mnli,
    /// Quora Question Pairs.
    Qqp,
    /// Question-answering NLI.
    Qnli,
}

impl GlueTask {
    /// Every task, in the order in which messages list them.
    pub const ALL: [Self; 8] =
        [Self::Sst2, Self::Cola, Self::Rte, Self::Stsb, Self::Mrpc, Self::Mnli, Self::Qqp, Self::Qnli];

    /// The name used on the command line: `sst-2`, `cola`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Sst2 => "sst-2",
            Self::Cola => "cola",
            Self::Rte => "rte",
            Self::Stsb => "sts-b",
            Self::Mrpc => "mrpc",
            Self::Mnli => "mnli",
            Self::Qqp => "qqp",
            Self::Qnli => "qnli",
        }
    }

    /// Label names by class index, in the order of Hugging Face's `glue` data sets; empty for STS-B.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Sst2 => &["negative", "positive"],
            Self::Cola => &["unacceptable", "acceptable"],
            Self::Rte | Self::Qnli => &["entailment", "not_entailment"],
            Self::Stsb => &[],
            Self::Mrpc => &["not_equivalent", "equivalent"],
            Self::Mnli => &["entailment", "neutral", "contradiction"],
            Self::Qqp => &["not_duplicate", "duplicate"],
        }
    }

    /// Classification, or regression for STS-B.
    pub fn kind(self) -> TaskKind {
        if self == Self::Stsb { TaskKind::Regression } else { TaskKind::Classification }
    }
}

impl FromStr for GlueTask {
    type Err = Error;

    /// Ignores case, `-` and `_`: `SST-2`, `sst2` and `stsb` are all understood.
    fn from_str(name: &str) -> Result<Self> {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
        Self::ALL.into_iter().find(|task| plain(task.name()) == plain(name)).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::Usage(format!("unknown GLUE task {name:?}; known are {known}"))
        })
    }
}

impl DataSpec {
    /// The kind of the labels.
    pub fn kind(&self) -> TaskKind {
        match &self.source {
            Source::Glue { task, .. } => task.kind(),
            Source::Table(files) => files.kind,
        }
    }

    /// The names of the columns.
    pub fn columns(&self) -> ColumnNames {
        match &self.source {
            Source::Glue { task, .. } => super::glue::columns(*task),
            Source::Table(files) => files.columns.clone(),
        }
    }

    /// The metrics this data is judged by.
    pub fn metrics(&self) -> MetricSet {
        match (&self.source, self.kind()) {
            (Source::Glue { task: GlueTask::Cola, .. }, _) => MetricSet::Matthews,
            (Source::Glue { task: task @ (GlueTask::Mrpc | GlueTask::Qqp), .. }, _) => {
                // The paraphrase: class 1, unless a model's list has it elsewhere.
                let paraphrase = |name: &String| name.eq_ignore_ascii_case(task.labels()[1]);
                let positive = self.labels.iter().flatten().position(paraphrase).unwrap_or(1) as u32;
                MetricSet::AccuracyAndF1 { positive }
            }
            (_, TaskKind::Classification) => MetricSet::Accuracy,
            (_, TaskKind::MultiLabel) => MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 },
            (_, TaskKind::Regression) => MetricSet::PearsonAndSpearman,
            (_, TaskKind::Tagging) => MetricSet::Entities,
            (_, TaskKind::Embedding) => MetricSet::Similarity,
        }
    }
}
