//! Arguments that several commands share. Those of one command stand in its own file.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum};
use tinybert_base::collective::{Collective, Single};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_data::{Columns, DataSpec, GlueTask, Source, Split};
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::Checkpoint;
use tinybert_nn::device::{Compute, DeviceName};
use tinybert_quantize::Layout;
use tinybert_runtime::kernels::Isa;
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;
use tinybert_train::{Output, TaskData};

use crate::commands::Command;
use crate::output::Taken;

/// Turns a BERT teacher and labelled text into one int8 model image for devices without an operating system.
#[derive(Parser)]
#[command(name = "tinybert-compress", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 fault of this program, 2 usage, 3 bad input, 4 I/O or disk full, \
                        5 training diverged, 6 a process of a run on several machines was lost, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Every command")]
pub struct Global {
    /// Seed of everything random: initialisation, shuffling, dropout.
    #[arg(long, global = true, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Threads to compute with; results do not depend on it [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Print results and errors only: no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// The processes that were started together, if they were.
    #[arg(skip = Arc::new(Single) as Arc<dyn Collective>)]
    pub ranks: Arc<dyn Collective>,
}

impl Global {
    /// True for the process that writes and prints.
    pub fn is_first(&self) -> bool {
        self.ranks.is_first()
    }
}

/// The option of the group `A` that the command line gives first; nothing if it gives none.
pub fn given<A: Args>() -> Option<String> {
    let group = A::augment_args(clap::Command::new("group"));
    let options: Vec<&str> = group.get_arguments().filter_map(|option| option.get_long()).collect();
    let is_one = |word: &String| word.strip_prefix("--").is_some_and(|name| options.contains(&name));
    std::env::args_os().filter_map(|word| Some(word.to_str()?.split('=').next()?.to_owned())).find(is_one)
}

/// Longest input in tokens unless another is asked for.
const MAX_TOKENS: usize = 128;

/// The longest input in tokens that `models` read together: what was asked for or else the default, as far as all of them
/// have positions.
///
/// # Errors
/// [`Error::Usage`] if one of them has none for what was asked for.
pub fn max_tokens(asked: Option<usize>, models: &[&Checkpoint]) -> Result<usize> {
    let Some(asked) = asked else {
        let positions = models.iter().map(|model| model.config.max_position_embeddings);
        return Ok(positions.fold(MAX_TOKENS, usize::min));
    };
    models.iter().try_for_each(|model| model.check_max_tokens(asked))?;
    Ok(asked)
}

/// A model that answers: a folder or an image.
#[derive(Args)]
pub struct ModelArgs {
    /// Model folder with a task head, or image.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// Longest input of a folder in tokens; an image has its own limit [default: 128, or what the folder has positions for].
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Instruction set for an image [default: the best of this machine].
    #[arg(long, value_name = "NAME", value_parser = isa_parser())]
    isa: Option<Isa>,
}

impl ModelArgs {
    /// Opens it; a folder computes on the processor.
    pub fn open(&self) -> Result<Predictor> {
        self.open_on(&Compute::cpu(), false)
    }

    /// Opens it; a folder computes on `compute`. With `embedding`, a bare encoder is opened as a sentence encoder.
    pub fn open_on(&self, compute: &Compute, embedding: bool) -> Result<Predictor> {
        let take = |model: Checkpoint| {
            max_tokens(self.max_tokens, &[&model])?;
            if embedding { model.as_sentence_encoder() } else { Ok(model) }
        };
        // A folder with fewer positions takes as many.
        let longest = self.max_tokens.unwrap_or(MAX_TOKENS);
        Predictor::open_on(&self.model, longest, self.isa, compute, take)
    }
}

/// An instruction set by name; whether this machine has it shows later.
pub fn isa_parser() -> impl TypedValueParser<Value = Isa> {
    PossibleValuesParser::new(Isa::ALL.map(Isa::name))
        .try_map(|name| Isa::parse(&name).ok_or("no instruction set is called so"))
}

/// Weight layouts by name.
#[derive(Clone, Copy, ValueEnum)]
pub enum LayoutName {
    /// aarch64 without the dot product: Cortex-A53, A72.
    Neon,
    /// aarch64 with the dot product: Cortex-A55, A76 and later.
    Dotprod,
    /// aarch64 with the int8 matrix multiplication: Cortex-A510, X2, Neoverse V1 and later.
    I8mm,
    /// x86-64.
    X86,
    /// Any other.
    Portable,
}

