//! `report`: writes a page about the results of the other commands.

use std::path::{Path, PathBuf};

use clap::Args;
use tinybert_base::{Context, Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::Split;
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::image_file::ImageFile;
use tinybert_report::Report;

use crate::args::DataArgs;
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Writes a page about models: losses, metrics after each step, sizes, settings and hashes. The page is one HTML
/// file without scripts that needs nothing else.
#[derive(Args)]
pub struct ReportArgs {
    /// Results of the steps, in the order of the steps: folders of init, fine-tune, distill and prune,
    /// images, the OUT.run of a run in progress, and the stages of a compress that is not complete. A single
    /// report.json, or the folder that has one, can stand alone instead.
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<PathBuf>,
    /// Page to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// File for the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What `baseline --out` wrote: the page shows the linear baseline beside the result.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Heading of the page [default: the name of the last place].
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// With data, the images are evaluated on the development set.
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &ReportArgs, invocation: &Invocation) -> Result<()> {
    let inputs = args.data.inputs().with("PLACE", &args.places).with("--baseline", &args.baseline);
    if let Some(json) = &args.json {
        output_paths::check_json("--json", json, &inputs, "a report", |file| Report::read(file).is_ok())?;
    }
    output_paths::check_page(&args.out, &inputs.with("--json", &args.json))?;
    let mut report = match args.places.as_slice() {
        [only] if report_at(only).is_some() => Report::read(&report_at(only).unwrap_or_default())?,
        places => collect(args, places, invocation)?,
    };
    if let Some(baseline) = &args.baseline {
        report.baseline = Some(BaselineRow::read(baseline)?);
    }
    if let Some(title) = &args.title {
        report.title.clone_from(title);
    }
    if let Some(json) = &args.json {
        report.write_json(json)?;
        print_line(format_args!("wrote {}", json.display()))?;
    }
    report.write_page(&args.out)?;
    print_line(format_args!("wrote {}", args.out.display()))
}

/// The file of a complete report that `place` is or holds.
fn report_at(place: &Path) -> Option<PathBuf> {
    let inside = place.join("report.json");
    if inside.is_file() {
        return Some(inside);
    }
    (place.extension()? == "json").then(|| place.to_owned())
}

/// Makes a report of model folders and images.
fn collect(args: &ReportArgs, places: &[PathBuf], invocation: &Invocation) -> Result<Report> {
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
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
            let metrics = args.data.is_given().then(|| evaluate(args, place, &context)).transpose()?;
            report.add_image(place, &image, metrics.as_ref())?;
        }
    }
    report.title = report.stages.last().map(|stage| stage.name.clone()).unwrap_or_default();
    Ok(report)
}

/// The metrics of an image on the development set.
fn evaluate(args: &ReportArgs, image: &Path, context: &Context) -> Result<Metrics> {
    let predictor = Predictor::Image(ImageFile::open(image)?.native()?);
    let data = args.data.read_by(image, context.progress)?;
    let spec = data.spec(&predictor.labels()?)?;
    let dev = data.load(&spec, Split::Dev, context.progress)?;
    predictor.evaluate_with_intervals(&dev, data.metrics(&spec, &dev)?, context)
}
