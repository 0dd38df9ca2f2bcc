//! Runs that end because their evaluations no longer improve.

use std::num::NonZeroU64;
use std::path::Path;

use serde_json::Value;
use tinybert_base::{Context, Error, Result};
use tinybert_model::{Head, RunRecord};
use tinybert_testing::runs::{fine_tune_settings, metrics, output, with_data};
use tinybert_testing::toy;
use tinybert_train::{FineTune, FineTuneReport, Output, Recipe, fine_tune};

/// Six epochs of five steps with two evaluations each, at a rate that changes no answer: the first evaluation is the
/// best one.
fn settings(patience: Option<u64>) -> FineTune {
    let defaults = fine_tune_settings();
    FineTune {
        recipe: Recipe { epochs: 6, learning_rate: 1e-9, ..defaults.recipe },
        patience: patience.map(|patience| NonZeroU64::new(patience).unwrap()),
        ..defaults
    }
}

fn run(
    settings: &FineTune,
    place: &Path,
    output: impl Into<Output>,
    context: &Context,
) -> Result<FineTuneReport> {
    let model = toy::model(&place.join("fresh"), &toy::config(1, 16), &Head::None);
    with_data(|data| fine_tune(settings, &model, data, output, context))
}

fn evaluations(out: &Path) -> Vec<Value> {
    metrics(out).into_iter().filter(|line| line["dev"].is_object()).collect()
}

#[test]
fn a_run_without_progress_ends_and_keeps_the_best_weights() {
    let place = tempfile::tempdir().unwrap();
    let [whole, short] = ["whole", "short"].map(|name| place.path().join(name));
    run(&settings(None), place.path(), &*whole, &Context::default()).unwrap();
    let said = toy::RecordedLines::default();
    let report = run(&settings(Some(3)), place.path(), &*short, &said.context()).unwrap();
    // The evaluations of 5 steps come after the third and the fifth; the fourth evaluation is the third without
    // progress.
    assert!(report.training.out_of_patience && report.training.steps == 10, "{report:?}");
    assert!(said.lines().contains("ends at step 10: no evaluation of the last 3"), "{}", said.lines());
    assert_eq!(evaluations(&short), evaluations(&whole)[..4]);
    assert_eq!(toy::bits(&short), toy::bits(&whole));

    // The schedule is that of the whole run: linear, after a warm-up of 3 of 30 steps.
    let lines = metrics(&short);
    let last = lines.iter().rfind(|line| line["learning_rate"].is_f64()).unwrap();
    let expected = 1e-9 * (1.0 - 9.5 / 30.0) / 0.9;
    let found = last["learning_rate"].as_f64().unwrap();
    assert_eq!(last["step"], 10);
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");

    let recorded = |out| RunRecord::read(out).unwrap();
    let (whole, short) = (recorded(&whole), recorded(&short));
    assert_eq!((&short.settings["patience"], &short.metrics["training"]["steps"]), (&3.into(), &10.into()));
    assert_eq!(short.metrics["training"]["out_of_patience"], true);
    assert!(whole.settings.get("patience").is_none());
    assert!(whole.metrics["training"].get("out_of_patience").is_none());
}

#[test]
fn patience_counts_on_after_an_interruption() {
    let place = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
    run(&settings(Some(4)), place.path(), &*whole, &Context::default()).unwrap();
    let mut stops = 0;
    loop {
        let stop = toy::StopAfter::new(3);
        match run(&settings(Some(4)), place.path(), output(&parts, stops > 0), &stop.context()) {
            Ok(report) => {
                assert!(report.training.out_of_patience && report.training.steps == 13, "{report:?}");
                break;
            }
            Err(Error::Interrupted(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 10);
    }
    assert!(stops > 2);
    assert_eq!((toy::bits(&parts), metrics(&parts)), (toy::bits(&whole), metrics(&whole)));
}

#[test]
fn progress_needs_no_patience() {
    let place = tempfile::tempdir().unwrap();
    let settings = FineTune { patience: NonZeroU64::new(12), ..fine_tune_settings() };
    let report = run(&settings, place.path(), &*place.path().join("out"), &Context::default()).unwrap();
    assert!(!report.training.out_of_patience && report.training.steps == 15, "{report:?}");
}
