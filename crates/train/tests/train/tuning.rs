//! Fine-tuning with a search of the learning rate.

use std::fs;
use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_model::{Head, RunRecord};
use tinybert_testing::runs::{fine_tune_settings, metrics, output, with_data};
use tinybert_testing::toy;
use tinybert_train::{FineTune, FineTuneReport, Output, Recipe, Trial, fine_tune, fine_tune_at_best_rate};

fn tuned(place: &Path, out: &Output, context: &Context) -> Result<(FineTuneReport, Vec<Trial>)> {
    let model = toy::model(&place.join("fresh"), &toy::config(1, 16), &Head::None);
    with_data(|data| fine_tune_at_best_rate(4, &fine_tune_settings(), &model, data, out, context))
}

#[test]
fn the_result_is_the_plain_run_with_the_best_rate() {
    let place = tempfile::tempdir().unwrap();
    let [searched, plain] = ["searched", "plain"].map(|name| place.path().join(name));
    let (report, trials) = tuned(place.path(), &output(&searched, false), &Context::default()).unwrap();
    // 15 steps: a quarter, then half.
    let steps: Vec<u64> = trials.iter().map(|trial| trial.steps).collect();
    assert_eq!(steps, [3, 3, 3, 3, 7, 7]);
    let best =
        trials[4..].iter().reduce(|best, trial| if trial.dev > best.dev { trial } else { best }).unwrap();

    let record = RunRecord::read(&searched).unwrap();
    assert_eq!(record.settings["learning_rate"], best.learning_rate);
    let recorded: Vec<Trial> = serde_json::from_value(record.settings["tuning"].clone()).unwrap();
    assert_eq!(recorded, trials);
    assert!(!toy::run_folder(&searched).exists());

    let defaults = fine_tune_settings();
    let settings =
        FineTune { recipe: Recipe { learning_rate: best.learning_rate, ..defaults.recipe }, ..defaults };
    let model = toy::model(&place.path().join("fresh"), &toy::config(1, 16), &Head::None);
    let alone = with_data(|data| fine_tune(&settings, &model, data, &*plain, &Context::default())).unwrap();
    assert_eq!(alone.dev, report.dev);
    assert_eq!((toy::bits(&searched), metrics(&searched)), (toy::bits(&plain), metrics(&plain)));
}

#[test]
fn a_search_takes_no_time_limit() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("fresh"), &toy::config(1, 16), &Head::None);
    let mut settings = fine_tune_settings();
    settings.recipe.time_limit.max_minutes = Some(60.0);
    let folder = place.path().join("out");
    let (out, context) = (output(&folder, false), Context::default());
    let refused = with_data(|data| fine_tune_at_best_rate(4, &settings, &model, data, &out, &context));
    let error = refused.unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("minutes")), "{error}");
    assert!(!folder.exists() && !toy::run_folder(&folder).exists());
}

#[test]
fn a_search_in_parts_is_the_search() {
    let place = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
    let (_, trials) = tuned(place.path(), &output(&whole, false), &Context::default()).unwrap();
    let (mut stops, mut finished) = (0, 0);
    loop {
        let stop = toy::StopAfter::new(5);
        match tuned(place.path(), &output(&parts, stops > 0), &stop.context()) {
            Ok((_, found)) => break assert_eq!(found, trials),
            Err(Error::Interrupted(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        let journal = fs::read(toy::run_folder(&parts).join("tuning.json")).unwrap();
        let journal: serde_json::Value = serde_json::from_slice(&journal).unwrap();
        let now = journal["trials"].as_array().unwrap().len();
        assert!(now >= finished && stops < 20);
        finished = now;
    }
    assert!(stops > 3 && finished == trials.len());
    assert_eq!((toy::bits(&parts), metrics(&parts)), (toy::bits(&whole), metrics(&whole)));
    assert!(!toy::run_folder(&parts).exists());

    let error = tuned(place.path(), &output(&parts, true), &Context::default()).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("is complete")), "{error}");
}

#[test]
fn each_trial_has_events_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let events = place.path().join("events");
    let out = Output { tensorboard: Some(events.clone()), ..output(&place.path().join("out"), false) };
    tuned(place.path(), &out, &Context::default()).unwrap();
    let mut names: Vec<_> = fs::read_dir(&events)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names[0].starts_with("events.out.tfevents."), "{names:?}");
    assert_eq!(
        names[1..],
        [
            "round-1-trial-1",
            "round-1-trial-2",
            "round-1-trial-3",
            "round-1-trial-4",
            "round-2-trial-1",
            "round-2-trial-2"
        ]
    );
}
