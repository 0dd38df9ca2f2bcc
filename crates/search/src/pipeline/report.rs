//! `report.json` and `report.html`: the report of the whole run.

use super::finish::FinishedModel;
use super::image::BuiltImage;
use super::{CompressOutcome, FloorOutcome, Pipeline, Try};
use crate::Compress;
use crate::cost::latency::{self, ModelledAnswer};
use crate::cost::{Board, Limit};
use crate::search::{LinearSensitivity, Measurement, SearchCandidate, SearchResult};
use tinybert_base::{FileHash, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_evaluate::ScopedJudgement;
use tinybert_image::Image;
use tinybert_model::plan::WeightEncoding;
use tinybert_report::{AnsweredSet, Report, ReportedAnswers};

/// Name of the report in the output folder.
const REPORT: &str = "report.json";
/// Name of the page in the output folder.
const PAGE: &str = "report.html";

/// Writes the report of a run whose stages and image are `finished`. `teacher` are the teacher's answers to the
/// development set.
///
/// # Errors
/// [`Error::Io`](tinybert_base::Error::Io); [`Error::Input`](tinybert_base::Error::Input) for a stage whose
/// record is damaged.
pub(super) fn write(
    pipeline: &Pipeline,
    finished: &FinishedModel,
    outcome: &CompressOutcome,
    teacher: &ScopedJudgement,
    inputs: Vec<FileHash>,
) -> Result<()> {
    let (compress, folder) = (pipeline.compress, &pipeline.out.folder);
    let FinishedModel { found, image: BuiltImage { image, .. }, .. } = finished;
    let title = format!("{} for {}", compress.teacher.name(), compress.board);
    let mut report = Report::new(title, "compress");
    for stage in &pipeline.folders {
        report.add_folder(stage)?;
    }
    let judged = outcome.metrics.iter().find(|judged| (judged.model, judged.split) == ("image", "dev"));
    report.add_image(&outcome.image, image, judged.map(|judged| &judged.metrics))?;
    if let Some(image) = &mut report.image {
        image.latency_ms = Some(outcome.cost.latency_ms);
    }
    let of_model = |judged| AnsweredSet { data: compress.dev, judged };
    let name = outcome.image.file_name().unwrap_or_default().to_string_lossy();
    report.answers = Some(ReportedAnswers::new(
        &name,
        &of_model(&finished.dev),
        Some((compress.teacher.name().as_str(), &of_model(teacher))),
    ));
    report.baseline.clone_from(&outcome.baseline);
    report.settings = compress.record(Vec::new()).settings;
    report.inputs = inputs;
    report.metric.clone_from(&found.metric);
    let budget = &compress.settings.budget;
    report.budget = tinybert_report::ReportBudget {
        flash_bytes: budget.flash,
        ram_bytes: budget.ram,
        latency_ms: budget.latency_ms,
        metric: outcome.floor.as_ref().map(|floor| floor.least),
    };
    report.floor = outcome.floor.as_ref().map(floor_section);
    let row = |candidate| candidate_row(compress, found, outcome.floor.as_ref(), candidate);
    report.candidates = found.candidates.iter().map(row).collect();
    let model = image.model()?;
    report.latencies = boards(&compress.board).iter().map(|board| latency_on(board, model.image())).collect();
    report.sensitivity = sensitivity(found);
    report.reasons = reasons(compress, finished, outcome);
    report.write_json(&folder.join(REPORT))?;
    report.write_page(&folder.join(PAGE))
}

/// The measurements of one part alone in four bits: layer by layer, then the word rows.
fn sensitivity(found: &SearchResult) -> Vec<tinybert_report::Sensitivity> {
    let row = |layer: Option<usize>, part: &str, change: &Measurement| tinybert_report::Sensitivity {
        layer,
        part: part.to_owned(),
        encoding: WeightEncoding::Int4.name().to_owned(),
        logit_error: change.distance,
        metric: Some(change.metric),
    };
    let mut linears: Vec<&LinearSensitivity> = found.linears.iter().collect();
    linears.sort_by_key(|of| (of.layer, of.linear));
    let linears = linears.into_iter().map(|of| row(Some(of.layer + 1), of.linear.name(), &of.change));
    let embeddings = found.changes.embeddings.iter().skip(1).map(|change| row(None, "embeddings", change));
    linears.chain(embeddings).collect()
}

fn candidate_row(
    compress: &Compress,
    found: &SearchResult,
    floor: Option<&FloorOutcome>,
    candidate: &SearchCandidate,
) -> tinybert_report::ReportedCandidate {
    let exceeded = compress.settings.budget.exceeded(&candidate.cost);
    let chosen = candidate.point == found.chosen.point;
    let feasible = exceeded.is_empty();
    let tried = floor.and_then(|floor| floor.tries.iter().find(|of| of.candidate.point == candidate.point));
    let reason = match (chosen, feasible, tried) {
        (_, _, Some(Try { exceeds: Some(limits), .. })) => {
            format!("tried, but it cannot be used: {limits}")
        }
        (_, _, Some(tried)) => {
            let (held, why) =
                (if tried.holds { "held" } else { "not held" }, if chosen { ", chosen" } else { "" });
            format!("tried: {} {}, the floor is {held}{why}", found.metric, tried.estimate())
        }
        (true, ..) => "the most accurate within the budget, by what was measured".to_owned(),
        (false, true, None) if floor.is_some() => "not tried".to_owned(),
        (false, true, None) => "less accurate".to_owned(),
        (false, false, None) => {
            let options: Vec<&str> = exceeded.into_iter().map(Limit::option).collect();
            format!("breaks {}", options.join(", "))
        }
    };
    tinybert_report::ReportedCandidate {
        name: candidate.name.clone(),
        flash_bytes: candidate.cost.flash as u64,
        ram_bytes: candidate.cost.ram as u64,
        latency_ms: Some(candidate.cost.latency_ms),
        predicted: Some(candidate.predicted),
        measured: candidate.measured.map(|measured| measured.metric),
        interval: candidate.measured.map(|measured| measured.interval),
        feasible,
        pareto: candidate.pareto,
        chosen,
        reason,
    }
}

/// The floor, what was tried, and what was held out.
fn floor_section(floor: &FloorOutcome) -> tinybert_report::ReportedFloor {
    let check = &floor.check;
    let of = |metrics: &Metrics| Estimate {
        value: metrics.primary(),
        interval: metrics.intervals[&metrics.primary],
    };
    let tries = floor.tries.iter().map(|of| tinybert_report::ReportedTry {
        name: of.candidate.name.clone(),
        flash_bytes: of.cost.flash as u64,
        metric: of.metric,
        interval: Some(of.interval),
        held: of.holds,
        exceeds: of.exceeds.clone(),
    });
    tinybert_report::ReportedFloor {
        name: format!("{} {}", check.floor, check.image.primary),
        samples: check.image.samples,
        teacher: of(&check.teacher),
        image: of(&check.image),
        least: check.least(),
        difference: check.difference.estimate(),
        margin: check.margin.estimate(),
        held: floor.is_held(),
        verdict: floor.verdict(),
        least_in_search: floor.least,
        tries: tries.collect(),
    }
}

/// The boards of the report: all named ones, and before them the run's own board if it has no name.
fn boards(own: &Board) -> Vec<Board> {
    let mut boards = Board::named();
    if !boards.contains(own) {
        boards.insert(0, own.clone());
    }
    boards
}

fn latency_on(board: &Board, image: &Image) -> tinybert_report::ModelledLatency {
    let layers: Vec<_> = image.layer_configs().collect();
    let tokens = image.config().max_tokens;
    tinybert_report::ModelledLatency {
        board: board.name.clone(),
        core: board.core.name.into(),
        mhz: board.mhz,
        tokens,
        milliseconds: latency::milliseconds(
            &ModelledAnswer { config: image.config(), layers: &layers, tokens },
            board,
        ),
    }
}

fn reasons(compress: &Compress, finished: &FinishedModel, outcome: &CompressOutcome) -> Vec<String> {
    let (found, on_dev) = (&finished.found, finished.dev.labelled.outcomes.metrics().primary());
    let chosen = match &outcome.floor {
        None => "keeps within the budget with answers nearest to the whole student's",
        Some(floor) if floor.found_one() => {
            "is the smallest that was tried and holds the floor where the search has read"
        }
        Some(_) => "is the nearest to the floor of those that were tried; none of them holds it",
    };
    let mut reasons: Vec<String> = outcome.floor.iter().map(held_out).collect();
    reasons.extend([
        format!(
            "Of {} models that can be made of the student, {} {chosen}: {}.",
            found.points,
            found.chosen.name,
            describe_distance(found)
        ),
        format!(
            "Before any training it was expected to have {} {:.4} on the development set; the whole student has {}, and the \
             finished image {:.4}. Latencies are modelled, not measured ({}).",
            found.metric, found.chosen.predicted, found.student_metric, on_dev, compress.board
        ),
    ]);
    reasons.extend(outcome.notes.iter().cloned());
    reasons
}

fn describe_distance(found: &SearchResult) -> String {
    match found.chosen.measured {
        Some(measured) => format!(
            "without training their logits are off by {:.2} % of their variance",
            100.0 * measured.distance
        ),
        None => "this was predicted, and not measured before training".into(),
    }
}

/// Whether the floor is held on the held-out examples, and the figures that say so.
fn held_out(floor: &FloorOutcome) -> String {
    let check = &floor.check;
    format!(
        "{} The image has {} {:.4} there, the floor is {:.4}, and the teacher has {:.4}.",
        floor.verdict(),
        check.image.primary,
        check.image.primary(),
        check.least(),
        check.teacher.primary()
    )
}
