//! Structured pruning in rounds: importance, prune, recover by distillation, again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Importance, KeptParts, Measure, StructureSettings};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_distill::TaskSettings;
use tinybert_evaluate::judge::Judge;
use tinybert_model::{BertConfig, Checkpoint, RUN_RECORD, RunRecord};
use tinybert_nn::TaskModel;
use tinybert_train::journal::{self, Journal};
use tinybert_train::{Identity, Output, TaskData, remove_partial, remove_run};

/// Prunes a model in rounds, between which its task teacher gives back what each one cost.
pub struct Steps<'a> {
    /// How many rounds, at least 1.
    pub rounds: u32,
    /// What is left after the last one. The shares fall geometrically: of N rounds, round k leaves `share^(k/N)`.
    pub shares: StructureSettings,
    /// What tells important from unimportant, against the teacher.
    pub measure: Measure,
    /// The distillation after each round.
    pub recovery: TaskSettings,
    /// Fine-tuned on the task.
    pub teacher: &'a Checkpoint,
    /// What is pruned.
    pub model: &'a Checkpoint,
    /// Settings by which that was made of its files: which layers were kept, say.
    pub made_by: Value,
    /// What it is recovered with.
    pub data: TaskData<'a>,
}

/// What a round left.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PruneRound {
    /// Attention heads by layer.
    pub heads: Vec<usize>,
    /// Feed-forward neurons by layer.
    pub neurons: Vec<usize>,
    /// Numbers in all tensors together.
    pub parameters: usize,
    /// Name of the metric.
    pub metric: String,
    /// Its value on the development set before the recovery.
    pub pruned: f64,
    /// Its value afterwards.
    pub recovered: f64,
}

/// The model after the last round. Every round's is an ordinary folder, `OUT.run/round-K`, until [`Rounds::remove`].
pub struct Stepped {
    /// To be written to `OUT`.
    pub model: Checkpoint,
    /// What the rounds did.
    pub rounds: Vec<PruneRound>,
    /// Metrics of the model on the development set, as the last round has recorded them.
    pub dev: Value,
    /// Seconds of all distillations.
    pub seconds: f64,
    /// Where they stand.
    pub run: Rounds,
}

/// The folder of the rounds, `OUT.run`.
pub struct Rounds(PathBuf);

impl Rounds {
    /// Removes it, once `OUT` is written.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails.
    pub fn remove(self) -> Result<()> {
        remove_run(&self.0)
    }
}

/// What is known of finished rounds: `prune.json` in `OUT.run`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Finished {
    identity: Identity,
    rounds: Vec<PruneRound>,
}

impl Journal for Finished {
    const FILE: &'static str = "prune.json";

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Steps<'_> {
    /// Runs every round that `OUT.run` does not have yet; `out` names `OUT`, which is left to the caller to write.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that cannot be, and for rounds of an earlier run without [`Output::resume`] or of
    /// other settings; those of [`KeptParts::choose`] and of [`tinybert_distill::task`].
    pub fn run(&self, out: &Output, context: &Context) -> Result<Stepped> {
        if self.rounds == 0 {
            return Err(Error::Usage("pruning in steps needs at least one".into()));
        }
        let run = out.run_folder()?;
        let mut journal = self.open(&run, out, context)?;
        let mut model = match journal.rounds.len() {
            0 => None,
            done => Some(Checkpoint::load(&round_folder(&run, done))?),
        };
        for round in journal.rounds.len() + 1..=self.rounds as usize {
            context.progress.say(&format!("round {round} of {}", self.rounds));
            let folder = round_folder(&run, round);
            let done = self.round(round, model.as_ref().unwrap_or(self.model), &folder, out, context)?;
            journal.rounds.push(done);
            journal.write(&run)?;
            model = Some(Checkpoint::load(&folder)?);
        }
        let model = model.ok_or_else(|| Error::Usage(format!("{}: has no rounds", run.display())))?;
        let (mut dev, mut seconds) = (Value::Null, 0.0);
        for round in 1..=journal.rounds.len() {
            let mut recorded = RunRecord::read(&round_folder(&run, round))?.metrics;
            let stages = [&recorded["intermediate"], &recorded["prediction"]];
            seconds += stages.iter().filter_map(|stage| stage["seconds"].as_f64()).sum::<f64>();
            dev = recorded["dev"].take();
        }
        Ok(Stepped { model, rounds: journal.rounds, dev, seconds, run: Rounds(run) })
    }

