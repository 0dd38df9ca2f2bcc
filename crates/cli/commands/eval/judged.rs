//! A model with its data, before and after it has answered.

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::confidence::{ConfidenceMetrics, JudgedAnswer};
use tinybert_data::metrics::{MetricSet, Metrics, Outcomes};
use tinybert_data::task::TaskKind;
use tinybert_data::{ScopedDataset, list};
use tinybert_evaluate::confidence::judged;
use tinybert_evaluate::predictor::Predictor;
use tinybert_evaluate::{Answered, Judgement};
use tinybert_model::only_counts;
use tinybert_runtime::image::Confidence;

use super::EvalArgs;
use crate::args::{ModelAnswers, ModelArgs};

/// A model and the data as it reads them.
pub struct Candidate {
    name: String,
    predictor: Predictor,
    pub data: ScopedDataset,
    set: MetricSet,
}

/// A model's answers, and how good they are.
pub struct Judged {
    /// The path or the id.
    pub name: String,
    pub data: ScopedDataset,
    /// The answers to the labelled examples, in their order.
    pub answered: Vec<Answered>,
    pub outcomes: Outcomes,
    pub metrics: Metrics,
    /// How far the answers can be trusted, if each is one label.
    pub confidence: Option<JudgedConfidence>,
}

/// How far answers with one label can be trusted.
pub struct JudgedConfidence {
    pub confidence: Confidence,
    /// The answers to the examples that are none of the model's labels, in their order.
    pub of_unknown: Vec<Answered>,
    /// All answers, first those to the labelled examples.
    pub judged: Vec<JudgedAnswer>,
    pub metrics: ConfidenceMetrics,
}

impl JudgedConfidence {
    /// Asks the model about the examples that are none of its labels. `answered` are its answers to the others.
    fn new(
        predictor: &Predictor,
        data: &ScopedDataset,
        answered: &[Answered],
        context: &Context,
    ) -> Result<Self> {
        let of_image = predictor.confidence()?;
        let confidence = Confidence { out_of_scope: data.class.or(of_image.out_of_scope), ..of_image };
        let of_unknown = predictor.answers(&data.unknown, context)?;
        let judged = judged(confidence, data, answered, &of_unknown);
        Ok(Self { confidence, of_unknown, metrics: ConfidenceMetrics::of(&judged), judged })
    }
}

impl JudgedConfidence {
    /// The number of examples that are out of scope.
    pub fn out_of_scope(&self) -> usize {
        self.judged.iter().filter(|answer| !answer.in_scope).count()
    }

    /// Whether an answer can be rejected, or an example is out of scope.
    pub fn rejects(&self) -> bool {
        let Confidence { threshold, out_of_scope, .. } = self.confidence;
        threshold > 0.0 || out_of_scope.is_some() || !self.of_unknown.is_empty()
    }
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
                labels.len() == other.data.labelled.labels.len()
            } else {
                sorted(labels) == sorted(&other.data.labelled.labels)
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
                described(&other.data.labelled.labels)
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
        let predictor = model.open_at(&place, &args.device.open()?, args.data.embedding)?;
        let (name, labels) = (place.to_string(), predictor.labels()?);
        check(&name, &labels)?;
        let data_args = args.data.read_by(&place.path, context.progress)?;
        let spec = data_args.spec(&ModelAnswers::of(&predictor)?)?;
        let of_image = predictor.confidence()?.out_of_scope;
        let of_image = of_image.and_then(|class| labels.get(class as usize)).map(String::as_str);
        let of_image = of_image.filter(|_| spec.kind() == TaskKind::Classification);
        let out_of_scope = args.out_of_scope.as_deref().or(of_image);
        let data = data_args.load_scoped(&spec, args.split.into(), out_of_scope, context.progress)?;
        if let Some(label) = &args.out_of_scope {
            data.check_label(label, args.split.into())?;
        }
        predictor.check_kind(&data.labelled)?;
        data.labelled.check_labelled()?;
        let set = data_args.metrics(&spec, &data.labelled)?;
        Ok(Self { name, predictor, data, set })
    }

    /// Asks the model for its answers.
    pub fn judge(self, context: &Context) -> Result<Judged> {
        let Self { name, predictor, data, set } = self;
        let Judgement { answered, outcomes } = predictor.judge(&data.labelled, set, context)?;
        let metrics = outcomes.metrics_with_intervals();
        let confidence = match data.labelled.kind {
            TaskKind::Classification => Some(JudgedConfidence::new(&predictor, &data, &answered, context)?),
            _ => None,
        };
        Ok(Judged { name, data, answered, outcomes, metrics, confidence })
    }
}
