//! A model's answers to data of which a part may be out of scope.

use tinybert_base::{Context, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::metrics::MetricSet;
use tinybert_data::metrics::confidence::{ConfidenceMetrics, JudgedAnswer};
use tinybert_data::task::TaskKind;
use tinybert_image::Confidence;

use crate::confidence::judged;
use crate::predictor::Predictor;
use crate::{Answered, Judgement};

/// A model's answers to the examples of a data set, and how far they can be trusted.
pub struct ScopedJudgement {
    /// The answers to the labelled examples.
    pub labelled: Judgement,
    /// How far the answers can be trusted, if each is one label.
    pub confidence: Option<JudgedConfidence>,
}

/// How far answers with one label can be trusted.
pub struct JudgedConfidence {
    /// How logits became probabilities, and which answers were accepted.
    pub confidence: Confidence,
    /// The answers to the examples that are none of the model's labels, in their order.
    pub of_unknown: Vec<Answered>,
    /// All answers, first those to the labelled examples.
    pub judged: Vec<JudgedAnswer>,
    /// How good probabilities and acceptance are.
    pub metrics: ConfidenceMetrics,
}

impl JudgedConfidence {
    /// The answers of a model that states `confidence`: `answered` to the labelled examples of `data`, and `of_unknown`
    /// to those that are none of its labels. The label of `data` that stands for what is out of scope takes the place
    /// of the model's.
    pub fn new(
        confidence: Confidence,
        data: &ScopedDataset,
        answered: &[Answered],
        of_unknown: Vec<Answered>,
    ) -> Self {
        let out_of_scope = data.class.or(confidence.out_of_scope);
        let confidence = Confidence { out_of_scope, ..confidence };
        let judged = judged(confidence, data, answered, &of_unknown);
        Self { confidence, of_unknown, metrics: ConfidenceMetrics::of(&judged), judged }
    }

    /// The number of examples that are out of scope.
    pub fn out_of_scope(&self) -> usize {
        self.judged.iter().filter(|answer| !answer.in_scope).count()
    }

    /// The metrics that say something. Where no answer can be rejected and no example is out of scope, the shares of
    /// accepted answers are those of all answers, and are left out.
    pub fn telling_metrics(&self) -> ConfidenceMetrics {
        let Confidence { threshold, out_of_scope, .. } = self.confidence;
        match threshold > 0.0 || out_of_scope.is_some() || !self.of_unknown.is_empty() {
            true => self.metrics.clone(),
            false => self.metrics.of_probabilities(),
        }
    }
}

impl Predictor {
    /// The model's answers to all examples of `data`.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::judge`].
    pub fn judge_scoped(
        &self,
        data: &ScopedDataset,
        metrics: MetricSet,
        context: &Context,
    ) -> Result<ScopedJudgement> {
        let labelled = self.judge(&data.labelled, metrics, context)?;
        let confidence = match data.labelled.kind {
            TaskKind::Classification => {
                let of_unknown = self.answers(&data.unknown, context)?;
                Some(JudgedConfidence::new(self.confidence()?, data, &labelled.answered, of_unknown))
            }
            _ => None,
        };
        Ok(ScopedJudgement { labelled, confidence })
    }
}
