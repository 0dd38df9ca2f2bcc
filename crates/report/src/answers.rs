//! The answers of an image to a data set beside the right ones: what the page shows about its errors.

use std::collections::BTreeMap;

use tinybert_data::ScopedDataset;
use tinybert_data::metrics::confidence::{
    ConfidenceMetrics, CoveredAnswers, JudgedAnswer, ReliabilityBin, reliability, risk_by_coverage,
};
use tinybert_data::metrics::intervals::Interval;
use tinybert_data::metrics::{ClassScores, Outcomes};
use tinybert_data::task::{Example, Target, TaskKind};
use tinybert_evaluate::{Answered, JudgedConfidence, ScopedJudgement};
use tinybert_image::Confidence;

use crate::format::shortened;

/// A confusion matrix of more labels is left out.
const MATRIX: usize = 300;
/// Largest number of points of the risk-coverage curve.
const CURVE: usize = 201;
/// Largest number of pairs of scores, evenly spread over the examples.
const SCORES: usize = 500;
/// Largest number of texts.
const TEXTS: usize = 50;
/// Largest number of characters of a text.
const CHARACTERS: usize = 1000;

/// The answers of an image to the development set beside the right ones. A part is empty if it does not fit the kind of
/// the answers.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportedAnswers {
    /// Name of the image.
    pub model: String,
    /// Number of examples.
    pub samples: usize,
    /// The scores of each label, or of each type of entity.
    pub labels: Vec<ReportedLabel>,
    /// One label per text: how often the true label of the row got the label of the column, both in the order of
    /// `labels`. Empty for more than 300 labels.
    pub confusion: Vec<Vec<u64>>,
    /// One label per text: the reliability diagram, 15 bins.
    pub reliability: Vec<ReliabilityBin>,
    /// One label per text: at most 201 points of the risk-coverage curve, by ascending coverage.
    pub risk_coverage: Vec<RiskPoint>,
    /// The point of the threshold that the image stores, if it has one that accepts an answer.
    pub threshold: Option<RiskPoint>,
    /// One label per text: how good probabilities and acceptance are.
    pub confidence: Option<ReportedConfidence>,
    /// Scores: gold and predicted, at most 500 pairs.
    pub scores: Vec<[f64; 2]>,
    /// Whether the predicted scores are similarities, which need not have the scale of the gold ones.
    pub are_similarities: bool,
    /// One label per text: the image beside its teacher.
    pub teacher: Option<TeacherComparison>,
}

/// The scores of a label, each a fraction.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedLabel {
    /// Name of the label.
    pub name: String,
    /// Share of its predictions that are right.
    pub precision: f64,
    /// Share of its examples that are found.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// How often the label is right to have.
    pub support: u64,
}

/// The answers with a least probability.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskPoint {
    /// The least probability.
    pub probability: f64,
    /// Share of the answers that have it.
    pub coverage: f64,
    /// Share of wrong answers among these.
    pub risk: f64,
}

/// How far answers can be trusted.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedConfidence {
    /// What the logits are divided by before the softmax.
    pub temperature: f64,
    /// The least probability of an answer that is accepted.
    pub threshold: f64,
    /// Name of the label that stands for everything out of scope.
    pub out_of_scope: Option<String>,
    /// Number of examples that are none of the image's labels.
    pub unknown: usize,
    /// The values of [`ConfidenceMetrics`] by name; without the shares of accepted answers where none can be rejected.
    pub values: BTreeMap<String, f64>,
    /// The 95 % interval of each share.
    pub intervals: BTreeMap<String, Interval>,
}

/// An image beside its teacher on the same texts.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherComparison {
    /// Name of the teacher.
    pub name: String,
    /// Number of texts that the teacher alone answers rightly.
    pub only_teacher: usize,
    /// Number of texts that the image alone answers rightly.
    pub only_image: usize,
    /// Of the texts that the teacher alone answers rightly at most 50, beginning with those of whose wrong answer the
    /// image is most certain.
    pub lost: Vec<LostText>,
}

/// A text that the teacher answers rightly and the image wrongly.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostText {
    /// The text, at most 1000 characters.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// The right label, which is the teacher's answer.
    pub gold: String,
    /// The image's answer.
    pub answer: String,
    /// The probability that the image gives to its answer.
    pub probability: f64,
    /// The probability that the teacher gives to the right label.
    pub teacher_probability: f64,
}

/// A data set that a model has answered.
pub struct AnsweredSet<'a> {
    /// The examples, with labels as the model has them.
    pub data: &'a ScopedDataset,
    /// The model's answers.
    pub judged: &'a ScopedJudgement,
}

impl AnsweredSet<'_> {
    /// The labelled examples with their answers.
    fn labelled(&self) -> impl Iterator<Item = (&Example, &Answered)> {
        self.data.labelled.examples.iter().zip(&self.judged.labelled.answered)
    }

    /// The answers beside the right ones, if each is one label: first those to the labelled examples.
    fn judged_answers(&self) -> &[JudgedAnswer] {
        self.judged.confidence.as_ref().map_or(&[], |confidence| confidence.judged.as_slice())
    }

    /// The name of the label of an answer.
    fn label(&self, answer: &Target) -> String {
        let class = answer.classes().first().map_or(usize::MAX, |&class| class as usize);
        self.data.labelled.labels.get(class).cloned().unwrap_or_default()
    }
}

