//! What a student learns from its teacher: computed batch by batch, or read from a cache on disk.

mod cache;
mod cache_layout;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

pub use cache::TeacherCache;

use self::cache::Entry;
use self::cache_layout::CacheLayout;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_nn::{Bert, BertOutput, Mode, TaskModel};

/// Which of a teacher's states and scores are learned from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Wanted {
    /// Hidden states in ascending order; 0 is the embedding output.
    pub states: Vec<usize>,
    /// Layers, from 0 and in ascending order, whose attention scores are.
    pub scores: Vec<usize>,
}

/// States and scores of a batch.
pub struct TeacherOutput {
    /// `[b, l, hidden]` by index of the state.
    pub states: BTreeMap<usize, Tensor>,
    /// `[b, heads, l, l]` by layer, from 0.
    pub scores: BTreeMap<usize, Tensor>,
}

impl TeacherOutput {
    /// What is wanted of a forward pass.
    pub fn of(output: &BertOutput, wanted: &Wanted) -> Self {
        let select = |indices: &[usize], tensors: &[Tensor]| {
            indices.iter().map(|&index| (index, tensors[index].clone())).collect()
        };
        Self {
            states: select(&wanted.states, &output.states),
            scores: select(&wanted.scores, &output.scores),
        }
    }
}

/// Where a teacher's states come from.
pub enum TeacherStates<'a> {
    /// A forward pass per batch.
    Computed {
        /// The teacher's layers, as far up as they are needed.
        bert: &'a Bert,
        /// What the losses look at.
        wanted: Wanted,
    },
    /// A file.
    Cached {
        /// Which has all samples.
        entry: Entry,
        /// How they lie in it.
        layout: CacheLayout,
    },
}

impl TeacherStates<'_> {
    /// States and scores of a batch; what is padding is not defined.
    ///
    /// # Errors
    /// Those of the forward pass, or of reading.
    pub fn of(&self, batch: &Batch) -> Result<TeacherOutput> {
        match self {
            Self::Computed { bert, wanted } => {
                Ok(TeacherOutput::of(&bert.forward(batch, Mode::Eval)?, wanted))
            }
            Self::Cached { entry, layout } => layout.read(entry, batch),
        }
    }
}

/// Where a teacher's answers come from.
pub enum TeacherAnswers<'a> {
    /// A forward pass per batch.
    Computed(&'a TaskModel),
    /// All of them, `[answers, outputs]` row-major.
    Known {
        /// In the order of the samples.
        logits: Vec<f32>,
        /// Values per answer.
        outputs: usize,
        /// Where each sample's answers begin, and last their number.
        starts: Vec<usize>,
    },
}

impl TeacherAnswers<'_> {
    /// Logits `[answers, outputs]` of a batch.
    ///
    /// # Errors
    /// Those of the forward pass.
    pub fn of(&self, batch: &Batch) -> Result<Tensor> {
        match self {
            Self::Computed(model) => Ok(model.forward(batch, Mode::Eval)?.1),
            Self::Known { logits, outputs, starts } => {
                let samples = batch.samples.iter();
                let rows = samples.flat_map(|&at| &logits[starts[at] * outputs..starts[at + 1] * outputs]);
                let values: Vec<f32> = rows.copied().collect();
                Ok(Tensor::from_vec(values, (batch.answers(), *outputs), &Device::Cpu)?)
            }
        }
    }
}
