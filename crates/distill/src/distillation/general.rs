//! General distillation: a student learns from a teacher that was not fine-tuned, on raw text.

use std::borrow::Cow;
use std::path::PathBuf;

use serde_json::json;

use super::alignment::{Align, Alignment, Readers, WordAlignment};
use super::compatibility::{
    check_student, check_vocabulary, evenly_spaced_samples, lower_layers, teacher_tensors,
};
use super::inherit::inherit;
use super::teacher::TeacherStates;
use super::transfer::{Transfer, TransferSettings};
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::{Batch, EncodedSet, Rows, WindowTexts};
use tinybert_model::{Checkpoint, Head, RunRecord, Tensors};
use tinybert_nn::Bert;
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::session::{MicroBatch, SessionConfig, SessionLength};
use tinybert_train::{Identity, ModelDescription, Output, Recipe, Summary, TrainingRun};

/// Name of the session.
const SESSION: &str = "general";
/// Windows that are encoded at once, on all cores, where words are compared.
const BLOCK: usize = 1 << 14;

/// Settings of [`distill_general`]; the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GeneralSettings {
    /// Losses.
    pub transfer: TransferSettings,
    /// Start from the teacher layers that the layer map names, narrowed to the student's size, instead of the
    /// student's own weights. The paper does not do this; it saves most of the training that a random start
    /// needs.
    pub inherit: bool,
    /// Epochs, batches of windows, learning rate, optimizer and seed.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Ends the run, and its schedule, after so many tokens if that is earlier than the last epoch.
    pub max_train_tokens: Option<u64>,
    /// Tokens per window of the corpus, including special tokens.
    pub max_tokens: usize,
}

impl Default for GeneralSettings {
    fn default() -> Self {
        Self {
            transfer: TransferSettings::default(),
            inherit: false,
            recipe: Recipe { batch_size: 256, optimizer: OptimizerSettings::paper(), ..Recipe::default() },
            max_train_tokens: None,
            max_tokens: 128,
        }
    }
}

impl GeneralSettings {
    /// Whether student and teacher are compared by words, for which the texts of the windows are needed.
    #[must_use]
    pub fn compares_words(&self, teacher: &Checkpoint, student: &Checkpoint) -> bool {
        let same = check_vocabulary(&teacher.text, &student.text).is_ok();
        self.transfer.align.unwrap_or(if same { Align::Pieces } else { Align::Words }) == Align::Words
    }
}

/// Raw text in windows.
pub struct EncodedCorpus<'a> {
    /// Windows of at most [`GeneralSettings::max_tokens`] tokens.
    pub windows: &'a EncodedSet,
    /// The text of each window; only where words are compared ([`GeneralSettings::compares_words`]).
    pub texts: Option<&'a WindowTexts<'a>>,
    /// The files that the windows were read from.
    pub sources: &'a [PathBuf],
}

/// The result of general distillation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GeneralReport {
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Distils the encoder of `teacher` into `student` and writes the student without a head to `out`.
///
/// # Errors
/// [`Error::Usage`](tinybert_base::Error::Usage) for impossible settings;
/// [`Error::Input`](tinybert_base::Error::Input) for different vocabularies or an empty corpus; the errors of
/// [`TrainingRun::train`].
pub fn distill_general(
    settings: &GeneralSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    corpus: &EncodedCorpus,
    out: impl Into<Output>,
    context: &Context,
) -> Result<GeneralReport> {
    check(settings, teacher, student, corpus)?;
    let compared = ComparedWindows::new(settings, teacher, student, corpus)?;
    let windows = &*compared.student;
    let recipe = &settings.recipe;
    let transfer = Transfer::new(&settings.transfer, &student.config, &teacher.config, recipe.seed)?;
    let mut inputs = teacher.hashes()?;
    inputs.extend(student.hashes()?);
    inputs.extend(FileHash::of_files(corpus.sources)?);
    let record = RunRecord::new("distill --stage general", json!(settings), recipe.seed, inputs);

    let identity = Identity::new(&record).with_digest("windows", windows.digest()?);
    let samples = evenly_spaced_samples(windows);
    let model =
        ModelDescription { config: &student.config, head: &Head::None, text: &student.text, record: &record };
    let initial = || match settings.inherit {
        true => inherit(teacher, &student.config, &transfer.layer_map(), windows, &samples),
        false => Ok(encoder_of(student)),
    };
    let mut run = TrainingRun::open(model, identity, &out.into(), context, initial)?;
    let transfer = transfer.on_device(run.device())?;
    let bert = Bert::trainable(&student.config, &run.trainee().parameters)?;
    let tensors = teacher_tensors(teacher, run.output())?;
    let lower = lower_layers(&teacher.config, &tensors, transfer.teacher_layers())?;
    if !run.resumes(SESSION) {
        let texts = [windows, &*compared.teacher];
        transfer.fit_projections(&bert, &lower, texts, &samples, &compared.alignment)?;
    }
    let config = SessionConfig {
        name: SESSION,
        recipe: recipe.clone(),
        length: SessionLength::in_tokens(recipe, windows, settings.max_train_tokens),
        evaluations_per_epoch: 0,
        patience: None,
        sparsity: None,
    };
    let learned = transfer.learned_parameters(run.trainee());
    let states = TeacherStates::Computed { bert: &lower, wanted: transfer.wanted() };
    let losses = |micro: &MicroBatch| {
        let output = bert.forward(micro.batch, micro.mode)?;
        let states = states.of_batch(&*compared.teacher_batch(micro.batch)?)?;
        transfer.losses(&output, &states, micro, &compared.alignment)
    };
    let training = run.train(config, windows, learned, losses, None)?;
    let report = GeneralReport { training };
    let tensors = run.trainee().parameters.to_tensors()?;
    run.finish(&tensors, &report)?;
    Ok(report)
}

