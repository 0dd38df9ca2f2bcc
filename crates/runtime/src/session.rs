//! A session answers one input after the other in one workspace.

use tinybert_image::Layers;

use crate::encoder::Encoder;
use crate::progress::{Progress, Stage};
use crate::stages::{HeadStage, TextStage};
use crate::team::Team;
use crate::workspace::Buffers;
use crate::{Error, Model, Reply, head};

/// The input of a session.
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
        /// The token type of each token.
        type_ids: &'t [u8],
    },
}

impl<'t> Input<'t> {
    /// Returns one text as an input.
    pub fn text(text: &'t str) -> Self {
        Self::Text { text, pair: None }
    }

    /// Returns a pair of texts as an input.
    pub fn pair(text: &'t str, pair: &'t str) -> Self {
        Self::Text { text, pair: Some(pair) }
    }

    /// Returns the first or only text, or an empty text for tokens.
    pub(crate) fn first_text(self) -> &'t str {
        match self {
            Self::Text { text, .. } => text,
            Self::Ids { .. } => "",
        }
    }

    /// Returns tokens as they are, special ones included, with their types, as an input.
    pub fn ids(ids: &'t [u32], type_ids: &'t [u8]) -> Self {
        Self::Ids { ids, type_ids }
    }
}

impl<'a> Model<'a> {
    /// Returns a session for inputs of up to [`Config::max_tokens`](tinybert_image::Config::max_tokens).
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`](Error::WorkspaceTooSmall), with the number of bytes that are needed.
    pub fn session<'s>(&'s self, workspace: &'s mut [u8]) -> Result<Session<'s, 'a>, Error> {
        Session::new(self, workspace, self.config().max_tokens, Team::ALONE)
    }

    /// Returns a session for inputs of up to `tokens`, in a smaller workspace: see
    /// [`workspace_bytes`](Self::workspace_bytes).
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`](Error::WorkspaceTooSmall); [`TokenCount`](Error::TokenCount) for no tokens or more than
    /// [`Config::max_tokens`](tinybert_image::Config::max_tokens).
    pub fn session_for<'s>(
        &'s self,
        tokens: usize,
        workspace: &'s mut [u8],
    ) -> Result<Session<'s, 'a>, Error> {
        let limit = self.config().max_tokens;
        if tokens == 0 || tokens > limit {
            return Err(Error::TokenCount { actual: tokens, limit });
        }
        Session::new(self, workspace, tokens, Team::ALONE)
    }

    /// Returns a session whose work `threads` share, for inputs of up to
    /// [`Config::max_tokens`](tinybert_image::Config::max_tokens). The answers are the same to the bit. The workspace
    /// is larger: see [`workspace_bytes_for`](Self::workspace_bytes_for).
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`](Error::WorkspaceTooSmall), with the number of bytes that are needed.
    #[cfg(feature = "threads")]
    pub fn session_with<'s>(
        &'s self,
        threads: &'s crate::Threads,
        workspace: &'s mut [u8],
    ) -> Result<Session<'s, 'a>, Error> {
        Session::new(self, workspace, self.config().max_tokens, Team::Threads(threads))
    }

    /// Runs the image's self-tests, compares their outputs bit by bit, and returns the number of self-tests.
    ///
    /// # Errors
    /// [`SelfTest`](Error::SelfTest) for the first that differs;
    /// [`WorkspaceTooSmall`](Error::WorkspaceTooSmall).
    #[inline(never)] // The stack of the self-tests is free again when answers are computed.
    pub fn self_test(&self, workspace: &mut [u8]) -> Result<usize, Error> {
        let mut session = self.session(workspace)?;
        let tests = self.image().self_tests();
        for (index, test) in tests.enumerate() {
            let (tokens, _) = session.finish(Input::ids(test.ids, test.type_ids))?;
            let outputs = session.outputs(tokens)?;
            let equal = outputs.iter().map(|x| x.to_bits()).eq(test.outputs.iter().map(|x| x.to_bits()));
            if !equal {
                return Err(Error::SelfTest { index });
            }
        }
        Ok(tests.len())
    }
}

/// A model with the workspace it computes in.
pub struct Session<'s, 'a> {
    pub(crate) model: &'s Model<'a>,
    encoder: Encoder<'s>,
    buffers: Buffers<'s>,
    limit: usize,
}

impl<'s, 'a> Session<'s, 'a> {
    #[inline(never)]
    pub(crate) fn new(
        model: &'s Model<'a>,
        workspace: &'s mut [u8],
        limit: usize,
        team: Team<'s>,
    ) -> Result<Self, Error> {
        let image = model.image();
        let buffers = Buffers::carve(workspace, image.config(), image.layer_configs(), limit, team.count())?;
        let encoder = Encoder::new(model.kernels(), team, image.config());
        Ok(Self { model, encoder, buffers, limit })
    }

    /// Returns the most tokens that an input may have, special ones included. The session cuts longer texts and refuses
    /// more ids.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Answers an input.
    ///
    /// # Errors
    /// For ids: [`TokenCount`](Error::TokenCount), [`TypeCount`](Error::TypeCount), [`TokenId`](Error::TokenId). For
    /// texts: [`Encode`](Error::Encode) in a session for fewer than three tokens, [`TokenId`](Error::TokenId) for a
    /// pair where the model has one token type, [`Pair`](Error::Pair) for a pair where the model tags words or embeds
    /// sentences.
    pub fn run<'r>(&'r mut self, input: Input<'r>) -> Result<Reply<'r>, Error> {
        let (tokens, truncated) = self.finish(input)?;
        self.reply(input.first_text(), tokens, truncated)
    }

    /// Computes the outputs of an input at once. Returns the number of tokens, and whether the text was cut.
    fn finish(&mut self, input: Input<'_>) -> Result<(usize, bool), Error> {
        // The run stays in the result, because a second copy of it is large for a small stack.
        match &mut self.start(input) {
            Ok(run) => run.finish(),
            Err(error) => Err(*error),
        }
    }

    pub(crate) fn team(&self) -> Team<'s> {
        self.encoder.team
    }

    /// Reads the input into the stage of the text. Returns the number of tokens, and whether the text was cut.
    #[inline(never)] // The stack that reading the text needs is free again when the layers run.
    pub(crate) fn read(&mut self, input: Input<'_>) -> Result<(usize, bool), Error> {
        let Self { model, limit, .. } = *self;
        let TextStage { ids: all_ids, type_ids: all_type_ids } =
            TextStage::carve(self.buffers.stage, limit).ok_or(Error::ShapeMismatch)?;
        match input {
            Input::Text { pair: Some(_), .. } if model.config().head.reads_all_tokens() => Err(Error::Pair),
            Input::Text { text, pair } => {
                let encoded = model.vocabulary().encode(text, pair, all_ids, all_type_ids)?;
                Ok((encoded.tokens, encoded.truncated))
            }
            Input::Ids { ids, type_ids } => {
                if ids.is_empty() || ids.len() > limit {
                    return Err(Error::TokenCount { actual: ids.len(), limit });
                }
                if type_ids.len() != ids.len() {
                    return Err(Error::TypeCount);
                }
                all_ids.iter_mut().zip(ids).for_each(|(place, id)| *place = *id);
                all_type_ids.iter_mut().zip(type_ids).for_each(|(place, kind)| *place = *kind);
                Ok((ids.len(), false))
            }
        }
    }

    /// Writes the embeddings of the input that was read: the residual stream and the first layer's input.
    #[inline(never)]
    pub(crate) fn embed(&mut self, tokens: usize, progress: &mut Progress) -> Result<(), Error> {
        let Self { model, encoder, limit, .. } = *self;
        let image = model.image();
        let first = image.layers().next_config().ok_or(Error::ShapeMismatch)?.qkv_input;
        let (rows, stage) = self.buffers.rows();
        let text = TextStage::carve(stage, limit).ok_or(Error::ShapeMismatch)?;
        let tokens = text.first(tokens).ok_or(Error::ShapeMismatch)?;
        encoder.embed(image.embeddings(), &model.words(), first, tokens, rows, progress)
    }

    /// Computes the layers that are left over the embedded input.
    #[inline(never)]
    pub(crate) fn layers(
        &mut self,
        layers: &mut Layers<'a>,
        tokens: usize,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let encoder = self.encoder;
        let read = if self.model.config().head.reads_all_tokens() { tokens } else { 1 };
        let mut rest = *layers;
        // The layer stays a reference, because a layer's views are large for a small stack.
        while let Some(layer) = &rest.next() {
            let next = rest.next_config().map(|next| next.qkv_input);
            // The last layer computes only the rows that the head reads.
            let rows = if next.is_some() { tokens } else { read };
            encoder.layer(layer, next, &mut self.buffers, tokens, rows, progress)?;
            if progress.stage() != Stage::LayerEnd {
                break;
            }
            progress.end_layer(next.is_none());
            *layers = rest;
        }
        Ok(())
    }

    /// Computes the head over an input of `tokens` tokens.
    #[inline(never)]
    pub(crate) fn head(&mut self, tokens: usize, progress: &mut Progress) -> Result<(), Error> {
        let Self { model, encoder, .. } = *self;
        let (image, config) = (model.image(), model.config());
        let (rows, stage) = self.buffers.rows();
        let stage = HeadStage::carve(stage, config, tokens).ok_or(Error::ShapeMismatch)?;
        Ok(head::run(&encoder, config, image.head(), rows, tokens, stage, progress)?)
    }

    /// Returns the outputs of the head, which self-tests compare: logits (of each token, if each is tagged), one score,
    /// or a vector.
    pub(crate) fn outputs(&mut self, tokens: usize) -> Result<&[f32], Error> {
        let stage = HeadStage::carve(self.buffers.stage, self.model.config(), tokens);
        Ok(stage.ok_or(Error::ShapeMismatch)?.outputs)
    }

    /// Returns the answer that the outputs of the head stand for.
    pub(crate) fn reply<'r>(
        &'r mut self,
        text: &'r str,
        tokens: usize,
        truncated: bool,
    ) -> Result<Reply<'r>, Error> {
        let model = self.model;
        let outputs = self.outputs(tokens)?;
        Ok(Reply { answer: model.answer(outputs, text)?, tokens, truncated })
    }
}
