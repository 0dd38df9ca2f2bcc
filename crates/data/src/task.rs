//! Tasks: the kind of answer, examples with their targets, and label names.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::prompts::TextPrompts;
use tinybert_base::{Error, Result};
use tinybert_model::Head;

/// The kind of answer a task head gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// One label out of several for a sentence or a pair.
    Classification,
    /// Zero, one or several labels for a sentence or a pair.
    MultiLabel,
    /// One real number for a sentence or a pair.
    Regression,
    /// One label out of several for each word of a sentence: BIO tags.
    Tagging,
    /// A vector for each text; gold scores, where there are any, are similarities of pairs.
    Embedding,
}

impl TaskKind {
    /// The kind of the answers of a model with this head; `None` for a head that answers no task.
    pub fn of_head(head: &Head) -> Option<Self> {
        match head {
            Head::Classification { .. } => Some(Self::Classification),
            Head::MultiLabel { .. } => Some(Self::MultiLabel),
            Head::Regression => Some(Self::Regression),
            Head::TokenClassification { .. } => Some(Self::Tagging),
            Head::Embedding { .. } => Some(Self::Embedding),
            Head::None | Head::MaskedLm => None,
        }
    }

    /// Makes sure that a model which gives `answers` answers data of this kind.
    ///
    /// # Errors
    /// [`Error::Input`] that names both kinds.
    pub fn check_answered_with(self, answers: Self) -> Result<()> {
        if self == answers {
            return Ok(());
        }
        let options = match (answers.option(), self.option()) {
            (None, option) => format!("leave {} out", option.unwrap_or_default()),
            (Some(option), None) => format!("give {option}"),
            (Some(option), Some(instead)) => format!("give {option} in the place of {instead}"),
        };
        let model = match self {
            Self::Embedding => "a bare sentence encoder, such as all-MiniLM-L6-v2",
            _ => "a model that was fine-tuned on such data",
        };
        Err(Error::Input(format!(
            "the model answers with {answers}, and the data ask for {self}: {options}, or take {model}"
        )))
    }

    /// The option of the command line with which data are read as this kind; none for one label per text.
    fn option(self) -> Option<&'static str> {
        match self {
            Self::Classification => None,
            Self::MultiLabel => Some("--multi-label"),
            Self::Regression => Some("--regression"),
            Self::Tagging => Some("--tagging"),
            Self::Embedding => Some("--embedding"),
        }
    }
}

impl fmt::Display for TaskKind {
    /// What such answers are, as messages call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classification => "one label per text",
            Self::MultiLabel => "any number of labels per text",
            Self::Regression => "a score",
            Self::Tagging => "a tag for each word",
            Self::Embedding => "sentence embeddings",
        })
    }
}

/// The right answer to an example.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Index into [`Dataset::labels`].
    Class(u32),
    /// Indices into [`Dataset::labels`] in ascending order, each once; may be empty.
    LabelSet(Vec<u32>),
    /// Gold score.
    Score(f32),
    /// For each word an index into [`Dataset::labels`]; a prediction has [`NO_TAG`] for words that were cut
    /// off.
    Tags(Vec<u32>),
    /// Soft labels: probabilities that any model has given, to be learned in the place of a teacher's answers.
    SoftLabels {
        /// The probability of each of [`Dataset::labels`]; they sum to 1.
        probabilities: Vec<f32>,
        /// The gold label, where the row has one.
        gold: Option<u32>,
    },
    /// The same where an answer has any number of labels.
    SoftLabelSet {
        /// The probability of each of [`Dataset::labels`], which do not depend on each other.
        probabilities: Vec<f32>,
        /// The gold labels, where the row has them.
        gold: Option<Vec<u32>>,
    },
    /// Unlabelled: usable for distillation and calibration.
    None,
}

/// The tag of a word that a model has not answered, because it was cut off or has no token.
pub const NO_TAG: u32 = u32::MAX;

impl Target {
    /// Whether there is a gold answer.
    pub fn is_gold(&self) -> bool {
        !matches!(
            self,
            Self::None | Self::SoftLabels { gold: None, .. } | Self::SoftLabelSet { gold: None, .. }
        )
    }

    /// The gold class, the gold class of each word, or all gold labels; empty for a score and where there is no gold
    /// label.
    pub fn classes(&self) -> &[u32] {
        match self {
            Self::Class(class) => std::slice::from_ref(class),
            Self::SoftLabels { gold, .. } => gold.as_slice(),
            Self::Tags(classes) | Self::LabelSet(classes) => classes,
            Self::SoftLabelSet { gold, .. } => gold.as_deref().unwrap_or_default(),
            Self::Score(_) | Self::None => &[],
        }
    }
}

/// One sentence or pair of sentences.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// First (or only) sentence. Its words, where they have tags, are what white space separates.
    pub text: String,
    /// Second sentence of a pair.
    pub pair: Option<String>,
    /// The right answer.
    pub target: Target,
}

/// Examples of one split, in file order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The examples; never empty once loaded.
    pub examples: Vec<Example>,
    /// Label names by class index; empty for regression.
    pub labels: Vec<String>,
    /// Kind of the targets.
    pub kind: TaskKind,
    /// Files it was read from, for messages and for hashing into `run.json`.
    pub sources: Vec<std::path::PathBuf>,
}