impl LayoutName {
    /// The layout of that name.
    pub fn layout(self) -> Layout {
        match self {
            Self::Neon => Layout::Neon,
            Self::Dotprod => Layout::Dotprod,
            Self::I8mm => Layout::I8mm,
            Self::X86 => Layout::X86,
            Self::Portable => Layout::Portable,
        }
    }
}

/// Optimizers by name.
#[derive(Clone, Copy, ValueEnum)]
enum Adam {
    /// TinyBERT's: no bias correction, each tensor's gradient clipped by its own norm.
    Paper,
    /// Bias correction, gradients clipped by their global norm.
    Adamw,
}

/// Learning-rate schedules by name.
#[derive(Clone, Copy, ValueEnum)]
enum Decay {
    /// Rises from 0 during the warm-up, then falls linearly to 0.
    Linear,
    /// The same rise, then half a cosine down to 0.
    Cosine,
    /// The same rate throughout.
    Constant,
}

/// How training steps.
#[derive(Args)]
#[command(next_help_heading = "Optimization")]
pub struct OptimizerArgs {
    /// Optimizer [default: paper].
    #[arg(long, value_name = "NAME")]
    optimizer: Option<Adam>,
    /// Decoupled weight decay; biases and LayerNorms never decay.
    #[arg(long, value_name = "W", default_value_t = OptimizerSettings::paper().weight_decay)]
    weight_decay: f64,
    /// Learning rate over the run; of the task stage, over its prediction part.
    #[arg(long, value_name = "NAME", default_value = "linear")]
    schedule: Decay,
    /// Share of the run over which the learning rate rises.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    warmup: f64,
    /// Examples per forward and backward pass; a step accumulates them; limits memory [default: 32].
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,
}

impl OptimizerArgs {
    /// The optimizer that was asked for, or `default`.
    pub fn optimizer(&self, default: OptimizerSettings) -> OptimizerSettings {
        let chosen = match self.optimizer {
            Some(Adam::Paper) => OptimizerSettings::paper(),
            Some(Adam::Adamw) => OptimizerSettings::adamw(),
            None => default,
        };
        OptimizerSettings { weight_decay: self.weight_decay, ..chosen }
    }

    /// The schedule that was asked for.
    pub fn schedule(&self) -> Schedule {
        let warmup = self.warmup;
        match self.schedule {
            Decay::Linear => Schedule::Linear { warmup },
            Decay::Cosine => Schedule::Cosine { warmup },
            Decay::Constant => Schedule::Constant,
        }
    }

    /// The micro-batch that was asked for, or `default`.
    pub fn micro_batch(&self, default: usize) -> usize {
        self.micro_batch.unwrap_or(default)
    }
}

/// Where a training command writes and how it outlives an interruption.
#[derive(Args)]
pub struct OutputArgs {
    /// Folder to write; checkpoints stand in FOLDER.run until it is complete.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Go on from the last checkpoint in FOLDER.run, to the weights that the uninterrupted run would have had.
    #[arg(long)]
    resume: bool,
    /// Minutes between checkpoints.
    #[arg(long, value_name = "M", default_value_t = 10.0, value_parser = parse_minutes)]
    checkpoint_minutes: f64,
    /// Steps between checkpoints, if that is earlier.
    #[arg(long, value_name = "N")]
    checkpoint_steps: Option<NonZeroU64>,
}

impl OutputArgs {
    /// As the host takes it.
    pub fn settings(&self) -> Output {
        Output {
            folder: self.out.clone(),
            resume: self.resume,
            checkpoint_minutes: self.checkpoint_minutes,
            checkpoint_steps: self.checkpoint_steps.map(NonZeroU64::get),
            ..Output::from(&self.out)
        }
    }
}

/// Where training and evaluation compute.
#[derive(Args)]
pub struct DeviceArgs {
    /// cpu, or cuda or cuda:N in a program that was built with CUDA.
    #[arg(long, value_name = "NAME", default_value_t, help_heading = "Device")]
    device: DeviceName,
    /// Let the GPU round the operands of its matrix products to TF32.
    #[arg(long, help_heading = "Device")]
    tf32: bool,
}

impl DeviceArgs {
    /// Opens it.
    pub fn open(&self) -> Result<Compute> {
        self.device.open(self.tf32)
    }

    /// A run that writes as `output` says and computes on this device.
    pub fn on(&self, output: Output) -> Result<Output> {
        Ok(Output { compute: self.open()?, ..output })
    }

    /// True where it is not the processor.
    pub fn is_given(&self) -> bool {
        self.device != DeviceName::Cpu || self.tf32
    }
}

