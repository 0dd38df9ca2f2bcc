//! Asking a trained model in either form: the float folder, or the image that runs on the device.

use std::ops::Range;
use std::path::Path;

use candle_core::Device;
use tinybert_image::HeadKind;
use tinybert_kernels::{Isa, Kernels, math};
use tinybert_runtime as runtime;

use crate::image;
use crate::judge::{Judge, embeddings, encode};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::collate;
use tinybert_data::metrics::{self, MetricSet, Metrics};
use tinybert_data::task::Dataset;
use tinybert_model::image_file::ImageFile;
use tinybert_model::{Checkpoint, Head, TextEncoder};
use tinybert_nn::device::Compute;
use tinybert_nn::{Mode, TaskModel, on_device};

/// A model that answers.
pub enum Predictor {
    /// Float, by candle.
    Folder(Box<FloatModel>),
    /// Int8, by the code of the device.
    Image(ImageFile),
}

/// A model folder, ready to answer.
pub struct FloatModel {
    model: TaskModel,
    text: TextEncoder,
    max_tokens: usize,
}

/// A sentence or a pair of sentences.
pub type Question = (String, Option<String>);

/// What a model answers to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// What the model's head gives.
    pub answer: PredictedAnswer,
    /// Tokens of the input, special ones included, after it was cut.
    pub tokens: usize,
    /// The text was longer than the model takes and has been cut.
    pub truncated: bool,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq)]
pub enum PredictedAnswer {
    /// Classification.
    Label {
        /// Index of the answer.
        index: usize,
        /// Softmax of the logits `[labels]`.
        probabilities: Vec<f32>,
    },
    /// Regression.
    Score(f32),
    /// Token classification: the words that have a tag, in order.
    Tags(Vec<PredictedTag>),
    /// Sentence embedding of a text: a vector of length 1.
    Embedding(Vec<f32>),
    /// Cosine of the embeddings of both texts of a pair.
    Similarity(f32),
}

/// A word with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedTag {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Index of the label.
    pub tag: usize,
    /// Its probability.
    pub probability: f32,
}

impl PredictedTag {
    fn new(range: Range<usize>, logits: &[f32]) -> Self {
        let (tag, probabilities) = most_likely(logits);
        Self { range, tag, probability: probabilities[tag] }
    }
}

/// Index of the largest of `logits`, the first of equals, and the softmax of all.
fn most_likely(logits: &[f32]) -> (usize, Vec<f32>) {
    let mut probabilities = logits.to_vec();
    math::softmax(&mut probabilities);
    let larger = |best, at: usize| if logits[at] > logits[best] { at } else { best };
    ((0..logits.len()).fold(0, larger), probabilities)
}

impl FloatModel {
    /// The model of a checkpoint; longer text is cut to `max_tokens`, and to the model's positions.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a task head.
    pub fn new(checkpoint: &Checkpoint, max_tokens: usize) -> Result<Self> {
        Self::on(checkpoint, max_tokens, &Device::Cpu)
    }

    /// [`FloatModel::new`], computing on `device`.
    ///
    /// # Errors
    /// Those of [`FloatModel::new`]; the device has no room for the weights.
    pub fn on(checkpoint: &Checkpoint, max_tokens: usize, device: &Device) -> Result<Self> {
        let Checkpoint { config, head, tensors, text, folder, .. } = checkpoint;
        if matches!(head, Head::None | Head::MaskedLm) {
            return Err(Error::Usage(format!(
                "{}: a model with {} answers no task; fine-tune or distil it on one first",
                folder.display(),
                head.kind()
            )));
        }
        let model = TaskModel::frozen(config, head, &on_device(tensors, device)?)?;
        Ok(Self { model, text: text.clone(), max_tokens: max_tokens.min(config.max_position_embeddings) })
    }

    fn answer(&self, question: &Question) -> Result<Prediction> {
        match (&self.model.head, question) {
            (Head::Embedding { .. }, (first, Some(second))) => {
                let answer = |text: &String| self.answer_one(&(text.clone(), None));
                Prediction::similarity(&answer(first)?, &answer(second)?)
            }
            _ => self.answer_one(question),
        }
    }

