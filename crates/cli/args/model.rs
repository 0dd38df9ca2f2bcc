//! A model that answers, and the longest input that models read.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tinybert_base::{Context, Result};
use tinybert_evaluate::predictor::Predictor;
use tinybert_hub::Parts;
use tinybert_model::Checkpoint;
use tinybert_nn::device::Compute;
use tinybert_runtime::kernels::Isa;

use super::ModelFolder;
use super::model_folder::{LocalFolder, say_notice};

/// Longest input in tokens unless `--max-tokens` says otherwise.
const DEFAULT_MAX_TOKENS: usize = 128;

/// The longest input in tokens that all of `models` can read: `requested`, or else the default, limited to the
/// positions that every model has.
///
/// # Errors
/// [`Error::Usage`](tinybert_base::Error::Usage) if a model has fewer positions than `requested`.
pub fn max_tokens(requested: Option<usize>, models: &[&Checkpoint]) -> Result<usize> {
    let Some(requested) = requested else {
        let positions = models.iter().map(|model| model.config.max_position_embeddings);
        return Ok(positions.fold(DEFAULT_MAX_TOKENS, usize::min));
    };
    models.iter().try_for_each(|model| model.check_max_tokens(requested))?;
    Ok(requested)
}

/// A model that answers: a folder or an image.
#[derive(Args)]
pub struct ModelArgs {
    /// Model folder with a task head, or image.
    #[arg(long, value_name = "PATH|ORG/NAME")]
    model: ModelFolder,
    /// Longest input of a folder in tokens; an image has its own limit [default: 128, or what the folder has
    /// positions for].
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Instruction set for an image [default: the best of this machine].
    #[arg(long, value_name = "NAME", value_parser = isa_parser())]
    isa: Option<Isa>,
}

impl ModelArgs {
    /// The model as the command line names it.
    pub fn name(&self) -> &ModelFolder {
        &self.model
    }

    /// The same options for another model.
    pub fn with_model(&self, model: &ModelFolder) -> Self {
        Self { model: model.clone(), ..*self }
    }

    /// The model on this machine.
    pub fn locate(&self, context: &Context) -> Result<LocalFolder> {
        self.model.locate(Parts::Model, context)
    }

    /// Opens the model at the `place` where [`ModelArgs::locate`] has found it; a folder computes on `compute`. With
    /// `embedding`, a bare encoder is opened as a sentence encoder.
    pub fn open_at(
        &self,
        place: &LocalFolder,
        compute: &Compute,
        embedding: bool,
        context: &Context,
    ) -> Result<Predictor> {
        let prepare = |model: Checkpoint| {
            let model = say_notice(model, context);
            max_tokens(self.max_tokens, &[&model])?;
            if embedding { place.as_sentence_encoder(model) } else { Ok(model) }
        };
        // A folder with fewer positions lowers the default by itself.
        let longest = self.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        Predictor::open_on(&place.path, longest, self.isa, compute, prepare)
    }
}

/// Reads an instruction set by name. Whether this machine has it is checked later.
pub fn isa_parser() -> impl TypedValueParser<Value = Isa> {
    PossibleValuesParser::new(Isa::ALL.map(Isa::name))
        .try_map(|name| Isa::parse(&name).ok_or("no instruction set is called so"))
}
