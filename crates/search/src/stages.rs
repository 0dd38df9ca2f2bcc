//! The stages that train, each a model folder in the output folder.

use std::path::PathBuf;

use serde_json::json;

use super::found::Found;
use super::space::Space;
use super::student::can_inherit;
use super::{Compress, Settings};
use tinybert_base::Context;
use tinybert_base::Result;
use tinybert_data::{EncodedSet, WindowSettings};
use tinybert_distill::{
    EncodedCorpus, GeneralSettings, QuantizationAware, TaskSettings, distill_general, distill_task,
};
use tinybert_model::plan::Attention;
use tinybert_model::{Checkpoint, Head, RunRecord};
use tinybert_nn::device::Compute;
use tinybert_nn::init_parameters;
use tinybert_prune::KeptParts;
use tinybert_train::{Output, fine_tune, head_of};

/// Where the stages stand.
pub(super) struct Stages<'a> {
    pub compress: &'a Compress<'a>,
    pub out: &'a Output,
    pub context: &'a Context<'a>,
    /// Those that were asked for, in their order.
    pub folders: Vec<PathBuf>,
}

impl<'a> Stages<'a> {
    pub fn new(compress: &'a Compress, out: &'a Output, context: &'a Context<'a>) -> Self {
        Self { compress, out, context, folders: Vec::new() }
    }

    /// The folder of a stage, made if it is not there; a stage that was interrupted goes on.
    fn stage(&mut self, name: &str, make: impl FnOnce(Output) -> Result<()>) -> Result<Checkpoint> {
        let folder = self.out.folder.join(name);
        self.folders.push(folder.clone());
        if !folder.exists() {
            self.context.progress.say(&format!("stage {name}"));
            let cache = Some(self.out.folder.join("teacher-cache"));
            let output = Output { folder: folder.clone(), teacher_cache: cache, ..self.out.clone() };
            let resume = output.can_resume()?;
            make(Output { resume, ..output })?;
        }
        Checkpoint::load(&folder)
    }

    /// The options that give what was trained before the search to another run; nothing where it was all given.
    pub fn taken_over(&self) -> String {
        let option = |name| {
            let folder = self.out.folder.join(name);
            self.folders.contains(&folder).then(|| format!(" --{name} {}", folder.display()))
        };
        ["teacher", "student"].into_iter().filter_map(option).collect()
    }

    /// The teacher of the task.
    pub fn teacher(&mut self) -> Result<Checkpoint> {
        let Compress { teacher, data, settings, .. } = self.compress;
        let named = teacher.named(&data.train.labels);
        if answers(&named.head, &head_of(data.train)) {
            return Ok(named);
        }
        let context = self.context;
        self.stage("teacher", |out| fine_tune(&settings.fine_tune, teacher, data, out, context).map(drop))
    }

    /// The student that is given, if it is taken as it is.
    fn finished_student(&self, teacher: &Checkpoint) -> Option<&Checkpoint> {
        self.compress.student.as_ref().filter(|student| answers(&student.head, &teacher.head))
    }

    /// True where no stage has trained the student.
    pub fn student_is_given(&self, teacher: &Checkpoint) -> bool {
        self.finished_student(teacher).is_some()
    }

    /// The whole student, distilled on the task.
    pub fn student(&mut self, teacher: &Checkpoint) -> Result<Checkpoint> {
        if let Some(student) = self.finished_student(teacher) {
            return Ok(student.copied());
        }
        let given = self.compress.student.as_ref();
        let made;
        let general = match given {
            Some(student) => student,
            None => {
                made = self.general_student()?;
                &made
            }
        };
        self.distil("student", &self.compress.settings.distillation, teacher, general)
    }

    /// A student of the general teacher, on a corpus or else on the task's own texts.
    fn general_student(&mut self) -> Result<Checkpoint> {
        let (compress, context) = (self.compress, self.context);
        let Compress { teacher, sizes, corpus, data, settings, .. } = compress;
        let record = |inputs| RunRecord { settings: json!({ "sizes": sizes }), ..compress.record(inputs) };
        let fresh = self.stage("student-fresh", |out| {
            let tensors = init_parameters(sizes, &Head::None, settings.distillation.seed())?;
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
                    tinybert_data::Corpus::open(corpus)?.windows(&fresh.text, window, context)?
                }
            };
            let sources = if corpus.is_empty() { &data.train.sources } else { corpus };
            let corpus = EncodedCorpus { windows: &windows, sources };
            distill_general(&general, teacher, &fresh, &corpus, out, context).map(drop)
        })
    }

    /// What the search has chosen, trained.
    pub fn small(
        &mut self,
        teacher: &Checkpoint,
        whole: &Checkpoint,
        space: &Space,
        found: &Found,
    ) -> Result<Checkpoint> {
        let compress = self.compress;
        let choice = found.chosen.choice;
        let mut model = match space.prunes(choice) {
            true => Some(self.pruned(teacher, whole, space, found)?),
            false => None,
        };
        if choice.vocabulary > 0 {
            let before = model.as_ref().unwrap_or(whole);
            let name = "small-vocabulary";
            let pruned =
                self.stage(name, |out| save(compress, &space.with_vocabulary(choice, before)?, found, out))?;
            model = Some(pruned);
        }
        match model {
            Some(model) => Ok(model),
            None => space.with_vocabulary(choice, whole),
        }
    }

    /// The chosen heads and neurons of the whole student, in rounds, with a recovery after each.
    fn pruned(
        &mut self,
        teacher: &Checkpoint,
        whole: &Checkpoint,
        space: &Space,
        found: &Found,
    ) -> Result<Checkpoint> {
        let choice = found.chosen.choice;
        let (compress, context) = (self.compress, self.context);
        let Settings { recovery, prune_rounds, .. } = &compress.settings;
        let rounds = prune_rounds.unwrap_or(Space::rounds(choice));
        let mut model = whole.copied();
        for round in 1..=rounds {
            let name = if round < rounds { format!("pruned-{round}") } else { "pruned".into() };
            let pruned = self.stage(&name, |out| {
                let importance = match round {
                    1 => &space.importance,
                    _ => &compress.importance(&model, context)?,
                };
                let [heads, neurons] = space.sizes_after(choice, round, rounds);
                let kept = KeptParts::of_sizes(importance, [&heads, &neurons]);
                save(compress, &kept.prune(&model)?, found, out)
            })?;
            model = self.distil(&format!("{name}-recovered"), recovery, teacher, &pruned)?;
        }
        Ok(model)
    }

    /// What was made last, trained as its image will compute.
    pub fn quantization_aware(
        &mut self,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: &Found,
        attention: Attention,
    ) -> Result<Checkpoint> {
        let Settings { quantization_aware, calibration_examples, .. } = &self.compress.settings;
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
            // The kernels of the device, which compute it, are the processor's.
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

/// Writes a model that was made without training.
fn save(compress: &Compress, model: &Checkpoint, found: &Found, out: Output) -> Result<()> {
    let record = RunRecord { metrics: found.summary(), ..compress.record(model.hashes()?) };
    tinybert_model::save(&out.folder, &model.config, &model.head, &model.tensors, &model.text, &record)
}

/// Whether a head answers what another one is for; embeddings of any size do.
fn answers(head: &Head, asked: &Head) -> bool {
    head.kind() == asked.kind() && head.labels() == asked.labels()
}
