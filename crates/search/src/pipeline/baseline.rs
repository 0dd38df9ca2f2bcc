//! The linear baseline, which a run trains first: it takes seconds, and says what the image has to be better than.

use crate::Compress;
use tinybert_base::{Context, Result};
use tinybert_baseline::{BaselineRow, check};
use tinybert_data::Split;
use tinybert_data::task::Dataset;

/// The baseline of a run, for a run that is resumed.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct KeptBaseline {
    /// The digest of the test set that it was judged on, which may be another one when the run is resumed.
    test: Option<String>,
    /// What it has reached.
    row: BaselineRow,
}

/// The baseline on the data of a run: the one in `kept`, or a new one, which `kept` then has. `Err` inside says why
/// there is none: the data are of another kind, or training examples have no labels.
///
/// # Errors
/// Those of [`BaselineRow::measure`].
pub fn baseline(
    compress: &Compress,
    kept: &mut Option<KeptBaseline>,
    context: &Context,
) -> Result<std::result::Result<BaselineRow, String>> {
    let data = &compress.data;
    if let Err(error) = check(data.train) {
        return Ok(Err(error.to_string()));
    }
    let test = compress.test.map(Dataset::digest);
    if let Some(kept) = kept.as_ref().filter(|kept| kept.test == test) {
        return Ok(Ok(kept.row.clone()));
    }
    let splits = [(Split::Dev, Some(data.dev)), (Split::Test, compress.test)];
    let splits: Vec<_> = splits.into_iter().filter_map(|(split, data)| Some((split, data?))).collect();
    let row = BaselineRow::measure((data.train, data.dev), data.metrics, &splits, context)?;
    if let Some(dev) = row.estimate(Split::Dev) {
        let (metric, bytes) = (&row.metric, row.bytes);
        context
            .progress
            .say(&format!("linear baseline: {metric} {dev} on the development set, {bytes} bytes"));
    }
    *kept = Some(KeptBaseline { test, row: row.clone() });
    Ok(Ok(row))
}
