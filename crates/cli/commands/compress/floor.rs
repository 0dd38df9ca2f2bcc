//! The floor of `compress`: its options, and what the command says about it.

use std::num::NonZeroUsize;

use clap::Args;
use tinybert_base::{Context, Error, Result};
use tinybert_data::ScopedDataset;
use tinybert_search::{DevParts, Floor, FloorOutcome, FloorSearch};

use crate::args::{parse_points, parse_share};
use crate::standard_output::print_line;

/// The least metric that the image must have.
#[derive(Args)]
#[command(next_help_heading = "Floor")]
pub struct FloorArgs {
    /// Find the smallest image that keeps this share of the teacher's metric, such as 99%; half of the development set
    /// is held out to check it.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, conflicts_with = "max_loss", group = "floor")]
    keep: Option<f64>,
    /// Find the smallest image whose metric is at most so many percentage points below the teacher's, such as 0.5.
    #[arg(long, value_name = "POINTS", value_parser = parse_points, allow_negative_numbers = true, group = "floor")]
    max_loss: Option<f64>,
    /// With --keep or --max-loss: most models that are trained to find the smallest.
    #[arg(long, value_name = "N", default_value = "4", requires = "floor")]
    tries: NonZeroUsize,
}

impl FloorArgs {
    /// The two parts of the development set, if there is a floor.
    pub fn cut(&self, dev: &ScopedDataset, seed: u64, context: &Context) -> Result<Option<DevParts>> {
        if self.floor().is_none() {
            return Ok(None);
        }
        let parts = DevParts::cut(dev, seed)?;
        context.progress.say(&format!(
            "of the development set, {} examples are held out to check the floor, and {} are left for everything else",
            parts.held_out.labelled.examples.len(),
            parts.search.labelled.examples.len()
        ));
        Ok(Some(parts))
    }

    /// The search that was asked for.
    pub fn search<'p>(&self, parts: &'p DevParts) -> Option<FloorSearch<'p>> {
        let (tries, held_out) = (self.tries.get(), &parts.held_out.labelled);
        self.floor().map(|floor| FloorSearch { floor, tries, held_out })
    }

    fn floor(&self) -> Option<Floor> {
        self.keep.map(Floor::Keep).or(self.max_loss.map(Floor::MaxLoss))
    }
}

/// Prints the floor, and how far the image is from it.
pub fn print(outcome: &FloorOutcome) -> Result<()> {
    let check = &outcome.check;
    let name = &check.image.primary;
    print_line(format_args!("floor     {} {name}, on held-out examples {:.4}", check.floor, check.least()))?;
    for (what, difference) in [("teacher", check.difference), ("floor", check.margin)] {
        print_line(format_args!("          image minus {what} {}", difference.estimate()))?;
    }
    print_line(outcome.verdict())
}

/// Makes sure that the image holds the floor.
///
/// # Errors
/// [`Error::Usage`] with what was reached.
pub fn check(outcome: &FloorOutcome) -> Result<()> {
    if outcome.is_held() {
        return Ok(());
    }
    let floor = &outcome.check.floor;
    let failed = outcome.failed_half();
    let reached = match floor.reached(failed.image, failed.teacher) {
        Some(reached) => format!(", which is {reached}"),
        None => String::new(),
    };
    Err(Error::Usage(format!(
        "the floor is not held on {examples}: it is {floor} {name}, {least:.4} there; the image that was written has \
         {image:.4}{reached}\n{verdict}\n\
         ask for less, or train longer, with another --out; or allow more --tries with --resume; a larger development set \
         makes the interval narrower",
        examples = failed.examples,
        name = outcome.check.image.primary,
        least = floor.beside(failed.teacher),
        image = failed.image,
        verdict = outcome.verdict(),
    )))
}
