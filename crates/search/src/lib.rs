#![doc = include_str!("../README.md")]

mod before_training;
mod cost;
mod floor;
mod pipeline;
mod search;
mod space;

use std::path::PathBuf;

use serde_json::json;

use self::cost::CostModel;
pub use self::cost::{Board, DeviceBudget, KernelFamily, latency};
pub use self::floor::{DevParts, Floor, FloorCheck, FloorSearch, Verdict};
use self::pipeline::{CompressJournal, Pipeline, TrainedModels};
pub use self::pipeline::{
    CompressOutcome, FloorOutcome, HalfOfDev, JudgedModel, Try, layer_map, student_sizes,
};
pub use self::search::{
    LinearSensitivity, MeasuredChanges, Measurement, SearchCandidate, SearchResult, SearchSettings,
};
use self::search::{Search, places};
pub use self::space::SearchPoint;
use self::space::SearchSpace;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_distill::{GeneralSettings, TaskSettings};
use tinybert_evaluate::confidence::Rejection;
use tinybert_model::plan::{AttentionPrecision, LayerEncodings, Precision, WeightEncoding};
use tinybert_model::{BertConfig, Checkpoint, RunRecord};
use tinybert_prune::{Importance, ImportanceMeasure};
use tinybert_quantize::quantize;
use tinybert_train::journal::Journal as _;
use tinybert_train::{FineTune, Output, TaskData};

/// The settings of every stage.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CompressSettings {
    /// The limits of the device. They belong to the identity of a run, which ignores fields with the name
    /// `budget`, so the recorded name is another one.
    #[serde(rename = "limits")]
    pub budget: DeviceBudget,
    /// Largest length of the longest input in tokens. The search also considers shorter ones.
    pub max_tokens: usize,
    /// Fine-tuning of a teacher that has no head for the task.
    pub fine_tune: FineTune,
    /// General distillation of a student, if none is given.
    pub general: GeneralSettings,
    /// Task distillation of the student before anything is pruned.
    pub distillation: TaskSettings,
    /// Task distillation after each round in which heads and neurons are pruned.
    pub recovery: TaskSettings,
    /// Number of pruning rounds; `None` for as many as the shares need.
    pub prune_rounds: Option<u32>,
    /// Training of the chosen model as its image will compute; 0 epochs of its prediction stage leave it out.
    pub quantization_aware: TaskSettings,
    /// How thorough the search is.
    pub search: SearchSettings,
    /// Number of examples that importance is measured on.
    pub importance_examples: usize,
    /// Number of examples that activations are calibrated with.
    pub calibration_examples: usize,
}

/// A run from a teacher to an image.
pub struct Compress<'a> {
    /// The settings of every stage.
    pub settings: CompressSettings,
    /// The board that the model is for.
    pub board: Board,
    /// The teacher. It is fine-tuned first if it has no head for the task.
    pub teacher: Checkpoint,
    /// The student. With a head for the task it is used unchanged, with another head it is distilled on the
    /// task. With `None` the run makes a student.
    pub student: Option<Checkpoint>,
    /// Sizes of the student that the run makes.
    pub sizes: BertConfig,
    /// Files of plain text for general distillation; if empty, the training texts of the task are used.
    pub corpus: Vec<PathBuf>,
    /// The training and development data of the task. With a floor, the development data are
    /// [`DevParts::search`].
    pub data: TaskData<'a>,
    /// The floor, for the smallest image that holds it; `None` for the most accurate image.
    pub floor: Option<FloorSearch<'a>>,
    /// The test set; it is used only at the end of the run.
    pub test: Option<&'a Dataset>,
    /// The development data of the task, with the rows that are none of its labels. The others are those of `data`.
    pub dev: &'a ScopedDataset,
    /// How the threshold of the image is chosen beside its temperature, if it is to have them.
    pub confidence: Option<Rejection>,
}

