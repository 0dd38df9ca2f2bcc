//! From a teacher and data to an image within a budget: every stage of the line, with a search in the middle for what to
//! prune. Each stage is an ordinary model folder, and a run that was stopped goes on where it was.

mod board;
mod budget;
pub mod cost;
mod found;
mod journal;
pub mod latency;
mod made;
mod measure;
mod precision;
mod report;
mod result;
mod search;
mod space;
mod stages;
mod student;

use std::path::PathBuf;

use serde_json::json;

pub use self::board::{Board, CORES, Core, KernelFamily};
pub use self::budget::{Budget, Limit};
use self::cost::CostModel;
pub use self::found::{Candidate, Found, InFourBits, Measured};
use self::journal::Journal;
pub use self::result::Outcome;
use self::search::Search;
pub use self::search::SearchSettings;
use self::space::Space;
use self::stages::Stages;
pub use self::student::{layer_map, student_sizes};
use tinybert_base::Context;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
use tinybert_data::task::{Dataset, Target, TaskKind};
use tinybert_distill::{GeneralSettings, TaskSettings};
use tinybert_model::plan::{Attention, Encoding, LayerEncodings, Precision};
use tinybert_model::{BertConfig, Checkpoint, RunRecord};
use tinybert_prune::{Importance, ImportanceMeasure};
use tinybert_quantize::quantize;
use tinybert_train::journal::Journal as _;
use tinybert_train::{FineTune, Output, TaskData};

/// How every stage works.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Settings {
    /// What the device allows. A run's identity leaves fields called budget out, and this is part of it.
    #[serde(rename = "limits")]
    pub budget: Budget,
    /// Longest input in tokens at most; shorter ones are looked at, too.
    pub max_tokens: usize,
    /// Of a teacher without the task.
    pub fine_tune: FineTune,
    /// Of a student that is not given.
    pub general: GeneralSettings,
    /// Of the student before anything is pruned.
    pub distillation: TaskSettings,
    /// Of what the search has chosen, after each round in which heads and neurons are pruned.
    pub recovery: TaskSettings,
    /// How many rounds; `None` for as many as the shares ask for.
    pub prune_rounds: Option<u32>,
    /// Of the small model as its image will compute; 0 epochs of its prediction stage leave it out.
    pub quantization_aware: TaskSettings,
    /// How thoroughly to search.
    pub search: SearchSettings,
    /// Examples that importance is measured on.
    pub importance_examples: usize,
    /// Examples that activations are calibrated with.
    pub calibration_examples: usize,
}

/// What a run starts from.
pub struct Compress<'a> {
    /// How.
    pub settings: Settings,
    /// The board that the model is for.
    pub board: Board,
    /// The teacher; fine-tuned first if it has no head for the task.
    pub teacher: Checkpoint,
    /// A student: with a head of the task it is taken as it is, without one it is distilled on the task. One is made if
    /// there is none.
    pub student: Option<Checkpoint>,
    /// Sizes of the one that is made.
    pub sizes: BertConfig,
    /// Plain text for its general stage; the task's training texts if there is none.
    pub corpus: Vec<PathBuf>,
    /// The task.
    pub data: TaskData<'a>,
    /// Judged at the end and never before.
    pub test: Option<&'a Dataset>,
}

