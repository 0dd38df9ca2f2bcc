//! `report.json` and `report.html`: the whole run as [`crate::report`] knows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tinybert_image::Image;

use super::latency::{self, Answer};
use super::search::Found;
use super::{Board, Compress, Limit, Outcome};
use crate::checkpoint::{FileHash, RunRecord};
use crate::metrics::Metrics;
use crate::report::{self, Report};
use crate::{Error, Result};

/// Its name in the output folder.
const REPORT: &str = "report.json";
/// And the page's.
const PAGE: &str = "report.html";
/// Stages in their order, as far as there are folders of them.
const STAGES: [&str; 7] = [
    "teacher",
    "student-fresh",
    "student-general",
    "student",
    "pruned",
    "pruned-recovered",
    "small-vocabulary",
];

/// Writes the report of a run whose image is `image`, into `folder`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for a stage whose record is damaged.
pub(super) fn write(
    compress: &Compress,
    folder: &Path,
    found: &Found,
    outcome: &Outcome,
    image: &Image,
    inputs: Vec<FileHash>,
) -> Result<()> {
    let budget = &compress.settings.budget;
    let stages = STAGES.iter().filter(|name| folder.join(name).exists());
    let mut stages = stages.map(|name| stage(&folder.join(name), name)).collect::<Result<Vec<_>>>()?;
    let judged = outcome.metrics.iter().find(|judged| (judged.model, judged.split) == ("image", "dev"));
    stages.push(report::Stage {
        name: "image".into(),
        command: "quantize".into(),
        bytes: Some(outcome.cost.flash as u64),
        metrics: judged.map(|judged| values(&judged.metrics)).unwrap_or_default(),
        ..report::Stage::default()
    });
    let report = Report {
        title: format!("{} for {}", compress.teacher.folder.display(), compress.board),
        version: env!("CARGO_PKG_VERSION").into(),
        command: "compress".into(),
        settings: compress.record(Vec::new()).settings,
        inputs,
        metric: found.metric.clone(),
        budget: report::Budget {
            flash_bytes: budget.flash,
            ram_bytes: budget.ram,
            latency_ms: budget.latency_ms,
            metric: None,
        },
        stages,
        image: Some(image_size(image, outcome)),
        candidates: found
            .candidates
            .iter()
            .map(|candidate| candidate_row(compress, found, candidate))
            .collect(),
        latencies: Board::named().iter().map(|board| latency_on(board, image)).collect(),
        reasons: reasons(compress, found, outcome),
        ..Report::default()
    };
    report.write_json(&folder.join(REPORT))?;
    report.write_page(&folder.join(PAGE))
}

/// A stage by its record.
fn stage(folder: &Path, name: &str) -> Result<report::Stage> {
    let record = RunRecord::read(folder)?;
    let weights = folder.join("model.safetensors");
    let size = fs::metadata(&weights).map_err(Error::io(&weights))?.len();
    let dev = record.metrics["dev"]["values"].as_object();
    let seconds: f64 = ["training", "intermediate", "prediction"]
        .iter()
        .filter_map(|session| record.metrics[session]["seconds"].as_f64())
        .sum();
    Ok(report::Stage {
        name: name.into(),
        command: record.command,
        settings: record.settings,
        inputs: record.inputs,
        minutes: (seconds > 0.0).then_some(seconds / 60.0),
        bytes: Some(size),
        metrics: dev
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
            .collect(),
        ..report::Stage::default()
    })
}

fn values(metrics: &Metrics) -> BTreeMap<String, f64> {
    metrics.values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn image_size(image: &Image, outcome: &Outcome) -> report::ImageSize {
    let sections =
        image.section_bytes().map(|(kind, bytes)| (format!("{kind:?}").to_lowercase(), bytes as u64));
    report::ImageSize {
        bytes: outcome.cost.flash as u64,
        sections: sections.collect(),
        workspace_bytes: outcome.cost.ram as u64,
        max_tokens: image.config().max_tokens,
    }
}

fn candidate_row(compress: &Compress, found: &Found, candidate: &super::Candidate) -> report::Candidate {
    let broken = compress.settings.budget.broken(&candidate.cost);
    let chosen = candidate.choice == found.chosen.choice;
    let feasible = broken.is_empty();
    let reason = match (chosen, feasible) {
        (true, _) => "the most accurate within the budget, by what was measured".to_owned(),
        (false, true) => "less accurate".to_owned(),
        (false, false) => {
            let options: Vec<&str> = broken.into_iter().map(Limit::option).collect();
            format!("breaks {}", options.join(", "))
        }
    };
    report::Candidate {
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

fn latency_on(board: &Board, image: &Image) -> report::Latency {
    let layers: Vec<_> = image.layer_configs().collect();
    let tokens = image.config().max_tokens;
    report::Latency {
        board: board.name.clone(),
        core: board.core.name.into(),
        mhz: board.mhz,
        tokens,
        milliseconds: latency::milliseconds(
            &Answer { config: image.config(), layers: &layers, tokens },
            board,
        ),
    }
}

fn reasons(compress: &Compress, found: &Found, outcome: &Outcome) -> Vec<String> {
    let mut reasons = vec![
        format!(
            "Of {} models that can be made of the student, {} keeps within the budget with answers nearest to the whole \
             student's: {}.",
            found.places,
            found.chosen.name,
            distance_words(found)
        ),
        format!(
            "Before any training it was expected to have {} {:.4}; the whole student has {:.4}. Latencies are modelled, \
             not measured ({}).",
            found.metric, found.chosen.predicted, found.whole, compress.board
        ),
    ];
    reasons.extend(outcome.notes.iter().cloned());
    reasons
}

fn distance_words(found: &Found) -> String {
    match found.chosen.measured {
        Some(measured) => format!(
            "without training their logits are off by {:.2} % of their variance",
            100.0 * measured.distance
        ),
        None => "as predicted".into(),
    }
}