impl Compress<'_> {
    /// Makes the image `model.tbim` in the folder of `out`, beside the folders of all stages. With a floor that no
    /// image holds, it is the image that is nearest to it, and [`FloorOutcome::is_held`] is false.
    ///
    /// # Errors
    /// [`Error::Usage`] if no model of the search space keeps within the budget (if that is known before anything is
    /// trained, nothing is written), for impossible settings, and for a folder with another run; [`Error::Input`] for
    /// models and data that do not fit together, and for an image that exceeds the budget although its predicted cost
    /// did not; the errors of training.
    pub fn run(&self, out: &Output, context: &Context) -> Result<CompressOutcome> {
        self.data.check()?;
        if self.student.is_none() && self.teacher.text.has_own_pieces() {
            return Err(Error::Usage(format!(
                "{}: {} reads pieces of its own, and the student that this run would make reads its teacher's pieces; \
                 make a student with `init` and give it with --student",
                self.teacher.folder.display(),
                self.teacher.config.architecture.name()
            )));
        }
        self.check_before_training(out)?;
        let inputs = self.inputs()?;
        let identity = self.data.identity(&self.record(inputs.clone()));
        let identity = match &self.floor {
            Some(floor) => identity.with_digest("held-out examples", floor.held_out.digest()),
            None => identity,
        };
        let mut journal = CompressJournal::open(out, identity)?;
        let baseline = pipeline::baseline(self, &mut journal.baseline, context)?;
        journal.write(&out.folder)?;
        let mut pipeline = Pipeline::new(self, out, context);
        let teacher = &pipeline.teacher()?;
        let floor = match &self.floor {
            Some(asked) => Some((asked, pipeline.metric_beside(asked, teacher)?)),
            None => None,
        };
        let student = pipeline.student(teacher)?;
        let mut space = self.space(&student, context)?;
        let found = match &journal.search {
            Some(found) => found.clone(),
            None => {
                let found = self.search(teacher, &student, &mut space, pipeline.reuse_options(), context)?;
                journal.search = Some(found.clone());
                journal.write(&out.folder)?;
                found
            }
        };
        space.store_in_four_bits(&places(&found.linears));
        let chosen = &found.chosen;
        context.progress.say(&format!(
            "{} of {} models: {}; image {} bytes, workspace {} bytes, {:.2} ms modelled on {}",
            if self.floor.is_some() { "to be tried first" } else { "chosen" },
            found.points,
            chosen.name,
            chosen.cost.flash,
            chosen.cost.ram,
            chosen.cost.latency_ms,
            self.board
        ));
        let models = TrainedModels { teacher, student: &student, space: &space };
        let outcome = match floor {
            Some((asked, of_teacher)) => {
                let tried = pipeline.smallest(asked, of_teacher, models, &found, &mut journal)?;
                CompressOutcome::make(&pipeline, inputs, teacher, &tried.finished, Some(&tried), baseline)?
            }
            None => {
                let finished = pipeline.finished(models, found)?;
                if let Some(exceeded) = finished.exceeded(self) {
                    return Err(pipeline.over_budget(&exceeded));
                }
                CompressOutcome::make(&pipeline, inputs, teacher, &finished, None, baseline)?
            }
        };
        journal.outcome = Some(json!(outcome));
        journal.write(&out.folder)?;
        Ok(outcome)
    }

    /// Hashes of every file that the run reads.
    fn inputs(&self) -> Result<Vec<FileHash>> {
        let mut inputs = self.teacher.hashes()?;
        if let Some(student) = &self.student {
            inputs.extend(student.hashes()?);
        }
        inputs.extend(FileHash::of_files(&self.corpus)?);
        inputs.extend(self.data.hashes()?);
        Ok(inputs)
    }

    /// The record of a stage that reads `inputs`.
    fn record(&self, inputs: Vec<FileHash>) -> RunRecord {
        let mut settings = json!(self.settings);
        settings["board"] = json!(self.board.name);
        settings["sizes"] = json!(self.sizes);
        if let Some(rejection) = self.confidence {
            let ScopedDataset { class, unknown, .. } = self.dev;
            settings["confidence"] =
                json!({ "rejection": rejection, "class": class, "unknown": unknown.digest() });
        }
        if let Some(FloorSearch { floor, tries, .. }) = &self.floor {
            settings["floor"] = json!(floor);
            settings["tries"] = json!(tries);
        }
        RunRecord::new("compress", settings, self.settings.distillation.seed, inputs)
    }

    /// Searches the models that can be made of the student.
    fn search(
        &self,
        teacher: &Checkpoint,
        student: &Checkpoint,
        space: &mut SearchSpace,
        reuse_options: String,
        context: &Context,
    ) -> Result<SearchResult> {
        // Costs assume attention in int8, which every model can use. The image gets f32 where the budget has
        // room for it.
        let attention = AttentionPrecision::Int8;
        // Each point of the space has its own encodings. A plan with four bits has the mean squares that they
        // are chosen by.
        let precision =
            Precision { weights: LayerEncodings::Alike(WeightEncoding::Int4), ..Precision::default() };
        let max_tokens = space.lengths[0].tokens;
        let settings =
            tinybert_quantize::QuantizeSettings { max_tokens, attention, precision, ..self.quantization() };
        let quantized = quantize(student, self.data.train, &settings, context)?;
        space.mean_squares = quantized.plan.layers.into_iter().map(|layer| layer.importance).collect();
        let image = tinybert_image::Image::from_bytes(&quantized.image)
            .map_err(|error| Error::Input(format!("the whole student cannot become an image: {error}")))?;
        let costs = CostModel::new(&image, &self.board, self.confidence.is_some());
        Search {
            space,
            costs: &costs,
            budget: &self.settings.budget,
            floor: self.floor.map(|of| (of.floor, teacher)),
            dev: self.data.dev,
            metrics: self.data.metrics,
            settings: self.settings.search,
            reuse_options,
        }
        .run(context)
    }

    /// The search space of the student. A run that continues computes the same space again.
    fn space<'s>(&self, student: &'s Checkpoint, context: &Context) -> Result<SearchSpace<'s>> {
        self.space_of(student, self.importance(student, context)?)
    }

    /// The search space of a student whose heads and neurons have this importance.
    fn space_of<'s>(&self, student: &'s Checkpoint, importance: Importance) -> Result<SearchSpace<'s>> {
        let CompressSettings { max_tokens, calibration_examples, .. } = self.settings;
        SearchSpace::new(
            student,
            importance,
            self.data.train,
            self.board.core.layout,
            max_tokens,
            calibration_examples,
        )
    }

    /// The importance of a model's heads and neurons: for the labels if all examples have one, by magnitude
    /// otherwise.
    fn importance(&self, model: &Checkpoint, context: &Context) -> Result<Importance> {
        let CompressSettings { max_tokens, importance_examples: examples, .. } = self.settings;
        let train = self.data.train;
        let labelled = train.kind != TaskKind::Embedding
            && train.examples.iter().all(|example| example.target.is_gold());
        let measure = if labelled {
            ImportanceMeasure::Taylor { examples, max_tokens }
        } else {
            ImportanceMeasure::Magnitude
        };
        Importance::measure(measure, model, train, None, context)
    }

    /// The settings of quantization.
    fn quantization(&self) -> tinybert_quantize::QuantizeSettings {
        tinybert_quantize::QuantizeSettings {
            max_tokens: self.settings.max_tokens,
            calibration_examples: self.settings.calibration_examples,
            layout: self.board.core.layout,
            attention: AttentionPrecision::Auto,
            precision: Precision::default(),
        }
    }
}
