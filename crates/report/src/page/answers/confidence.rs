//! How far the probabilities of the answers can be trusted: the reliability diagram and the risk-coverage curve.

use tinybert_data::metrics::confidence::ReliabilityBin;

use super::heading;
use crate::charts::line::{self, Series};
use crate::charts::{Caption, Point, reliability};
use crate::format::{fixed, grouped, metric};
use crate::markup::Element;
use crate::page::table::{self, details, number, table};
use crate::page::{charts, figure, paragraph};
use crate::{ReportedAnswers, ReportedConfidence, RiskPoint};

/// The part; `None` for answers that are not one label.
pub fn part(answers: &ReportedAnswers) -> Option<Vec<Element>> {
    if answers.reliability.is_empty() || answers.risk_coverage.is_empty() {
        return None;
    }
    let threshold = answers.threshold.map(|RiskPoint { probability, coverage, risk }| {
        let percent = |share: f64| fixed(100.0 * share, 1);
        paragraph(format!(
            "The threshold that the image stores accepts {} % of the answers, those with a probability of at least {}; {} \
             % of the accepted answers are wrong.",
            percent(coverage),
            metric(probability),
            percent(risk)
        ))
    });
    let tables = [bins(&answers.reliability), risks(&answers.risk_coverage, answers.threshold)];
    let note = paragraph(
        "If temperature and threshold were fitted to these very examples, they look better here than on other texts.",
    );
    let parts = [heading("Confidence")].into_iter().chain(threshold);
    let parts = parts.chain(answers.confidence.as_ref().map(values)).chain([note.class("muted")]);
    let figures = charts([diagram(&answers.reliability), curve(answers)]);
    Some(parts.chain([figures, details("Numbers", tables)]).collect())
}

/// A row for each value.
fn values(confidence: &ReportedConfidence) -> Element {
    let ReportedConfidence { temperature, threshold, out_of_scope, unknown, values, intervals } = confidence;
    let plain = |name: &str, value: f64| vec![table::name(name), number(metric(value))];
    let label =
        out_of_scope.iter().map(|label| vec![table::name("label that is not accepted"), table::text(label)]);
    let unknown = (*unknown > 0)
        .then(|| vec![table::name("examples that are none of the labels"), number(grouped(*unknown as u64))]);
    let stated =
        [plain("temperature", *temperature), plain("threshold", *threshold)].into_iter().chain(label);
    let measured = values
        .keys()
        .map(|name| vec![table::name(name.replace('_', " ")), table::metric(values, intervals, name)]);
    let rows = stated.chain(unknown).chain(measured);
    table("Probabilities and acceptance, with 95 % intervals", &["", "value"], rows)
}

fn diagram(bins: &[ReliabilityBin]) -> Element {
    let title = "Reliability: how often answers of a probability are right";
    let caption = Caption {
        id: "reliability".into(),
        title: title.into(),
        description: "A bar for each of 15 bins of probability; below the diagonal the model is too certain."
            .into(),
    };
    let note = "Above each bar: the number of answers. On the diagonal, answers are right as often as their probability \
                says; below it the model is too certain.";
    figure(title, reliability::chart(&caption, bins), &[]).child(paragraph(note).class("muted note"))
}

fn curve(answers: &ReportedAnswers) -> Element {
    let title = "Risk by coverage: wrong answers if only the most probable ones are accepted";
    let caption = Caption {
        id: "risk-coverage".into(),
        title: title.into(),
        description: "The share of wrong answers over the share of accepted answers.".into(),
    };
    let place = |of: &RiskPoint| Point::new(of.coverage, of.risk);
    let series = [Series { name: "risk".into(), points: answers.risk_coverage.iter().map(place).collect() }];
    let marked = answers.threshold.as_ref().map(place);
    let chart = line::marked(&caption, "accepted share of answers", "share of wrong ones", &series, marked);
    let note =
        marked.map(|_| paragraph("The diamond is the threshold that the image stores.").class("muted note"));
    figure(title, chart, &[]).children(note)
}

fn bins(bins: &[ReliabilityBin]) -> Element {
    let width = bins.len() as f64;
    let rows = bins.iter().enumerate().map(|(at, bin)| {
        let ends = [at, at + 1].map(|edge| fixed(edge as f64 / width, 2));
        let means = bin.accuracy_and_confidence();
        let shares = [means.map(|(accuracy, _)| accuracy), means.map(|(_, confidence)| confidence)];
        let shares = shares.map(|share| number(share.map_or_else(String::new, metric)));
        std::iter::once(number(format!("{} to {}", ends[0], ends[1])))
            .chain([number(grouped(bin.count))])
            .chain(shares)
            .collect()
    });
    let columns = ["probability", "answers", "share of right ones", "mean probability"];
    table("Reliability diagram", &columns, rows)
}

/// A row for each tenth of the coverage, and one for the threshold.
fn risks(curve: &[RiskPoint], threshold: Option<RiskPoint>) -> Element {
    let tenths = (1..=10).filter_map(|tenth| {
        let coverage = f64::from(tenth) / 10.0;
        curve.iter().find(|point| point.coverage >= coverage - 1e-9).copied()
    });
    let mut rows: Vec<(RiskPoint, &str)> = tenths.map(|point| (point, "")).collect();
    rows.dedup();
    rows.extend(threshold.map(|point| (point, "stored threshold")));
    rows.sort_by(|(a, _), (b, _)| a.coverage.total_cmp(&b.coverage));
    let columns = ["least probability", "accepted share", "share of wrong ones", ""];
    let rows = rows.into_iter().map(|(point, note)| {
        let numbers = [point.probability, point.coverage, point.risk].map(|share| number(metric(share)));
        numbers.into_iter().chain([table::text(note)]).collect()
    });
    table("Risk by coverage", &columns, rows)
}
