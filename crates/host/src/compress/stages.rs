//! The stages that train, each a model folder in the output folder.

use serde_json::json;

use super::Compress;
use super::search::Found;
use super::space::Space;
use super::student::can_inherit;
use crate::Result;
use crate::checkpoint::{self, Checkpoint, Head, RunRecord};
use crate::data::{self, EncodedSet, WindowSettings};
use crate::distill::{self, Corpus, GeneralSettings, TaskSettings};
use crate::nn::init_parameters;
use crate::progress::Progress;
use crate::train::{Output, fine_tune, head_of};

/// Where the stages stand.
pub(super) struct Stages<'a> {
    pub compress: &'a Compress<'a>,
    pub out: &'a Output,
    pub progress: &'a dyn Progress,
}

impl Stages<'_> {
    /// The folder of a stage, made if it is not there; a stage that was interrupted goes on.
    fn stage(&self, name: &str, make: impl FnOnce(Output) -> Result<()>) -> Result<Checkpoint> {
        let folder = self.out.folder.join(name);
        if !folder.exists() {
            self.progress.say(&format!("stage {name}"));
            let cache = Some(self.out.folder.join("teacher-cache"));
            let output = Output { folder: folder.clone(), teacher_cache: cache, ..self.out.clone() };
            let resume = output.can_resume()?;
            make(Output { resume, ..output })?;
        }
        Checkpoint::load(&folder)
    }

    /// The teacher of the task.
    pub fn teacher(&self) -> Result<Checkpoint> {
        let Compress { teacher, data, settings, .. } = self.compress;
        if answers(&teacher.head, &head_of(data.train)) {
            return Ok(teacher.copied());
        }
        self.stage("teacher", |out| {
            fine_tune(&settings.fine_tune, teacher, data, out, self.progress).map(drop)
        })
    }

    /// The whole student, distilled on the task.
    pub fn student(&self, teacher: &Checkpoint) -> Result<Checkpoint> {
        let given = self.compress.student.as_ref();
        if let Some(student) = given.filter(|student| answers(&student.head, &teacher.head)) {
            return Ok(student.copied());
        }
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
    fn general_student(&self) -> Result<Checkpoint> {
        let Compress { teacher, sizes, corpus, data, settings, .. } = self.compress;
        let record =
            |inputs| RunRecord { settings: json!({ "sizes": sizes }), ..self.compress.record(inputs) };
        let fresh = self.stage("student-fresh", |out| {
            let tensors = init_parameters(sizes, &Head::None, settings.distillation.seed)?;
            let record = record(Vec::new());
            checkpoint::save(&out.folder, sizes, &Head::None, &tensors, &teacher.text, &record)
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
                    let window = WindowSettings { max_tokens: general.max_tokens, limit, seed: general.seed };
                    data::Corpus::open(corpus)?.windows(&fresh.text, window, self.progress)?
                }
            };
            let sources = if corpus.is_empty() { &data.train.sources } else { corpus };
            let corpus = Corpus { windows: &windows, sources };
            distill::general(&general, teacher, &fresh, &corpus, out, self.progress).map(drop)
        })
    }

    /// What the search has chosen, trained.
    pub fn small(
        &self,
        teacher: &Checkpoint,
        whole: &Checkpoint,
        space: &Space,
        found: &Found,
    ) -> Result<Checkpoint> {
        let choice = found.chosen.choice;
        let recovery = &self.compress.settings.recovery;
        let mut model = None;
        if space.prunes(choice) {
            let pruned =
                self.stage("pruned", |out| self.save(&space.kept(choice)?.prune(whole)?, found, out))?;
            model = Some(self.distil("pruned-recovered", recovery, teacher, &pruned)?);
        }
        if choice.vocabulary > 0 {
            let before = model.as_ref().unwrap_or(whole);
            let name = "small-vocabulary";
            let pruned =
                self.stage(name, |out| self.save(&space.with_vocabulary(choice, before)?, found, out))?;
            model = Some(pruned);
        }
        match model {
            Some(model) => Ok(model),
            None => space.with_vocabulary(choice, whole),
        }
    }

    /// Writes a model that was made without training.
    fn save(&self, model: &Checkpoint, found: &Found, out: Output) -> Result<()> {
        let record = RunRecord { metrics: found.summary(), ..self.compress.record(model.hashes()?) };
        checkpoint::save(&out.folder, &model.config, &model.head, &model.tensors, &model.text, &record)
    }

    fn distil(
        &self,
        name: &str,
        settings: &TaskSettings,
        teacher: &Checkpoint,
        student: &Checkpoint,
    ) -> Result<Checkpoint> {
        let data = &self.compress.data;
        self.stage(name, |out| distill::task(settings, teacher, student, data, out, self.progress).map(drop))
    }
}

/// Whether a head answers what another one is for; embeddings of any size do.
fn answers(head: &Head, asked: &Head) -> bool {
    head.kind() == asked.kind() && head.labels() == asked.labels()
}
