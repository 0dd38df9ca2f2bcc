//! `prune`: writes a smaller model folder.

mod structure;
mod vocabulary;

use std::iter;
use std::rc::Rc;

use clap::Args;
use serde_json::json;
use tinybert_base::{Error, FileHash, Result};
use tinybert_data::task::Dataset;
use tinybert_data::{DataSpec, Split};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_prune::{check_family, keep_layers};
use tinybert_train::ReplayedRun;

use self::structure::{PruneRoundsArgs, StructureArgs};
use self::vocabulary::VocabularyPruningArgs;
use crate::args::{
    DataArgs, DeviceArgs, DistillationArgs, ModelAnswers, ModelFolder, OutputArgs, ReplayArgs, max_tokens,
};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Writes a smaller model folder: without the attention heads and feed-forward neurons that matter least,
/// without some layers, or without the word pieces that the task's text does not use.
#[derive(Args)]
pub struct PruneArgs {
    /// Model folder.
    #[arg(long, value_name = ModelFolder::NAME)]
    model: ModelFolder,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    replay: ReplayArgs,
    /// Task teacher: importance is measured against its answers instead of the labels, and --steps distils
    /// from it.
    #[arg(long, value_name = ModelFolder::NAME)]
    teacher: Option<ModelFolder>,
    /// Layers that stay, counted from 1, such as 1,3,4 [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layers: Vec<usize>,
    #[command(flatten)]
    structure: StructureArgs,
    #[command(flatten)]
    rounds: PruneRoundsArgs,
    #[command(flatten)]
    distillation: DistillationArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    vocabulary: VocabularyPruningArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &PruneArgs, invocation: &Invocation) -> Result<()> {
    let (structure, out) = (&args.structure, &args.output.out);
    if !structure.is_given() && args.layers.is_empty() && !args.vocabulary.vocab {
        return Err(Error::Usage("nothing to prune: give --heads, --ffn, --layers or --vocab".into()));
    }
    let output = args.device.on(args.output.settings())?;
    if args.rounds.steps.is_none()
        && (output.resume || args.device.is_given() || args.output.tensorboard.is_some())
    {
        return Err(Error::Usage(
            "without --steps nothing is trained: leave out --resume, --device and --tensorboard".into(),
        ));
    }
    if args.rounds.steps.is_some() && !structure.is_given() {
        return Err(Error::Usage("--steps prunes heads and neurons: give --heads or --ffn".into()));
    }
    let models = args.data.inputs().with("--model", [&args.model]).with("--teacher", &args.teacher);
    output_paths::check_folder(out, &models.with("--corpus", &args.vocabulary.corpus))?;
    output_paths::check_tensorboard(args.output.tensorboard.as_ref(), out)?;
    let terminal = Terminal::open(invocation)?;
    let output = args.replay.recorded(output, invocation, terminal.context().progress)?;
    let model = args.data.read_model(&args.model, &terminal.context())?;
    check_family(&model)?;
    let read = |folder| args.data.read_model(folder, &terminal.context());
    let teacher = args.teacher.as_ref().map(read).transpose()?;
    let models: Vec<&Checkpoint> = iter::once(&model).chain(&teacher).collect();
    let max_tokens = max_tokens(args.distillation.max_tokens, &models)?;
    let mut inputs = model.hashes()?;
    if let Some(teacher) = &teacher {
        inputs.extend(teacher.hashes()?);
    }
    let lists_prompts = &teacher.as_ref().unwrap_or(&model).folder;
    let mut run = PruneRun {
        data: args.data.read_by(lists_prompts, terminal.context().progress)?,
        answers: ModelAnswers::of_checkpoint(&model),
        teacher,
        max_tokens,
        terminal,
        train: None,
        record: RunRecord {
            metrics: json!({}),
            options: output.options.clone(),
            ..RunRecord::new("prune", json!({}), invocation.global.seed, inputs)
        },
        replayed: output.replayed.clone(),
        compared_inputs: 0,
        lines: Vec::new(),
    };
    let mut pruned = model;
    if !args.layers.is_empty() {
        pruned = keep_layers(&pruned, &args.layers)?;
        run.record.settings["layers"] = json!(args.layers);
    }
    let mut pruned_in_steps = None;
    if let Some(rounds) = args.rounds.steps {
        let stepped =
            structure.prune_in_steps(&pruned, rounds, &args.rounds, &args.distillation, output, &mut run)?;
        // If word pieces are removed afterwards, the accuracy may change.
        if !args.vocabulary.vocab {
            run.record.metrics["dev"] = stepped.dev;
        }
        pruned_in_steps = Some(stepped.run);
        pruned = stepped.model;
    } else if structure.is_given() {
        pruned = structure.prune(&pruned, &mut run)?;
    }
    if args.vocabulary.vocab {
        pruned = args.vocabulary.prune(&pruned, out, &mut run)?;
    }
    run.compare_inputs();
    let PruneRun { record, lines, .. } = run;
    tinybert_model::save(out, &pruned.config, &pruned.head, &pruned.tensors, &pruned.text, &record)?;
    if let Some(steps) = pruned_in_steps {
        steps.remove()?;
    }
    lines.iter().try_for_each(print_line)?;
    print_line(format_args!("wrote {}: {} parameters", out.display(), pruned.parameters()))
}

/// State of one call of the command, which all kinds of pruning share.
struct PruneRun {
    data: DataArgs,
    /// The answers of the model.
    answers: ModelAnswers,
    teacher: Option<Checkpoint>,
    /// Longest input in tokens.
    max_tokens: usize,
    terminal: Terminal,
    /// The training set, once it has been read.
    train: Option<Rc<Dataset>>,
    record: RunRecord,
    /// The earlier run whose options the command takes.
    replayed: Option<ReplayedRun>,
    /// Inputs of the record that were compared with those of the earlier run.
    compared_inputs: usize,
    /// Lines to print at the end.
    lines: Vec<String>,
}

impl PruneRun {
    /// The data to read.
    fn spec(&self) -> Result<DataSpec> {
        self.data.spec(&self.answers)
    }

    /// Tells the user which inputs that were recorded since the last call are not those of the earlier run.
    fn compare_inputs(&mut self) {
        if let Some(earlier) = &self.replayed {
            let inputs = &self.record.inputs[self.compared_inputs..];
            earlier.compare(inputs, self.terminal.context().progress);
            self.compared_inputs = self.record.inputs.len();
        }
    }

    /// The training set, read and recorded once.
    fn train(&mut self) -> Result<Rc<Dataset>> {
        if let Some(train) = &self.train {
            return Ok(train.clone());
        }
        let train = Rc::new(self.data.load(&self.spec()?, Split::Train, self.terminal.context().progress)?);
        self.record.inputs.extend(FileHash::of_files(&train.sources)?);
        self.train = Some(train.clone());
        Ok(train)
    }
}
