//! The metric that models are selected by, where the user names one.

use std::fmt;
use std::str::FromStr;

use super::{LabelSetMetric, MetricSet};
use crate::task::TaskKind;
use tinybert_base::{Error, Result};

/// A metric that models can be selected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectionMetric {
    /// Share of right labels.
    Accuracy,
    /// F1 of the second of two labels; of tagged words, F1 of the entities.
    F1,
    /// Mean of the F1 of all labels that are predicted or there; of sets of labels, of all labels.
    MacroF1,
    /// F1 of all decisions about the labels of sets.
    MicroF1,
    /// Share of the sets of labels that are right.
    ExactMatch,
    /// Matthews correlation coefficient.
    Mcc,
    /// Pearson correlation of scores.
    Pearson,
    /// Spearman correlation of scores.
    Spearman,
}

impl SelectionMetric {
    /// All metrics.
    const ALL: [Self; 8] = [
        Self::Accuracy,
        Self::F1,
        Self::MacroF1,
        Self::MicroF1,
        Self::ExactMatch,
        Self::Mcc,
        Self::Pearson,
        Self::Spearman,
    ];

    /// The name used on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::MacroF1 => "macro-f1",
            Self::MicroF1 => "micro-f1",
            Self::ExactMatch => "exact-match",
            Self::Mcc => "mcc",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
        }
    }

    /// The metrics of data of this kind with these labels, of which this one selects. `usual` are the metrics that
    /// such data are usually judged by; they may say which of two labels F1 is about.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the metrics that such data can be judged by.
    pub fn metrics(self, kind: TaskKind, labels: &[String], usual: MetricSet) -> Result<MetricSet> {
        let refuse = |fitting: &str| {
            Err(Error::Usage(format!("--select-by {self}: such data are judged by {fitting}")))
        };
        match (kind, self) {
            (TaskKind::Classification, Self::Accuracy) => Ok(MetricSet::Accuracy),
            (TaskKind::Classification, Self::MacroF1) => Ok(MetricSet::MacroF1),
            (TaskKind::Classification, Self::Mcc) => Ok(MetricSet::Matthews),
            (TaskKind::Classification, Self::F1) if labels.len() == 2 => match usual {
                MetricSet::AccuracyAndF1 { positive } => Ok(MetricSet::F1 { positive }),
                _ => Ok(MetricSet::F1 { positive: 1 }),
            },
            (TaskKind::Classification, Self::F1) => {
                let count = labels.len();
                refuse(&format!(
                    "accuracy, macro-f1 or mcc, because there are {count} labels, and f1 is for two"
                ))
            }
            (TaskKind::Classification, _) => refuse("accuracy, f1 (of two labels), macro-f1 or mcc"),
            (TaskKind::MultiLabel, Self::MicroF1) => {
                Ok(MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 })
            }
            (TaskKind::MultiLabel, Self::MacroF1) => {
                Ok(MetricSet::LabelSets { primary: LabelSetMetric::MacroF1 })
            }
            (TaskKind::MultiLabel, Self::ExactMatch) => {
                Ok(MetricSet::LabelSets { primary: LabelSetMetric::ExactMatch })
            }
            (TaskKind::MultiLabel, _) => refuse("micro-f1, macro-f1 or exact-match"),
            (TaskKind::Tagging, Self::F1) => Ok(MetricSet::Entities),
            (TaskKind::Tagging, _) => refuse("f1 of the entities"),
            (TaskKind::Regression | TaskKind::Embedding, Self::Pearson) => Ok(MetricSet::Pearson),
            (TaskKind::Regression | TaskKind::Embedding, Self::Spearman) => Ok(MetricSet::Spearman),
            (TaskKind::Regression | TaskKind::Embedding, _) => refuse("pearson or spearman"),
        }
    }
}

impl fmt::Display for SelectionMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SelectionMetric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::Usage(format!("unknown metric {name:?}; known are {known}"))
        })
    }
}
