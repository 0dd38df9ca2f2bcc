//! Running the float model over calibration text and keeping what its activations look like.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::sample::RowSample;
use crate::checkpoint::{Checkpoint, Encoded};
use crate::data::{Batch, collate, evaluation_batches};
use crate::nn::{Observe, Site, TaskModel};
use crate::progress::Progress;
use crate::{Error, Result};

/// Sentences in a batch; calibration only runs forward.
const BATCH: usize = 32;

/// The activations of every site over the calibration set.
pub struct Calibration {
    samples: BTreeMap<Site, RowSample>,
    /// Sentences (or pairs) that were run.
    pub examples: usize,
}

impl Calibration {
    /// Runs the float model over `inputs`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the user asks to stop; a model without a task head.
    pub fn run(checkpoint: &Checkpoint, inputs: &[Encoded], progress: &dyn Progress) -> Result<Self> {
        let model = TaskModel::frozen(&checkpoint.config, &checkpoint.head, &checkpoint.tensors)?;
        let lengths: Vec<usize> = inputs.iter().map(|e| e.ids.len()).collect();
        let mut samples = BTreeMap::new();
        progress.begin("calibrate", inputs.len() as u64);
        let mut done = 0;
        for indices in evaluation_batches(&lengths, BATCH) {
            if progress.interrupted() {
                return Err(Error::Interrupted("calibration was stopped; nothing was written".into()));
            }
            let batch = collate(inputs, &indices, checkpoint.text.special().pad);
            model.logits_observed(&batch, &mut Collector { samples: &mut samples, batch: &batch })?;
            done += indices.len() as u64;
            progress.advance(done, "");
        }
        progress.end();
        Ok(Self { samples, examples: inputs.len() })
    }

    /// What was seen at a site.
    ///
    /// # Errors
    /// Nothing passed there, which is a fault of this program.
    pub fn site(&self, site: Site) -> Result<&RowSample> {
        self.samples.get(&site).ok_or_else(|| Error::Input(format!("calibration saw no values at {site:?}")))
    }
}

/// Puts the rows of real tokens into their samples.
struct Collector<'a> {
    samples: &'a mut BTreeMap<Site, RowSample>,
    batch: &'a Batch,
}

impl Observe for Collector<'_> {
    fn observe(&mut self, site: Site, values: &Tensor) -> candle_core::Result<()> {
        let (rows, width) = values.dims2()?;
        let data = values.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
        let sample = self.samples.entry(site).or_insert_with(|| RowSample::new(width));
        let b = self.batch.lengths.len();
        let per_sentence = rows / b;
        for (sentence, &length) in data.chunks_exact(per_sentence * width).zip(&self.batch.lengths) {
            // Sites behind the pooler have one row per sentence, all others one per token, padding last.
            sentence.chunks_exact(width).take(length).for_each(|row| sample.push(row));
        }
        Ok(())
    }
}
