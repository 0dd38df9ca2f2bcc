//! Answers of a model over a data set, and how good they are.

use candle_core::D;
use rayon::prelude::*;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::{MetricSet, Metrics, Outcomes};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_data::{EncodedSet, evaluation_batches};
use tinybert_model::{Head, TextEncoder};
use tinybert_nn::{Mode, TaskModel};

use crate::answers::{Outputs, answers, check_embeds};
use crate::thresholds;

/// Sentences per forward pass: enough to fill the matrix products.
const BATCH: usize = 32;

/// Token ids of every example, and where its words begin if they have tags. For embeddings each text is a
/// sample, so that a pair gives two samples, one after the other.
///
/// # Errors
/// Returns the errors of [`TextEncoder::encode_all`].
pub fn encode(text: &TextEncoder, data: &Dataset, max_tokens: usize) -> Result<EncodedSet> {
    if data.kind == TaskKind::Tagging {
        let encode = |example: &Example| text.encode_words(&example.text, max_tokens);
        return in_blocks(data, |examples| examples.par_iter().map(encode).collect());
    }
    in_blocks(data, |examples| {
        let inputs: Vec<_> = examples.iter().flat_map(|example| example.inputs(data.kind)).collect();
        text.encode_all(&inputs, max_tokens)
    })
}

