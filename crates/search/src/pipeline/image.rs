//! The image of a model: its cost against the budget, and its metrics.

use super::Pipeline;
use crate::Compress;
use crate::cost::latency::{self, ModelledAnswer};
use crate::cost::{Board, Cost};
use crate::search::SearchResult;
use tinybert_base::{Context, Error, Result};
use tinybert_data::task::Dataset;
use tinybert_evaluate::predictor::Predictor;
use tinybert_evaluate::{Judgement, ScopedJudgement};
use tinybert_image::AttentionMode;
use tinybert_model::Checkpoint;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::AttentionPrecision;
use tinybert_quantize::{FittedConfidence, quantize, with_confidence_by, with_thresholds_by};

/// An image in memory.
pub(super) struct BuiltImage {
    pub image: ImageFile,
    /// The same image in the weight layout of this machine's kernels.
    native: Predictor,
    pub cost: Cost,
    /// The arithmetic of attention that the image was made with.
    pub attention: AttentionPrecision,
    /// The temperature and the threshold, if the image has them.
    pub confidence: Option<FittedConfidence>,
}

impl BuiltImage {
    /// The image of a model, stored as the search has chosen. It may exceed the budget. Its thresholds and
    /// its temperature are chosen by the development set.
    ///
    /// # Errors
    /// Returns the errors of [`quantize`], of [`with_thresholds_by`] and of [`with_confidence_by`].
    pub fn new(
        compress: &Compress,
        model: &Checkpoint,
        found: &SearchResult,
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
        let bytes = with_thresholds_by(bytes, compress.data.dev, context)?;
        let (bytes, confidence) = match compress.confidence {
            Some(rejection) => {
                let (bytes, fitted) = with_confidence_by(&bytes, compress.dev, rejection, context)?;
                (bytes, Some(fitted))
            }
            None => (bytes, None),
        };
        let native = ImageFile::new(bytes.clone()).map_err(unusable)?.native()?;
        let image = ImageFile::new(bytes).map_err(unusable)?;
        let cost = cost_of(&image, &compress.board)?;
        Ok(Self { image, native: Predictor::Image(native), cost, attention, confidence })
    }

    /// The image of a model. Attention is computed as calibration prefers it, or in int8 in all layers, as the
    /// search assumed, if that exceeds the budget. The image may exceed the budget nevertheless.
    ///
    /// # Errors
    /// Returns the errors of [`BuiltImage::new`].
    pub fn for_budget(pipeline: &Pipeline, model: &Checkpoint, found: &SearchResult) -> Result<Self> {
        let (compress, context) = (pipeline.compress, pipeline.context);
        let image = Self::new(compress, model, found, AttentionPrecision::Auto, context)?;
        match image.exceeded(compress) {
            None => Ok(image),
            Some(_) => Self::new(compress, model, found, AttentionPrecision::Int8, context),
        }
    }

    /// Number of layers whose attention is f32.
    ///
    /// # Errors
    /// Returns the errors of [`ImageFile::model`].
    pub fn layers_in_f32(&self) -> Result<usize> {
        let layers = self.image.model()?.image().layer_configs();
        Ok(layers.filter(|layer| layer.attention == AttentionMode::F32).count())
    }

    /// Each limit of the budget that the image exceeds, in words; `None` if it keeps within the budget. Training does
    /// not change the sizes. Calibration, however, may choose a scale per token for an input that had a static scale in
    /// the unpruned student, and a scale per token takes workspace.
    pub fn exceeded(&self, compress: &Compress) -> Option<String> {
        let (budget, cost) = (&compress.settings.budget, &self.cost);
        let each = budget.exceeded(cost).into_iter().map(|limit| {
            let most = budget.limit(limit).unwrap_or_default();
            format!(
                "{} allows {}, it has {}",
                limit.option(),
                limit.describe(most),
                limit.describe(limit.value(cost))
            )
        });
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| each.join("; "))
    }

    /// The answers of the image to a data set beside the right ones.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::judge`].
    pub fn judge(&self, compress: &Compress, data: &Dataset, context: &Context) -> Result<Judgement> {
        self.native.judge(data, compress.data.metrics, context)
    }

    /// The answers of the image to the development set, and how far they can be trusted.
    ///
    /// # Errors
    /// Returns the errors of [`Predictor::judge_scoped`].
    pub fn judge_dev(&self, compress: &Compress, context: &Context) -> Result<ScopedJudgement> {
        self.native.judge_scoped(compress.dev, compress.data.metrics, context)
    }
}

/// The cost of an image. The latency is modelled.
fn cost_of(image: &ImageFile, board: &Board) -> Result<Cost> {
    let model = image.model()?;
    let layers: Vec<_> = model.image().layer_configs().collect();
    let config = model.config();
    let answer = ModelledAnswer { config, layers: &layers, tokens: config.max_tokens };
    Ok(Cost {
        flash: image.size(),
        ram: model.max_workspace_bytes(),
        latency_ms: latency::milliseconds(&answer, board),
    })
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the image is not usable: {error}"))
}