/// Makes sure that settings, models and corpus fit together.
fn check(
    settings: &GeneralSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    corpus: &EncodedCorpus,
) -> Result<()> {
    settings.recipe.check()?;
    for model in [student, teacher] {
        model.check_max_tokens(settings.max_tokens)?;
    }
    settings.recipe.check_corpus(corpus.windows, settings.max_train_tokens)?;
    if settings.inherit {
        check_vocabulary(&teacher.text, &student.text)?;
    }
    check_student(&student.config)
}

/// The windows as student and teacher read them, and the positions at which the two are compared.
struct ComparedWindows<'a> {
    student: Cow<'a, EncodedSet>,
    /// The student's where both have the same vocabulary.
    teacher: Cow<'a, EncodedSet>,
    alignment: Alignment,
    /// The id that fills the teacher's short rows.
    pad_id: u32,
}

impl<'a> ComparedWindows<'a> {
    fn new(
        settings: &GeneralSettings,
        teacher: &Checkpoint,
        student: &Checkpoint,
        corpus: &EncodedCorpus<'a>,
    ) -> Result<Self> {
        let pad_id = teacher.text.special().pad;
        if !settings.compares_words(teacher, student) {
            check_vocabulary(&teacher.text, &student.text)?;
            let (student, teacher) = (Cow::Borrowed(corpus.windows), Cow::Borrowed(corpus.windows));
            return Ok(Self { student, teacher, alignment: Alignment::Pieces, pad_id });
        }
        let Some(texts) = corpus.texts else {
            let what = "words are found in the text of the windows, which is not known here: compare pieces";
            return Err(Error::Usage(what.into()));
        };
        let readers =
            Readers { student: &student.text, teacher: &teacher.text, max_tokens: settings.max_tokens };
        let mut alignment = WordAlignment::spilling_to(texts.scratch());
        let [mut ours, mut theirs] = [(); 2].map(|()| Rows::spilling_to(texts.scratch()));
        for start in (0..texts.len()).step_by(BLOCK) {
            let block = start..texts.len().min(start + BLOCK);
            let block = block.map(|window| texts.get(window)).collect::<Result<Vec<_>>>()?;
            let inputs: Vec<_> = block.iter().map(|text| (text.as_str(), None)).collect();
            alignment.add(readers, &inputs)?;
            for (rows, text) in [(&mut ours, readers.student), (&mut theirs, readers.teacher)] {
                let encoded = text.encode_all(&inputs, readers.max_tokens)?;
                encoded.iter().for_each(|encoded| rows.push(&encoded.ids));
                rows.spill()?;
            }
        }
        Ok(Self {
            student: Cow::Owned(EncodedSet::of_sentences(ours)),
            teacher: Cow::Owned(EncodedSet::of_sentences(theirs)),
            alignment: Alignment::Words(Box::new(alignment)),
            pad_id,
        })
    }

    /// The samples of the student's batch as the teacher reads them.
    fn teacher_batch<'b>(&self, students: &'b Batch) -> Result<Cow<'b, Batch>> {
        Ok(match self.alignment {
            Alignment::Pieces => Cow::Borrowed(students),
            Alignment::Words(_) => Cow::Owned(self.teacher.collate(&students.samples, self.pad_id)?),
        })
    }
}

/// The student's encoder. Pooler and head would learn nothing here and are left out.
fn encoder_of(student: &Checkpoint) -> Tensors {
    let names = tinybert_model::expected_shapes(&student.config, &Head::None);
    let encoder = student.tensors.iter().filter(|(name, _)| names.contains_key(*name));
    encoder.map(|(name, tensor)| (name.clone(), tensor.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records and checkpoints that earlier versions wrote have these names on one level.
    #[test]
    fn the_recorded_names_stay() {
        let recorded = json!(GeneralSettings::default());
        let names: Vec<&str> = recorded.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "batch_size",
                "budget",
                "epochs",
                "inherit",
                "learning_rate",
                "max_tokens",
                "max_train_tokens",
                "micro_batch",
                "optimizer",
                "schedule",
                "seed",
                "transfer",
            ]
        );
    }
}
