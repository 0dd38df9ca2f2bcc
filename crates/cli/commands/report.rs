//! `report`: writes a page about the results of the other commands.

use std::path::{Path, PathBuf};

use clap::Args;
use tinybert_base::{Context, Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::Split;
use tinybert_data::task::TaskKind;
use tinybert_evaluate::ScopedJudgement;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::image_file::ImageFile;
use tinybert_report::{AnsweredSet, Report, ReportedAnswers};

use crate::args::{DataArgs, ModelFolder, max_tokens};
use crate::invocation::Invocation;
use crate::judged_data::JudgedData;
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
    /// Teacher of the images: the page lists texts that it answers rightly and the last image wrongly. Needs data with
    /// one label per text.
    #[arg(long, value_name = ModelFolder::NAME)]
    teacher: Option<ModelFolder>,
    /// The label of rows that are none of the other labels: the page says how many of them the last image rejects, and
    /// how many of the others it answers rightly, as `eval` prints it. Needs data with one label per text.
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["regression", "multi_label", "tagging", "embedding"])]
    out_of_scope: Option<String>,
    /// Heading of the page [default: the name of the last place].
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// With data, the images are evaluated on the development set, and the page shows the errors of the last one.
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &ReportArgs, invocation: &Invocation) -> Result<()> {
    let inputs = args.data.inputs().with("PLACE", &args.places).with("--baseline", &args.baseline);
    let inputs = inputs.with("--teacher", &args.teacher);
    check_judged(args)?;
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

/// Makes sure that options about the answers of an image have an image, and texts with one label.
fn check_judged(args: &ReportArgs) -> Result<()> {
    let teacher = args.teacher.as_ref().map(|teacher| format!("--teacher {teacher}"));
    let out_of_scope = args.out_of_scope.as_ref().map(|label| format!("--out-of-scope {label}"));
    let Some(option) = teacher.or(out_of_scope) else { return Ok(()) };
    let refuse = |what: &str| Err(Error::Usage(format!("{option}: {what}")));
    if !args.data.has_dev() {
        return refuse("it is about the development set: give --dev FILE, or --task NAME --data FOLDER");
    }
    if args.data.task_kind() != TaskKind::Classification {
        return refuse("it is about texts with one label each");
    }
    let is_image = |place: &PathBuf| !place.is_dir() && report_at(place).is_none();
    match args.places.iter().any(is_image) {
        true => Ok(()),
        false => refuse("it is about the answers of an image, and none of the places is one"),
    }
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
    let teacher = match &args.teacher {
        Some(name) => Some((name, judge_teacher(args, name, &context)?)),
        None => None,
    };
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
            let judged = args.data.is_given().then(|| {
                let predictor = Predictor::Image(ImageFile::open(place)?.native()?);
                Judged::new(args, place, &predictor, &context)
            });
            let judged = judged.transpose()?;
            let metrics =
                judged.as_ref().map(|judged| judged.answers.labelled.outcomes.metrics_with_intervals());
            report.add_image(place, &image, metrics.as_ref())?;
            let name = &report.stages[report.stages.len() - 1].name;
            report.answers = judged.map(|image| {
                let teacher = teacher.as_ref().map(|(name, of)| (name.to_string(), of.answered()));
                let teacher = teacher.as_ref().map(|(name, of)| (name.as_str(), of));
                ReportedAnswers::new(name, &image.answered(), teacher)
            });
        }
    }
    report.title = report.stages.last().map(|stage| stage.name.clone()).unwrap_or_default();
    Ok(report)
}

/// A model's answers to the development set.
struct Judged {
    judged_by: JudgedData,
    answers: ScopedJudgement,
}

impl Judged {
    /// Asks the model in the folder or image at `place`, which `predictor` is.
    fn new(args: &ReportArgs, place: &Path, predictor: &Predictor, context: &Context) -> Result<Self> {
        let (out_of_scope, of_model) = (args.out_of_scope.as_deref(), (place, predictor));
        let judged_by = JudgedData::read(&args.data, Split::Dev, out_of_scope, of_model, context)?;
        let answers = judged_by.judge(predictor, context)?;
        Ok(Self { judged_by, answers })
    }

    fn answered(&self) -> AnsweredSet<'_> {
        AnsweredSet { data: &self.judged_by.data, judged: &self.answers }
    }
}

/// The answers of --teacher to the development set.
fn judge_teacher(args: &ReportArgs, name: &ModelFolder, context: &Context) -> Result<Judged> {
    let teacher = args.data.read_model(name, context)?;
    let model = FloatModel::new(&teacher, max_tokens(None, &[&teacher])?)?;
    Judged::new(args, &teacher.folder, &Predictor::Folder(Box::new(model)), context)
}
