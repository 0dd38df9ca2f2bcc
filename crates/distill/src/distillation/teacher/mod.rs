//! The states, scores and answers of a teacher: computed batch by batch, or read from a cache on disk.

mod cache;
mod cache_entry;
mod cache_layout;

use std::collections::BTreeMap;

pub use cache::TeacherCache;
use candle_core::{Device, Tensor};

use self::cache_entry::CacheEntry;
use self::cache_layout::CacheLayout;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_nn::{Bert, BertOutput, Mode, TaskModel};

/// The states and scores of a teacher that a student learns from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WantedStates {
    /// Indices of hidden states in ascending order; 0 is the output of the embeddings.
    pub states: Vec<usize>,
    /// Indices of layers (from 0, in ascending order) whose attention scores are wanted.
    pub scores: Vec<usize>,
}

/// States and scores of one batch.
pub struct TeacherOutput {
    /// States `[b, l, hidden]` by their index.
    pub states: BTreeMap<usize, Tensor>,
    /// Scores `[b, heads, l, l]` by layer, from 0.
    pub scores: BTreeMap<usize, Tensor>,
}

impl TeacherOutput {
    /// Tokens to which the batch is padded; 0 without any state or score.
    pub fn tokens(&self) -> usize {
        let any = self.states.values().chain(self.scores.values()).next();
        // The second axis from the end is one of tokens in both.
        any.map_or(0, |tensor| tensor.dims()[tensor.rank() - 2])
    }

    /// The wanted states and scores of a forward pass.
    pub fn from_output(output: &BertOutput, wanted: &WantedStates) -> Self {
        let select = |indices: &[usize], tensors: &[Tensor]| {
            indices.iter().map(|&index| (index, tensors[index].clone())).collect()
        };
        Self {
            states: select(&wanted.states, &output.states),
            scores: select(&wanted.scores, &output.scores),
        }
    }
}

/// The source of a teacher's states and scores.
pub enum TeacherStates<'a> {
    /// A forward pass for each batch.
    Computed {
        /// The lower layers of the teacher, as many as the losses need.
        bert: &'a Bert,
        /// The states and scores that the losses read.
        wanted: WantedStates,
    },
    /// A file with all samples.
    Cached {
        /// The file.
        entry: CacheEntry,
        /// The places of the samples in the file.
        layout: CacheLayout,
    },
}

impl TeacherStates<'_> {
    /// States and scores of a batch. Values at padded positions are undefined.
    ///
    /// # Errors
    /// Returns the errors of the forward pass or of reading the file.
    pub fn of_batch(&self, batch: &Batch) -> Result<TeacherOutput> {
        match self {
            Self::Computed { bert, wanted } => {
                Ok(TeacherOutput::from_output(&bert.forward(batch, Mode::Eval)?, wanted))
            }
            Self::Cached { entry, layout } => layout.read(entry, batch),
        }
    }
}

/// The source of a teacher's answers.
pub enum TeacherAnswers<'a> {
    /// A forward pass for each batch.
    Computed(&'a TaskModel),
    /// All answers, `[answers, outputs]` in row-major order.
    Known {
        /// Logits in the order of the samples.
        logits: Vec<f32>,
        /// Logits per answer.
        outputs: usize,
        /// Index of each sample's first answer, and at the end the number of all answers.
        starts: Vec<usize>,
    },
    /// A file with all answers, as those of `Known` are.
    Cached {
        /// The file.
        entry: CacheEntry,
        /// Logits per answer.
        outputs: usize,
        /// Index of each sample's first answer, and at the end the number of all answers.
        starts: Vec<usize>,
    },
}

impl TeacherAnswers<'_> {
    /// Logits `[answers, outputs]` of a batch.
    ///
    /// # Errors
    /// Returns the errors of the forward pass or of reading the file.
    pub fn of_batch(&self, batch: &Batch) -> Result<Tensor> {
        match self {
            Self::Computed(model) => Ok(model.forward(batch, Mode::Eval)?.1),
            Self::Known { logits, outputs, starts } => {
                let samples = batch.samples.iter();
                let rows = samples.flat_map(|&at| &logits[starts[at] * outputs..starts[at + 1] * outputs]);
                let values: Vec<f32> = rows.copied().collect();
                Ok(Tensor::from_vec(values, (batch.answers(), *outputs), &Device::Cpu)?)
            }
            Self::Cached { entry, outputs, starts } => {
                let mut values = Vec::with_capacity(batch.answers() * outputs);
                let mut bytes = Vec::new();
                for &sample in &batch.samples {
                    let [first, end] = [starts[sample], starts[sample + 1]].map(|answer| answer * outputs);
                    bytes.resize((end - first) * size_of::<f32>(), 0);
                    entry.read(&mut bytes, (first * size_of::<f32>()) as u64)?;
                    values.extend(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
                }
                Ok(Tensor::from_vec(values, (batch.answers(), *outputs), &Device::Cpu)?)
            }
        }
    }
}
