//! `report.json` and `report.html`: the report of the whole run.

use super::{CompressOutcome, Pipeline};
use crate::Compress;
use crate::cost::latency::{self, ModelledAnswer};
use crate::cost::{Board, Limit};
use crate::search::{LinearSensitivity, Measurement, SearchCandidate, SearchResult};
use tinybert_base::{FileHash, Result};
use tinybert_image::Image;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::WeightEncoding;
use tinybert_report::Report;

/// Name of the report in the output folder.
const REPORT: &str = "report.json";
/// Name of the page in the output folder.
const PAGE: &str = "report.html";

/// Writes the report of a run whose stages and `image` are finished.
///
/// # Errors
/// [`Error::Io`](tinybert_base::Error::Io); [`Error::Input`](tinybert_base::Error::Input) for a stage whose
/// record is damaged.
pub(super) fn write(
    pipeline: &Pipeline,
    found: &SearchResult,
    outcome: &CompressOutcome,
    image: &ImageFile,
    inputs: Vec<FileHash>,
) -> Result<()> {
    let (compress, folder) = (pipeline.compress, &pipeline.out.folder);
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
    report.baseline.clone_from(&outcome.baseline);
    report.settings = compress.record(Vec::new()).settings;
    report.inputs = inputs;
    report.metric.clone_from(&found.metric);
    let budget = &compress.settings.budget;
    report.budget = tinybert_report::ReportBudget {
        flash_bytes: budget.flash,
        ram_bytes: budget.ram,
        latency_ms: budget.latency_ms,
        metric: None,
    };
    report.candidates =
        found.candidates.iter().map(|candidate| candidate_row(compress, found, candidate)).collect();
    let model = image.model()?;
    report.latencies = boards(&compress.board).iter().map(|board| latency_on(board, model.image())).collect();
    report.sensitivity = sensitivity(found);
    report.reasons = reasons(compress, found, outcome);
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
    candidate: &SearchCandidate,
) -> tinybert_report::ReportedCandidate {
    let exceeded = compress.settings.budget.exceeded(&candidate.cost);
    let chosen = candidate.point == found.chosen.point;
    let feasible = exceeded.is_empty();
    let reason = match (chosen, feasible) {
        (true, _) => "the most accurate within the budget, by what was measured".to_owned(),
        (false, true) => "less accurate".to_owned(),
        (false, false) => {
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
        feasible,
        pareto: candidate.pareto,
        chosen,
        reason,
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

fn reasons(compress: &Compress, found: &SearchResult, outcome: &CompressOutcome) -> Vec<String> {
    let mut reasons = vec![
        format!(
            "Of {} models that can be made of the student, {} keeps within the budget with answers nearest to the whole \
             student's: {}.",
            found.points,
            found.chosen.name,
            describe_distance(found)
        ),
        format!(
            "Before any training it was expected to have {} {:.4}; the whole student has {:.4}. Latencies are modelled, \
             not measured ({}).",
            found.metric, found.chosen.predicted, found.student_metric, compress.board
        ),
    ];
    reasons.extend(outcome.notes.iter().cloned());
    reasons
}

fn describe_distance(found: &SearchResult) -> String {
    match found.chosen.measured {
        Some(measured) => format!(
            "without training their logits are off by {:.2} % of their variance",
            100.0 * measured.distance
        ),
        None => "as predicted".into(),
    }
}
