//! `report`: a page about what the other commands made.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::Split;
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::image_file::ImageFile;
use tinybert_report::Report;

use crate::args::{DataArgs, Global};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes a page about models: losses, metrics after each step, sizes, settings and hashes. One HTML file that needs
/// nothing else, without scripts.
#[derive(ClapArgs)]
pub struct Args {
    /// What the steps made, in their order: folders of init, fine-tune, distill and prune, images, the OUT.run of a run in
    /// context, and the stages of a compress that is not complete; or alone, a report.json or the folder that has one.
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<PathBuf>,
    /// Page to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The report as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Heading of the page, if not the last place's name.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// With data, the images are judged on its development set.
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let inputs = args.data.inputs().and("PLACE", &args.places);
    if let Some(json) = &args.json {
        output::check_file("--json", json, &inputs)?;
    }
    output::check_page(&args.out, &inputs.and("--json", &args.json))?;
    let mut report = match args.places.as_slice() {
        [only] if report_at(only).is_some() => Report::read(&report_at(only).unwrap_or_default())?,
        places => collect(args, places, global)?,
    };
    if let Some(title) = &args.title {
        report.title.clone_from(title);
    }
    if let Some(json) = &args.json {
        report.write_json(json)?;
    }
    report.write_page(&args.out)?;
    print_line(format_args!("wrote {}", args.out.display()))
}

/// The whole report that a place is or holds.
fn report_at(place: &Path) -> Option<PathBuf> {
    let inside = place.join("report.json");
    if inside.is_file() {
        return Some(inside);
    }
    (place.extension()? == "json").then(|| place.to_owned())
}

fn collect(args: &Args, places: &[PathBuf], global: &Global) -> Result<Report> {
    let watch = Watch::new(global)?;
    let context = watch.context();
    let mut report = Report::new("", "report");
    for place in places {
        if report_at(place).is_some() {
            let what = "is a report of its own: give it alone, and folders and images without it";
            return Err(Error::Usage(format!("{} {what}", place.display())));
        }
        if place.is_dir() {
            report.add_folder(place)?;
        } else {
            let image = ImageFile::open(place)?;
            let judged = args.data.is_given().then(|| judge(args, place, &context)).transpose()?;
            report.add_image(place, &image, judged.as_ref())?;
        }
    }
    report.title = report.stages.last().map(|stage| stage.name.clone()).unwrap_or_default();
    Ok(report)
}

/// The metrics of an image on the development set.
fn judge(args: &Args, image: &Path, context: &Context) -> Result<Metrics> {
    let predictor = Predictor::Image(ImageFile::open(image)?.native()?);
    let spec = args.data.spec(&predictor.labels()?)?;
    let dev = args.data.load(&spec, Split::Dev, context.progress)?;
    predictor.evaluate(&dev, args.data.metrics(&spec), context)
}
