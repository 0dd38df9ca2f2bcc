//! `prune`: a smaller model folder.

use std::path::PathBuf;
use std::rc::Rc;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;
use tinybert_host::checkpoint::{self, Checkpoint, FileHash, RunRecord};
use tinybert_host::data::{self, Corpus, DataSpec, Split};
use tinybert_host::prune::{
    Characters, Coverage, Importance, KeptParts, PieceCounts, Scope, StructureSettings, VocabularySettings,
};
use tinybert_host::task::Dataset;
use tinybert_host::{Error, Result};

use crate::args::{DataArgs, Global, LayoutName};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes a smaller model folder: without the attention heads and feed-forward neurons that matter least, or without
/// the word pieces that the task's text does not use.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    structure: Structure,
    #[command(flatten)]
    vocabulary: Vocabulary,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(ClapArgs)]
#[command(next_help_heading = "Heads and neurons")]
struct Structure {
    /// Share of the attention heads that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    heads: f64,
    /// Share of the feed-forward neurons that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    ffn: f64,
    /// What the shares are of.
    #[arg(long, value_name = "WHAT", default_value = "global")]
    scope: ScopeName,
    /// What tells important from unimportant.
    #[arg(long, value_name = "MEASURE", default_value = "taylor")]
    importance: ImportanceName,
    /// Training examples that importance is measured on.
    #[arg(long, value_name = "N", default_value_t = 512)]
    importance_examples: usize,
    /// Longest of them in tokens.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_tokens: usize,
    /// Neurons of a layer come in multiples of this [default: what the kernels of --layout fill].
    #[arg(long, value_name = "N")]
    multiple_of: Option<usize>,
    /// Weight layout of the later image.
    #[arg(long, value_name = "NAME", default_value = "dotprod")]
    layout: LayoutName,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScopeName {
    /// All layers together: layers that matter more keep more.
    Global,
    /// Each layer.
    Layer,
}

#[derive(Clone, Copy, ValueEnum)]
enum ImportanceName {
    /// First-order change of the task loss without the part; needs labelled data.
    Taylor,
    /// Size of the weights that read the part.
    Magnitude,
}

#[derive(ClapArgs)]
#[command(next_help_heading = "Vocabulary")]
struct Vocabulary {
    /// Keep the pieces that the training data and --corpus use, special pieces and single characters; the last step
    /// before quantize.
    #[arg(long)]
    vocab: bool,
    /// Text like that of the device's future, besides the training data.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "vocab")]
    corpus: Vec<PathBuf>,
    /// Keep pieces that occur at least so often.
    #[arg(long, value_name = "N", default_value_t = VocabularySettings::default().min_count)]
    min_count: u64,
    /// Keep so many pieces at most, the most frequent ones [default: no limit].
    #[arg(long, value_name = "N")]
    max_pieces: Option<usize>,
    /// Characters that stay although the text does not use them.
    #[arg(long, value_name = "WHICH", default_value = "all")]
    characters: CharacterSet,
}

/// Characters by name.
#[derive(Clone, Copy, ValueEnum)]
enum CharacterSet {
    /// All of the vocabulary: no word becomes unreadable.
    All,
    /// ASCII: a word with another character that the text does not use becomes unknown.
    Ascii,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    if !args.structure.is_given() && !args.vocabulary.vocab {
        return Err(Error::Usage("nothing to prune: give --heads, --ffn or --vocab".into()));
    }
    output::check_folder(&args.out)?;
    let watch = Watch::new(global)?;
    let model = Checkpoint::load(&args.model)?;
    let mut job = Job {
        data: &args.data,
        labels: model.head.labels().to_vec(),
        watch,
        train: None,
        record: RunRecord {
            command: "prune".into(),
            settings: json!({}),
            seed: global.seed,
            inputs: model.hashes()?,
            metrics: json!({}),
        },
        lines: Vec::new(),
    };
    let pruned = match args.structure.is_given() {
        true => args.structure.prune(&model, &mut job)?,
        false => model,
    };
    let pruned = match args.vocabulary.vocab {
        true => args.vocabulary.prune(&pruned, &mut job)?,
        false => pruned,
    };
    let Job { record, lines, .. } = job;
    checkpoint::save(&args.out, &pruned.config, &pruned.head, &pruned.tensors, &pruned.text, &record)?;
    lines.iter().try_for_each(print_line)?;
    let parameters: usize = pruned.tensors.values().map(|tensor| tensor.elem_count()).sum();
    print_line(format_args!("wrote {}: {parameters} parameters", args.out.display()))
}

/// What both kinds of pruning share.
struct Job<'a> {
    data: &'a DataArgs,
    /// Of the model's head.
    labels: Vec<String>,
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
        let train = Rc::new(data::load(&self.spec()?, Split::Train, &self.watch)?);
        for path in &train.sources {
            self.record.inputs.push(FileHash::of(path)?);
        }
        self.train = Some(train.clone());
        Ok(train)
    }
}