impl Example {
    /// The inputs of a model: the text or the pair as one input, or each text by itself for embeddings.
    pub fn inputs(&self, kind: TaskKind) -> impl Iterator<Item = (&str, Option<&str>)> {
        let (text, pair) = (self.text.as_str(), self.pair.as_deref());
        let alone = kind == TaskKind::Embedding;
        let first = (text, pair.filter(|_| !alone));
        std::iter::once(first).chain(pair.filter(|_| alone).map(|pair| (pair, None)))
    }
}

impl Dataset {
    /// At most `count` examples with even distances; all examples if there are no more.
    pub fn spread(&self, count: usize) -> Vec<&Example> {
        let step = self.examples.len().div_ceil(count.max(1)).max(1);
        self.examples.iter().step_by(step).collect()
    }

    /// A data set of the examples that [`spread`](Self::spread) gives.
    pub fn sample(&self, count: usize) -> Self {
        self.with(self.spread(count).into_iter())
    }

    /// A data set of `count` examples: the present ones, again and again.
    pub fn repeated(&self, count: usize) -> Self {
        self.with(self.examples.iter().cycle().take(count))
    }

    /// A data set of these examples of the present one.
    pub(crate) fn with<'a>(&self, examples: impl Iterator<Item = &'a Example>) -> Self {
        let Self { labels, kind, sources, .. } = self;
        Self {
            examples: examples.cloned().collect(),
            labels: labels.clone(),
            kind: *kind,
            sources: sources.clone(),
        }
    }

    /// The right answers, in order.
    pub fn targets(&self) -> Vec<Target> {
        self.examples.iter().map(|example| example.target.clone()).collect()
    }

    /// The texts that a model reads of every example, in order.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.examples.iter().flat_map(|example| example.inputs(self.kind))
    }

    /// Makes sure that a model with `head` answers what these data ask for.
    ///
    /// # Errors
    /// [`Error::Input`] that names both kinds, or says that the model has no head for a task.
    pub fn check_head(&self, head: &Head) -> Result<()> {
        match TaskKind::of_head(head) {
            Some(answers) => self.kind.check_answered_with(answers),
            None => Err(Error::Input(format!(
                "the model has {}, and the data ask for {}: fine-tune it on such data first",
                head.kind(),
                self.kind
            ))),
        }
    }

    /// Makes sure that every example has a label or score.
    ///
    /// # Errors
    /// [`Error::Input`] naming the file and the first example without one.
    pub fn check_labelled(&self) -> Result<()> {
        let Some(at) = self.examples.iter().position(|example| !example.target.is_gold()) else {
            return Ok(());
        };
        let files: String = self.sources.iter().map(|path| format!("{}: ", path.display())).collect();
        let number = at + 1;
        Err(Error::Input(format!(
            "{files}example {number} has no label to learn from or to judge by; give a labelled file or another split"
        )))
    }

    /// The answer that all examples have, if they have only one, as messages call it: a model that always gives it is
    /// always right, and scores that are all the same correlate with nothing.
    pub fn only_answer(&self) -> Option<String> {
        let first = &self.examples.first()?.target;
        if let Target::Tags(_) = first {
            let mut tags = self.examples.iter().flat_map(|example| example.target.classes());
            let tag = tags.next()?;
            let name = self.labels.get(*tag as usize)?;
            return tags.all(|other| other == tag).then(|| format!("the tag {name:?} for every word"));
        }
        if !self.examples.iter().all(|example| example.target == *first) {
            return None;
        }
        match first {
            Target::Score(score) => Some(format!("the score {score}")),
            Target::Class(_) | Target::LabelSet(_) => {
                let name = |class: &u32| self.labels.get(*class as usize).map(String::as_str);
                let names: Vec<&str> = first.classes().iter().map(name).collect::<Option<_>>()?;
                let names = if names.is_empty() { "(none)".into() } else { names.join("|") };
                Some(format!("the label {names:?}"))
            }
            _ => None,
        }
    }

    /// The data set for embeddings: scores become similarities of pairs, and each text begins with its prompt.
    ///
    /// # Errors
    /// [`Error::Usage`] for data with labels.
    pub fn for_embedding(mut self, prompts: &TextPrompts) -> Result<Self> {
        match self.kind {
            TaskKind::Regression => {
                self.examples.iter_mut().for_each(|example| prompts.apply(example));
                Ok(Self { kind: TaskKind::Embedding, ..self })
            }
            _ => Err(Error::Usage(
                "sentence embeddings are learned from text or pairs with a score, not labels".into(),
            )),
        }
    }

    /// SHA-256 of labels and examples, in lower-case hexadecimal. The same files give another one when they
    /// are read in another way.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        self.labels.iter().for_each(|label| text(label));
        for example in &self.examples {
            text(&example.text);
            text(&format!("{:?}", example.pair));
            text(&format!("{:?}", example.target));
        }
        tinybert_base::hex(&hash.finalize())
    }
}
