//! A model with its data, before and after it has answered.

use tinybert_base::{Context, Error, Result};
use tinybert_data::list;
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::ScopedJudgement;
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::only_counts;

use super::EvalArgs;
use crate::args::ModelArgs;
use crate::judged_data::JudgedData;

/// A model and the data as it reads them.
pub struct Candidate {
    name: String,
    predictor: Predictor,
    pub judged_by: JudgedData,
}

/// A model's answers, and how good they are.
pub struct Judged {
    /// The path or the id.
    pub name: String,
    pub judged_by: JudgedData,
    pub answers: ScopedJudgement,
    pub metrics: Metrics,
}

impl Candidate {
    pub fn open(args: &EvalArgs, model: &ModelArgs, context: &Context) -> Result<Self> {
        Self::open_checked(args, model, |_, _| Ok(()), context)
    }

    /// Opens a model that is compared with `other`.
    ///
    /// # Errors
    /// [`Error::Usage`] that names both models if they do not have the same labels; the other errors name this one.
    pub fn open_rival(args: &EvalArgs, model: &ModelArgs, other: &Self, context: &Context) -> Result<Self> {
        let check = |name: &str, labels: &[String]| {
            let sorted = |labels: &[String]| {
                let mut labels = labels.to_vec();
                labels.sort_unstable();
                labels
            };
            // Labels that only count take the names of the data.
            let alike = if only_counts(labels) {
                labels.len() == other.judged_by.data.labelled.labels.len()
            } else {
                sorted(labels) == sorted(&other.judged_by.data.labelled.labels)
            };
            if alike {
                return Ok(());
            }
            let described = |labels: &[String]| match labels {
                [] => "no labels".to_owned(),
                labels => format!("the labels {}", list(labels)),
            };
            Err(Error::Usage(format!(
                "--against {name}: it has {}, and {} has {}; only models with the same labels are compared",
                described(labels),
                other.name,
                described(&other.judged_by.data.labelled.labels)
            )))
        };
        let of_rival = |what| format!("--against {}: {what}", model.name());
        Self::open_checked(args, model, check, context).map_err(|error| match error {
            Error::Usage(what) if !what.starts_with("--against") => Error::Usage(of_rival(what)),
            Error::Input(what) => Error::Input(of_rival(what)),
            other => other,
        })
    }

    /// Opens a model; `check` gets its name and its labels before the data are read.
    fn open_checked(
        args: &EvalArgs,
        model: &ModelArgs,
        check: impl Fn(&str, &[String]) -> Result<()>,
        context: &Context,
    ) -> Result<Self> {
        let place = model.locate(context)?;
        let predictor = model.open_at(&place, &args.device.open()?, args.data.embedding, context)?;
        let (name, labels) = (place.to_string(), predictor.labels()?);
        check(&name, &labels)?;
        let of_model = (place.path.as_path(), &predictor);
        let (split, out_of_scope) = (args.split.into(), args.out_of_scope.as_deref());
        let judged_by = JudgedData::read(&args.data, split, out_of_scope, of_model, context)?;
        Ok(Self { name, predictor, judged_by })
    }

    /// Asks the model for its answers.
    pub fn judge(self, context: &Context) -> Result<Judged> {
        let Self { name, predictor, judged_by } = self;
        let answers = judged_by.judge(&predictor, context)?;
        let metrics = answers.labelled.outcomes.metrics_with_intervals();
        Ok(Judged { name, judged_by, answers, metrics })
    }
}
