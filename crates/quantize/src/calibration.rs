//! Running the float model over calibration text and keeping samples of its activations.

use std::collections::BTreeMap;

use candle_core::Tensor;
use sha2::{Digest, Sha256};

use super::sample::RowSample;
use tinybert_base::{Context, Error, Result};
use tinybert_data::{Batch, collate, evaluation_batches};
use tinybert_model::{Checkpoint, EncodedInput};
use tinybert_nn::{Observe, Site, TaskModel};

/// Sentences in a batch; calibration only runs forward.
const BATCH: usize = 32;

/// Least number of sentences whose queries, keys and values are kept with all their tokens, if there are so
/// many; fewer than twice as many are kept.
const SENTENCES: usize = 16;

/// The activations of every site over the calibration set.
pub struct CalibrationSamples {
    samples: BTreeMap<Site, RowSample>,
    sentences: BTreeMap<Site, Vec<Vec<f32>>>,
    /// Sentences (or pairs) that were run.
    pub examples: usize,
    /// SHA-256 of the inputs that were run.
    pub hash: [u8; 32],
}

impl CalibrationSamples {
    /// Runs the float model over `inputs`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the user asks to stop; a model without a task head.
    pub fn collect(checkpoint: &Checkpoint, inputs: &[EncodedInput], context: &Context) -> Result<Self> {
        let model = TaskModel::frozen(&checkpoint.config, &checkpoint.head, &checkpoint.tensors)?;
        let lengths: Vec<usize> = inputs.iter().map(|e| e.ids.len()).collect();
        let (mut samples, mut sentences) = (BTreeMap::new(), BTreeMap::new());
        let sentence_step = (inputs.len() / SENTENCES).max(1);
        context.progress.begin("calibrate", inputs.len() as u64);
        let mut done = 0;
        for indices in evaluation_batches(&lengths, BATCH) {
            if context.should_stop() {
                return Err(Error::Interrupted("stopped while the image was calibrated".into()));
            }
            let batch = collate(inputs, &indices, checkpoint.text.special().pad);
            let (samples, sentences) = (&mut samples, &mut sentences);
            model.logits_observed(
                &batch,
                &mut Collector { samples, sentences, sentence_step, batch: &batch },
            )?;
            done += indices.len() as u64;
            context.progress.advance(done, "");
        }
        context.progress.end();
        Ok(Self { samples, sentences, examples: inputs.len(), hash: hash(inputs) })
    }

    /// The sample of the activations at a site.
    ///
    /// # Errors
    /// [`Error::Input`] if no values passed the site, which is a fault of this program.
    pub fn site(&self, site: Site) -> Result<&RowSample> {
        self.samples.get(&site).ok_or_else(|| unseen(site))
    }

    /// The activations of an even sample of sentences, `[tokens, width]` each, at a site of queries, keys or
    /// values.
    ///
    /// # Errors
    /// Returns the errors of [`site`](Self::site).
    pub fn sentences(&self, site: Site) -> Result<&[Vec<f32>]> {
        self.sentences.get(&site).map(Vec::as_slice).ok_or_else(|| unseen(site))
    }
}

/// SHA-256 of texts as the model reads them.
fn hash(inputs: &[EncodedInput]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update((input.ids.len() as u64).to_le_bytes());
        input.ids.iter().chain(&input.type_ids).for_each(|id| hash.update(id.to_le_bytes()));
    }
    hash.finalize().into()
}

fn unseen(site: Site) -> Error {
    Error::Input(format!("calibration saw no values at {site:?}"))
}

/// Puts the rows of real tokens into their samples.
struct Collector<'a> {
    samples: &'a mut BTreeMap<Site, RowSample>,
    sentences: &'a mut BTreeMap<Site, Vec<Vec<f32>>>,
    /// One sentence in so many is kept with all its tokens.
    sentence_step: usize,
    batch: &'a Batch,
}

impl Observe for Collector<'_> {
    fn observe(&mut self, site: Site, values: &Tensor) -> candle_core::Result<()> {
        let (rows, width) = values.dims2()?;
        let data = values.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
        let sample = self.samples.entry(site).or_insert_with(|| RowSample::new(width));
        let b = self.batch.lengths.len();
        let per_sentence = rows / b;
        let lengths = self.batch.lengths.iter().zip(&self.batch.samples);
        for (sentence, (&length, index)) in data.chunks_exact(per_sentence * width).zip(lengths) {
            // Sites behind the pooler have one row per sentence, all others one per token, padding last.
            sentence.chunks_exact(width).take(length).for_each(|row| sample.push(row));
            let has_sentences = matches!(site, Site::Query(_) | Site::Key(_) | Site::Value(_));
            if has_sentences && index.is_multiple_of(self.sentence_step) {
                self.sentences.entry(site).or_default().push(sentence[..length * width].to_vec());
            }
        }
        Ok(())
    }
}
