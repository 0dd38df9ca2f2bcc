//! The losses of a student's embeddings, hidden states and attention against those of its teacher.

mod positions;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor, Var};

use self::positions::Positions;
pub use self::settings::{ProjectionKind, ProjectionStart, TransferSettings};
use super::alignment::Alignment;
use super::losses::{attention_mse, hidden_mse};
use super::projection::{LeastSquares, WidthProjection};
use super::teacher::{TeacherOutput, WantedStates};
use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;
use tinybert_model::BertConfig;
use tinybert_model::names::{self, LayerNames};
use tinybert_nn::{Bert, BertOutput, Mode};
use tinybert_train::Trainee;
use tinybert_train::session::{Losses, MicroBatch};

/// The teacher layer that a student layer learns from, with the weights of its losses.
struct LayerTransfer {
    /// Teacher layer, counted from 1.
    teacher: usize,
    hidden_weight: f64,
    attention_weight: f64,
    /// The teacher's heads that the student's heads learn from; `None` if no head was pruned.
    heads: Option<Tensor>,
}

/// The losses of one student against one teacher, with the projections that are trained together with the
/// student and not kept.
pub struct Transfer {
    embedding_weight: f64,
    /// The losses of each student layer, from the first layer on.
    layers: Vec<LayerTransfer>,
    embedding: WidthProjection,
    hidden: WidthProjection,
    start: ProjectionStart,
}

