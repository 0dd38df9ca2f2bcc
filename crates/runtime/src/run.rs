//! A run: one answer, computed in slices.

use tinybert_image::Layers;

use crate::progress::{Progress, Stage};
use crate::{Error, Input, Model, Reply, Session};

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step<'r> {
    /// There is more to compute.
    Pending,
    /// The answer. Further steps return it again.
    Done(Reply<'r>),
}

/// An answer that is being computed, a slice with each [`step`](Self::step). To cancel it, drop it: the session can
/// start the next one.
pub struct Run<'r, 's, 'a> {
    session: &'r mut Session<'s, 'a>,
    text: &'r str,
    tokens: usize,
    truncated: bool,
    /// The layers that are not computed, first the one that the run is in.
    layers: Layers<'a>,
    progress: Progress,
}

impl<'s, 'a> Session<'s, 'a> {
    /// Reads an input and starts the computation of its answer in slices. Only the text is read here.
    ///
    /// ```
    /// # use tinybert_runtime::{Error, Input, Reply, Session, Step};
    /// # fn answer(session: &mut Session<'_, '_>, mut feed_watchdog: impl FnMut()) -> Result<(), Error> {
    /// let mut run = session.start(Input::text("play some jazz"))?;
    /// let reply = loop {
    ///     match run.step(20_000)? {
    ///         Step::Pending => feed_watchdog(), // or anything else: the core is free
    ///         Step::Done(reply) => break reply,
    ///     }
    /// };
    /// # let _ = reply;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Self::run), except for those that steps return.
    pub fn start<'r>(&'r mut self, input: Input<'r>) -> Result<Run<'r, 's, 'a>, Error> {
        let (tokens, truncated) = self.read(input)?;
        let (text, layers) = (input.first_text(), self.model.image().layers());
        Ok(Run { session: self, text, tokens, truncated, layers, progress: Progress::START })
    }
}

impl<'s, 'a> Run<'_, 's, 'a> {
    /// Returns the model that answers.
    pub fn model(&self) -> &'s Model<'a> {
        self.session.model
    }

    /// Computes about `budget` multiply-adds at most: as many parts of the work as the budget allows, but at least one
    /// part. The smallest parts are of eight rows by 16 outputs of a linear (48 if the weights lie in panels of 12 or
    /// 48), of eight rows by all outputs if the linear's outputs are quantized per token, of eight queries by one head
    /// of attention, and of eight rows of anything else. What is no product counts as 16 multiply-adds for each
    /// element. Any budget gives the same bits.
    ///
    /// In a session with threads, each of them computes that much.
    ///
    /// # Errors
    /// [`TokenId`](Error::TokenId); [`WordRowsMissing`](Error::WordRowsMissing) and [`WordRow`](Error::WordRow) for a
    /// model without word rows in its image. The next step tries the same work again.
    pub fn step(&mut self, budget: usize) -> Result<Step<'_>, Error> {
        let done = self.advance(budget)?;
        Ok(if done {
            Step::Done(self.session.reply(self.text, self.tokens, self.truncated)?)
        } else {
            Step::Pending
        })
    }

    /// Computes everything that is left. Returns the number of tokens, and whether the text was cut.
    pub(crate) fn finish(&mut self) -> Result<(usize, bool), Error> {
        while !self.advance(usize::MAX)? {}
        Ok((self.tokens, self.truncated))
    }

    /// Computes within the budget, and returns whether there are outputs.
    fn advance(&mut self, budget: usize) -> Result<bool, Error> {
        self.progress = self.progress.with_budget(budget);
        self.session.team().enter(|| {
            let Self { session, tokens, layers, progress, .. } = self;
            if progress.stage() < Stage::Queries {
                session.embed(*tokens, progress)?;
            }
            if (Stage::Queries..=Stage::LayerEnd).contains(&progress.stage()) {
                session.layers(layers, *tokens, progress)?;
            }
            if progress.stage() > Stage::LayerEnd {
                session.head(*tokens, progress)?;
            }
            Ok(progress.stage() == Stage::Done)
        })
    }
}
