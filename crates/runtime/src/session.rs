//! Asking a model, again and again, in one workspace.

use tinybert_image::HeadKind;

use crate::workspace::{Buffers, HeadStage, TextStage};
use crate::{Answer, Error, Model, Reply, head};

/// What a session is asked.
#[derive(Clone, Copy, Debug)]
pub enum Input<'t> {
    /// A text, or a pair of texts.
    Text {
        /// The first or only text.
        text: &'t str,
        /// The second text of a pair.
        pair: Option<&'t str>,
    },
    /// Tokens as they are, special ones included.
    Ids {
        /// Token ids.
        ids: &'t [u32],
        /// Token types, as many.
        type_ids: &'t [u8],
    },
}

impl<'t> Input<'t> {
    /// One text.
    pub fn text(text: &'t str) -> Self {
        Self::Text { text, pair: None }
    }

    /// A pair of texts.
    pub fn pair(text: &'t str, pair: &'t str) -> Self {
        Self::Text { text, pair: Some(pair) }
    }

    /// Tokens as they are, special ones included, with their types.
    pub fn ids(ids: &'t [u32], type_ids: &'t [u8]) -> Self {
        Self::Ids { ids, type_ids }
    }
}

/// A model with the workspace it computes in.
pub struct Session<'s, 'a> {
    model: &'s Model<'a>,
    buffers: Buffers<'s>,
    limit: usize,
}

impl<'s, 'a> Session<'s, 'a> {
    pub(crate) fn new(model: &'s Model<'a>, workspace: &'s mut [u8], limit: usize) -> Result<Self, Error> {
        let image = model.image();
        let buffers = Buffers::carve(workspace, image.config(), image.layer_configs(), limit)?;
        Ok(Self { model, buffers, limit })
    }

    /// Most tokens that an input may have, special ones included. Longer texts are cut, longer ids refused.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Answers.
    ///
    /// # Errors
    /// For ids: [`TokenCount`](Error::TokenCount), [`TypeCount`](Error::TypeCount), [`TokenId`](Error::TokenId). For
    /// texts: [`Encode`](Error::Encode) in a session for fewer than three tokens, [`TokenId`](Error::TokenId) for a
    /// pair where the model has one token type.
    pub fn run(&mut self, input: Input<'_>) -> Result<Reply<'_>, Error> {
        let (tokens, truncated) = self.embed(input)?;
        let head = self.model.config().head;
        let outputs = self.finish(tokens)?;
        let answer = match head {
            HeadKind::Classification => Answer::label(outputs),
            HeadKind::Regression => Answer::Score(outputs.first().copied().ok_or(Error::Shape)?),
        };
        Ok(Reply { answer, tokens, truncated })
    }

    /// The outputs of the head: logits, or one score. What self-tests compare.
    pub(crate) fn outputs(&mut self, ids: &[u32], type_ids: &[u8]) -> Result<&[f32], Error> {
        let (tokens, _) = self.embed(Input::Ids { ids, type_ids })?;
        self.finish(tokens)
    }

    /// Reads the input and writes its embeddings into the residual stream. Returns the number of tokens, and whether
    /// the text was cut.
    fn embed(&mut self, input: Input<'_>) -> Result<(usize, bool), Error> {
        let Buffers { residual, stage, .. } = &mut self.buffers;
        let image = self.model.image();
        match input {
            Input::Text { text, pair } => {
                let TextStage { ids, type_ids } = TextStage::carve(stage, self.limit).ok_or(Error::Shape)?;
                let encoded = self.model.vocabulary().encode(text, pair, ids, type_ids)?;
                let ids = ids.get(..encoded.tokens).ok_or(Error::Shape)?;
                let residual = rows(residual, encoded.tokens, image.config().hidden)?;
                self.model.encoder().embed(image.embeddings(), ids, type_ids, residual)?;
                Ok((encoded.tokens, encoded.truncated))
            }
            Input::Ids { ids, type_ids } => {
                if ids.is_empty() || ids.len() > self.limit {
                    return Err(Error::TokenCount { given: ids.len(), limit: self.limit });
                }
                if type_ids.len() != ids.len() {
                    return Err(Error::TypeCount);
                }
                let residual = rows(residual, ids.len(), image.config().hidden)?;
                self.model.encoder().embed(image.embeddings(), ids, type_ids, residual)?;
                Ok((ids.len(), false))
            }
        }
    }

    /// Layers and head over the embedded input.
    fn finish(&mut self, tokens: usize) -> Result<&[f32], Error> {
        let (image, encoder) = (self.model.image(), self.model.encoder());
        let mut layers = image.layers();
        while let Some(layer) = layers.next() {
            // The heads read the first token only, so nothing else of the last layer is needed.
            let rows = if layers.len() == 0 { 1 } else { tokens };
            encoder.layer(&layer, &mut self.buffers, tokens, rows)?;
        }
        let Buffers { residual, activations, input_scales, stage, .. } = &mut self.buffers;
        let first = rows(residual, 1, image.config().hidden)?;
        let stage = HeadStage::carve(stage, image.config()).ok_or(Error::Shape)?;
        Ok(head::run(&encoder.kernels, image.head(), first, activations, input_scales, stage)?)
    }
}

/// The first `count` rows of `x` `[.., hidden]`.
fn rows(x: &mut [f32], count: usize, hidden: usize) -> Result<&mut [f32], Error> {
    x.get_mut(..count.saturating_mul(hidden)).ok_or(Error::Shape)
}
