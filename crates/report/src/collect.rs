//! Filling a report from what commands wrote: model folders with `run.json` and `metrics.jsonl`, and images.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Curve, CurvePoint, ImageSize, Report, StageReport, html};
use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::metrics::intervals::{Interval, of_shares};
use tinybert_model::image_file::{ImageFile, section_name};
use tinybert_model::{METRICS, RUN_RECORD, RunRecord, WEIGHTS, parameters};

impl Report {
    /// An empty report that `command` makes.
    pub fn new(title: impl Into<String>, command: impl Into<String>) -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        Self { title: title.into(), version, command: command.into(), ..Self::default() }
    }

    /// Reads `report.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Input`] with line and reason if it is not a report.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::line(path, error.line(), format!("not a report: {error}")))
    }

    /// The text of `report.json`.
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a report is plain values");
        format!("{value:#}\n")
    }

    /// Writes `report.json` completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_json(&self, path: &Path) -> Result<()> {
        write_file(path, self.to_json().as_bytes())
    }

    /// Writes the page completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_page(&self, path: &Path) -> Result<()> {
        write_file(path, html(self).as_bytes())
    }

    /// Adds the stage of a model folder, or of the folder `OUT.run` of a run in progress.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder that has neither `run.json` nor `metrics.jsonl`, or whose files are
    /// damaged; [`Error::Io`].
    pub fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let (recorded, metrics) = (folder.join(RUN_RECORD).exists(), folder.join(METRICS));
        if !recorded && !metrics.exists() {
            let what = format!(
                "has neither {RUN_RECORD} nor {METRICS}; name a folder that init, fine-tune, distill or prune wrote, the OUT.run of a \
                 run in progress, an image, or of a compress that is not complete the folders of its stages"
            );
            return Err(Error::input(folder, what));
        }
        let mut stage = StageReport { name: name_of(folder), ..StageReport::default() };
        if recorded {
            let record = RunRecord::read(folder)?;
            let mut results = RecordedResults::default();
            results.collect("", &record.metrics);
            (stage.command, stage.settings, stage.inputs) = (record.command, record.settings, record.inputs);
            (stage.metrics, stage.intervals) = (results.metrics, results.intervals);
            stage.minutes = results.seconds.map(|seconds| seconds / 60.0);
            self.metric = results.primary.unwrap_or(std::mem::take(&mut self.metric));
        }
        if metrics.exists() {
            stage.curves = curves(&metrics)?;
        }
        let weights = folder.join(WEIGHTS);
        if weights.exists() {
            stage.parameters = Some(parameters(&weights)?);
            stage.bytes = Some(fs::metadata(&weights).map_err(Error::io(&weights))?.len());
        }
        self.stages.push(stage);
        Ok(())
    }

    /// Adds the stage of an image with its metrics on the development set, if it was evaluated.
    /// [`Report::image`] gets the sizes of the last image that was added.
    ///
    /// # Errors
    /// Returns the errors of [`ImageFile::model`].
    pub fn add_image(&mut self, path: &Path, image: &ImageFile, judged: Option<&Metrics>) -> Result<()> {
        let mut stage =
            StageReport { name: name_of(path), command: "quantize".into(), ..StageReport::default() };
        stage.bytes = Some(image.size() as u64);
        if let Some(metrics) = judged {
            (stage.metrics, stage.intervals) = (metrics.values.clone(), metrics.intervals.clone());
            self.metric.clone_from(&metrics.primary);
        }
        self.image = Some(ImageSize::of_image(image)?);
        self.stages.push(stage);
        Ok(())
    }
}

impl ImageSize {
    /// The sizes of an image.
    ///
    /// # Errors
    /// Returns the errors of [`ImageFile::model`].
    pub fn of_image(image: &ImageFile) -> Result<Self> {
        let model = image.model()?;
        let sections = model.image().section_bytes();
        Ok(Self {
            bytes: image.size() as u64,
            sections: sections.map(|(kind, bytes)| (section_name(kind).to_owned(), bytes as u64)).collect(),
            workspace_bytes: model.max_workspace_bytes() as u64,
            max_tokens: model.config().max_tokens,
            latency_ms: None,
        })
    }
}

/// The last component of a path.
fn name_of(path: &Path) -> String {
    // The components `.` and `..` are no names.
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Metrics and times in the results of any command.
#[derive(Default)]
struct RecordedResults {
    primary: Option<String>,
    metrics: BTreeMap<String, f64>,
    /// The intervals that follow from the metrics and the number of examples.
    intervals: BTreeMap<String, Interval>,
    seconds: Option<f64>,
}

impl RecordedResults {
    /// Collects metrics and times at every depth. Metrics of the development set keep their names; the names
    /// of all others get the name of their field as a prefix: `teacher accuracy`.
    fn collect(&mut self, place: &str, results: &Value) {
        let Value::Object(entries) = results else { return };
        if let Some(seconds) = entries.get("seconds").and_then(Value::as_f64) {
            *self.seconds.get_or_insert_default() += seconds;
        }
        if let (Some(primary), Some(Value::Object(values))) =
            (entries.get("primary").and_then(Value::as_str), entries.get("values"))
        {
            let prefix = if place == "dev" { String::new() } else { format!("{place} ") };
            let values: BTreeMap<String, f64> =
                values.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
            let samples = entries.get("samples").and_then(Value::as_u64).unwrap_or(0);
            let named = |name: String| format!("{prefix}{name}");
            self.intervals
                .extend(of_shares(&values, samples).into_iter().map(|(name, ends)| (named(name), ends)));
            self.metrics.extend(values.into_iter().map(|(name, value)| (named(name), value)));
            if place == "dev" {
                self.primary = Some(primary.to_owned());
            }
            return;
        }
        entries.iter().for_each(|(place, results)| self.collect(place, results));
    }
}

/// A line of `metrics.jsonl`: the losses since the previous line, or an evaluation on the development set.
#[derive(serde::Deserialize)]
struct MetricsLine {
    /// Early versions logged evaluations without the session.
    session: Option<String>,
    step: u64,
    loss: Option<f64>,
    #[serde(default)]
    parts: BTreeMap<String, f64>,
    dev: Option<DevMetrics>,
}

#[derive(serde::Deserialize)]
struct DevMetrics {
    values: BTreeMap<String, f64>,
}

/// One curve for each session, in the order in which the sessions began.
fn curves(path: &Path) -> Result<Vec<Curve>> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    // A run in progress may have written only a part of the last line.
    let complete_lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut curves: Vec<Curve> = Vec::new();
    for (index, line) in complete_lines.lines().enumerate() {
        let line: MetricsLine = serde_json::from_str(line)
            .map_err(|error| Error::line(path, index + 1, format!("not a line of metrics: {error}")))?;
        let last = curves.last().map(|curve| curve.session.clone());
        let session = line.session.or(last).unwrap_or_default();
        let at = curves.iter().position(|curve| curve.session == session).unwrap_or_else(|| {
            curves.push(Curve { session, ..Curve::default() });
            curves.len() - 1
        });
        let curve = &mut curves[at];
        if let Some(loss) = line.loss {
            // A single part is equal to the total.
            let mut values = if line.parts.len() > 1 { line.parts } else { BTreeMap::new() };
            values.insert("loss".into(), loss);
            curve.losses.push(CurvePoint { step: line.step, values });
        }
        if let Some(DevMetrics { values }) = line.dev {
            curve.evaluations.push(CurvePoint { step: line.step, values });
        }
    }
    Ok(curves)
}

#[cfg(test)]
mod tests;
