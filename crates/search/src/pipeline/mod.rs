//! The stages of a run. Each stage is a model folder in the output folder.

mod baseline;
mod finish;
mod image;
mod journal;
mod outcome;
mod report;
mod student;
mod tries;

use std::path::PathBuf;

use serde_json::json;

pub use self::baseline::{KeptBaseline, baseline};
use self::finish::FinishedModel;
pub use self::journal::CompressJournal;
pub use self::outcome::{CompressOutcome, FloorOutcome, HalfOfDev, JudgedModel};
use self::student::can_inherit;
pub use self::student::{layer_map, student_sizes};
pub use self::tries::Try;
use super::search::SearchResult;
use super::space::{PruningRound, SearchSpace};
use super::{Compress, CompressSettings};
use tinybert_base::{Context, Error, Result};
use tinybert_data::{EncodedSet, WindowSettings};
use tinybert_distill::{
    EncodedCorpus, GeneralSettings, QuantizationAware, TaskSettings, check_teacher, distill_general,
    distill_task,
};
use tinybert_model::plan::AttentionPrecision;
use tinybert_model::{Checkpoint, Head, RunRecord};
use tinybert_nn::device::Compute;
use tinybert_nn::init_parameters;
use tinybert_prune::KeptParts;
use tinybert_train::{Output, fine_tune, head_of};

/// The stages of a run.
pub(super) struct Pipeline<'a> {
    pub compress: &'a Compress<'a>,
    pub out: &'a Output,
    pub context: &'a Context<'a>,
    /// The folder of the stages that come next: the output folder, or that of a try in it.
    place: PathBuf,
    /// The folders of the stages so far, in their order.
    pub folders: Vec<PathBuf>,
}

/// The models before anything is pruned, and what can be made of the student.
#[derive(Clone, Copy)]
pub(super) struct TrainedModels<'a> {
    /// The teacher, fine-tuned on the task.
    pub teacher: &'a Checkpoint,
    /// The whole student, distilled on the task.
    pub student: &'a Checkpoint,
    /// The search space of the student.
    pub space: &'a SearchSpace<'a>,
}

impl<'a> Pipeline<'a> {
    pub fn new(compress: &'a Compress, out: &'a Output, context: &'a Context<'a>) -> Self {
        Self { compress, out, context, place: out.folder.clone(), folders: Vec::new() }
    }

    /// The model of a stage. If its folder does not exist, `make` makes it, from its checkpoint if the stage
    /// was interrupted.
    fn stage(&mut self, name: &str, make: impl FnOnce(Output) -> Result<()>) -> Result<Checkpoint> {
        let folder = self.place.join(name);
        self.folders.push(folder.clone());
        if !folder.exists() {
            self.context.progress.say(&format!("stage {name}"));
            let cache = Some(self.out.folder.join("teacher-cache"));
            let tensorboard = self.out.tensorboard_of(&folder);
            let output =
                Output { folder: folder.clone(), teacher_cache: cache, tensorboard, ..self.out.clone() };
            let resume = output.can_resume()?;
            make(Output { resume, ..output })?;
        }
        Checkpoint::load(&folder)
    }

    /// The options that give the models trained before the search to another run; empty if both models were
    /// given.
    pub fn reuse_options(&self) -> String {
        let option = |name| {
            let folder = self.out.folder.join(name);
            self.folders.contains(&folder).then(|| format!(" --{name} {}", folder.display()))
        };
        ["teacher", "student"].into_iter().filter_map(option).collect()
    }

    /// The error about finished models that exceed limits of the budget, which are named in `exceeded`.
    pub fn over_budget(&self, exceeded: &str) -> Error {
        let kept = match self.reuse_options() {
            none if none.is_empty() => none,
            options => format!(", for which what was trained is kept:{options}"),
        };
        Error::Input(format!(
            "the finished model does not keep within the budget: {exceeded}; give a little more, or a smaller \
             --max-tokens, and another --out{kept}"
        ))
    }

    /// The teacher, fine-tuned on the task if it has no head for it.
    pub fn teacher(&mut self) -> Result<Checkpoint> {
        let Compress { teacher, data, settings, .. } = self.compress;
        let named = teacher.named(&data.train.labels);
        if answers_like(&named.head, &head_of(data.train)) {
            return Ok(named);
        }
        let context = self.context;
        self.stage("teacher", |out| fine_tune(&settings.fine_tune, teacher, data, out, context).map(drop))
    }

    /// The given student, if it already answers the task.
    fn finished_student(&self, teacher: &Checkpoint) -> Option<&Checkpoint> {
        // A vector that is pooled in another way is another vector.
        let vector = |head: &Head| (head.pooling(), head.is_normalized());
        self.compress.student.as_ref().filter(|student| {
            answers_like(&student.head, &teacher.head) && vector(&student.head) == vector(&teacher.head)
        })
    }

    /// Whether the student was given with a head for the task, so that no stage has trained it.
    pub fn has_finished_student(&self, teacher: &Checkpoint) -> bool {
        self.finished_student(teacher).is_some()
    }

    /// The student before anything is pruned, distilled on the task.
    pub fn student(&mut self, teacher: &Checkpoint) -> Result<Checkpoint> {
        if let Some(student) = self.finished_student(teacher) {
            return Ok(student.copied());
        }
        let compress = self.compress;
        let made;
        let general = match &compress.student {
            Some(student) => student,
            None => {
                // The general stage takes long, and the task stage would refuse the teacher only after it.
                if !self.place.join("student").exists() {
                    let settings = &compress.settings.distillation;
                    check_teacher(settings, teacher, &compress.data, self.out, self.context)?;
                }
                made = self.general_student()?;
                &made
            }
        };
        self.distil("student", &compress.settings.distillation, teacher, general)
    }