/// Bytes, with K, M, G or T for powers of 1024.
pub fn parse_bytes(text: &str) -> std::result::Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => {
            let power =
                "KMGT".find(unit.to_ascii_uppercase()).ok_or("expected K, M, G or T after the number")?;
            (&text[..at], 10 * (power as u32 + 1))
        }
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number of bytes, such as 20G")?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than any disk has".into())
}

/// Bytes of a device: KB and MB are powers of 1000, KiB and MiB of 1024.
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let units = [("KiB", 1024.0), ("MiB", 1024.0 * 1024.0), ("KB", 1e3), ("MB", 1e6), ("", 1.0)];
    parse_unit(text, &units)
        .filter(|bytes| *bytes >= 1.0)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "expected a size such as 256KB, 2.5MB, 4MiB or a number of bytes".into())
}

/// Milliseconds.
pub fn parse_time(text: &str) -> std::result::Result<f64, String> {
    parse_unit(text, &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)])
        .ok_or_else(|| "expected a time such as 20ms or 0.5s".into())
}

/// A positive number with a unit, in the unit of factor 1.
fn parse_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let parse = |(unit, factor): &(&str, f64)| {
        let number = text.get(..text.len().checked_sub(unit.len())?)?;
        let fits = text.to_ascii_lowercase().ends_with(&unit.to_ascii_lowercase());
        let value = number.trim_end().parse::<f64>().ok()?;
        (fits && value.is_finite() && value > 0.0).then_some(value * factor)
    };
    units.iter().find_map(parse)
}

/// A time that is not negative.
fn parse_minutes(text: &str) -> std::result::Result<f64, String> {
    let minutes = text.parse().map_err(|_| "expected a number of minutes")?;
    if minutes >= 0.0 { Ok(minutes) } else { Err("expected at least 0 minutes".into()) }
}

/// A time limit of a run.
pub fn parse_time_limit(text: &str) -> std::result::Result<f64, String> {
    let minutes = parse_minutes(text)?;
    if minutes > 0.0 { Ok(minutes) } else { Err("expected more than 0 minutes".into()) }
}

/// Where labelled text comes from: a GLUE task's folder, or files with named columns.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// GLUE task of --data: sst-2, cola, rte, sts-b, mrpc, mnli, qqp or qnli.
    #[arg(long, value_name = "NAME", requires = "data", help_heading = "Data")]
    pub task: Option<GlueTask>,
    /// Folder with the task's files in GLUE's own layout (train.tsv, dev.tsv).
    #[arg(long, value_name = "FOLDER", requires = "task", help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// Training file: .jsonl, .csv or .tsv with named columns; with --tagging also .conll.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub train: Option<PathBuf>,
    /// Development file, as --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub dev: Option<PathBuf>,
    /// Test file, as --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub test: Option<PathBuf>,
    /// Column of the (first) sentence.
    #[arg(long, value_name = "NAME", default_value = "text", help_heading = "Data")]
    pub text_column: String,
    /// Column of the second sentence, for pairs.
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    pub pair_column: Option<String>,
    /// Column of the label or score.
    #[arg(long, value_name = "NAME", default_value = "label", help_heading = "Data")]
    pub label_column: String,
    /// Labels are real numbers to be predicted.
    #[arg(long, conflicts_with = "task", help_heading = "Data")]
    pub regression: bool,
    /// Every word has a BIO tag; files may also be .conll, a word and its tag a line.
    #[arg(long, conflicts_with_all = ["task", "regression", "pair_column"], help_heading = "Data")]
    pub tagging: bool,
    /// Sentence embeddings: learned from text without labels, judged by pairs with a score (--pair-column, or sts-b).
    #[arg(long, conflicts_with_all = ["regression", "tagging"], help_heading = "Data")]
    pub embedding: bool,
    /// With --tagging: column of the words, a list or separated by spaces.
    #[arg(long, value_name = "NAME", default_value = "tokens", help_heading = "Data")]
    pub tokens_column: String,
    /// With --tagging: column of the tags, as the words.
    #[arg(long, value_name = "NAME", default_value = "tags", help_heading = "Data")]
    pub tags_column: String,
}

impl DataArgs {
    /// What the host is to read. `labels` are those of a model that already has a head; none if it has no labels.
    pub fn spec(&self, labels: &[String]) -> Result<DataSpec> {
        let source = match (self.task, &self.data) {
            (Some(task), Some(folder)) => Source::Glue { task, folder: folder.clone() },
            _ if !self.is_given() => {
                return Err(Error::Usage(
                    "no data: give --task NAME --data FOLDER for a GLUE task, or --train, --dev and --test files"
                        .into(),
                ));
            }
            _ => Source::Table {
                train: self.train.clone(),
                dev: self.dev.clone(),
                test: self.test.clone(),
                format: None,
                columns: self.columns(),
                kind: self.kind(),
            },
        };
        Ok(DataSpec { source, labels: (!labels.is_empty()).then(|| labels.to_vec()) })
    }

