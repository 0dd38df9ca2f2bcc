//! The positions of one batch that the losses compare.

use candle_core::Tensor;

use super::super::alignment::{Alignment, WordPooling};
use tinybert_base::Result;
use tinybert_data::Batch;

/// The positions of a batch that the losses compare: its tokens, or its words, to which tokens are pooled.
pub(super) struct Positions {
    /// Number of positions of each sample.
    pub lengths: Vec<usize>,
    /// How the student's tokens and the teacher's become words; `None` for tokens.
    pooling: Option<(WordPooling, WordPooling)>,
}

impl Positions {
    /// The positions of the student's `batch`, which the teacher reads in rows of `teacher_tokens` tokens; both
    /// compute on the device of `state`.
    pub fn new(alignment: &Alignment, batch: &Batch, teacher_tokens: usize, state: &Tensor) -> Result<Self> {
        let Alignment::Words(words) = alignment else {
            return Ok(Self { lengths: batch.lengths.clone(), pooling: None });
        };
        let (samples, device) = (&batch.samples, state.device());
        let student = words.student(samples, batch.tokens, device)?;
        let teacher = words.teacher(samples, teacher_tokens, device)?;
        Ok(Self { lengths: words.counts(samples), pooling: Some((student, teacher)) })
    }

    /// The student's states `[b, positions, hidden]`.
    pub fn student_states(&self, states: &Tensor) -> Result<Tensor> {
        match &self.pooling {
            None => Ok(states.clone()),
            Some((student, _)) => student.states(states),
        }
    }

    /// The teacher's states `[b, positions, hidden]`.
    pub fn teacher_states(&self, states: &Tensor) -> Result<Tensor> {
        match &self.pooling {
            None => Ok(states.clone()),
            Some((_, teacher)) => teacher.states(states),
        }
    }

    /// The student's scores `[b, heads, positions, positions]`.
    pub fn student_scores(&self, scores: &Tensor) -> Result<Tensor> {
        match &self.pooling {
            None => Ok(scores.clone()),
            Some((student, _)) => student.scores(scores),
        }
    }

    /// The teacher's scores `[b, heads, positions, positions]`.
    pub fn teacher_scores(&self, scores: &Tensor) -> Result<Tensor> {
        match &self.pooling {
            None => Ok(scores.clone()),
            Some((_, teacher)) => teacher.scores(scores),
        }
    }
}