    /// A new student after general distillation on the corpus, or on the texts of the task if there is no
    /// corpus.
    fn general_student(&mut self) -> Result<Checkpoint> {
        let (compress, context) = (self.compress, self.context);
        let Compress { teacher, sizes, corpus, data, settings, .. } = compress;
        let record = |inputs| RunRecord { settings: json!({ "sizes": sizes }), ..compress.record(inputs) };
        let fresh = self.stage("student-fresh", |out| {
            let tensors = init_parameters(sizes, &Head::None, settings.distillation.seed)?;
            let record = record(Vec::new());
            tinybert_model::save(&out.folder, sizes, &Head::None, &tensors, &teacher.text, &record)
        })?;
        self.stage("student-general", |out| {
            let inherit = can_inherit(&teacher.config, sizes);
            let general = GeneralSettings { inherit, ..settings.general.clone() };
            let windows: EncodedSet = match corpus.is_empty() {
                true => {
                    let texts: Vec<_> = data.train.inputs().collect();
                    teacher.text.encode_all(&texts, general.max_tokens)?.into_iter().collect()
                }
                false => {
                    let limit = general.max_train_tokens.and_then(|tokens| usize::try_from(tokens).ok());
                    let window =
                        WindowSettings { max_tokens: general.max_tokens, limit, seed: general.recipe.seed };
                    tinybert_data::Corpus::open(corpus, &out.folder)?.windows(&fresh.text, window, context)?
                }
            };
            let sources = if corpus.is_empty() { &data.train.sources } else { corpus };
            let corpus = EncodedCorpus { windows: &windows, texts: None, sources };
            distill_general(&general, teacher, &fresh, &corpus, out, context).map(drop)
        })
    }

    /// The model that `found` has chosen, with its image.
    pub fn finished(&mut self, models: TrainedModels, found: SearchResult) -> Result<FinishedModel> {
        let small = self.chosen_model(models, &found)?;
        FinishedModel::make(self, models.teacher, &small, found)
    }

    /// The model that the search has chosen, pruned and recovered.
    fn chosen_model(&mut self, models: TrainedModels, found: &SearchResult) -> Result<Checkpoint> {
        let TrainedModels { student, space, .. } = models;
        let compress = self.compress;
        let point = found.chosen.point;
        let mut model = match space.prunes(point) {
            true => Some(self.pruned(models, found)?),
            false => None,
        };
        if point.vocabulary > 0 {
            let before = model.as_ref().unwrap_or(student);
            let name = "small-vocabulary";
            let pruned =
                self.stage(name, |out| save(compress, &space.with_vocabulary(point, before)?, found, out))?;
            model = Some(pruned);
        }
        match model {
            Some(model) => Ok(model),
            None => space.with_vocabulary(point, student),
        }
    }

    /// The student with only the chosen heads and neurons. It is pruned in rounds, with a recovery after each.
    fn pruned(&mut self, models: TrainedModels, found: &SearchResult) -> Result<Checkpoint> {
        let TrainedModels { teacher, student, space } = models;
        let point = found.chosen.point;
        let (compress, context) = (self.compress, self.context);
        let CompressSettings { recovery, prune_rounds, .. } = &compress.settings;
        let rounds = prune_rounds.unwrap_or(SearchSpace::prune_rounds(point));
        let mut model = student.copied();
        for round in 1..=rounds {
            let name = if round < rounds { format!("pruned-{round}") } else { "pruned".into() };
            let pruned = self.stage(&name, |out| {
                let importance = match round {
                    1 => &space.importance,
                    _ => &compress.importance(&model, context)?,
                };
                let sizes = space.sizes_after(point, PruningRound { round, rounds });
                let kept = KeptParts::of_sizes(importance, &sizes);
                save(compress, &kept.prune(&model)?, found, out)
            })?;
            model = self.distil(&format!("{name}-recovered"), recovery, teacher, &pruned)?;
        }
        Ok(model)
    }

    /// The chosen model after training as its image will compute.
    pub fn quantization_aware(
        &mut self,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: &SearchResult,
        attention: AttentionPrecision,
    ) -> Result<Checkpoint> {
        let CompressSettings { quantization_aware, calibration_examples, .. } = &self.compress.settings;
        let aware = QuantizationAware {
            precision: found.precision.clone(),
            attention,
            calibration_examples: *calibration_examples,
        };
        let settings = TaskSettings {
            max_tokens: found.max_tokens,
            quantization_aware: Some(aware),
            ..quantization_aware.clone()
        };
        let (compress, context) = (self.compress, self.context);
        self.stage("quantization-aware", |out| {
            // The kernels of the image run on the processor.
            let out = Output { compute: Compute::cpu(), ..out };
            distill_task(&settings, teacher, small, &compress.data, out, context).map(drop)
        })
    }

    fn distil(
        &mut self,
        name: &str,
        settings: &TaskSettings,
        teacher: &Checkpoint,
        student: &Checkpoint,
    ) -> Result<Checkpoint> {
        let (compress, context) = (self.compress, self.context);
        self.stage(name, |out| {
            distill_task(settings, teacher, student, &compress.data, out, context).map(drop)
        })
    }
}

/// Writes the folder of a stage without training.
fn save(compress: &Compress, model: &Checkpoint, found: &SearchResult, out: Output) -> Result<()> {
    let record = RunRecord { metrics: found.summary(), ..compress.record(model.hashes()?) };
    tinybert_model::save(&out.folder, &model.config, &model.head, &model.tensors, &model.text, &record)
}

/// Whether two heads answer the same questions. Embeddings of any sizes do.
pub(super) fn answers_like(head: &Head, asked: &Head) -> bool {
    head.kind() == asked.kind() && head.labels() == asked.labels()
}