    fn kind(&self) -> TaskKind {
        match (self.regression || self.embedding, self.tagging) {
            (true, _) => TaskKind::Regression,
            (_, true) => TaskKind::Tagging,
            _ => TaskKind::Classification,
        }
    }

    fn columns(&self) -> Columns {
        let (text, label) = match self.kind() {
            TaskKind::Tagging => (&self.tokens_column, &self.tags_column),
            _ => (&self.text_column, &self.label_column),
        };
        let unlabelled = self.embedding && self.pair_column.is_none();
        let label = (!unlabelled).then(|| label.clone());
        Columns { text: text.clone(), pair: self.pair_column.clone(), label }
    }

    /// Reads a split.
    pub fn load(&self, spec: &DataSpec, split: Split, progress: &dyn Progress) -> Result<Dataset> {
        let data = tinybert_data::load(spec, split, progress)?;
        if self.embedding { data.for_embedding() } else { Ok(data) }
    }

    /// What the data are judged by.
    pub fn metrics(&self, spec: &DataSpec) -> MetricSet {
        if self.embedding { MetricSet::Similarity } else { spec.metrics() }
    }

    /// Reads a model folder; with --embedding a bare encoder as a sentence encoder.
    pub fn read_model(&self, folder: &Path) -> Result<Checkpoint> {
        let model = Checkpoint::load(folder)?;
        if self.embedding { model.as_sentence_encoder() } else { Ok(model) }
    }

    /// The training and development sets. `labels` are those of a model, which they must have.
    pub fn training(&self, labels: &[String], progress: &dyn Progress) -> Result<Training> {
        let spec = self.spec(labels)?;
        let train = self.load(&spec, Split::Train, progress)?;
        // Without a model's labels, those of the training set are the ones to find in the development set.
        let dev = self.load(&self.spec(&train.labels)?, Split::Dev, progress)?;
        Ok(Training { train, dev, metrics: self.metrics(&spec) })
    }

    /// The same data with the training set of another place: a file, or the folder of a GLUE task.
    pub fn with_training(&self, place: &Path) -> Self {
        match self.task {
            Some(_) => Self { data: Some(place.into()), ..self.clone() },
            None => Self { train: Some(place.into()), ..self.clone() },
        }
    }

    /// The files that are read, as far as they are there.
    pub fn inputs(&self) -> Taken {
        let folder = self.data.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
        let tables: Vec<PathBuf> = folder
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
            .collect();
        let files = Taken::default().and("--data", &tables);
        files.and("--train", &self.train).and("--dev", &self.dev).and("--test", &self.test)
    }

    /// True where there is something to learn from.
    pub fn has_training(&self) -> bool {
        self.data.is_some() || self.train.is_some()
    }

    /// True where there is something to select by.
    pub fn has_dev(&self) -> bool {
        self.data.is_some() || self.dev.is_some()
    }

    /// True where the command line names any data.
    pub fn is_given(&self) -> bool {
        let files = [&self.data, &self.train, &self.dev, &self.test];
        files.into_iter().any(Option::is_some)
    }
}

/// What training reads.
pub struct Training {
    train: Dataset,
    dev: Dataset,
    metrics: MetricSet,
}

impl Training {
    /// As the host's training takes it.
    pub fn view(&self) -> TaskData<'_> {
        TaskData { train: &self.train, dev: &self.dev, metrics: self.metrics }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_of_a_device_have_units() {
        assert_eq!(parse_size("2.5MB"), Ok(2_500_000));
        assert_eq!(parse_size("256kb"), Ok(256_000));
        assert_eq!(parse_size("4MiB"), Ok(4 << 20));
        assert_eq!(parse_size("1234"), Ok(1234));
        assert_eq!(parse_time("20ms"), Ok(20.0));
        assert_eq!(parse_time("0.5s"), Ok(500.0));
        for wrong in ["", "MB", "-1MB", "4GB", "0", "nanKB", "1 2KB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "20", "ms", "-1ms", "infs"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_have_units_of_powers_of_1024() {
        assert_eq!(parse_bytes("123"), Ok(123));
        assert_eq!(parse_bytes("2K"), Ok(2048));
        assert_eq!(parse_bytes("20g"), Ok(20 << 30));
        for wrong in ["", "G", "1.5G", "-1", "10X", "99999999T", "1é"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
