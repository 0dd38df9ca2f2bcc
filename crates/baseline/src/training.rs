//! Training: the features of the training set, and the strength of the penalty that the development set prefers.

use crate::features::Counts;
use crate::lbfgs::{Stopping, minimize};
use crate::model::LinearModel;
use crate::objective::Objective;
use crate::sparse::{Row, Sparse};
use crate::vocabulary::Vocabulary;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::{MetricSet, Metrics};
use tinybert_data::task::{Dataset, Target, TaskKind};

/// The penalties that are tried, each from the weights of the one before.
const PENALTIES: [f32; 6] = [16.0, 4.0, 1.0, 1.0 / 4.0, 1.0 / 16.0, 1.0 / 64.0];
/// The same for tags. Fewer are tried, because each step learns from every word of the training set.
const PENALTIES_OF_TAGS: &[f32] = &[1.0, 1.0 / 4.0, 1.0 / 16.0];
/// Training ends where the gradient is this share of the gradient without any weights.
const TOLERANCE: f64 = 1e-3;
/// Training also ends where a step brings less than this share of the objective.
const DECREASE: f64 = 2e-4;
/// Largest number of steps for a penalty.
const STEPS: usize = 100;

/// A trained model and how it was chosen.
pub struct Trained {
    /// The model.
    pub model: LinearModel,
    /// The penalty that it was trained with.
    pub penalty: f32,
    /// Its metrics on the development set.
    pub dev: Metrics,
    /// Its mean loss there, of a text, a pair or a tagged word.
    pub loss: f64,
}

impl Trained {
    /// Whether this model is chosen rather than `other`, whose penalty is stronger: by its metric, of equal ones by its
    /// loss, and of equal losses by its weaker penalty. Few examples tell metrics apart only roughly.
    fn is_preferred_to(&self, other: &Self) -> bool {
        let of_metrics = self.dev.primary().total_cmp(&other.dev.primary());
        of_metrics.then(other.loss.total_cmp(&self.loss)).is_ge()
    }
}

/// Makes sure that there is a baseline for data of this kind.
///
/// # Errors
/// [`Error::Usage`] for embeddings.
pub fn check_kind(kind: TaskKind) -> Result<()> {
    match kind {
        TaskKind::Embedding => Err(Error::Usage(
            "there is no linear baseline for sentence embeddings, only for labels, scores and tagged words"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// Makes sure that there is a baseline for training data: texts or pairs, each with a label, labels or a score, or
/// sentences with a tag for each word.
///
/// # Errors
/// Those of [`check_kind`]; [`Error::Input`] for an example without a label.
pub fn check(train: &Dataset) -> Result<()> {
    check_kind(train.kind)?;
    train.check_labelled()
}

/// Trains on `train` with every penalty; `metrics` on `dev` choose one of them. Of equal ones it is the one with the
/// smallest mean loss on `dev`.
///
/// # Errors
/// Those of [`check`]; [`Error::Input`] for a development set that cannot be judged by `metrics`;
/// [`Error::Interrupted`].
pub fn train(train: &Dataset, dev: &Dataset, metrics: MetricSet, context: &Context) -> Result<Trained> {
    check(train)?;
    dev.check_labelled()?;
    let counts = Counts::of_examples(train);
    let vocabulary = Vocabulary::new(train.kind, &counts).rounded();
    let mut rows = vocabulary.rows(&counts);
    let others = match train.kind {
        TaskKind::Tagging => add_tags_before(&mut rows, train, vocabulary.len()),
        _ => counts[0][0].overlap.len(),
    };
    drop(counts);
    let texts = Sparse::of_rows(&rows.into_iter().flatten().collect::<Vec<Row>>());
    let features = texts.transposed(vocabulary.len() + others);
    let dev_rows = vocabulary.rows(&Counts::of_examples(dev));
    let mut dev_words = dev_rows.clone();
    if train.kind == TaskKind::Tagging {
        add_tags_before(&mut dev_words, dev, vocabulary.len());
    }
    let dev_words: Vec<Row> = dev_words.into_iter().flatten().collect();
    let dev_targets: Vec<Target> = dev.examples.iter().flat_map(|example| golds(&example.target)).collect();
    let targets: Vec<Target> = train.examples.iter().flat_map(|example| golds(&example.target)).collect();
    let outputs = LinearModel::outputs(train.kind, &train.labels);
    let penalties = if train.kind == TaskKind::Tagging { PENALTIES_OF_TAGS } else { &PENALTIES };
    let objective =
        |penalty| Objective { texts: &texts, features: &features, targets: &targets, outputs, penalty };

    let mut weights = vec![0.0; objective(0.0).weights()];
    let stopping = Stopping {
        gradient: TOLERANCE * objective(0.0).steepness(&weights),
        decrease: DECREASE,
        steps: STEPS,
        stop: &|| context.should_stop(),
    };
    context.progress.begin("linear baseline", penalties.len() as u64);
    let mut best: Option<Trained> = None;
    for &penalty in penalties {
        let objective = objective(penalty);
        weights =
            minimize(weights, |at, gradient| objective.value(at, gradient), &objective.scales(), &stopping);
        if context.should_stop() {
            return Err(Error::Interrupted(
                "stopped while the linear baseline was trained; the same command trains it again".into(),
            ));
        }
        let model = LinearModel::rounded(vocabulary.clone(), train, &weights);
        let metrics = model.outcomes(&dev_rows, dev, metrics)?.metrics();
        let loss = model.mean_loss(&dev_words, &dev_targets);
        context.progress.advance(1, &format!("{} {:.4}", metrics.primary, metrics.primary()));
        let trained = Trained { model, penalty, dev: metrics, loss };
        if best.as_ref().is_none_or(|best| trained.is_preferred_to(best)) {
            best = Some(trained);
        }
    }
    context.progress.end();
    Ok(best.expect("there is a penalty to try"))
}

/// Adds to the row of each word the gold tag of the word before as a feature with the value 1, and to that of each
/// first word that there is none. Gives the number of these features, which begin at `first`.
pub fn add_tags_before(rows: &mut [Vec<Row>], data: &Dataset, first: usize) -> usize {
    let none = data.labels.len();
    for (rows, example) in rows.iter_mut().zip(&data.examples) {
        let tags = example.target.classes().iter().map(|tag| *tag as usize);
        for (row, before) in rows.iter_mut().zip(std::iter::once(none).chain(tags)) {
            row.push(((first + before) as u32, 1.0));
        }
    }
    none + 1
}

/// The gold answer, also of an example with soft labels; of a sentence, that of each word.
pub fn golds(target: &Target) -> Vec<Target> {
    match target {
        Target::SoftLabels { gold: Some(class), .. } => vec![Target::Class(*class)],
        Target::SoftLabelSet { gold: Some(classes), .. } => vec![Target::LabelSet(classes.clone())],
        Target::Tags(tags) => tags.iter().map(|tag| Target::Class(*tag)).collect(),
        other => vec![other.clone()],
    }
}
