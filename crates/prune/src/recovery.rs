//! Structured pruning in rounds: each round measures importance, prunes, and recovers by distillation.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Importance, ImportanceMeasure, KeptParts, LayerSizes, StructureSettings};
use tinybert_base::{Context, Error, Result, own_folder};
use tinybert_distill::{TaskSettings, check_teacher, distill_task};
use tinybert_evaluate::judge::Judge;
use tinybert_model::{BertConfig, Checkpoint, RUN_RECORD, RunRecord};
use tinybert_nn::TaskModel;
use tinybert_train::checkpoint::{remove_finished, remove_unfinished};
use tinybert_train::journal::{self, Journal};
use tinybert_train::{Identity, Output, TaskData};

/// Pruning of a model in rounds. After each round the task's teacher distils the pruned model, to recover its
/// accuracy.
pub struct PruneWithRecovery<'a> {
    /// Number of rounds, at least 1.
    pub rounds: u32,
    /// The shares that are left after the last round. Shares fall geometrically: round k of N leaves `share^(k/N)`.
    pub shares: StructureSettings,
    /// How importance is measured, against the teacher.
    pub measure: ImportanceMeasure,
    /// The distillation after each round.
    pub recovery: TaskSettings,
    /// The teacher, fine-tuned on the task.
    pub teacher: &'a Checkpoint,
    /// The model to be pruned.
    pub model: &'a Checkpoint,
    /// Settings by which the model was made from its files, for example the layers that were kept.
    pub made_by: Value,
    /// The data of importance and recovery.
    pub data: TaskData<'a>,
}

/// The result of one round.
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
    /// Value of the metric on the development set before the recovery.
    pub pruned: f64,
    /// Value of the metric on the development set after the recovery.
    pub recovered: f64,
}

/// The model after the last round. The model of every round is a folder `OUT.run/round-K` until
/// [`RoundsFolder::remove`].
pub struct PrunedModel {
    /// The model to be written to `OUT`.
    pub model: Checkpoint,
    /// The results of the rounds.
    pub rounds: Vec<PruneRound>,
    /// Metrics of the model on the development set, as the last round recorded them.
    pub dev: Value,
    /// Seconds of all distillations.
    pub seconds: f64,
    /// The folder of the rounds' models.
    pub run: RoundsFolder,
}

/// The folder of the rounds, `OUT.run`.
pub struct RoundsFolder(PathBuf);

impl RoundsFolder {
    /// Removes the folder. Call this after `OUT` is written.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails.
    pub fn remove(self) -> Result<()> {
        remove_finished(&self.0)
    }
}

/// The finished rounds: `prune.json` in `OUT.run`.
#[derive(serde::Serialize, serde::Deserialize)]
struct PruneJournal {
    identity: Identity,
    rounds: Vec<PruneRound>,
}