    fn answer_one(&self, (text, pair): &Question) -> Result<Prediction> {
        let tags_words = matches!(self.model.head, Head::TokenClassification { .. });
        if tags_words && pair.is_some() {
            return Err(refused(runtime::Error::Pair));
        }
        let mut encoded = self.text.encode(text, pair.as_deref(), usize::MAX)?;
        let truncated = encoded.ids.len() > self.max_tokens;
        if truncated {
            encoded = self.text.encode(text, pair.as_deref(), self.max_tokens)?;
        }
        let tokens = encoded.ids.len();
        let batch = collate(&[encoded], &[0], self.text.special().pad);
        let (_, logits) = self.model.forward(&batch, Mode::Eval)?;
        let logits = logits.flatten_all()?.to_vec1::<f32>()?;
        let answer = match &self.model.head {
            Head::Regression => PredictedAnswer::Score(logits[0]),
            Head::Embedding { .. } => PredictedAnswer::Embedding(logits),
            Head::TokenClassification { labels } => {
                let (_, words) = self.text.encode_words(text, self.max_tokens)?;
                let first_tokens = tinybert_tokenizer::words(text).zip(words);
                let tag = |(range, token): (_, Option<u32>)| {
                    Some(PredictedTag::new(range, &logits[token? as usize * labels.len()..][..labels.len()]))
                };
                PredictedAnswer::Tags(first_tokens.filter_map(tag).collect())
            }
            _ => {
                let (index, probabilities) = most_likely(&logits);
                PredictedAnswer::Label { index, probabilities }
            }
        };
        Ok(Prediction { answer, tokens, truncated })
    }
}

impl Predictor {
    /// Opens a model folder or an image. `max_tokens` is for folders; an image has its own limit.
    ///
    /// # Errors
    /// What [`Checkpoint::load`], [`FloatModel::new`] and [`ImageFile::open`] give; [`Error::Usage`] for an
    /// instruction set that is asked of a folder, or that this machine lacks.
    pub fn open(path: &Path, max_tokens: usize, isa: Option<Isa>) -> Result<Self> {
        Self::open_on(path, max_tokens, isa, &Compute::cpu(), Ok)
    }

    /// [`Predictor::open`]; a folder is what `take` makes of it, and computes on `compute`.
    ///
    /// # Errors
    /// As [`Predictor::open`]; [`Error::Usage`] for an image that is to run on a GPU.
    pub fn open_on(
        path: &Path,
        max_tokens: usize,
        isa: Option<Isa>,
        compute: &Compute,
        take: impl Fn(Checkpoint) -> Result<Checkpoint>,
    ) -> Result<Self> {
        if path.is_dir() {
            return match isa {
                None => {
                    let checkpoint = take(Checkpoint::load(path)?)?;
                    Ok(Self::Folder(Box::new(FloatModel::on(&checkpoint, max_tokens, &compute.device)?)))
                }
                Some(isa) => Err(Error::Usage(format!(
                    "--isa {}: only images run on kernels of a chosen instruction set, and {} is a folder",
                    isa.name(),
                    path.display()
                ))),
            };
        }
        if !compute.device.is_cpu() {
            return Err(Error::Usage(format!(
                "{} is an image: it runs on the processor, with the device's own code; leave --device out",
                path.display()
            )));
        }
        let image = ImageFile::open(path)?;
        let image = match isa {
            None => image,
            Some(isa) => image.with_kernels(kernels(isa)?),
        };
        // Weights in another family's layout are read by scalar code alone, a hundred times slower.
        Ok(Self::Image(image.native()?))
    }

    /// Label names by class index; none for a model that answers with scores.
    ///
    /// # Errors
    /// An image that is not usable, which opening it has ruled out.
    pub fn labels(&self) -> Result<Vec<String>> {
        match self {
            Self::Folder(folder) => Ok(folder.model.head.labels().to_vec()),
            Self::Image(image) => Ok(image.model()?.image().labels().map(String::from).collect()),
        }
    }

    /// Whether the model answers pairs: all do but those that tag words.
    ///
    /// # Errors
    /// As [`Predictor::labels`].
    pub fn takes_pairs(&self) -> Result<bool> {
        Ok(match self {
            Self::Folder(folder) => !matches!(folder.model.head, Head::TokenClassification { .. }),
            Self::Image(image) => image.model()?.config().head != HeadKind::TokenClassification,
        })
    }

