//! A model: an image that has been checked, its vocabulary, and the kernels it runs on.

use tinybert_image::{Config, HeadKind, Image};
use tinybert_kernels::Kernels;
use tinybert_tokenizer::Vocabulary;

use crate::checksum::checksum;
use crate::words::WordTable;
use crate::{Answer, Error, LabelSet, Tags, WordRows, workspace_bytes};

/// A model that is ready to answer. It borrows the image; nothing is copied.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    image: Image<'a>,
    vocabulary: Vocabulary<'a>,
    kernels: Kernels,
    word_rows: Option<&'a dyn WordRows>,
}

impl<'a> Model<'a> {
    /// Checks the whole image once and takes the fastest kernels that this CPU (with the feature `std` or
    /// `id-registers`) or this build's target (without) has for the weight layout of the image.
    ///
    /// `bytes` must begin at a multiple of [`ALIGNMENT`](tinybert_image::ALIGNMENT).
    ///
    /// # Errors
    /// The reason why the image cannot be used.
    #[inline(never)] // The stack that the checks need is free again when answers are computed.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::from_image(&Image::from_bytes_with(bytes, checksum()))
    }

    /// Does the same as [`from_bytes`](Self::from_bytes) for an image that the holder of an Ed25519 key has signed.
    /// It refuses an image that is not signed, that is signed with another key, that was changed afterwards, or whose
    /// [security version](tinybert_image::Metadata::security_version) is below `least_security_version`, before it
    /// reads the image's contents.
    ///
    /// The key is as trustworthy as the place it comes from: build it into the program. The least security version
    /// keeps anybody from going back to an older image that the same key has signed. 0 accepts every version, and an
    /// image that states none has the version 0.
    ///
    /// # Errors
    /// [`NotSigned`](tinybert_image::Error::NotSigned), [`OtherKey`](tinybert_image::Error::OtherKey),
    /// [`Forged`](tinybert_image::Error::Forged), [`TooOld`](tinybert_image::Error::TooOld),
    /// [`PublicKey`](tinybert_image::Error::PublicKey), or another reason why the image cannot be used.
    #[cfg(feature = "signature")]
    #[inline(never)] // As above.
    pub fn from_signed_bytes(
        bytes: &'a [u8],
        public_key: &[u8; 32],
        least_security_version: u32,
    ) -> Result<Self, Error> {
        Self::from_image(&Image::from_signed_bytes_with(
            bytes,
            checksum(),
            public_key,
            least_security_version,
        ))
    }

    /// Takes the image by reference and makes the model only at the end, because copies of them are large for a
    /// small stack.
    fn from_image(image: &Result<Image<'a>, tinybert_image::Error>) -> Result<Self, Error> {
        let image = image.as_ref().map_err(|error| *error)?;
        let vocabulary = Vocabulary::from_bytes(image.vocabulary())?;
        let (rows, pieces) = (image.config().vocab, vocabulary.pieces());
        if usize::try_from(pieces) != Ok(rows) {
            return Err(Error::VocabularySize {
                rows,
                pieces: usize::try_from(pieces).unwrap_or(usize::MAX),
            });
        }
        // Without this check, sizes beyond the limits of the kernels would be found only when the model runs.
        let config = image.config();
        workspace_bytes(config, image.layer_configs(), config.max_tokens).ok_or(Error::TooLarge)?;
        let kernels = Kernels::detect().for_panel(config.panel);
        Ok(Self { image: *image, vocabulary, kernels, word_rows: None })
    }

    /// Returns the same model on other kernels: on `kernels` if they read the weight layout of the image, otherwise on
    /// [those that do](Kernels::for_panel). The answers stay the same to the bit.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { kernels: kernels.for_panel(self.config().panel), ..self }
    }

    /// Returns the same model with word rows that are read and checked when they are needed, for an image that was
    /// written without them. Without word rows, such a model answers [`WordRowsMissing`](Error::WordRowsMissing).
    #[must_use]
    pub fn with_word_rows(self, rows: &'a dyn WordRows) -> Self {
        Self { word_rows: Some(rows), ..self }
    }

    pub(crate) fn words(&self) -> WordTable<'a> {
        WordTable::new(&self.image, self.word_rows)
    }

    /// Returns the exact number of bytes of workspace for a session that `threads` threads share, or `None` if they are
    /// too many.
    #[cfg(feature = "threads")]
    pub fn workspace_bytes_for(&self, threads: usize) -> Option<usize> {
        let config = self.image.config();
        crate::workspace::workspace_bytes_for(config, self.image.layer_configs(), config.max_tokens, threads)
    }

    /// Returns the exact number of bytes of workspace for inputs of up to `tokens` tokens, wherever the workspace
    /// begins, or `None` beyond [`Config::max_tokens`].
    pub fn workspace_bytes(&self, tokens: usize) -> Option<usize> {
        let config = self.image.config();
        if tokens > config.max_tokens {
            return None;
        }
        workspace_bytes(config, self.image.layer_configs(), tokens)
    }

    /// Returns the same number for the longest input, [`Config::max_tokens`].
    ///
    /// This library computes the number. The image also states a number, [`Config::workspace_bytes`], which the library
    /// that wrote the image needed. This library does not trust it.
    pub fn max_workspace_bytes(&self) -> usize {
        // The number exists: a model without it is not opened.
        self.workspace_bytes(self.image.config().max_tokens).unwrap_or(usize::MAX)
    }

    /// Returns the answer that the outputs of the head stand for, such as those of an earlier answer. `text` is the
    /// (first) text of the input; only an answer of tags reads it.
    ///
    /// # Errors
    /// [`ShapeMismatch`](Error::ShapeMismatch) for a score without an output.
    pub fn answer<'s>(&'s self, outputs: &'s [f32], text: &'s str) -> Result<Answer<'s>, Error> {
        Ok(match self.config().head {
            HeadKind::Classification => Answer::label(outputs, self.image.confidence().unwrap_or_default()),
            HeadKind::Regression => Answer::Score(outputs.first().copied().ok_or(Error::ShapeMismatch)?),
            HeadKind::TokenClassification => Answer::Tags(Tags {
                text,
                vocabulary: &self.vocabulary,
                logits: outputs,
                outputs: self.config().outputs,
                labels: self.image.labels(),
            }),
            HeadKind::Embedding => Answer::Embedding(outputs),
            HeadKind::MultiLabel => Answer::Labels(LabelSet::new(outputs, self.image.head().thresholds)),
        })
    }

    /// Returns the name of a label, for classification.
    pub fn label(&self, index: usize) -> Option<&'a str> {
        self.image.labels().nth(index)
    }

    /// Returns the sizes that hold for the whole model.
    pub fn config(&self) -> &Config {
        self.image.config()
    }

    /// Returns the checked image.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// Returns the tokenizer.
    pub fn vocabulary(&self) -> &Vocabulary<'a> {
        &self.vocabulary
    }

    /// Returns the kernels that the model runs on.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }
}