impl Journal for PruneJournal {
    const FILE: &'static str = "prune.json";

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl PruneWithRecovery<'_> {
    /// Runs every round that is missing in `OUT.run`. `out` names `OUT`, which the caller writes.
    ///
    /// # Errors
    /// [`Error::Usage`] for impossible settings, and for rounds of an earlier run without [`Output::resume`]
    /// or of other settings; the errors of [`KeptParts::choose`] and of [`distill_task`].
    pub fn run(&self, out: &Output, context: &Context) -> Result<PrunedModel> {
        if self.rounds == 0 {
            return Err(Error::Usage("pruning in steps needs at least one".into()));
        }
        let run = out.run_folder()?;
        let mut journal = self.open_journal(&run, out, context)?;
        let mut model = match journal.rounds.len() {
            0 => {
                check_teacher(&self.recovery, self.teacher, &self.data, out, context)?;
                None
            }
            done => Some(Checkpoint::load(&round_folder(&run, done))?),
        };
        for round in journal.rounds.len() + 1..=self.rounds as usize {
            context.progress.say(&format!("round {round} of {}", self.rounds));
            let folder = round_folder(&run, round);
            let done = self.run_round(round, model.as_ref().unwrap_or(self.model), &folder, out, context)?;
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
        Ok(PrunedModel { model, rounds: journal.rounds, dev, seconds, run: RoundsFolder(run) })
    }

    /// The journal in `run`, or a new one.
    fn open_journal(&self, run: &Path, out: &Output, context: &Context) -> Result<PruneJournal> {
        let (path, identity) = (run.join(PruneJournal::FILE), self.identity()?);
        if path.exists() {
            if !out.resume {
                return Err(Error::Usage(format!(
                    "{} is left of an interrupted run: give --resume to go on with it, or remove it to begin anew",
                    run.display()
                )));
            }
            let journal: PruneJournal = journal::read(&path)?;
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
        let journal = PruneJournal { identity, rounds: Vec::new() };
        own_folder::open(run)?;
        remove_unfinished(run)?;
        journal.write(run)?;
        Ok(journal)
    }

    /// Everything that the rounds depend on.
    fn identity(&self) -> Result<Identity> {
        let mut inputs = self.model.hashes()?;
        inputs.extend(self.teacher.hashes()?);
        inputs.extend(self.data.hashes()?);
        let record = RunRecord::new(
            "prune --steps",
            json!({
                "rounds": self.rounds,
                "model": self.model.config,
                "made_by": self.made_by,
                "shares": self.shares,
                "measure": self.measure,
                "recovery": self.recovery,
            }),
            self.recovery.seed,
            inputs,
        );
        Ok(self.data.identity(&record))
    }

    /// Prunes `model` to the shares of round `round` and writes the recovered model to `folder`.
    fn run_round(
        &self,
        round: usize,
        model: &Checkpoint,
        folder: &Path,
        out: &Output,
        context: &Context,
    ) -> Result<PruneRound> {
        let (train, teacher) = (self.data.train, Some(self.teacher));
        let importance = Importance::measure(self.measure, model, train, teacher, context)?;
        let pruned = KeptParts::choose(&importance, &self.shares_of(round, &model.config))?.prune(model)?;
        let max_tokens = self.recovery.max_tokens;
        let judge = Judge::new(&pruned.text, self.data.dev, self.data.metrics, max_tokens)?;
        let unrecovered = TaskModel::frozen(&pruned.config, &pruned.head, &pruned.tensors)?;
        let (before, _) = judge.judge_at_best(&unrecovered, context)?;
        context.progress.say(&format!("pruned: dev {} {:.4}", before.primary, before.primary()));

        let output = out.nested(folder.into())?;
        let report = distill_task(&self.recovery, self.teacher, &pruned, &self.data, output, context)?;
        let LayerSizes { heads, neurons } = LayerSizes::of_config(&pruned.config);
        Ok(PruneRound {
            heads,
            neurons,
            parameters: pruned.parameters(),
            metric: before.primary.clone(),
            pruned: before.primary(),
            recovered: report.dev.primary(),
        })
    }

    /// The shares of the parts of `present`, the model before round `round`, that the round leaves.
    fn shares_of(&self, round: usize, present: &BertConfig) -> StructureSettings {
        let unpruned = &self.model.config;
        let left = |share: f64, parts: fn(&BertConfig, usize) -> usize| {
            let count = |config: &BertConfig| {
                (0..config.num_hidden_layers).map(|layer| parts(config, layer)).sum::<usize>() as f64
            };
            let share = share_after(share, round as u32, self.rounds);
            (share * count(unpruned) / count(present)).min(1.0)
        };
        StructureSettings {
            heads: left(self.shares.heads, BertConfig::heads),
            neurons: left(self.shares.neurons, BertConfig::ffn),
            ..self.shares
        }
    }
}

/// The share that round `round` (from 1) of `rounds` leaves if the last round leaves `share`: shares fall
/// geometrically.
pub fn share_after(share: f64, round: u32, rounds: u32) -> f64 {
    share.powf(f64::from(round) / f64::from(rounds))
}

fn round_folder(run: &Path, round: usize) -> PathBuf {
    run.join(format!("round-{round}"))
}
