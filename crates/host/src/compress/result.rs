//! The image, checked against the budget, and how good it is.

use std::path::PathBuf;

use tinybert_image::{Config, Image};

use super::cost::Cost;
use super::latency::{self, Answer};
use super::report;
use super::search::Found;
use super::{Board, Budget, Compress};
use crate::checkpoint::{Checkpoint, FileHash};
use crate::image_file::{self, ImageFile};
use crate::metrics::Metrics;
use crate::predictor::{FloatModel, Predictor};
use crate::progress::Progress;
use crate::quantize::{self, Attention, quantize};
use crate::task::Dataset;
use crate::train::Output;
use crate::{Error, Result};

/// Name of the image in the output folder.
const IMAGE: &str = "model.tbim";

/// What a run has made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// The image.
    pub image: PathBuf,
    /// What it costs: bytes as they are, latency modelled.
    pub cost: Cost,
    /// Whose metrics, and on what: `teacher`, `image`; `dev`, `test`.
    pub metrics: Vec<Judged>,
    /// What there is to say about it.
    pub notes: Vec<String>,
}

/// How good a model is on a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Judged {
    /// Which model.
    pub model: &'static str,
    /// Which split.
    pub split: &'static str,
    /// How good.
    pub metrics: Metrics,
}

impl Outcome {
    /// Quantizes the small model, makes sure that the image keeps within the budget, writes and judges it. `inputs` are the
    /// files that the run has read.
    pub(super) fn make(
        compress: &Compress,
        out: &Output,
        inputs: Vec<FileHash>,
        teacher: &Checkpoint,
        small: &Checkpoint,
        found: &Found,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let budget = &compress.settings.budget;
        let mut notes = Vec::new();
        let settings = quantize::Settings {
            max_tokens: found.max_tokens,
            precision: found.precision.clone(),
            ..compress.quantization()
        };
        let mut made = quantize(small, compress.data.train, &settings, progress)?;
        let mut cost = cost_of(&made.image, &compress.board)?;
        if !budget.broken(&cost).is_empty() && settings.attention == Attention::Auto {
            let int8 = quantize::Settings { attention: Attention::Int8, ..settings };
            made = quantize(small, compress.data.train, &int8, progress)?;
            cost = cost_of(&made.image, &compress.board)?;
            notes.push("attention is int8 in all layers: in f32, which calibration would have preferred, it breaks the budget".into());
        }
        check(budget, &cost)?;
        let path = out.folder.join(IMAGE);
        image_file::write(&path, &made.image)?;
        let bytes = made.image.clone();
        let image = ImageFile::new(made.image).map_err(|error| Error::input(&path, error))?;
        let image = Predictor::Image(image.native()?);
        let teacher = Predictor::Folder(Box::new(FloatModel::new(teacher, compress.settings.max_tokens)?));
        let splits = [("dev", Some(compress.data.dev)), ("test", compress.test)];
        let mut metrics = Vec::new();
        for (split, data) in splits.into_iter().filter_map(|(split, data)| Some((split, data?))) {
            for (model, predictor) in [("teacher", &teacher), ("image", &image)] {
                let metrics_of = |data: &Dataset| predictor.evaluate(data, compress.data.metrics);
                metrics.push(Judged { model, split, metrics: metrics_of(data)? });
            }
        }
        let outcome = Self { image: path, cost, metrics, notes };
        let image = Image::from_bytes(&bytes).map_err(|error| Error::input(&outcome.image, error))?;
        report::write(compress, &out.folder, found, &outcome, &image, inputs)?;
        Ok(outcome)
    }
}

/// The cost of a finished image.
fn cost_of(image: &[u8], board: &Board) -> Result<Cost> {
    let parsed = Image::from_bytes(image)
        .map_err(|error| Error::Input(format!("the image is not usable: {error}")))?;
    let layers: Vec<_> = parsed.layer_configs().collect();
    let config: &Config = parsed.config();
    let answer = Answer { config, layers: &layers, tokens: config.max_tokens };
    Ok(Cost {
        flash: image.len(),
        ram: config.workspace_bytes,
        latency_ms: latency::milliseconds(&answer, board),
    })
}

/// Training cannot change the sizes, but calibration may choose costlier arithmetic than it did for the whole student.
fn check(budget: &Budget, cost: &Cost) -> Result<()> {
    let broken = budget.broken(cost);
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