    /// The journal in `run`, or a new one.
    fn open(&self, run: &Path, out: &Output, context: &Context) -> Result<Finished> {
        let (path, identity) = (run.join(Finished::FILE), self.identity()?);
        if path.exists() {
            if !out.resume {
                return Err(Error::Usage(format!(
                    "{} is left of an interrupted run: give --resume to go on with it, or remove it to begin anew",
                    run.display()
                )));
            }
            let journal: Finished = journal::read(&path)?;
            journal.identity.check(&identity, run)?;
            return Ok(journal);
        }
        if out.resume && out.folder.join(RUN_RECORD).exists() {
            return Err(Error::Usage(format!(
                "{} is complete and there is nothing to resume; leave --resume out to run again and replace it",
                out.folder.display()
            )));
        }
        if out.resume {
            context.progress.say(&format!("no rounds in {}: beginning anew", run.display()));
        }
        let journal = Finished { identity, rounds: Vec::new() };
        fs::create_dir_all(run).map_err(Error::io(run))?;
        remove_partial(run)?;
        journal.write(run)?;
        Ok(journal)
    }

    /// All that the rounds depend on.
    fn identity(&self) -> Result<Identity> {
        let mut inputs = self.model.hashes()?;
        inputs.extend(self.teacher.hashes()?);
        inputs.extend(self.data.hashes()?);
        let record = RunRecord {
            command: "prune --steps".into(),
            settings: json!({
                "rounds": self.rounds,
                "model": self.model.config,
                "made_by": self.made_by,
                "shares": self.shares,
                "measure": self.measure,
                "recovery": self.recovery,
            }),
            seed: self.recovery.seed,
            inputs,
            metrics: json!(null),
        };
        Ok(self.data.identity(&record))
    }

    /// Prunes `model` to what round `round` leaves and distils that into `folder`.
    fn round(
        &self,
        round: usize,
        model: &Checkpoint,
        folder: &Path,
        out: &Output,
        context: &Context,
    ) -> Result<PruneRound> {
        let (train, teacher) = (self.data.train, Some(self.teacher));
        let importance = Importance::by(self.measure, model, train, teacher, context)?;
        let pruned = KeptParts::choose(&importance, &self.shares_of(round, &model.config))?.prune(model)?;
        let max_tokens = self.recovery.max_tokens;
        let judge = Judge::new(&pruned.text, self.data.dev, self.data.metrics, max_tokens)?;
        let before =
            judge.judge(&TaskModel::frozen(&pruned.config, &pruned.head, &pruned.tensors)?, context)?;
        context.progress.say(&format!("pruned: dev {} {:.4}", before.primary, before.primary()));

        let output =
            Output { folder: folder.into(), teacher_cache: Some(out.teacher_cache()), ..out.clone() };
        let output = Output { resume: output.can_resume()?, ..output };
        let report =
            tinybert_distill::task(&self.recovery, self.teacher, &pruned, &self.data, output, context)?;
        let layers = 0..pruned.config.num_hidden_layers;
        Ok(PruneRound {
            heads: layers.clone().map(|layer| pruned.config.heads(layer)).collect(),
            neurons: layers.map(|layer| pruned.config.ffn(layer)).collect(),
            parameters: pruned.parameters(),
            metric: before.primary.into(),
            pruned: before.primary(),
            recovered: report.dev.primary(),
        })
    }

    /// The shares that round `round` leaves, of what `present` has.
    fn shares_of(&self, round: usize, present: &BertConfig) -> StructureSettings {
        let whole = &self.model.config;
        let left = |share: f64, parts: fn(&BertConfig, usize) -> usize| {
            let count = |config: &BertConfig| {
                (0..config.num_hidden_layers).map(|layer| parts(config, layer)).sum::<usize>() as f64
            };
            let share = share_after(share, round as u32, self.rounds);
            (share * count(whole) / count(present)).min(1.0)
        };
        StructureSettings {
            heads: left(self.shares.heads, BertConfig::heads),
            neurons: left(self.shares.neurons, BertConfig::ffn),
            ..self.shares
        }
    }
}

/// What round `round` (from 1) of `rounds` leaves where the last one leaves `share`: shares fall geometrically.
pub fn share_after(share: f64, round: u32, rounds: u32) -> f64 {
    share.powf(f64::from(round) / f64::from(rounds))
}

fn round_folder(run: &Path, round: usize) -> PathBuf {
    run.join(format!("round-{round}"))
}
