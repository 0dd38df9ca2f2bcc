//! Candidates for words by a masked LM.

use rayon::prelude::*;

use super::top::TopItems;
use super::words::{Sentence, is_candidate};
use tinybert_base::{Context, Error, Result};
use tinybert_data::collate;
use tinybert_model::{Checkpoint, EncodedInput, ModelSpecialIds};
use tinybert_nn::MaskedLm;
use tinybert_nn::ops::rows::with_slice;

/// Tokens of a batch, including padding: enough for efficient matrix products, few enough for the processor's
/// cache.
const BATCH_TOKENS: usize = 2048;

/// A masked LM as a source of candidates.
pub struct MaskedCandidates {
    model: MaskedLm,
    special: ModelSpecialIds,
    mask: u32,
    /// Pieces that may replace a word, by id; `None` for all other pieces.
    words: Vec<Option<String>>,
    /// Pieces of a sentence in one pass at most.
    window: usize,
    count: usize,
    share: f64,
}

/// One pass of the model: a copy of a sentence with masked words, followed by the sentence itself.
struct MaskedPass {
    encoded: EncodedInput,
    /// The positions of the masks, and the words that they hide.
    masked: Vec<(usize, WordPosition)>,
}

/// A word: the index of its sentence and its index in the sentence.
pub type WordPosition = (usize, usize);

/// A word and its candidates, the most likely first.
pub type WordCandidates = (WordPosition, Vec<String>);

impl MaskedCandidates {
    /// A source of `count` candidates for each word. A pass masks at most `share` of the input's tokens, but
    /// at least one.
    ///
    /// # Errors
    /// [`Error::Usage`] for a vocabulary without `[MASK]`; the errors of [`MaskedLm::frozen`].
    pub fn new(checkpoint: &Checkpoint, count: usize, share: f64) -> Result<Self> {
        let special = checkpoint.text.special();
        let Some(mask) = special.mask else {
            return Err(Error::Usage("this vocabulary has no [MASK] piece, which a masked LM needs".into()));
        };
        let words = checkpoint.text.pieces().into_iter().map(|piece| is_candidate(&piece).then_some(piece));
        Ok(Self {
            model: MaskedLm::frozen(&checkpoint.config, &checkpoint.tensors)?,
            special,
            mask,
            words: words.collect(),
            // [CLS] masked [SEP] original [SEP]
            window: (checkpoint.config.max_position_embeddings.saturating_sub(3) / 2).max(1),
            count,
            share,
        })
    }

