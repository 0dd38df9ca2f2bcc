//! Asking a trained model in either form: the float folder, or the image that runs on the device.

mod float_model;
mod prediction;

use std::path::Path;

pub use self::float_model::FloatModel;
pub use self::prediction::{PredictedAnswer, PredictedTag, Prediction, Question, sigmoid, softmax};
use crate::answers::{Answered, Judgement};
use crate::image;
use crate::judge::{check_pairs, embeddings, encode};
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::{MetricSet, Metrics, Outcomes};
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_image::{Confidence, HeadKind};
use tinybert_kernels::{Isa, Kernels};
use tinybert_model::Checkpoint;
use tinybert_model::image_file::ImageFile;
use tinybert_nn::device::Compute;
use tinybert_runtime as runtime;

/// A model that answers.
pub enum Predictor {
    /// Float, by candle.
    Folder(Box<FloatModel>),
    /// Int8, by the code of the device.
    Image(ImageFile),
}

impl Predictor {
    /// Opens a model folder or an image. `max_tokens` is for folders; an image has its own limit.
    ///
    /// # Errors
    /// Returns the errors of [`Checkpoint::load`], [`FloatModel::new`] and [`ImageFile::open`];
    /// [`Error::Usage`] for an instruction set that is asked of a folder, or that this machine lacks.
    pub fn open(path: &Path, max_tokens: usize, isa: Option<Isa>) -> Result<Self> {
        Self::open_on(path, max_tokens, isa, &Compute::cpu(), Ok)
    }

    /// Does the same as [`Predictor::open`], but `prepare` may change a folder's model before it is used, and the
    /// model computes on `compute`.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::open`]; [`Error::Usage`] for an image that is to run on a GPU.
    pub fn open_on(
        path: &Path,
        max_tokens: usize,
        isa: Option<Isa>,
        compute: &Compute,
        prepare: impl Fn(Checkpoint) -> Result<Checkpoint>,
    ) -> Result<Self> {
        if path.is_dir() {
            return match isa {
                None => {
                    let checkpoint = prepare(Checkpoint::load(path)?)?;
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

    /// The kind of the model's answers; `None` for a folder without a head for a task.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::labels`].
    pub fn kind(&self) -> Result<Option<TaskKind>> {
        match self {
            Self::Folder(folder) => Ok(TaskKind::of_head(&folder.model.head)),
            Self::Image(image) => Ok(Some(image::kind_of_answers(image.model()?.config().head))),
        }
    }

    /// Whether the model answers pairs: all do but those that tag words.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::labels`].
    pub fn takes_pairs(&self) -> Result<bool> {
        Ok(self.kind()? != Some(TaskKind::Tagging))
    }

    /// Whether the model answers with sentence embeddings.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::labels`].
    pub fn embeds(&self) -> Result<bool> {
        Ok(self.kind()? == Some(TaskKind::Embedding))
    }

    /// The embedding of each text that the examples of `data` have.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model that gives none; [`Error::Interrupted`]; the errors of the forward pass.
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

    /// How the model's logits become probabilities, and which answers it accepts. A folder states nothing about that.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::labels`].
    pub fn confidence(&self) -> Result<Confidence> {
        Ok(match self {
            Self::Folder(_) => Confidence::default(),
            Self::Image(image) => image.model()?.image().confidence().unwrap_or_default(),
        })
    }

    /// The model's answers to all examples of `data`, in order, with the outputs that they were read from.
    ///
    /// # Errors
    /// [`Error::Input`] for data that ask for something else than the model answers; [`Error::Interrupted`];
    /// the errors of the forward pass.
    pub fn answers(&self, data: &Dataset, context: &Context) -> Result<Vec<Answered>> {
        self.check_kind(data)?;
        match self {
            Self::Folder(folder) => folder.answers(data, context),
            Self::Image(image) => image::answers(&image.model()?, data, context),
        }
    }

    /// How well the model answers `data`.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::outcomes`].
    pub fn evaluate(&self, data: &Dataset, metrics: MetricSet, context: &Context) -> Result<Metrics> {
        Ok(self.outcomes(data, metrics, context)?.metrics())
    }

    /// Does the same as [`Predictor::evaluate`] and computes the 95 % interval of each metric.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::outcomes`].
    pub fn evaluate_with_intervals(
        &self,
        data: &Dataset,
        metrics: MetricSet,
        context: &Context,
    ) -> Result<Metrics> {
        Ok(self.outcomes(data, metrics, context)?.metrics_with_intervals())
    }

    /// The model's answers to `data` beside the right ones.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::judge`].
    pub fn outcomes(&self, data: &Dataset, metrics: MetricSet, context: &Context) -> Result<Outcomes> {
        Ok(self.judge(data, metrics, context)?.outcomes)
    }

    /// The model's answers to `data`, with their outputs and beside the right ones.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::answers`], [`Dataset::check_labelled`] and [`Outcomes::new`].
    pub fn judge(&self, data: &Dataset, metrics: MetricSet, context: &Context) -> Result<Judgement> {
        self.check_kind(data)?;
        data.check_labelled()?;
        let answered = self.answers(data, context)?;
        let answers: Vec<_> = answered.iter().map(|answered| answered.answer.clone()).collect();
        let outcomes = Outcomes::new(metrics, &data.labels, &answers, &data.targets())?;
        Ok(Judgement { answered, outcomes })
    }

    /// Makes sure that the data ask for the kind of answer that the model gives, and for similarities of pairs alone.
    ///
    /// # Errors
    /// [`Error::Input`] that says what to change.
    pub fn check_kind(&self, data: &Dataset) -> Result<()> {
        check_pairs(data)?;
        match self {
            Self::Folder(folder) => data.check_head(&folder.model.head),
            Self::Image(image) => {
                data.kind.check_answered_with(image::kind_of_answers(image.model()?.config().head))
            }
        }
    }

    /// Answers one question after the other, as they come, and hands each with its prediction to `each`.
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
                    let prediction = match &question {
                        (first, Some(second)) if embeds => {
                            Prediction::similarity(&ask(first, None)?, &ask(second, None)?)?
                        }
                        (text, pair) => ask(text, pair.as_deref())?,
                    };
                    each(&question, prediction)
                })
            }
        }
    }
}

fn refused(error: runtime::Error) -> Error {
    Error::Input(error.to_string())
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
