//! Labelled text: a GLUE task's folder, or files with named columns.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use tinybert_base::progress::Progress;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::{MetricSet, SelectionMetric};
use tinybert_data::task::{Dataset, Example, TaskKind};
use tinybert_data::{
    ColumnNames, DataSpec, DevShare, GlueTask, ScopedDataset, Source, Split, TableFiles, TextPrompts,
};
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::{Checkpoint, ListedPrompts};
use tinybert_train::TaskData;

use super::ModelFolder;
use crate::output_paths::ProtectedPaths;

/// Labelled text: a GLUE task's folder, or files with named columns.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// GLUE task of --data: sst-2, cola, rte, sts-b, mrpc, mnli, qqp or qnli.
    #[arg(long, value_name = "NAME", requires = "data", help_heading = "Data")]
    pub task: Option<GlueTask>,
    /// Folder with the task's files in GLUE's own layout (train.tsv, dev.tsv).
    #[arg(
        long, value_name = "FOLDER", requires = "task", conflicts_with_all = ["train", "dev", "test"],
        help_heading = "Data"
    )]
    pub data: Option<PathBuf>,
    /// Training file: .jsonl, .csv, .tsv or .parquet with named columns; with --tagging also .conll. Text files
    /// may be compressed (.gz, .zst).
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub train: Option<PathBuf>,
    /// Development file, in a format of --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub dev: Option<PathBuf>,
    /// Test file, in a format of --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub test: Option<PathBuf>,
    /// Column of the (first) sentence.
    #[arg(long, value_name = "NAME", default_value = "text", help_heading = "Data")]
    pub text_column: String,
    /// Column of the second sentence, for pairs.
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    pub pair_column: Option<String>,
    /// Column of the label, the labels or the score.
    #[arg(long, value_name = "NAME", default_value = "label", help_heading = "Data")]
    pub label_column: String,
    /// The labels are real numbers; the model predicts them.
    #[arg(long, conflicts_with = "task", help_heading = "Data")]
    pub regression: bool,
    /// A text has zero, one or several labels: a JSON list, or names with | between them in CSV and TSV.
    #[arg(long, conflicts_with_all = ["task", "regression", "tagging", "embedding"], help_heading = "Data")]
    pub multi_label: bool,
    /// Every word has a BIO tag; files may also be .conll, with a word and its tag on each line.
    #[arg(long, conflicts_with_all = ["task", "regression", "pair_column"], help_heading = "Data")]
    pub tagging: bool,
    /// Sentence embeddings: learned from text without labels, judged by pairs with a score (--pair-column, or
    /// sts-b).
    #[arg(long, conflicts_with_all = ["regression", "tagging"], help_heading = "Data")]
    pub embedding: bool,
    /// With --embedding: the prompt before every text, such as "query: ", or its name in the list of the teacher's or
    /// model's folder [default: the model's default prompt].
    #[arg(long, value_name = "PROMPT", requires = "embedding", help_heading = "Data")]
    pub prompt: Option<String>,
    /// With --prompt: the prompt before the second sentence of pairs [default: the same].
    #[arg(long, value_name = "PROMPT", requires = "prompt", help_heading = "Data")]
    pub pair_prompt: Option<String>,
    /// With --tagging: column of the words, which are a list or separated by spaces.
    #[arg(long, value_name = "NAME", default_value = "tokens", help_heading = "Data")]
    pub tokens_column: String,
    /// With --tagging: column of the tags, in the form of the words.
    #[arg(long, value_name = "NAME", default_value = "tags", help_heading = "Data")]
    pub tags_column: String,
    /// Cut this share of --train off as the development set, such as 0.1: the same rows in every command, each
    /// label with its share, and all rows of a text on one side.
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["dev", "task"], help_heading = "Data")]
    pub dev_share: Option<f64>,
    /// Draws the rows of --dev-share. Commands that share a file need the same number.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["dev", "task"], help_heading = "Data")]
    pub dev_seed: u64,
    /// Metric that models are judged and selected by: accuracy, f1 (of the second of two labels), macro-f1 or
    /// mcc for labels, micro-f1, macro-f1 or exact-match with --multi-label, pearson or spearman for scores [default:
    /// what the task is usually judged by].
    #[arg(long, value_name = "METRIC", help_heading = "Data")]
    pub select_by: Option<SelectionMetric>,
    /// Column of --train with probabilities of the labels; an option of `distill` alone.
    #[arg(skip)]
    pub soft_labels: Option<String>,
    /// The texts of --prompt and --pair-prompt, once [`DataArgs::read_by`] knows the model.
    #[arg(skip)]
    pub prompts: TextPrompts,
}

/// What a model answers, which data for it have to ask for.
#[derive(Clone, Default)]
pub struct ModelAnswers {
    /// The name of the model in messages; empty if there is no model yet.
    model: String,
    /// The kind of the answers; `None` without a head for a task.
    kind: Option<TaskKind>,
    /// The labels; empty where an answer is none.
    labels: Vec<String>,
}

impl ModelAnswers {
    /// The answers of the model of a folder.
    pub fn of_checkpoint(model: &Checkpoint) -> Self {
        let head = &model.head;
        Self { model: model.name(), kind: TaskKind::of_head(head), labels: head.labels().to_vec() }
    }