    /// The embedding of each text that the examples of `data` have.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model that gives none; [`Error::Interrupted`]; those of the forward pass.
    pub fn embeddings(&self, data: &Dataset, context: &Context) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Folder(folder) => {
                let set = encode(&folder.text, data, folder.max_tokens)?;
                embeddings(&folder.model, &set, folder.text.special().pad, context)
            }
            Self::Image(image) => {
                let model = image.model()?;
                let mut workspace = vec![0; model.max_workspace_bytes()];
                let mut session = model.session(&mut workspace).map_err(refused)?;
                let embedding = |(text, _)| match context.should_stop() {
                    true => Err(Error::judging_stopped()),
                    false => image::embedding(&mut session, text),
                };
                data.inputs().map(embedding).collect()
            }
        }
    }

    /// How well the model answers `data`.
    ///
    /// # Errors
    /// [`Error::Input`] for data that ask for something else than the model answers; [`Error::Interrupted`]; those of the
    /// forward pass.
    pub fn evaluate(&self, data: &Dataset, metrics: MetricSet, context: &Context) -> Result<Metrics> {
        match self {
            Self::Folder(folder) => {
                Judge::new(&folder.text, data, metrics, folder.max_tokens)?.judge(&folder.model, context)
            }
            Self::Image(image) => {
                data.check_labelled()?;
                let predictions = image::predictions(&image.model()?, data, context)?;
                let targets: Vec<_> = data.examples.iter().map(|example| example.target.clone()).collect();
                metrics::evaluate(metrics, &data.labels, &predictions, &targets)
            }
        }
    }

    /// Answers one question after the other, as they come, and hands each with its reply to `each`.
    ///
    /// # Errors
    /// The first error of a question, of the model, or of `each`.
    pub fn answer_each(
        &self,
        questions: impl IntoIterator<Item = Result<Question>>,
        mut each: impl FnMut(&Question, Prediction) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Folder(folder) => questions.into_iter().try_for_each(|question| {
                let question = question?;
                each(&question, folder.answer(&question)?)
            }),
            Self::Image(image) => {
                let model = image.model()?;
                let embeds = model.config().head == HeadKind::Embedding;
                let mut workspace = vec![0; model.max_workspace_bytes()];
                let mut session = model.session(&mut workspace).map_err(refused)?;
                questions.into_iter().try_for_each(|question| {
                    let question = question?;
                    let mut ask = |text: &str, pair: Option<&str>| {
                        Prediction::of_device(
                            &session.run(runtime::Input::Text { text, pair }).map_err(refused)?,
                        )
                    };
                    let reply = match &question {
                        (first, Some(second)) if embeds => {
                            Prediction::similarity(&ask(first, None)?, &ask(second, None)?)?
                        }
                        (text, pair) => ask(text, pair.as_deref())?,
                    };
                    each(&question, reply)
                })
            }
        }
    }
}

impl Prediction {
    /// Of the replies to both texts of a pair.
    fn similarity(first: &Self, second: &Self) -> Result<Self> {
        match (&first.answer, &second.answer) {
            (PredictedAnswer::Embedding(a), PredictedAnswer::Embedding(b)) => Ok(Self {
                answer: PredictedAnswer::Similarity(metrics::cosine(a, b)),
                tokens: first.tokens + second.tokens,
                truncated: first.truncated || second.truncated,
            }),
            _ => Err(Error::Usage("only sentence embeddings are compared".into())),
        }
    }

    fn of_device(reply: &runtime::Reply) -> Result<Self> {
        let answer = match reply.answer {
            runtime::Answer::Label { index, logits } => {
                PredictedAnswer::Label { index, probabilities: most_likely(logits).1 }
            }
            runtime::Answer::Score(score) => PredictedAnswer::Score(score),
            runtime::Answer::Tags(tags) => PredictedAnswer::Tags(
                tags.words().map(|word| PredictedTag::new(word.range, word.logits)).collect(),
            ),
            runtime::Answer::Embedding(vector) => PredictedAnswer::Embedding(vector.to_vec()),
            _ => {
                let what = "the image gives answers that this program does not know";
                return Err(Error::Usage(what.into()));
            }
        };
        Ok(Self { answer, tokens: reply.tokens, truncated: reply.truncated })
    }
}

/// The kernels of an instruction set.
///
/// # Errors
/// [`Error::Usage`] if this machine lacks it.
pub fn kernels(isa: Isa) -> Result<Kernels> {
    Kernels::with_isa(isa).ok_or_else(|| {
        let here: Vec<_> = Isa::ALL.into_iter().filter(|&isa| Kernels::with_isa(isa).is_some()).collect();
        let here: Vec<_> = here.into_iter().map(Isa::name).collect();
        Error::Usage(format!(
            "--isa {}: this machine has no such instructions; it has {}",
            isa.name(),
            here.join(", ")
        ))
    })
}

fn refused(error: runtime::Error) -> Error {
    Error::Input(error.to_string())
}
