//! What a masked LM would put in the place of words.

use rayon::prelude::*;

use super::top::Top;
use super::words::{Sentence, is_candidate};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::collate;
use tinybert_model::{Checkpoint, EncodedInput, SpecialIds};
use tinybert_nn::MaskedLm;
use tinybert_nn::ops::rows::with_slice;

/// Tokens of a batch, padding included: enough to fill the matrix products, few enough to stay in the cache.
const BATCH_TOKENS: usize = 2048;

/// A masked LM as a source of candidates.
pub struct MaskedCandidates {
    model: MaskedLm,
    special: SpecialIds,
    mask: u32,
    /// Pieces that may take a word's place, by id.
    words: Vec<Option<String>>,
    /// Longest copy of a sentence, in pieces.
    window: usize,
    count: usize,
    share: f64,
}

/// One pass: a copy of a sentence with words masked, and the sentence itself.
struct Question {
    encoded: EncodedInput,
    /// Where masks stand in it, and which words (sentence, index) they hide.
    masked: Vec<(usize, (usize, usize))>,
}

/// Candidates of a word: sentence, index of the word, the most likely first.
pub type Answer = ((usize, usize), Vec<String>);

impl MaskedCandidates {
    /// `count` candidates each. In one pass at most `share` of the input's tokens are masked, at least one.
    ///
    /// # Errors
    /// [`Error::Usage`] for a vocabulary without `[MASK]`; a tensor is missing.
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

    /// Candidates for every replaceable word of one piece.
    ///
    /// # Errors
    /// Those of the forward pass; [`Error::Interrupted`] when the user asks to stop.
    pub fn answers(&self, sentences: &[Sentence], context: &Context) -> Result<Vec<Answer>> {
        let mut questions: Vec<Question> = Vec::new();
        for (at, sentence) in sentences.iter().enumerate() {
            self.ask(at, sentence, &mut questions);
        }
        questions.sort_by_key(|question| question.encoded.ids.len());
        let mut batches: Vec<&[Question]> = Vec::new();
        let mut rest = questions.as_slice();
        while let Some(first) = rest.first() {
            // Sorted, so that the last of a batch is its longest.
            let mut size = BATCH_TOKENS / first.encoded.ids.len();
            size = size.clamp(1, rest.len());
            while size > 1 && size * rest[size - 1].encoded.ids.len() > BATCH_TOKENS {
                size -= 1;
            }
            let (batch, later) = rest.split_at(size);
            batches.push(batch);
            rest = later;
        }
        let answers: Vec<Vec<Answer>> =
            batches.par_iter().map(|batch| self.answer(batch, context)).collect::<Result<_>>()?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// The passes that one sentence needs. A sentence too long for the model is asked window by window.
    fn ask(&self, at: usize, sentence: &Sentence, questions: &mut Vec<Question>) {
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
            let passes = inside.len().div_ceil(together);
            // Dealt out in turn, so that the words of a pass stand apart.
            questions.extend((0..passes).map(|pass| {
                let masked = inside.iter().skip(pass).step_by(passes);
                self.question(window, masked.map(|&(place, index)| (place, (at, index))))
            }));
        }
    }

    /// `[CLS] masked [SEP] original [SEP]`.
    fn question(&self, window: &[u32], masked: impl Iterator<Item = (usize, (usize, usize))>) -> Question {
        let SpecialIds { cls, sep, .. } = self.special;
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
        Question { encoded: EncodedInput { ids, type_ids }, masked }
    }

    fn answer(&self, questions: &[Question], context: &Context) -> Result<Vec<Answer>> {
        if context.should_stop() {
            return Err(super::interrupted());
        }
        let encoded: Vec<EncodedInput> = questions.iter().map(|question| question.encoded.clone()).collect();
        let samples: Vec<usize> = (0..encoded.len()).collect();
        let batch = collate(&encoded, &samples, self.special.pad);
        let mut places = Vec::new();
        let mut words = Vec::new();
        for (row, question) in questions.iter().enumerate() {
            for &(place, word) in &question.masked {
                places.push((row * batch.tokens + place) as u32);
                words.push((word, question.original(place)));
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

    /// The words of the largest logits, but for `piece`, which stood there.
    fn best(&self, logits: &[f32], piece: u32) -> Vec<String> {
        let mut top = Top::new(self.count);
        for (id, &logit) in logits.iter().enumerate() {
            if top.admits(logit) && id != piece as usize && self.words[id].is_some() {
                top.insert(logit, id);
            }
        }
        top.into_items().into_iter().filter_map(|id| self.words[id].clone()).collect()
    }
}

impl Question {
    /// The piece that a mask hides, as the second copy shows it.
    fn original(&self, place: usize) -> u32 {
        let copy = self.encoded.ids.len() / 2;
        self.encoded.ids[copy + place]
    }
}