impl Structure {
    fn is_given(&self) -> bool {
        self.heads != 1.0 || self.ffn != 1.0
    }

    fn prune(&self, model: &Checkpoint, job: &mut Job) -> Result<Checkpoint> {
        let settings = StructureSettings {
            heads: self.heads,
            neurons: self.ffn,
            scope: match self.scope {
                ScopeName::Global => Scope::Global,
                ScopeName::Layer => Scope::Layer,
            },
            multiple_of: self.multiple_of.unwrap_or(self.layout.layout().multiple()),
        };
        let (importance, measure) = match self.importance {
            ImportanceName::Magnitude => (Importance::magnitude(model)?, json!("magnitude")),
            ImportanceName::Taylor => {
                let train = job.train()?;
                let (examples, tokens) = (self.importance_examples, self.max_tokens);
                let importance = Importance::taylor(model, &train, examples, tokens, &job.watch)?;
                (importance, json!({ "taylor": { "examples": examples, "max_tokens": tokens } }))
            }
        };
        let pruned = KeptParts::choose(&importance, &settings)?.prune(model)?;
        job.record.settings["structure"] = json!({ "shares": settings, "importance": measure });
        job.lines.extend((0..pruned.config.num_hidden_layers).map(|layer| {
            format!(
                "layer {}: {} of {} heads, {} of {} neurons kept",
                layer + 1,
                pruned.config.heads(layer),
                model.config.heads(layer),
                pruned.config.ffn(layer),
                model.config.ffn(layer)
            )
        }));
        Ok(pruned)
    }
}

impl Vocabulary {
    fn prune(&self, model: &Checkpoint, job: &mut Job) -> Result<Checkpoint> {
        let train = job.train()?;
        let mut counts = PieceCounts::new(&model.text);
        counts.add(&texts(&train))?;
        counts.add(&Corpus::open(&self.corpus)?.texts().collect::<Vec<_>>())?;
        let settings = VocabularySettings {
            min_count: self.min_count,
            max_pieces: self.max_pieces,
            characters: match self.characters {
                CharacterSet::All => Characters::All,
                CharacterSet::Ascii => Characters::Ascii,
            },
        };
        let pruned = counts.keep(&settings)?.prune(model)?;
        for path in &self.corpus {
            job.record.inputs.push(FileHash::of(path)?);
        }
        job.record.settings["vocabulary"] = json!(settings);
        job.record.metrics["pieces"] = json!(pruned.text.vocab_size());
        job.lines.push(format!("{} of {} pieces kept", pruned.text.vocab_size(), model.text.vocab_size()));
        // The development set was not counted: it shows what unseen text costs.
        if job.data.has_dev() {
            let unseen = data::load(&job.spec()?, Split::Dev, &job.watch)?;
            let coverage = Coverage::of(&texts(&unseen), &model.text, &pruned.text)?;
            job.record.metrics["unseen"] = json!(coverage);
            job.lines.push(describe(&coverage));
        }
        Ok(pruned)
    }
}

/// Both sentences of every example.
fn texts(data: &Dataset) -> Vec<&str> {
    let both =
        data.examples.iter().flat_map(|example| [Some(example.text.as_str()), example.pair.as_deref()]);
    both.flatten().collect()
}

fn describe(coverage: &Coverage) -> String {
    let share = |part: usize| 100.0 * part as f64 / coverage.words.max(1) as f64;
    let longer = coverage.pieces_after as f64 / coverage.pieces_before.max(1) as f64;
    format!(
        "development set, not counted: {:.2} % of {} words have the same pieces, {:.2} % became [UNK], {:.2} % more pieces",
        share(coverage.same),
        coverage.words,
        share(coverage.lost),
        100.0 * (longer - 1.0)
    )
}