    /// Candidates for every replaceable word that is one piece.
    ///
    /// # Errors
    /// Returns the errors of the forward pass; [`Error::Interrupted`] if the user asks to stop.
    pub fn candidates(&self, sentences: &[Sentence], context: &Context) -> Result<Vec<WordCandidates>> {
        let mut passes: Vec<MaskedPass> = Vec::new();
        for (at, sentence) in sentences.iter().enumerate() {
            self.add_passes(at, sentence, &mut passes);
        }
        passes.sort_by_key(|pass| pass.encoded.ids.len());
        let mut batches: Vec<&[MaskedPass]> = Vec::new();
        let mut rest = passes.as_slice();
        while let Some(first) = rest.first() {
            // The passes are sorted by length, so that the last pass of a batch is its longest.
            let mut size = BATCH_TOKENS / first.encoded.ids.len();
            size = size.clamp(1, rest.len());
            while size > 1 && size * rest[size - 1].encoded.ids.len() > BATCH_TOKENS {
                size -= 1;
            }
            let (batch, later) = rest.split_at(size);
            batches.push(batch);
            rest = later;
        }
        let answers: Vec<Vec<WordCandidates>> =
            batches.par_iter().map(|batch| self.predict(batch, context)).collect::<Result<_>>()?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Adds the passes that sentence number `at` needs. A sentence that is too long for the model is split
    /// into windows.
    fn add_passes(&self, at: usize, sentence: &Sentence, passes: &mut Vec<MaskedPass>) {
        let mut pieces = Vec::new();
        let mut singles = Vec::new();
        let mut replaceable = sentence.replaceable.iter().peekable();
        for (index, word) in sentence.words.iter().enumerate() {
            let known = matches!(word.ids[..], [piece] if piece != self.special.unk);
            if replaceable.next_if(|&&next| next == index).is_some() && known {
                singles.push((pieces.len(), index));
            }
            pieces.extend_from_slice(&word.ids);
        }
        for (number, window) in pieces.chunks(self.window).enumerate() {
            let start = number * self.window;
            let inside: Vec<_> = singles
                .iter()
                .filter(|(place, _)| (start..start + window.len()).contains(place))
                .map(|&(place, index)| (place - start, index))
                .collect();
            let input = 2 * window.len() + 3;
            let together = ((input as f64 * self.share) as usize).max(1);
            let count = inside.len().div_ceil(together);
            // Neighbouring words go into different passes, so that each is predicted from unmasked neighbours.
            passes.extend((0..count).map(|pass| {
                let masked = inside.iter().skip(pass).step_by(count);
                self.pass(window, masked.map(|&(place, index)| (place, (at, index))))
            }));
        }
    }

    /// The pass `[CLS] masked [SEP] original [SEP]` of a window.
    fn pass(&self, window: &[u32], masked: impl Iterator<Item = (usize, WordPosition)>) -> MaskedPass {
        let ModelSpecialIds { cls, sep, .. } = self.special;
        let masked: Vec<_> = masked.map(|(place, word)| (place + 1, word)).collect();
        let mut ids = Vec::with_capacity(2 * window.len() + 3);
        ids.push(cls);
        ids.extend_from_slice(window);
        for &(place, _) in &masked {
            ids[place] = self.mask;
        }
        ids.push(sep);
        let mut type_ids = vec![0; ids.len()];
        ids.extend_from_slice(window);
        ids.push(sep);
        type_ids.resize(ids.len(), 1);
        MaskedPass { encoded: EncodedInput { ids, type_ids }, masked }
    }

    /// The candidates of the masked words of a batch.
    fn predict(&self, passes: &[MaskedPass], context: &Context) -> Result<Vec<WordCandidates>> {
        if context.should_stop() {
            return Err(super::interrupted());
        }
        let encoded: Vec<EncodedInput> = passes.iter().map(|pass| pass.encoded.clone()).collect();
        let samples: Vec<usize> = (0..encoded.len()).collect();
        let batch = collate(&encoded, &samples, self.special.pad);
        let mut places = Vec::new();
        let mut words = Vec::new();
        for (row, pass) in passes.iter().enumerate() {
            for &(place, word) in &pass.masked {
                places.push((row * batch.tokens + place) as u32);
                words.push((word, pass.original(place)));
            }
        }
        let logits = self.model.logits(&batch, &places)?;
        let vocabulary = self.words.len();
        let answers = with_slice(&logits, |logits| {
            let rows = logits.chunks_exact(vocabulary).zip(words);
            Ok(rows.map(|(row, (word, piece))| (word, self.best(row, piece))).collect())
        })?;
        Ok(answers)
    }

    /// The words of the largest logits, except `piece`, which is the original.
    fn best(&self, logits: &[f32], piece: u32) -> Vec<String> {
        let mut top = TopItems::new(self.count);
        for (id, &logit) in logits.iter().enumerate() {
            if top.admits(logit) && id != piece as usize && self.words[id].is_some() {
                top.insert(logit, id);
            }
        }
        top.into_items().into_iter().filter_map(|id| self.words[id].clone()).collect()
    }
}

impl MaskedPass {
    /// The piece that the mask at `place` hides. The second copy of the sentence has it.
    fn original(&self, place: usize) -> u32 {
        let copy = self.encoded.ids.len() / 2;
        self.encoded.ids[copy + place]
    }
}
