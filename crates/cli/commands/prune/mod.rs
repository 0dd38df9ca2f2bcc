//! `prune`: a smaller model folder.

mod structure;
mod vocabulary;

use std::iter;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args as ClapArgs;
use serde_json::json;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
use tinybert_data::task::Dataset;
use tinybert_data::{DataSpec, Split};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_prune::keep_layers;

use self::structure::{StepsArgs, Structure};
use self::vocabulary::Vocabulary;
use super::distill::StepArgs;
use crate::args::{DataArgs, DeviceArgs, Global, OutputArgs, max_tokens};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes a smaller model folder: without the attention heads and feed-forward neurons that matter least, without some
/// layers, or without the word pieces that the task's text does not use.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Task teacher: importance is measured against its answers instead of the labels, and --steps distils from it.
    #[arg(long, value_name = "FOLDER")]
    teacher: Option<PathBuf>,
    /// Layers that stay, counted from 1, such as 1,3,4 [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layers: Vec<usize>,
    #[command(flatten)]
    structure: Structure,
    #[command(flatten)]
    steps: StepsArgs,
    #[command(flatten)]
    training: StepArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    vocabulary: Vocabulary,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let (structure, out) = (&args.structure, &args.output.out);
    if !structure.is_given() && args.layers.is_empty() && !args.vocabulary.vocab {
        return Err(Error::Usage("nothing to prune: give --heads, --ffn, --layers or --vocab".into()));
    }
    let output = args.device.on(args.output.settings())?;
    if args.steps.steps.is_none() && (output.resume || args.device.is_given()) {
        return Err(Error::Usage(
            "without --steps nothing is trained: leave out --resume and --device".into(),
        ));
    }
    if args.steps.steps.is_some() && !structure.is_given() {
        return Err(Error::Usage("--steps prunes heads and neurons: give --heads or --ffn".into()));
    }
    let models = args.data.inputs().and("--model", [&args.model]).and("--teacher", &args.teacher);
    output::check_folder(out, &models.and("--corpus", &args.vocabulary.corpus))?;
    let watch = Watch::new(global)?;
    let model = args.data.read_model(&args.model)?;
    let teacher = args.teacher.as_deref().map(|folder| args.data.read_model(folder)).transpose()?;
    let models: Vec<&Checkpoint> = iter::once(&model).chain(&teacher).collect();
    let max_tokens = max_tokens(args.training.max_tokens, &models)?;
    let mut inputs = model.hashes()?;
    if let Some(teacher) = &teacher {
        inputs.extend(teacher.hashes()?);
    }
    let mut job = Job {
        data: &args.data,
        labels: model.head.labels().to_vec(),
        teacher,
        max_tokens,
        watch,
        train: None,
        record: RunRecord {
            command: "prune".into(),
            settings: json!({}),
            seed: global.seed,
            inputs,
            metrics: json!({}),
        },
        lines: Vec::new(),
    };
    let mut pruned = model;
    if !args.layers.is_empty() {
        pruned = keep_layers(&pruned, &args.layers)?;
        job.record.settings["layers"] = json!(args.layers);
    }
    let mut stepped = None;
    if let Some(rounds) = args.steps.steps {
        let done =
            structure.prune_in_steps(&pruned, rounds, &args.steps, &args.training, output, &mut job)?;
        // Word pieces that go afterwards may take some of it along.
        if !args.vocabulary.vocab {
            job.record.metrics["dev"] = done.dev;
        }
        stepped = Some(done.run);
        pruned = done.model;
    } else if structure.is_given() {
        pruned = structure.prune(&pruned, &mut job)?;
    }
    if args.vocabulary.vocab {
        pruned = args.vocabulary.prune(&pruned, &mut job)?;
    }
    let Job { record, lines, .. } = job;
    tinybert_model::save(out, &pruned.config, &pruned.head, &pruned.tensors, &pruned.text, &record)?;
    if let Some(run) = stepped {
        run.remove()?;
    }
    lines.iter().try_for_each(print_line)?;
    print_line(format_args!("wrote {}: {} parameters", out.display(), pruned.parameters()))
}

/// What all kinds of pruning share.
struct Job<'a> {
    data: &'a DataArgs,
    /// Of the model's head.
    labels: Vec<String>,
    teacher: Option<Checkpoint>,
    /// Of the longest input.
    max_tokens: usize,
    watch: Watch,
    /// Once it has been read.
    train: Option<Rc<Dataset>>,
    record: RunRecord,
    /// What there is to say at the end.
    lines: Vec<String>,
}

impl Job<'_> {
    fn spec(&self) -> Result<DataSpec> {
        self.data.spec(&self.labels)
    }

    /// The training set, read and recorded once.
    fn train(&mut self) -> Result<Rc<Dataset>> {
        if let Some(train) = &self.train {
            return Ok(train.clone());
        }
        let train = Rc::new(self.data.load(&self.spec()?, Split::Train, &self.watch)?);
        for path in &train.sources {
            self.record.inputs.push(FileHash::of(path)?);
        }
        self.train = Some(train.clone());
        Ok(train)
    }
}
