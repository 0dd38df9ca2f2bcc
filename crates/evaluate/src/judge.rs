//! Answers of a model over a data set, and how good they are.

use candle_core::{D, Tensor};
use rayon::prelude::*;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::{self, MetricSet, Metrics};
use tinybert_data::task::{Dataset, Example, NO_TAG, Target, TaskKind};
use tinybert_data::{EncodedSet, evaluation_batches};
use tinybert_model::thresholds::label_set;
use tinybert_model::{Head, TextEncoder};
use tinybert_nn::{Mode, TaskModel};

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
    /// Returns the errors of [`encode`] and [`Dataset::check_labelled`]; [`Error::Input`] for embeddings of
    /// anything but pairs.
    pub fn new(text: &TextEncoder, data: &Dataset, metrics: MetricSet, max_tokens: usize) -> Result<Self> {
        if data.kind == TaskKind::Embedding && data.examples.iter().any(|example| example.pair.is_none()) {
            let what = "sentence embeddings are judged on pairs with a score: name the second column with --pair-column";
            return Err(Error::Input(what.into()));
        }
        data.check_labelled()?;
        Ok(Self {
            set: encode(text, data, max_tokens)?,
            targets: data.examples.iter().map(|example| example.target.clone()).collect(),
            kind: data.kind,
            labels: data.labels.clone(),
            metrics,
            pad_id: text.special().pad,
        })
    }

    /// Metrics of a model without dropout.
    ///
    /// # Errors
    /// Returns the errors of [`outputs`] and of [`metrics::evaluate`].
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
        let logits = rows_by_sample(&self.set, outputs)?;
        let chosen = thresholds::choose(&logits, &self.targets, labels.len())?;
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

    /// How many answers each sample asks for.
    pub fn answer_counts(&self) -> Vec<usize> {
        self.set.answer_starts().windows(2).map(|ends| ends[1] - ends[0]).collect()
    }

    /// The answers that `outputs` stand for, in the order of the samples.
    ///
    /// # Errors
    /// [`Error::Usage`] for a head that does not answer such samples.
    pub fn answers(&self, head: &Head, outputs: &Outputs) -> Result<Vec<Target>> {
        if self.kind == TaskKind::Embedding {
            let vectors = vectors(head, &self.set, outputs)?;
            let (pairs, _) = vectors.as_chunks::<2>();
            return Ok(pairs.iter().map(|[a, b]| Target::Score(metrics::cosine(a, b))).collect());
        }
        answers(head, &self.set, outputs)
    }

    /// Metrics of the model's answers `predictions`, one for each sample in order.
    ///
    /// # Errors
    /// Returns the errors of [`metrics::evaluate`].
    pub fn metrics(&self, predictions: &[Target]) -> Result<Metrics> {
        metrics::evaluate(self.metrics, &self.labels, predictions, &self.targets)
    }
}

/// Logits `[answers, outputs]` of each batch, with the indices of the batch's samples.
pub type Outputs = Vec<(Vec<usize>, Tensor)>;

/// The outputs of the model's head for every sample that asks for an answer.
///
/// # Errors
/// [`Error::Interrupted`]; the errors of the forward pass.
pub fn outputs(model: &TaskModel, set: &EncodedSet, pad_id: u32, context: &Context) -> Result<Outputs> {
    let output = |samples: Vec<usize>| {
        if context.should_stop() {
            return Err(Error::judging_stopped());
        }
        let (_, logits) = model.forward(&set.collate(&samples, pad_id)?, Mode::Eval)?;
        Ok((samples, logits))
    };
    let batches = evaluation_batches(&set.lengths()?, BATCH).into_iter();
    batches.filter(|samples| samples.iter().any(|&sample| set.asks(sample))).map(output).collect()
}

fn answers(head: &Head, set: &EncodedSet, outputs: &Outputs) -> Result<Vec<Target>> {
    let unanswered = |sample| match set.words(sample) {
        Some(words) => Target::Tags(vec![NO_TAG; words.len()]),
        None => Target::None,
    };
    let mut answers: Vec<Target> = (0..set.len()).map(unanswered).collect();
    for (samples, logits) in outputs {
        let words = samples.iter().map(|&sample| set.words(sample));
        for (&sample, answer) in samples.iter().zip(answers_of(head, logits, words)?) {
            answers[sample] = answer;
        }
    }
    Ok(answers)
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
    vectors(&model.head, set, &outputs(model, set, pad_id, context)?)
}

fn vectors(head: &Head, set: &EncodedSet, outputs: &Outputs) -> Result<Vec<Vec<f32>>> {
    if !matches!(head, Head::Embedding { .. }) {
        return Err(Error::Usage(format!("a model with {} gives no sentence embeddings", head.kind())));
    }
    rows_by_sample(set, outputs)
}

/// The row of outputs of every sample, in their order; each sample has one.
fn rows_by_sample(set: &EncodedSet, outputs: &Outputs) -> Result<Vec<Vec<f32>>> {
    let mut rows = vec![Vec::new(); set.len()];
    for (samples, of_batch) in outputs {
        for (&sample, row) in samples.iter().zip(of_batch.to_vec2::<f32>()?) {
            rows[sample] = row;
        }
    }
    Ok(rows)
}

/// The answer of each sample of a batch by the logits `[answers, outputs]`; the words of the samples begin at
/// the tokens of `words`.
fn answers_of<'w>(
    head: &Head,
    logits: &Tensor,
    words: impl Iterator<Item = Option<&'w [Option<u32>]>>,
) -> Result<Vec<Target>> {
    match head {
        Head::Classification { .. } => {
            let classes = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
            Ok(classes.into_iter().map(Target::Class).collect())
        }
        Head::MultiLabel { .. } => {
            let thresholds = head.threshold_logits();
            let sets = logits.to_vec2::<f32>()?.into_iter().map(|logits| label_set(&logits, &thresholds));
            Ok(sets.map(Target::LabelSet).collect())
        }
        Head::Regression => {
            Ok(logits.flatten_all()?.to_vec1::<f32>()?.into_iter().map(Target::Score).collect())
        }
        Head::TokenClassification { .. } => {
            let mut tags = logits.argmax(D::Minus1)?.to_vec1::<u32>()?.into_iter();
            let mut tag = |word: &Option<u32>| word.and_then(|_| tags.next()).unwrap_or(NO_TAG);
            Ok(words
                .map(|words| Target::Tags(words.unwrap_or_default().iter().map(&mut tag).collect()))
                .collect())
        }
        other => Err(Error::Usage(format!("a model with {} gives no answers", other.kind()))),
    }
}
