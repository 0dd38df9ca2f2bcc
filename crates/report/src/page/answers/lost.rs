//! The texts that the teacher answers rightly and the image wrongly.

use super::heading;
use crate::format::{grouped, metric};
use crate::markup::Element;
use crate::page::paragraph;
use crate::page::table::{self, details, number, table};
use crate::{LostText, ReportedAnswers, TeacherComparison};

/// The part; `None` without a teacher.
pub fn part(answers: &ReportedAnswers) -> Option<Vec<Element>> {
    let TeacherComparison { name, only_teacher, only_image, lost } = answers.teacher.as_ref()?;
    let [samples, only_teacher, only_image] =
        [answers.samples, *only_teacher, *only_image].map(|count| grouped(count as u64));
    let summary = format!(
        "Of {samples} examples, the teacher {name} alone answers {only_teacher} rightly, and {} alone {only_image}.",
        answers.model
    );
    let hidden = (!lost.is_empty()).then(|| {
        let all = match lost.len().to_string() == only_teacher {
            true => format!("{only_teacher} texts that the teacher answers rightly and the image wrongly"),
            false => format!(
                "{} of {only_teacher} texts that the teacher answers rightly and the image wrongly",
                lost.len()
            ),
        };
        details(all, [texts(lost)])
    });
    let parts = [heading("Beside the teacher"), paragraph(summary)];
    Some(parts.into_iter().chain(hidden).collect())
}

fn texts(lost: &[LostText]) -> Element {
    let has_pairs = lost.iter().any(|of| of.pair.is_some());
    let mut columns = vec!["text"];
    columns.extend(has_pairs.then_some("second text"));
    columns.extend(["true label and teacher's answer", "teacher's probability"]);
    columns.extend(["image's answer", "image's probability"]);
    let rows = lost.iter().map(|of| {
        let mut cells = vec![table::name(&of.text).class("long")];
        cells.extend(has_pairs.then(|| table::text(of.pair.as_deref().unwrap_or_default()).class("long")));
        cells.extend([table::text(&of.gold), number(metric(of.teacher_probability))]);
        cells.extend([table::text(&of.answer), number(metric(of.probability))]);
        cells
    });
    table("Beginning with those of whose answer the image is most certain", &columns, rows)
}
