//! How much each attention head and feed-forward neuron matters.

use candle_core::Tensor;

use tinybert_base::{Context, Error, Result};
use tinybert_data::task::{Dataset, Example, TaskKind};
use tinybert_data::{Batch, EncodedSet, list};
use tinybert_distill::check_vocabulary;
use tinybert_distill::losses::answer_loss;
use tinybert_evaluate::judge::encode_to_learn;
use tinybert_model::names::{self, LayerNames};
use tinybert_model::{Checkpoint, Head, Tensors};
use tinybert_nn::{Mode, Parameters, TaskModel};
use tinybert_train::GoldAnswers;

/// Temperature of the teacher's answers: they are taken as they are.
const TEMPERATURE: f64 = 1.0;

/// How the importance of a part is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceMeasure {
    /// First-order change of the loss if the part is removed.
    Taylor {
        /// Number of examples that the loss is computed on.
        examples: usize,
        /// Longest input in tokens; longer text is cut.
        max_tokens: usize,
    },
    /// Size of the weights that read the part.
    Magnitude,
}

/// Importances of the parts of every layer, each at least 0. Importances of heads are not comparable with
/// those of neurons.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The importance of each head that a layer has, by layer.
    pub heads: Vec<Vec<f64>>,
    /// The importance of each neuron of a layer's feed-forward network, by layer.
    pub neurons: Vec<Vec<f64>>,
}

impl Importance {
    /// The importance of a model's parts. The Taylor measure takes the loss against `teacher` if there is
    /// one, and against the labels of `data` otherwise.
    ///
    /// # Errors
    /// Returns the errors of [`Importance::taylor`] and [`Importance::magnitude`].
    pub fn measure(
        measure: ImportanceMeasure,
        model: &Checkpoint,
        data: &Dataset,
        teacher: Option<&Checkpoint>,
        context: &Context,
    ) -> Result<Self> {
        match measure {
            ImportanceMeasure::Magnitude => Self::magnitude(model),
            ImportanceMeasure::Taylor { examples, max_tokens } => {
                Self::taylor(model, data, teacher, examples, max_tokens, context)
            }
        }
    }

    /// The first-order Taylor measure: the mean over examples of the magnitude by which the loss would
    /// change, to first order, if the part were removed (Michel et al., arXiv 1905.10650, eq. 2; Molchanov et
    /// al., arXiv 1611.06440). The loss is that of the task, or with a `teacher` the distance from the
    /// teacher's answers, which needs no labels.
    ///
    /// Examples are cut to `max_tokens` tokens or to the positions that the model has. Removing a part is the
    /// same as setting the weights that read it to 0, so the change is `Σ w · ∂L/∂w` over these weights.
    /// About `examples` examples are taken, evenly spread over the data.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a task head; [`Error::Input`] for data without labels and no
    /// teacher, or for a teacher of other answers or another vocabulary; [`Error::Interrupted`].
    pub fn taylor(
        model: &Checkpoint,
        data: &Dataset,
        teacher: Option<&Checkpoint>,
        examples: usize,
        max_tokens: usize,
        context: &Context,
    ) -> Result<Self> {
        data.check_head(&model.head)?;
        let sampled = data.sample(examples);
        let max_tokens = max_tokens.min(model.config.max_position_embeddings);
        let set = encode_to_learn(&model.text, &sampled, max_tokens)?;
        let gold = match teacher {
            Some(teacher) => Gold::of_teacher(teacher, model)?,
            None => Gold::of_labels(&sampled.examples, data.kind)?,
        };
        let parameters = Parameters::new(&model.tensors)?;
        let trainable = TaskModel::trainable(&model.config, &model.head, &parameters)?;

        let layers = model.config.num_hidden_layers;
        let readers: Vec<ReaderNames> = (0..layers).map(ReaderNames::of_layer).collect();
        let mut sums = Self::zero(model);
        context.progress.begin("importance", set.len() as u64);
        for sample in 0..set.len() {
            if context.should_stop() {
                return Err(Error::Interrupted(
                    "stopped while the importance of heads and neurons was measured".into(),
                ));
            }
            let batch = set.collate(&[sample], model.text.special().pad)?;
            let (output, logits) = trainable.forward(&batch, Mode::Eval)?;
            let gradients = output.tape.backward(&gold.loss(&model.head, &logits, &batch, &set)?)?;
            for (layer, readers) in readers.iter().enumerate() {
                for (name, sums) in
                    [(&readers.heads, &mut sums.heads[layer]), (&readers.neurons, &mut sums.neurons[layer])]
                {
                    let Some(weight) = parameters.get(name) else { continue };
                    let Some(gradient) = gradients.get(weight) else { continue };
                    let change = by_part(&(weight.as_tensor().detach() * gradient)?, sums.len())?;
                    sums.iter_mut().zip(change).for_each(|(sum, change)| *sum += change.abs());
                }
            }
            context.progress.advance(sample as u64 + 1, "");
        }
        context.progress.end();
        let count = set.len() as f64;
        sums.heads.iter_mut().chain(&mut sums.neurons).flatten().for_each(|sum| *sum /= count);
        Ok(sums)
    }