    /// The answers of a folder or an image, which is called `model`.
    pub fn of_predictor(model: impl fmt::Display, predictor: &Predictor) -> Result<Self> {
        Ok(Self { model: model.to_string(), kind: predictor.kind()?, labels: predictor.labels()? })
    }

    /// Answers of the same kind with the labels that the data have.
    pub fn without_labels(&self) -> Self {
        Self { labels: Vec::new(), ..self.clone() }
    }

    /// The labels of a model that is not there yet, which learns these.
    pub fn labelled(labels: &[String]) -> Self {
        Self { labels: labels.to_vec(), ..Self::default() }
    }
}

impl DataArgs {
    /// The data to read, for a model with these answers.
    ///
    /// # Errors
    /// [`Error::Usage`] if the command line names no data; [`Error::Input`] if the data ask for another kind of answer.
    pub fn spec(&self, answers: &ModelAnswers) -> Result<DataSpec> {
        if let Some(kind) = answers.kind.filter(|_| self.is_given()) {
            self.task_kind()
                .check_answered_with(kind)
                .map_err(|error| Error::input(&answers.model, error))?;
        }
        let labels = &answers.labels;
        let source = match (self.task, &self.data) {
            (Some(task), Some(folder)) => Source::Glue { task, folder: folder.clone() },
            _ if !self.is_given() => {
                return Err(Error::Usage(
                    "no data: give --task NAME --data FOLDER for a GLUE task, or --train, --dev and --test files"
                        .into(),
                ));
            }
            _ => Source::Table(TableFiles {
                train: self.train.clone(),
                dev: self.dev.clone(),
                test: self.test.clone(),
                format: None,
                columns: self.columns(),
                kind: self.kind(),
                dev_share: self.dev_share.map(|share| DevShare::new(share, self.dev_seed)).transpose()?,
            }),
        };
        Ok(DataSpec { source, labels: (!labels.is_empty()).then(|| labels.to_vec()) })
    }

    /// The kind of the answers that the options ask for.
    pub fn task_kind(&self) -> TaskKind {
        match self.task {
            _ if self.embedding => TaskKind::Embedding,
            Some(task) => task.kind(),
            None => self.kind(),
        }
    }

    fn kind(&self) -> TaskKind {
        match (self.regression || self.embedding, self.tagging, self.multi_label) {
            (true, _, _) => TaskKind::Regression,
            (_, true, _) => TaskKind::Tagging,
            (_, _, true) => TaskKind::MultiLabel,
            _ => TaskKind::Classification,
        }
    }

    fn columns(&self) -> ColumnNames {
        let (text, label) = match self.kind() {
            TaskKind::Tagging => (&self.tokens_column, &self.tags_column),
            _ => (&self.text_column, &self.label_column),
        };
        let unlabelled = self.embedding && self.pair_column.is_none();
        let label = (!unlabelled).then(|| label.clone());
        ColumnNames {
            text: text.clone(),
            pair: self.pair_column.clone(),
            label,
            soft_labels: self.soft_labels.clone(),
        }
    }

    /// Reads a split.
    pub fn load(&self, spec: &DataSpec, split: Split, progress: &dyn Progress) -> Result<Dataset> {
        let data = tinybert_data::load(spec, split, progress)?;
        if self.embedding { data.for_embedding(&self.prompts) } else { Ok(data) }
    }

