//! An image of a model: its cost against the budget, and how good it is.

use tinybert_image::AttentionMode;

use super::cost::Cost;
use super::found::Found;
use super::latency::{self, Answer};
use super::stages::Stages;
use super::{Board, Compress};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::task::Dataset;
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::Checkpoint;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::AttentionPrecision;
use tinybert_quantize::quantize;

/// An image that is not written yet.
pub(super) struct Made {
    pub image: ImageFile,
    /// The same in the layout of this machine's kernels.
    native: Predictor,
    pub cost: Cost,
    /// How that of its layers was chosen.
    pub attention: AttentionPrecision,
}

impl Made {
    /// Of a model, as the search has chosen to store it. Its cost may be anything.
    ///
    /// # Errors
    /// Those of [`quantize`].
    pub fn new(
        compress: &Compress,
        model: &Checkpoint,
        found: &Found,
        attention: AttentionPrecision,
        context: &Context,
    ) -> Result<Self> {
        let settings = tinybert_quantize::QuantizeSettings {
            max_tokens: found.max_tokens,
            precision: found.precision.clone(),
            attention,
            ..compress.quantization()
        };
        let bytes = quantize(model, compress.data.train, &settings, context)?.image;
        let native = ImageFile::new(bytes.clone()).map_err(unusable)?.native()?;
        let image = ImageFile::new(bytes).map_err(unusable)?;
        let cost = cost_of(&image, &compress.board)?;
        Ok(Self { image, native: Predictor::Image(native), cost, attention })
    }

    /// The same within the budget: with attention as calibration prefers it, or in int8 throughout, as the search has costed
    /// it, where that takes too much.
    ///
    /// # Errors
    /// Those of [`quantize`] and of [`Made::check`].
    pub fn within_budget(stages: &Stages, model: &Checkpoint, found: &Found) -> Result<Self> {
        let (compress, context) = (stages.compress, stages.context);
        let made = Self::new(compress, model, found, AttentionPrecision::Auto, context)?;
        if compress.settings.budget.broken(&made.cost).is_empty() {
            return Ok(made);
        }
        let made = Self::new(compress, model, found, AttentionPrecision::Int8, context)?;
        made.check(stages)?;
        Ok(made)
    }

    /// Layers whose attention is f32.
    ///
    /// # Errors
    /// What the runtime finds wrong with the image.
    pub fn layers_in_f32(&self) -> Result<usize> {
        let layers = self.image.model()?.image().layer_configs();
        Ok(layers.filter(|layer| layer.attention == AttentionMode::F32).count())
    }

    /// Makes sure that the budget is kept. Training cannot change the sizes; but calibration may give an input a scale per
    /// token that had a static one in the whole student, and that takes workspace.
    ///
    /// # Errors
    /// [`Error::Input`] naming each limit that is broken, and how to go on with what was trained.
    pub fn check(&self, stages: &Stages) -> Result<()> {
        let budget = &stages.compress.settings.budget;
        let (cost, broken) = (&self.cost, budget.broken(&self.cost));
        if broken.is_empty() {
            return Ok(());
        }
        let each = broken.into_iter().map(|limit| {
            let most = budget.limit(limit).unwrap_or_default();
            format!("{} allows {}, it has {}", limit.option(), limit.words(most), limit.words(limit.of(cost)))
        });
        let kept = match stages.taken_over() {
            none if none.is_empty() => none,
            options => format!(", for which what was trained is kept:{options}"),
        };
        Err(Error::Input(format!(
            "the finished model does not keep within the budget: {}; give a little more, or a smaller --max-tokens, and \
             another --out{kept}",
            each.collect::<Vec<_>>().join("; ")
        )))
    }

    /// Its metrics on a data set.
    ///
    /// # Errors
    /// Those of [`Predictor::evaluate`].
    pub fn judge(&self, compress: &Compress, data: &Dataset, context: &Context) -> Result<Metrics> {
        self.native.evaluate(data, compress.data.metrics, context)
    }
}

/// Exact but for the latency, which is modelled.
fn cost_of(image: &ImageFile, board: &Board) -> Result<Cost> {
    let model = image.model()?;
    let layers: Vec<_> = model.image().layer_configs().collect();
    let config = model.config();
    let answer = Answer { config, layers: &layers, tokens: config.max_tokens };
    Ok(Cost {
        flash: image.size(),
        ram: model.max_workspace_bytes(),
        latency_ms: latency::milliseconds(&answer, board),
    })
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the image is not usable: {error}"))
}