impl Compress<'_> {
    /// Makes the image `model.tbim` in the folder of `out`, beside the folders of all stages.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing that can be made keeps within the budget, for settings that cannot be, and for a folder
    /// with another run; [`Error::Input`] for models and data that do not fit together, and for a result that does not
    /// keep within the budget after all; those of training.
    pub fn run(&self, out: &Output, context: &Context) -> Result<Outcome> {
        self.data.check()?;
        let inputs = self.inputs()?;
        let identity = self.data.identity(&self.record(inputs.clone()));
        let mut journal = Journal::open(out, identity)?;
        let mut stages = Stages::new(self, out, context);
        let teacher = &stages.teacher()?;
        let whole = stages.student(teacher)?;
        let mut space = self.space(&whole, context)?;
        let found = match &journal.found {
            Some(found) => found.clone(),
            None => {
                let found = self.search(&whole, &mut space, stages.taken_over(), context)?;
                journal.found = Some(found.clone());
                journal.write(&out.folder)?;
                found
            }
        };
        context.progress.say(&format!(
            "chosen of {} models: {}; image {} bytes, workspace {} bytes, {:.2} ms modelled on {}",
            found.places,
            found.chosen.name,
            found.chosen.cost.flash,
            found.chosen.cost.ram,
            found.chosen.cost.latency_ms,
            self.board
        ));
        let small = stages.small(teacher, &whole, &space, &found)?;
        let outcome = Outcome::make(&mut stages, inputs, teacher, &small, &found)?;
        journal.outcome = Some(json!(outcome));
        journal.write(&out.folder)?;
        Ok(outcome)
    }

    /// Every file that is read.
    fn inputs(&self) -> Result<Vec<FileHash>> {
        let mut inputs = self.teacher.hashes()?;
        if let Some(student) = &self.student {
            inputs.extend(student.hashes()?);
        }
        inputs.extend(self.corpus.iter().map(|path| FileHash::of(path)).collect::<Result<Vec<_>>>()?);
        inputs.extend(self.data.hashes()?);
        Ok(inputs)
    }

    /// The record of a stage that reads `inputs`.
    fn record(&self, inputs: Vec<FileHash>) -> RunRecord {
        let mut settings = json!(self.settings);
        settings["board"] = json!(self.board.name);
        settings["sizes"] = json!(self.sizes);
        RunRecord {
            command: "compress".into(),
            settings,
            seed: self.settings.distillation.seed(),
            inputs,
            metrics: json!(null),
        }
    }

    /// Looks for what to make of the whole student.
    fn search(
        &self,
        whole: &Checkpoint,
        space: &mut Space,
        taken_over: String,
        context: &Context,
    ) -> Result<Found> {
        // Costs are of attention in int8, which every model can fall back to; f32 is taken where the budget has room for it.
        let attention = Attention::Int8;
        // Each place has encodings of its own. With four bits the plan has what they are chosen by.
        let precision = Precision { weights: LayerEncodings::Alike(Encoding::Int4), ..Precision::default() };
        let max_tokens = space.longest[0].tokens;
        let settings =
            tinybert_quantize::Settings { max_tokens, attention, precision, ..self.quantization() };
        let made = quantize(whole, self.data.train, &settings, context)?;
        space.mean_squares = made.plan.layers.into_iter().map(|layer| layer.importance).collect();
        let image = tinybert_image::Image::from_bytes(&made.image)
            .map_err(|error| Error::Input(format!("the whole student cannot become an image: {error}")))?;
        let costs = CostModel::new(&image, &self.board);
        Search {
            space,
            costs: &costs,
            budget: &self.settings.budget,
            dev: self.data.dev,
            metrics: self.data.metrics,
            settings: self.settings.search,
            taken_over,
        }
        .run(context)
    }

    /// What can be made of the whole student. It is the same when a run goes on.
    fn space<'s>(&self, whole: &'s Checkpoint, context: &Context) -> Result<Space<'s>> {
        let Settings { max_tokens, calibration_examples, .. } = self.settings;
        let importance = self.importance(whole, context)?;
        Space::new(
            whole,
            importance,
            self.data.train,
            self.board.core.layout,
            max_tokens,
            calibration_examples,
        )
    }

    /// How much the heads and neurons of a model matter: for the labels where there are some.
    fn importance(&self, model: &Checkpoint, context: &Context) -> Result<Importance> {
        let Settings { max_tokens, importance_examples: examples, .. } = self.settings;
        let train = self.data.train;
        let labelled = train.kind != TaskKind::Embedding
            && train.examples.iter().all(|example| example.target != Target::None);
        let measure = if labelled {
            ImportanceMeasure::Taylor { examples, max_tokens }
        } else {
            ImportanceMeasure::Magnitude
        };
        Importance::measure(measure, model, train, None, context)
    }

    /// How images are made.
    fn quantization(&self) -> tinybert_quantize::Settings {
        tinybert_quantize::Settings {
            max_tokens: self.settings.max_tokens,
            calibration_examples: self.settings.calibration_examples,
            layout: self.board.core.layout,
            attention: Attention::Auto,
            precision: Precision::default(),
        }
    }
}