    /// Reads a split, of which the rows with the label `out_of_scope` are out of scope; without such a label every row
    /// is in scope.
    pub fn load_scoped(
        &self,
        spec: &DataSpec,
        split: Split,
        out_of_scope: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<ScopedDataset> {
        match out_of_scope {
            Some(label) => tinybert_data::load_scoped(spec, split, label, progress),
            None => Ok(ScopedDataset::all_in_scope(self.load(spec, split, progress)?)),
        }
    }

    /// The metrics that answers on `data`, which was read from `spec`, are judged by.
    ///
    /// # Errors
    /// [`Error::Usage`] for --select-by with a metric that such data cannot be judged by.
    pub fn metrics(&self, spec: &DataSpec, data: &Dataset) -> Result<MetricSet> {
        match self.select_by {
            Some(metric) => metric.metrics(data.kind, &data.labels, spec.metrics()),
            None if self.embedding => Ok(MetricSet::Similarity),
            None => Ok(spec.metrics()),
        }
    }

    /// These data as the model in the folder at `model` reads them: with the prompts that it lists. An image lists
    /// none.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that the model does not list; [`Error::Input`] for a list that is not valid.
    pub fn read_by(&self, model: &Path, progress: &dyn Progress) -> Result<Self> {
        if !self.embedding {
            return Ok(self.clone());
        }
        let listed = ListedPrompts::of_folder(model)?;
        let text = listed.text(self.prompt.as_deref())?;
        let pair = match &self.pair_prompt {
            Some(prompt) => listed.text(Some(prompt))?,
            None => text.clone(),
        };
        match &self.prompt {
            None if text.is_empty() && listed.any() => progress.say(&format!(
                "The model lists prompts: {listed}. No text has one, because --prompt names none."
            )),
            _ if !text.is_empty() || !pair.is_empty() => progress.say(&format!(
                "Every text begins with {text:?}{}. The texts that a device reads need the same.",
                if pair == text {
                    String::new()
                } else {
                    format!(", every second text of a pair with {pair:?}")
                }
            )),
            _ => {}
        }
        Ok(Self { prompts: TextPrompts { text, pair }, ..self.clone() })
    }

    /// A teacher that reads these texts, so that its students know what stands before them. Where the sentences of a
    /// pair have prompts of their own, none is that of every text.
    pub fn prompted(&self, teacher: Checkpoint) -> Checkpoint {
        let TextPrompts { text, pair } = &self.prompts;
        if text == pair { teacher.prompted(text) } else { teacher }
    }

    /// The same for an image, which cannot put a default prompt before its texts: it has to be chosen.
    ///
    /// # Errors
    /// Returns the errors of [`DataArgs::read_by`]; [`Error::Input`] for a default prompt that --prompt does not name.
    pub fn read_by_image_of(&self, model: &Path, progress: &dyn Progress) -> Result<Self> {
        if self.embedding && self.prompt.is_none() {
            ListedPrompts::of_folder(model)?.check_no_default()?;
        }
        self.read_by(model, progress)
    }

    /// Reads a model folder; with --embedding, a bare encoder becomes a sentence encoder.
    pub fn read_model(&self, folder: &ModelFolder, context: &Context) -> Result<Checkpoint> {
        if self.embedding { folder.load_sentence_encoder(context) } else { folder.load(context) }
    }

    /// Reads the training and development sets for a model with these answers; the sets must have its labels.
    pub fn training(&self, answers: &ModelAnswers, progress: &dyn Progress) -> Result<TrainingData> {
        self.training_scoped(answers, None, progress)
    }

    /// Does the same for sets whose rows with the label `out_of_scope` are out of scope.
    pub fn training_scoped(
        &self,
        answers: &ModelAnswers,
        out_of_scope: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<TrainingData> {
        let spec = self.spec(answers)?;
        // Without a model's labels, all labels of the training set are learned.
        let of_model = out_of_scope.filter(|_| !answers.labels.is_empty());
        let train = self.load_scoped(&spec, Split::Train, of_model, progress)?.labelled;
        // Without a model's labels, the development set must have those of the training set.
        let dev = self.load_scoped(
            &self.spec(&ModelAnswers::labelled(&train.labels))?,
            Split::Dev,
            out_of_scope,
            progress,
        )?;
        let metrics = self.metrics(&spec, &train)?;
        Ok(TrainingData { train, dev, metrics })
    }

    /// Reads text without labels, for the training set of these data.
    pub fn unlabelled(&self, file: &Path) -> Result<Vec<Example>> {
        let spec = self.spec(&ModelAnswers::default())?;
        let kind = if self.embedding { TaskKind::Embedding } else { spec.kind() };
        let mut examples = tinybert_data::unlabelled(file, &spec.columns(), kind)?;
        examples.iter_mut().for_each(|example| self.prompts.apply(example));
        Ok(examples)
    }

    /// The same data with another training set: a file, or the folder of a GLUE task.
    pub fn with_training(&self, place: &Path) -> Self {
        match self.task {
            Some(_) => Self { data: Some(place.into()), ..self.clone() },
            None => Self { train: Some(place.into()), ..self.clone() },
        }
    }

    /// The files that the data are read from, as far as they exist.
    pub fn inputs(&self) -> ProtectedPaths {
        let folder = self.data.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
        let tables: Vec<PathBuf> = folder
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
            .collect();
        let files = ProtectedPaths::default().with("--data", &tables);
        files.with("--train", &self.train).with("--dev", &self.dev).with("--test", &self.test)
    }

    /// True if the command line names a training set.
    pub fn has_training(&self) -> bool {
        self.data.is_some() || self.train.is_some()
    }

    /// True if the command line names a development set.
    pub fn has_dev(&self) -> bool {
        self.data.is_some() || self.dev.is_some() || self.dev_share.is_some()
    }

    /// True if the command line names any data.
    pub fn is_given(&self) -> bool {
        let files = [&self.data, &self.train, &self.dev, &self.test];
        files.into_iter().any(Option::is_some)
    }
}

/// The sets that training reads.
pub struct TrainingData {
    train: Dataset,
    dev: ScopedDataset,
    metrics: MetricSet,
}

impl TrainingData {
    /// Adds examples without labels from `file` to the training set, without those whose text is in the development
    /// set too.
    pub fn add_unlabelled(&mut self, file: &Path, examples: Vec<Example>, progress: &dyn Progress) {
        self.train.add_unlabelled(file, examples, &self.dev.labelled, progress);
    }

    /// The development set, with the rows that are out of scope.
    pub fn dev(&self) -> &ScopedDataset {
        &self.dev
    }

    /// The sets in the form that training takes.
    pub fn view(&self) -> TaskData<'_> {
        TaskData { train: &self.train, dev: &self.dev.labelled, metrics: self.metrics }
    }
}
