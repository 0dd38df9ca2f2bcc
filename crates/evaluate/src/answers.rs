//! What the outputs of a model's head say.

use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;
use tinybert_data::metrics::{Outcomes, cosine};
use tinybert_data::task::{NO_TAG, Target, TaskKind};
use tinybert_kernels::math;
use tinybert_model::Head;
use tinybert_model::thresholds::label_set;

/// A model's answer to an example, and the outputs of its head that the answer was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer.
    pub answer: Target,
    /// Logits `[outputs]` of a classifier, the score `[1]`, logits `[words, tags]` of the words that have a tag, or the
    /// vectors `[2, size]` of both texts of a pair.
    pub outputs: Vec<f32>,
}

/// A model's answers to the examples of a data set, in their order.
pub struct Judgement {
    /// The answers with the outputs that they were read from.
    pub answered: Vec<Answered>,
    /// The answers beside the right ones.
    pub outcomes: Outcomes,
}

/// The outputs of a model's head for each sample, in their order: `[answers, outputs]`, one row behind the other. A
/// sample that asks for no answer has none.
pub type Outputs = Vec<Vec<f32>>;

/// The answers that `outputs` stand for, in the order of the examples.
///
/// # Errors
/// [`Error::Usage`] for a head that does not answer such samples.
pub(crate) fn answers(
    head: &Head,
    kind: TaskKind,
    set: &EncodedSet,
    outputs: &Outputs,
) -> Result<Vec<Target>> {
    if kind == TaskKind::Embedding {
        check_embeds(head)?;
        let (pairs, _) = outputs.as_chunks::<2>();
        return Ok(pairs.iter().map(|[a, b]| Target::Score(cosine(a, b))).collect());
    }
    let thresholds = head.threshold_logits();
    let answer = |(sample, outputs): (usize, &Vec<f32>)| match head {
        Head::Classification { .. } => Ok(Target::Class(math::argmax(outputs) as u32)),
        Head::MultiLabel { .. } => Ok(Target::LabelSet(label_set(outputs, &thresholds))),
        Head::Regression => Ok(outputs.first().copied().map_or(Target::None, Target::Score)),
        Head::TokenClassification { labels } => {
            let mut tags = outputs.chunks_exact(labels.len().max(1)).map(math::argmax);
            let tag = |word: &Option<u32>| word.and_then(|_| tags.next()).map_or(NO_TAG, |tag| tag as u32);
            Ok(Target::Tags(set.words(sample).unwrap_or_default().iter().map(tag).collect()))
        }
        other => Err(Error::Usage(format!("a model with {} gives no answers", other.kind()))),
    };
    outputs.iter().enumerate().map(answer).collect()
}

/// Makes sure that the outputs of `head` are vectors of texts.
///
/// # Errors
/// [`Error::Usage`] for a head that gives none.
pub(crate) fn check_embeds(head: &Head) -> Result<()> {
    match head {
        Head::Embedding { .. } => Ok(()),
        other => Err(Error::Usage(format!("a model with {} gives no sentence embeddings", other.kind()))),
    }
}