/// The set of what `encode` gives for all examples. The set is far more compact, so that it gets the examples in
/// blocks.
fn in_blocks<T>(data: &Dataset, encode: impl Fn(&[Example]) -> Result<Vec<T>>) -> Result<EncodedSet>
where
    EncodedSet: FromIterator<T>,
{
    const BLOCK: usize = 1 << 14;
    let blocks = data.examples.chunks(BLOCK).map(encode);
    blocks
        .flat_map(|block| match block {
            Ok(encoded) => encoded.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
        .collect()
}

/// Does the same as [`encode`] for examples to learn from, each of which has to ask for an answer.
///
/// # Errors
/// Returns the errors of [`encode`]; [`Error::Input`] for an example none of whose words has a token.
pub fn encode_to_learn(text: &TextEncoder, data: &Dataset, max_tokens: usize) -> Result<EncodedSet> {
    let set = encode(text, data, max_tokens)?;
    match (0..set.len()).find(|&sample| !set.asks(sample)) {
        None => Ok(set),
        Some(sample) => Err(Error::Input(format!(
            "training example {} ({:?}): none of its words has a token, so that there is nothing to learn; leave it out",
            sample + 1,
            data.examples[sample].text
        ))),
    }
}

/// A set that models are judged by, encoded once.
pub struct Judge {
    set: EncodedSet,
    targets: Vec<Target>,
    kind: TaskKind,
    labels: Vec<String>,
    metrics: MetricSet,
    pad_id: u32,
}

impl Judge {
    /// Encodes `data` with the model's own tokenizer.
    ///
    /// # Errors
    /// Returns the errors of [`encode`] and [`check_judged`].
    pub fn new(text: &TextEncoder, data: &Dataset, metrics: MetricSet, max_tokens: usize) -> Result<Self> {
        check_judged(data)?;
        Ok(Self {
            set: encode(text, data, max_tokens)?,
            targets: data.targets(),
            kind: data.kind,
            labels: data.labels.clone(),
            metrics,
            pad_id: text.special().pad,
        })
    }

    /// Metrics of a model without dropout.
    ///
    /// # Errors
    /// Returns the errors of [`outputs`] and of [`Outcomes::new`].
    pub fn judge(&self, model: &TaskModel, context: &Context) -> Result<Metrics> {
        self.metrics(&self.predictions(model, context)?)
    }

    /// Metrics of a model without dropout whose thresholds are chosen by these very samples ([`thresholds::choose`]),
    /// and its head with these thresholds; a head without thresholds stays as it is.
    ///
    /// # Errors
    /// Returns the errors of [`Judge::judge`].
    pub fn judge_at_best(&self, model: &TaskModel, context: &Context) -> Result<(Metrics, Head)> {
        let outputs = self.outputs(model, context)?;
        let head = self.with_thresholds(&model.head, &outputs)?;
        let metrics = self.metrics(&self.answers(&head, &outputs)?)?;
        Ok((metrics, head))
    }

    /// `head` with the thresholds that are best for `outputs`; a label that no sample has keeps its threshold, and a
    /// head without thresholds stays as it is.
    ///
    /// # Errors
    /// Returns the errors of [`thresholds::choose`].
    pub fn with_thresholds(&self, head: &Head, outputs: &Outputs) -> Result<Head> {
        let Head::MultiLabel { labels, thresholds: present } = head else { return Ok(head.clone()) };
        let chosen = thresholds::choose(outputs, &self.targets, labels.len())?;
        let thresholds =
            chosen.into_iter().zip(present).map(|(chosen, present)| chosen.unwrap_or(*present)).collect();
        Ok(Head::MultiLabel { labels: labels.clone(), thresholds })
    }

    /// The model's answers to all samples, in order.
    ///
    /// # Errors
    /// Returns the errors of [`outputs`] and [`Judge::answers`].
    pub fn predictions(&self, model: &TaskModel, context: &Context) -> Result<Vec<Target>> {
        self.answers(&model.head, &self.outputs(model, context)?)
    }

    /// The outputs of a model's head for every sample.
    ///
    /// # Errors
    /// Returns the errors of [`outputs`].
    pub fn outputs(&self, model: &TaskModel, context: &Context) -> Result<Outputs> {
        outputs(model, &self.set, self.pad_id, context)
    }

    /// The answers that `outputs` stand for, in the order of the examples.
    ///
    /// # Errors
    /// [`Error::Usage`] for a head that does not answer such samples.
    pub fn answers(&self, head: &Head, outputs: &Outputs) -> Result<Vec<Target>> {
        answers(head, self.kind, &self.set, outputs)
    }

    /// Metrics of the model's answers `predictions`, one for each example in order.
    ///
    /// # Errors
    /// Returns the errors of [`Outcomes::new`].
    pub fn metrics(&self, predictions: &[Target]) -> Result<Metrics> {
        Ok(self.outcomes(predictions)?.metrics())
    }

    /// The model's answers `predictions`, one for each example in order, beside the right ones.
    ///
    /// # Errors
    /// Returns the errors of [`Outcomes::new`].
    pub fn outcomes(&self, predictions: &[Target]) -> Result<Outcomes> {
        Outcomes::new(self.metrics, &self.labels, predictions, &self.targets)
    }
}

/// Makes sure that models can be judged by `data`: every example has a label or score, and texts for sentence
/// embeddings come in pairs.
///
/// # Errors
/// [`Error::Input`] that says what is missing.
pub fn check_judged(data: &Dataset) -> Result<()> {
    check_pairs(data)?;
    data.check_labelled()
}

/// Makes sure that data for sentence embeddings are pairs, whose similarity can be judged.
///
/// # Errors
/// [`Error::Input`] that says how pairs are given.
pub(crate) fn check_pairs(data: &Dataset) -> Result<()> {
    if data.kind == TaskKind::Embedding && data.examples.iter().any(|example| example.pair.is_none()) {
        let what =
            "sentence embeddings are judged on pairs with a score: name the second column with --pair-column";
        return Err(Error::Input(what.into()));
    }
    Ok(())
}

/// The outputs of the model's head for every sample.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Diverged`] for outputs that are not finite; the errors of the forward pass.
pub fn outputs(model: &TaskModel, set: &EncodedSet, pad_id: u32, context: &Context) -> Result<Outputs> {
    let mut outputs = vec![Vec::new(); set.len()];
    let batches = evaluation_batches(&set.lengths()?, BATCH).into_iter();
    for samples in batches.filter(|samples| samples.iter().any(|&sample| set.asks(sample))) {
        if context.should_stop() {
            return Err(Error::judging_stopped());
        }
        let (_, logits) = model.forward(&set.collate(&samples, pad_id)?, Mode::Eval)?;
        let width = logits.dim(D::Minus1)?;
        let mut logits = finite(logits.flatten_all()?.to_vec1::<f32>()?)?.into_iter();
        for sample in samples {
            outputs[sample] = logits.by_ref().take(set.answers(sample) * width).collect();
        }
    }
    Ok(outputs)
}

/// The vector of every sample, in their order.
///
/// # Errors
/// [`Error::Usage`] for a head that gives none; the errors of [`outputs`].
pub fn embeddings(
    model: &TaskModel,
    set: &EncodedSet,
    pad_id: u32,
    context: &Context,
) -> Result<Vec<Vec<f32>>> {
    check_embeds(&model.head)?;
    outputs(model, set, pad_id, context)
}
/// Makes sure that a model's outputs are numbers: weights that are finite can still overflow in single precision, and
/// an answer made of that would say nothing.
///
/// # Errors
/// [`Error::Diverged`].
pub(crate) fn finite(outputs: Vec<f32>) -> Result<Vec<f32>> {
    match outputs.iter().find(|output| !output.is_finite()) {
        None => Ok(outputs),
        Some(output) => Err(Error::Diverged(format!(
            "the model gives {output} where a finite number is expected: its weights are so large that its sums overflow; its \
             training diverged, or its weights are damaged"
        ))),
    }
}
