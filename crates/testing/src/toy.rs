//! Small models and a task that they learn in seconds.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tinybert_base::progress::Progress;
use tinybert_base::{Context, StopSignal};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_model::{Architecture, BertConfig, Checkpoint, Head, RunRecord, TextEncoder};
use tinybert_nn::init_parameters;

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const FILLERS: [&str; 8] = ["the", "film", "was", "a", "play", "we", "saw", "today"];
/// The words that decide, by class.
const DECIDERS: [[&str; 3]; 2] = [["dull", "bad", "slow"], ["good", "bright", "fine"]];

/// The tokenizer of the toy task: special pieces and whole words.
pub fn text() -> TextEncoder {
    let words = SPECIAL.iter().chain(&FILLERS).chain(DECIDERS.iter().flatten());
    TextEncoder::from_pieces(words.map(|word| word.to_string()).collect(), true).unwrap()
}

/// A BERT configuration of these sizes with two heads and dropout.
pub fn config(layers: usize, hidden: usize) -> BertConfig {
    BertConfig {
        architecture: Architecture::Bert,
        vocab_size: text().vocab_size(),
        hidden_size: hidden,
        embedding_size: None,
        num_hidden_layers: layers,
        num_attention_heads: 2,
        intermediate_size: 2 * hidden,
        max_position_embeddings: 16,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.1,
        pruned: Default::default(),
    }
}

/// The record of a model that no command made.
pub fn record() -> RunRecord {
    RunRecord::new("test", serde_json::Value::Null, 1, Vec::new())
}

/// A fresh model that was written to `folder` and read back.
pub fn model(folder: &Path, config: &BertConfig, head: &Head) -> Checkpoint {
    let tensors = init_parameters(config, head, 5).unwrap();
    tinybert_model::save(folder, config, head, &tensors, &text(), &record()).unwrap();
    Checkpoint::load(folder).unwrap()
}

/// The labels of the toy task.
pub fn labels() -> Vec<String> {
    ["negative", "positive"].map(String::from).into()
}

/// Sentences of three to eight words. One word of each sentence decides its label.
pub fn sentences(count: usize, seed: u64) -> Dataset {
    let mut state = seed;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let examples = (0..count)
        .map(|_| {
            let class = below(2);
            let mut words: Vec<&str> = (0..2 + below(6)).map(|_| FILLERS[below(FILLERS.len())]).collect();
            words.insert(below(words.len()), DECIDERS[class][below(3)]);
            Example { text: words.join(" "), pair: None, target: Target::Class(class as u32) }
        })
        .collect();
    Dataset { examples, labels: labels(), kind: TaskKind::Classification, sources: Vec::new() }
}

/// The same sentences with a score: 1 for positive, -1 for negative.
pub fn scored(count: usize, seed: u64) -> Dataset {
    let mut data = sentences(count, seed);
    for example in &mut data.examples {
        example.target = Target::Score(if example.target == Target::Class(1) { 1.0 } else { -1.0 });
    }
    Dataset { labels: Vec::new(), kind: TaskKind::Regression, ..data }
}

/// A stop signal that is raised from its check number `after` (counted from 0) on.
pub struct StopAfter {
    /// Number of checks before the signal is raised.
    pub after: u64,
    asked: AtomicU64,
}

impl StopAfter {
    /// A signal that lets `after` checks pass.
    pub fn new(after: u64) -> Self {
        Self { after, asked: AtomicU64::new(0) }
    }

    /// The context of a run of one process that this signal stops.
    pub fn context(&self) -> Context<'_> {
        Context { stop: self, ..Context::default() }
    }
}

impl StopSignal for StopAfter {
    fn is_raised(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.after
    }
}

/// A progress display that keeps the lines for the user.
#[derive(Default)]
pub struct RecordedLines(Mutex<String>);

impl RecordedLines {
    /// All lines so far.
    pub fn lines(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// The context of a run whose lines are kept here.
    pub fn context(&self) -> Context<'_> {
        Context { progress: self, ..Context::default() }
    }
}

impl Progress for RecordedLines {
    fn say(&self, line: &str) {
        *self.0.lock().unwrap() += &format!("{line}\n");
    }
}

/// The lines of a run's `metrics.jsonl`.
pub fn metrics(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `OUT.run` of an output folder.
pub fn run_folder(out: &Path) -> PathBuf {
    out.with_extension("run")
}

/// The bits of every weight of a model folder, by name.
pub fn bits(folder: &Path) -> Vec<(String, Vec<u32>)> {
    let loaded = Checkpoint::load(folder).unwrap();
    let values = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let bits = |tensor| values(tensor).into_iter().map(f32::to_bits).collect();
    loaded.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}
