//! The data that a model is judged by, as that model reads them.

use std::path::Path;

use tinybert_base::{Context, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::TaskKind;
use tinybert_data::{ScopedDataset, Split};
use tinybert_evaluate::ScopedJudgement;
use tinybert_evaluate::predictor::Predictor;

use crate::args::{DataArgs, ModelAnswers};

/// A split of the data with the labels of a model.
pub struct JudgedData {
    pub data: ScopedDataset,
    metrics: MetricSet,
}

impl JudgedData {
    /// Reads a split for the model in the folder or image at `place`, which `predictor` is. Rows with the label
    /// `out_of_scope` are out of scope; without it, those with the label that the image states.
    ///
    /// # Errors
    /// Those of reading; [`Error::Input`](tinybert_base::Error::Input) for data that the model cannot be judged by.
    pub fn read(
        args: &DataArgs,
        split: Split,
        out_of_scope: Option<&str>,
        (place, predictor): (&Path, &Predictor),
        context: &Context,
    ) -> Result<Self> {
        let args = args.read_by(place, context.progress)?;
        let labels = predictor.labels()?;
        let spec = args.spec(&ModelAnswers::of_predictor(place.display(), predictor)?)?;
        let of_image = predictor.confidence()?.out_of_scope;
        let of_image = of_image.and_then(|class| labels.get(class as usize)).map(String::as_str);
        let of_image = of_image.filter(|_| spec.kind() == TaskKind::Classification);
        let data = args.load_scoped(&spec, split, out_of_scope.or(of_image), context.progress)?;
        data.check_out_of_scope_label(split)?;
        predictor.check_kind(&data.labelled)?;
        data.labelled.check_labelled()?;
        let metrics = args.metrics(&spec, &data.labelled)?;
        Ok(Self { data, metrics })
    }

    /// Asks the model for its answers.
    pub fn judge(&self, predictor: &Predictor, context: &Context) -> Result<ScopedJudgement> {
        predictor.judge_scoped(&self.data, self.metrics, context)
    }
}
