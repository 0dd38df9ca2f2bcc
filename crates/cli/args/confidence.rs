//! The temperature of an image's probabilities, and which of its answers are rejected.

use clap::Args;
use tinybert_base::{Error, Result};
use tinybert_data::ScopedDataset;
use tinybert_data::task::TaskKind;
use tinybert_evaluate::confidence::Rejection;

use super::units::{parse_probability, parse_share};

/// Calibrated probabilities, and answers that are rejected.
#[derive(Args, Default)]
#[command(next_help_heading = "Confidence")]
pub struct ConfidenceArgs {
    /// Fit the image's probabilities to its answers to the development set (temperature), so that the device prints
    /// calibrated ones. For tasks with one label per text.
    #[arg(long, conflicts_with_all = ["regression", "multi_label", "tagging", "embedding"])]
    calibrate: bool,
    /// The device does not accept answers whose calibrated probability is below this, such as 0.9 or 90%.
    #[arg(long, value_name = "PROBABILITY", requires = "calibrate", value_parser = parse_probability)]
    reject_below: Option<f32>,
    /// Choose that probability so that this share of the development set is accepted, such as 95%.
    #[arg(
        long,
        value_name = "SHARE",
        requires = "calibrate",
        conflicts_with = "reject_below",
        value_parser = parse_share
    )]
    reject_coverage: Option<f64>,
    /// The label of development rows that are none of the other labels. Answers with it are not accepted, if the model
    /// has it. Without another option, the probability below which answers are rejected is the one with the best mean
    /// of in-scope accuracy and out-of-scope recall.
    #[arg(long, value_name = "LABEL", requires = "calibrate")]
    out_of_scope: Option<String>,
}

impl ConfidenceArgs {
    /// The label of what is out of scope.
    pub fn out_of_scope(&self) -> Option<&str> {
        self.out_of_scope.as_deref()
    }

    /// How the threshold is chosen; `None` if the image is not to be calibrated.
    pub fn rejection(&self) -> Option<Rejection> {
        self.calibrate.then_some(match (self.reject_below, self.reject_coverage, &self.out_of_scope) {
            (Some(probability), _, _) => Rejection::Below(probability),
            (_, Some(share), _) => Rejection::Coverage(share),
            (_, _, Some(_)) => Rejection::BestForScope,
            _ => Rejection::Below(0.0),
        })
    }

    /// Makes sure that temperature and threshold can be fitted to the development set.
    ///
    /// # Errors
    /// [`Error::Usage`] for texts without one label each; [`Error::Input`] if no row has the label of --out-of-scope.
    pub fn check(&self, dev: &ScopedDataset) -> Result<()> {
        if self.calibrate && dev.labelled.kind != TaskKind::Classification {
            return Err(Error::Usage("--calibrate is for tasks with one label per text".into()));
        }
        match self.out_of_scope {
            Some(_) => dev.check_out_of_scope(),
            None => Ok(()),
        }
    }
}