    /// The magnitude measure: the root mean square of the weights that read a part. It needs no data.
    ///
    /// # Errors
    /// [`Error::Usage`] for a missing tensor, which would be a fault of this program.
    pub fn magnitude(model: &Checkpoint) -> Result<Self> {
        let mut sizes = Self::zero(model);
        for layer in 0..model.config.num_hidden_layers {
            let readers = ReaderNames::of_layer(layer);
            for (name, sizes) in
                [(readers.heads, &mut sizes.heads[layer]), (readers.neurons, &mut sizes.neurons[layer])]
            {
                let weight = tensor(&model.tensors, &name)?;
                let weights_of_part = (weight.elem_count() / sizes.len()) as f64;
                let squares = by_part(&weight.sqr()?, sizes.len())?;
                sizes.iter_mut().zip(squares).for_each(|(size, sum)| *size = (sum / weights_of_part).sqrt());
            }
        }
        Ok(sizes)
    }

    fn zero(model: &Checkpoint) -> Self {
        let by_layer = |parts: &dyn Fn(usize) -> usize| {
            (0..model.config.num_hidden_layers).map(|layer| vec![0.0; parts(layer)]).collect()
        };
        Self {
            heads: by_layer(&|layer| model.config.heads(layer)),
            neurons: by_layer(&|layer| model.config.ffn(layer)),
        }
    }
}

/// The answers that the loss compares with.
enum Gold<'a> {
    Labels(GoldAnswers<'a>),
    Teacher(TaskModel),
}

impl<'a> Gold<'a> {
    fn of_labels(examples: &'a [Example], kind: TaskKind) -> Result<Self> {
        if examples.iter().any(|example| !example.target.is_gold()) || kind == TaskKind::Embedding {
            let what = "importance by the task loss needs labels; without any there is importance by a teacher's answers, or \
                        by magnitude";
            return Err(Error::Input(what.into()));
        }
        Ok(Self::Labels(GoldAnswers::unweighted(examples)))
    }

    fn of_teacher(teacher: &Checkpoint, model: &Checkpoint) -> Result<Self> {
        check_vocabulary(&teacher.text, &model.text)?;
        let teacher = teacher.named(model.head.labels());
        let (teaches, asks) = (teacher.head.kind(), model.head.kind());
        if teaches != asks || teacher.head.labels() != model.head.labels() {
            return Err(Error::Input(format!(
                "{}: a teacher with a {asks} head and the model's labels ({}) is needed, found {teaches} ({})",
                teacher.folder.display(),
                list(model.head.labels()),
                list(teacher.head.labels())
            )));
        }
        Ok(Self::Teacher(TaskModel::frozen(&teacher.config, &teacher.head, &teacher.tensors)?))
    }

    /// The loss of the answers `logits` to a batch of `set`.
    fn loss(&self, head: &Head, logits: &Tensor, batch: &Batch, set: &EncodedSet) -> Result<Tensor> {
        match self {
            Self::Labels(gold) => gold.loss(logits, batch, set),
            Self::Teacher(teacher) => {
                answer_loss(head, logits, &teacher.forward(batch, Mode::Eval)?.1, TEMPERATURE, None)
            }
        }
    }
}

/// Names of the weights that read a layer's heads and neurons, `[hidden, parts · columns]`.
struct ReaderNames {
    heads: String,
    neurons: String,
}

impl ReaderNames {
    fn of_layer(layer: usize) -> Self {
        let layer = LayerNames::new(layer);
        Self { heads: names::weight(&layer.attention_output), neurons: names::weight(&layer.down) }
    }
}

fn tensor<'a>(tensors: &'a Tensors, name: &str) -> Result<&'a Tensor> {
    tensors.get(name).ok_or_else(|| Error::Usage(format!("the model has no tensor {name}")))
}

/// Sums of `[hidden, parts · columns]` values over each part's columns, in f64 and in the order of rows.
fn by_part(values: &Tensor, parts: usize) -> Result<Vec<f64>> {
    let (_, width) = values.dims2()?;
    let values = values.flatten_all()?.to_vec1::<f32>()?;
    let mut sums = vec![0.0; parts];
    for row in values.chunks_exact(width) {
        for (sum, columns) in sums.iter_mut().zip(row.chunks_exact(width / parts)) {
            *sum += columns.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
    }
    Ok(sums)
}