impl ReportedAnswers {
    /// The answers of the image with this name, beside those of a teacher (with its name) to the same examples in the
    /// same order.
    pub fn new(model: &str, image: &AnsweredSet, teacher: Option<(&str, &AnsweredSet)>) -> Self {
        let answers = image.judged_answers();
        let per_class = Outcomes::per_class(&image.judged.labelled.outcomes);
        let (labels, confusion) =
            per_class.map_or_else(Default::default, |report| (report.labels, report.confusion));
        let mut reported = Self {
            model: model.to_owned(),
            samples: image.data.labelled.examples.len(),
            labels: labels.iter().map(|(name, scores)| ReportedLabel::new(name, scores)).collect(),
            confusion: confusion.filter(|rows| rows.len() <= MATRIX).unwrap_or_default(),
            scores: scores(image),
            are_similarities: image.data.labelled.kind == TaskKind::Embedding,
            ..Self::default()
        };
        if let Some(confidence) = &image.judged.confidence {
            reported.confidence = Some(ReportedConfidence::new(confidence, image.data));
            reported.reliability = reliability(answers).to_vec();
            let curve = curve(answers);
            let least = f64::from(confidence.confidence.threshold);
            reported.threshold =
                curve.iter().rfind(|point| point.probability >= least).copied().filter(|_| least > 0.0);
            reported.risk_coverage = thinned(&curve);
            reported.teacher = teacher.map(|(name, teacher)| TeacherComparison::new(name, image, teacher));
        }
        reported
    }
}

impl ReportedConfidence {
    fn new(judged: &JudgedConfidence, data: &ScopedDataset) -> Self {
        fn by_name<T: Copy>(values: &BTreeMap<&str, T>) -> BTreeMap<String, T> {
            values.iter().map(|(&name, &value)| (name.to_owned(), value)).collect()
        }

        let Confidence { temperature, threshold, out_of_scope } = judged.confidence;
        let ConfidenceMetrics { values, intervals } = judged.telling_metrics();
        Self {
            temperature: temperature.into(),
            threshold: threshold.into(),
            out_of_scope: out_of_scope.and_then(|class| data.labelled.labels.get(class as usize).cloned()),
            unknown: data.unknown.examples.len(),
            values: by_name(&values),
            intervals: by_name(&intervals),
        }
    }
}

impl ReportedLabel {
    fn new(name: &str, &ClassScores { precision, recall, f1, support }: &ClassScores) -> Self {
        Self { name: name.to_owned(), precision, recall, f1, support }
    }
}

impl TeacherComparison {
    fn new(name: &str, image: &AnsweredSet, teacher: &AnsweredSet) -> Self {
        let (of_image, of_teacher) = (image.judged_answers(), teacher.judged_answers());
        let pairs = || of_image.iter().zip(of_teacher);
        let count = |first: bool, second: bool| {
            let is_it = |(image, teacher): &(&JudgedAnswer, &JudgedAnswer)| {
                (image.right, teacher.right) == (Some(first), Some(second))
            };
            pairs().filter(is_it).count()
        };
        let mut lost: Vec<LostText> = pairs()
            .zip(image.labelled())
            .filter(|((image, teacher), _)| (image.right, teacher.right) == (Some(false), Some(true)))
            .map(|((of_image, of_teacher), (example, answered))| LostText {
                text: shortened(&example.text, CHARACTERS),
                pair: example.pair.as_ref().map(|pair| shortened(pair, CHARACTERS)),
                gold: image.label(&example.target),
                answer: image.label(&answered.answer),
                probability: of_image.probability.into(),
                teacher_probability: of_teacher.probability.into(),
            })
            .collect();
        lost.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        lost.truncate(TEXTS);
        Self { name: name.to_owned(), only_teacher: count(false, true), only_image: count(true, false), lost }
    }
}

/// The whole risk-coverage curve.
fn curve(answers: &[JudgedAnswer]) -> Vec<RiskPoint> {
    let covered = risk_by_coverage(answers);
    let all = covered.last().map_or(0, |all| all.count) as f64;
    let point = |of: &CoveredAnswers| RiskPoint {
        probability: of.probability,
        coverage: of.count as f64 / all,
        risk: of.risk(),
    };
    covered.iter().map(point).collect()
}

/// At most [`CURVE`] points with even distances, the first and the last one among them.
fn thinned(curve: &[RiskPoint]) -> Vec<RiskPoint> {
    match curve.len().checked_sub(1) {
        Some(last) if last >= CURVE => (0..CURVE).map(|at| curve[at * last / (CURVE - 1)]).collect(),
        _ => curve.to_vec(),
    }
}

/// Gold and predicted scores.
fn scores(image: &AnsweredSet) -> Vec<[f64; 2]> {
    let step = image.data.labelled.examples.len().div_ceil(SCORES).max(1);
    let score = |(example, answered): (&Example, &Answered)| match (&example.target, &answered.answer) {
        (Target::Score(gold), Target::Score(predicted)) => Some([f64::from(*gold), f64::from(*predicted)]),
        _ => None,
    };
    image.labelled().step_by(step).filter_map(score).collect()
}

#[cfg(test)]
mod tests;
