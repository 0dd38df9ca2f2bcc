//! The answers of an image to a data set, computed by the code that runs on the device.

use rayon::prelude::*;

use crate::answers::Answered;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics;
use tinybert_data::task::{Dataset, Example, NO_TAG, Target, TaskKind};
use tinybert_image::HeadKind;
use tinybert_model::only_counts;
use tinybert_runtime::{Answer, Input, Model, Session, Tags};

/// The model's answers to all examples, in order, with the outputs that they were read from. Sentences are spread
/// over all cores; each core has a workspace of its own.
///
/// # Errors
/// A data set that asks for something else than the image answers; an answer that is not a number;
/// [`Error::Interrupted`].
pub fn answers(model: &Model<'_>, data: &Dataset, context: &Context) -> Result<Vec<Answered>> {
    check_labels(model, data)?;
    each_example(model, data, context, |session, example| {
        if data.kind == TaskKind::Embedding {
            return similarity(session, example);
        }
        let (answer, outputs) = match answer(session, example)? {
            Answer::Label { index, logits, .. } => (Target::Class(index as u32), logits.to_vec()),
            Answer::Labels(set) => {
                let labels = set.labels().map(|label| label as u32).collect();
                (Target::LabelSet(labels), set.logits().to_vec())
            }
            Answer::Score(score) => (Target::Score(score), vec![score]),
            Answer::Tags(tags) => {
                let logits = tags.words().flat_map(|word| word.logits.iter().copied()).collect();
                (Target::Tags(tag_each_word(&example.text, tags)), logits)
            }
            _ => return Err(Error::Usage("the image gives answers that this program does not know".into())),
        };
        Ok(Answered { answer, outputs })
    })
}

/// Calls `ask` with every example, and gives the results in order. Examples are spread over all cores.
fn each_example<T: Send>(
    model: &Model<'_>,
    data: &Dataset,
    context: &Context,
    ask: impl Fn(&mut Session<'_, '_>, &Example) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let workspace_bytes = model.max_workspace_bytes();
    data.examples
        .par_iter()
        .map_init(
            || vec![0u8; workspace_bytes],
            |workspace, example| {
                if context.should_stop() {
                    return Err(Error::judging_stopped());
                }
                let mut session = model.session(workspace).map_err(|e| Error::Input(e.to_string()))?;
                ask(&mut session, example)
            },
        )
        .collect()
}

/// The answer to the text or the pair of an example.
fn answer<'r>(session: &'r mut Session<'_, '_>, example: &'r Example) -> Result<Answer<'r>> {
    let input = Input::Text { text: &example.text, pair: example.pair.as_deref() };
    Ok(session.run(input).map_err(|e| Error::Input(e.to_string()))?.answer)
}

/// Cosine of the embeddings of both texts, with the embeddings.
fn similarity(session: &mut Session<'_, '_>, example: &Example) -> Result<Answered> {
    let vectors = example.inputs(TaskKind::Embedding).map(|(text, _)| embedding(session, text));
    match vectors.collect::<Result<Vec<_>>>()?.as_slice() {
        [first, second] => {
            let answer = Target::Score(metrics::cosine(first, second));
            Ok(Answered { answer, outputs: [first.as_slice(), second].concat() })
        }
        _ => Err(Error::Input("sentence embeddings are judged on pairs with a score".into())),
    }
}

/// The embedding of a text.
///
/// # Errors
/// Returns the errors of the session; [`Error::Usage`] for an image with another head.
pub fn embedding(session: &mut Session<'_, '_>, text: &str) -> Result<Vec<f32>> {
    let reply = session.run(Input::text(text)).map_err(|error| Error::Input(error.to_string()))?;
    match reply.answer {
        Answer::Embedding(vector) => Ok(vector.to_vec()),
        _ => Err(Error::Usage("the image gives no sentence embeddings".into())),
    }
}

/// The tag of every word of `text`; [`NO_TAG`] for those that have none.
fn tag_each_word(text: &str, tags: Tags<'_>) -> Vec<u32> {
    let mut tagged = tags.words().peekable();
    tinybert_tokenizer::words(text)
        .map(|word| tagged.next_if(|next| next.range == word).map_or(NO_TAG, |word| word.tag as u32))
        .collect()
}

/// The kind of the answers of an image.
pub(crate) fn kind_of_answers(head: HeadKind) -> TaskKind {
    match head {
        HeadKind::Classification => TaskKind::Classification,
        HeadKind::MultiLabel => TaskKind::MultiLabel,
        HeadKind::Regression => TaskKind::Regression,
        HeadKind::TokenClassification => TaskKind::Tagging,
        HeadKind::Embedding => TaskKind::Embedding,
    }
}

/// Makes sure that the data set asks for what the image answers, with the same labels in the same order.
fn check_labels(model: &Model<'_>, data: &Dataset) -> Result<()> {
    data.kind.check_answered_with(kind_of_answers(model.config().head))?;
    let labels: Vec<String> = model.image().labels().map(String::from).collect();
    // Labels that only count have the names of the data, by index.
    if data.labels == labels || only_counts(&labels) && data.labels.len() == labels.len() {
        return Ok(());
    }
    Err(Error::Input(format!(
        "the data have {}, but the image answers with {}",
        tinybert_data::list(&data.labels),
        tinybert_data::list(&labels)
    )))
}
