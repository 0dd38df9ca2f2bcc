//! An image of a model: its cost against the budget, and how good it is.

use super::cost::Cost;
use super::found::Found;
use super::latency::{self, Answer};
use super::{Board, Budget, Compress};
use crate::checkpoint::Checkpoint;
use crate::image_file::ImageFile;
use crate::metrics::Metrics;
use crate::predictor::Predictor;
use crate::progress::Progress;
use crate::quantize::{self, Attention, quantize};
use crate::task::Dataset;
use crate::{Error, Result};

/// An image that is not written yet.
pub(super) struct Made {
    pub image: ImageFile,
    /// The same in the layout of this machine's kernels.
    native: Predictor,
    pub cost: Cost,
    /// How that of its layers was chosen.
    pub attention: Attention,
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
        attention: Attention,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let settings = quantize::Settings {
            max_tokens: found.max_tokens,
            precision: found.precision.clone(),
            attention,
            ..compress.quantization()
        };
        let bytes = quantize(model, compress.data.train, &settings, progress)?.image;
        let native = ImageFile::new(bytes.clone()).map_err(unusable)?.native()?;
        let image = ImageFile::new(bytes).map_err(unusable)?;
        let cost = cost_of(&image, &compress.board)?;
        Ok(Self { image, native: Predictor::Image(native), cost, attention })
    }

    /// The same within the budget: with attention as calibration prefers it, or in int8 throughout where that costs too much.
    ///
    /// # Errors
    /// Those of [`quantize`]; [`Error::Input`] where the budget is broken either way.
    pub fn within_budget(
        compress: &Compress,
        model: &Checkpoint,
        found: &Found,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let budget = &compress.settings.budget;
        let made = Self::new(compress, model, found, Attention::Auto, progress)?;
        if budget.broken(&made.cost).is_empty() {
            return Ok(made);
        }
        let made = Self::new(compress, model, found, Attention::Int8, progress)?;
        made.check(budget)?;
        Ok(made)
    }

    /// Makes sure that the budget is kept: training cannot change the sizes, but calibration may choose costlier arithmetic
    /// than it did for the whole student.
    ///
    /// # Errors
    /// [`Error::Input`] naming each limit that is broken.
    pub fn check(&self, budget: &Budget) -> Result<()> {
        let (cost, broken) = (&self.cost, budget.broken(&self.cost));
        if broken.is_empty() {
            return Ok(());
        }
        let each = broken.into_iter().map(|limit| {
            let most = budget.limit(limit).unwrap_or_default();
            format!("{} allows {}, it has {}", limit.option(), limit.words(most), limit.words(limit.of(cost)))
        });
        Err(Error::Input(format!(
            "the finished model does not keep within the budget: {}; give a little more, or a smaller --max-tokens",
            each.collect::<Vec<_>>().join("; ")
        )))
    }

    /// Its metrics on a data set.
    ///
    /// # Errors
    /// Those of [`Predictor::evaluate`].
    pub fn judge(&self, compress: &Compress, data: &Dataset, progress: &dyn Progress) -> Result<Metrics> {
        self.native.evaluate(data, compress.data.metrics, progress)
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
        ram: config.workspace_bytes,
        latency_ms: latency::milliseconds(&answer, board),
    })
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the image is not usable: {error}"))
}