impl Transfer {
    /// The losses that the settings mean for this student and this teacher. `seed` draws the projections.
    ///
    /// # Errors
    /// [`Error::Usage`] if layer map, weights or heads do not fit the two models.
    pub fn new(
        settings: &TransferSettings,
        student: &BertConfig,
        teacher: &BertConfig,
        seed: u64,
    ) -> Result<Self> {
        let map = settings.layer_map.resolve(student.num_hidden_layers, teacher.num_hidden_layers)?;
        let weights = settings.weights(map.len())?;
        let factors = [settings.embedding_weight, settings.hidden_weight, settings.attention_weight];
        if let Some(bad) = factors.iter().chain(&weights).find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::Usage(format!("loss weight {bad}: it must be a number of at least 0")));
        }
        let layers: Vec<LayerTransfer> = map
            .into_iter()
            .zip(&weights[1..])
            .enumerate()
            .map(|(m, (teacher, weight))| {
                Ok(LayerTransfer {
                    teacher,
                    hidden_weight: weight * settings.hidden_weight,
                    attention_weight: weight * settings.attention_weight,
                    heads: heads_left(student, m)?,
                })
            })
            .collect::<Result<_>>()?;
        if !teacher.pruned.is_empty() {
            return Err(Error::Usage("the teacher is pruned; a student learns from the whole model".into()));
        }
        let (student_heads, teacher_heads) = (student.num_attention_heads, teacher.num_attention_heads);
        if student_heads != teacher_heads && layers.iter().any(|layer| layer.attention_weight > 0.0) {
            return Err(Error::Usage(format!(
                "the student has {student_heads} attention heads and the teacher {teacher_heads}, and the attention loss \
                 compares head by head; make a student with `init --heads {teacher_heads}`, or give this loss the weight 0 where \
                 the command has an option for it"
            )));
        }
        let embedding_weight = weights[0] * settings.embedding_weight;
        if embedding_weight == 0.0
            && layers.iter().all(|l| l.hidden_weight == 0.0 && l.attention_weight == 0.0)
        {
            return Err(Error::Usage("every loss has weight 0: there is nothing to learn from".into()));
        }
        let shared = settings.projection == ProjectionKind::Shared;
        let hidden = WidthProjection::new("projection.hidden", student, teacher, shared, seed)?;
        let embedding = match shared {
            true => hidden.clone(),
            false => WidthProjection::new("projection.embedding", student, teacher, false, seed)?,
        };
        Ok(Self { embedding_weight, layers, embedding, hidden, start: settings.projection_start })
    }

    /// The same losses with the projections on a device.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn on_device(self, device: &Device) -> Result<Self> {
        let hidden = self.hidden.on_device(device)?;
        let embedding = match hidden.bias {
            // A projection with a bias is the shared one.
            Some(_) => hidden.clone(),
            None => self.embedding.on_device(device)?,
        };
        Ok(Self { embedding, hidden, ..self })
    }

    /// Sets the projections to their initial values. A least-squares fit uses the states of both models on
    /// `samples` of a text, which the student reads as `text` and the teacher as `teacher_text`.
    ///
    /// # Errors
    /// Returns the errors of the forward passes.
    pub(crate) fn fit_projections(
        &self,
        student: &Bert,
        teacher: &Bert,
        [text, teacher_text]: [&EncodedSet; 2],
        samples: &[usize],
        alignment: &Alignment,
    ) -> Result<()> {
        if self.start == ProjectionStart::Random {
            return Ok(());
        }
        let shared = self.hidden.bias.is_some();
        let mut hidden = LeastSquares::new(&self.hidden)?;
        let mut embedding = LeastSquares::new(&self.embedding)?;
        for &sample in samples {
            // A batch of one sample has no padding that would have to be left out.
            let (batch, teacher_batch) = (text.collate(&[sample], 0)?, teacher_text.collate(&[sample], 0)?);
            let (student, teacher) =
                (student.forward(&batch, Mode::Eval)?, teacher.forward(&teacher_batch, Mode::Eval)?);
            let positions = Positions::new(alignment, &batch, teacher_batch.tokens, &student.states[0])?;
            let compared = |ours: usize, theirs: usize| -> Result<(Tensor, Tensor)> {
                let ours = positions.student_states(&student.states[ours].detach())?;
                Ok((ours, positions.teacher_states(&teacher.states[theirs])?))
            };
            let sums = if shared { &mut hidden } else { &mut embedding };
            let (ours, theirs) = compared(0, 0)?;
            sums.add(&ours, &theirs, self.embedding_weight)?;
            for (m, layer) in self.layers.iter().enumerate().filter(|(_, layer)| layer.hidden_weight > 0.0) {
                let (ours, theirs) = compared(m + 1, layer.teacher)?;
                hidden.add(&ours, &theirs, layer.hidden_weight)?;
            }
        }
        hidden.finish(&self.hidden)?;
        if shared { Ok(()) } else { embedding.finish(&self.embedding) }
    }

    /// The teacher layer of each student layer, counted from 1.
    pub fn layer_map(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.teacher).collect()
    }

    /// The number of the teacher's layers that have to run: no loss reads the layers above.
    pub(crate) fn teacher_layers(&self) -> usize {
        let used = self.layers.iter().filter(|l| l.hidden_weight > 0.0 || l.attention_weight > 0.0);
        used.map(|layer| layer.teacher).max().unwrap_or(0)
    }

    /// The states and scores of the teacher that the losses read.
    pub fn wanted(&self) -> WantedStates {
        let mut states = BTreeSet::new();
        if self.embedding_weight > 0.0 {
            states.insert(0);
        }
        states
            .extend(self.layers.iter().filter(|layer| layer.hidden_weight > 0.0).map(|layer| layer.teacher));
        let scores = self.layers.iter().filter(|layer| layer.attention_weight > 0.0);
        let scores: BTreeSet<usize> = scores.map(|layer| layer.teacher - 1).collect();
        WantedStates { states: states.into_iter().collect(), scores: scores.into_iter().collect() }
    }

    /// Everything that these losses train: the projections, and the student's parameters that a gradient
    /// reaches.
    pub fn learned_parameters(&self, student: &Trainee) -> BTreeMap<String, Var> {
        let mut learned = self.projections();
        learned.extend(student.parameters_where(|name| self.reaches(name)));
        learned
    }

    /// The projections that the losses use.
    pub fn projections(&self) -> BTreeMap<String, Var> {
        let mut vars = BTreeMap::new();
        let mut insert = |name: &str, projection: &WidthProjection| {
            vars.insert(format!("{name}.weight"), projection.weight.clone());
            if let Some(bias) = &projection.bias {
                vars.insert(format!("{name}.bias"), bias.clone());
            }
        };
        let shared = self.hidden.bias.is_some();
        if self.layers.iter().any(|layer| layer.hidden_weight > 0.0)
            || (shared && self.embedding_weight > 0.0)
        {
            insert("projection.hidden", &self.hidden);
        }
        if self.embedding_weight > 0.0 && !shared {
            insert("projection.embedding", &self.embedding);
        }
        vars
    }

    /// Whether a gradient of these losses reaches a tensor of the student. No gradient reaches pooler and
    /// head. In the last layer only the hidden loss reaches what comes after the attention scores.
    pub fn reaches(&self, name: &str) -> bool {
        if names::is_embedding(name) {
            return true;
        }
        let Some((layer, _)) = names::split_layer(name) else { return false };
        let LayerNames { query, key, .. } = LayerNames::new(layer);
        // The hidden loss of a layer reaches the whole layer. Its attention loss reaches queries, keys and
        // all layers below.
        self.layers.iter().enumerate().skip(layer).any(|(at, transfer)| {
            let below = at > layer || name.starts_with(&query) || name.starts_with(&key);
            transfer.hidden_weight > 0.0 || (transfer.attention_weight > 0.0 && below)
        })
    }

    /// The weighted sum of all losses, and of each kind of loss, scaled by the micro-batch's share of the
    /// step. Losses of states are means over the step's positions, losses of scores means over its pairs of
    /// positions; positions are tokens or words.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn losses(
        &self,
        student: &BertOutput,
        teacher: &TeacherOutput,
        micro: &MicroBatch,
        alignment: &Alignment,
    ) -> Result<Losses> {
        let share = micro.share(|batch| alignment.positions(batch));
        let share_of_pairs = micro.share(|batch| alignment.pairs(batch));
        let positions = Positions::new(alignment, micro.batch, teacher.tokens(), &student.states[0])?;
        let lengths = &positions.lengths;
        let state = |m: usize| positions.student_states(&student.states[m]);
        let teacher_state = |layer: usize| positions.teacher_states(&teacher.states[&layer]);
        let (mut embedding, mut hidden, mut attention) = (Vec::new(), Vec::new(), Vec::new());
        if self.embedding_weight > 0.0 {
            let projected = self.embedding.forward(&state(0)?)?;
            embedding.push((hidden_mse(&projected, &teacher_state(0)?, lengths)? * self.embedding_weight)?);
        }
        for (m, layer) in self.layers.iter().enumerate() {
            if layer.hidden_weight > 0.0 {
                let projected = self.hidden.forward(&state(m + 1)?)?;
                let target = teacher_state(layer.teacher)?;
                hidden.push((hidden_mse(&projected, &target, lengths)? * layer.hidden_weight)?);
            }
            if layer.attention_weight > 0.0 {
                let mut scores = positions.teacher_scores(&teacher.scores[&(layer.teacher - 1)])?;
                if let Some(heads) = &layer.heads {
                    scores = scores.index_select(&heads.to_device(scores.device())?, 1)?;
                }
                let ours = positions.student_scores(&student.scores[m])?;
                attention.push((attention_mse(&ours, &scores, lengths)? * layer.attention_weight)?);
            }
        }
        let parts = [
            ("embedding", embedding, share),
            ("hidden", hidden, share),
            ("attention", attention, share_of_pairs),
        ]
        .into_iter()
        .filter(|(_, losses, _)| !losses.is_empty())
        .map(|(name, losses, share)| Ok((name, (Tensor::stack(&losses, 0)?.sum_all()? * share)?)))
        .collect::<Result<Vec<_>>>()?;
        let sums: Vec<&Tensor> = parts.iter().map(|(_, sum)| sum).collect();
        Ok(Losses { total: Tensor::stack(&sums, 0)?.sum_all()?, tape: student.tape.clone(), parts })
    }
}

/// The numbers before pruning of the heads that student layer `m` (from 0) still has; `None` if it has all
/// heads.
fn heads_left(student: &BertConfig, m: usize) -> Result<Option<Tensor>> {
    if student.heads(m) == student.num_attention_heads {
        return Ok(None);
    }
    let heads: Vec<u32> = student.head_numbers(m).map(|head| head as u32).collect();
    Ok(Some(Tensor::new(heads, &Device::Cpu)?))
}
