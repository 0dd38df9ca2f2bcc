//! Task distillation with a search of the learning rate of its prediction stage.

use std::num::NonZeroU64;
use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_distill::{StageRecipe, TaskReport, TaskSettings, distill_task, distill_task_at_best_rate};
use tinybert_model::{Head, RunRecord};
use tinybert_testing::runs::{labelled, metrics, output, with_data};
use tinybert_testing::toy;
use tinybert_train::{Output, Trial};

/// One intermediate and two prediction epochs of five steps.
fn settings() -> TaskSettings {
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    TaskSettings {
        intermediate: stage(defaults.intermediate.clone(), 1),
        prediction: stage(defaults.prediction.clone(), 2),
        gold_weight: 0.5,
        max_tokens: 16,
        allow_weak_teacher: true,
        ..defaults
    }
}

fn tuned(place: &Path, out: &Output, context: &Context) -> Result<(TaskReport, Vec<Trial>)> {
    let teacher = toy::model(&place.join("teacher"), &toy::config(4, 32), &labelled());
    let student = toy::model(&place.join("student"), &toy::config(2, 16), &Head::None);
    with_data(|data| {
        distill_task_at_best_rate(2, &settings(), (&teacher).into(), &student, data, out, context)
    })
}

#[test]
fn the_result_is_the_plain_run_with_the_best_rate_in_parts_too() {
    let place = tempfile::tempdir().unwrap();
    let [searched, plain] = ["searched", "plain"].map(|name| place.path().join(name));
    let mut stops = 0;
    let trials = loop {
        let stop = toy::StopAfter::new(6);
        match tuned(place.path(), &output(&searched, stops > 0), &stop.context()) {
            Ok((_, trials)) => break trials,
            Err(Error::Interrupted(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 20);
    };
    assert!(stops > 1);
    assert_eq!(trials.iter().map(|trial| trial.steps).collect::<Vec<_>>(), [5, 5]);
    let record = RunRecord::read(&searched).unwrap();
    let learning_rate = record.settings["prediction"]["learning_rate"].as_f64().unwrap();
    assert!(trials.iter().any(|trial| trial.learning_rate == learning_rate), "{trials:?}");
    assert_eq!(record.settings["intermediate"]["epochs"], 1);
    assert!(!toy::run_folder(&searched).exists());

    let settings = settings();
    let settings =
        TaskSettings { prediction: StageRecipe { learning_rate, ..settings.prediction.clone() }, ..settings };
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &labelled());
    let student = toy::model(&place.path().join("student"), &toy::config(2, 16), &Head::None);
    with_data(|data| distill_task(&settings, &teacher, &student, data, &*plain, &Context::default()))
        .unwrap();
    assert_eq!((toy::bits(&searched), metrics(&searched)), (toy::bits(&plain), metrics(&plain)));
}

/// The trials start where the intermediate stage ends, although its result went through a folder.
#[test]
fn a_trial_is_the_beginning_of_the_plain_run() {
    let place = tempfile::tempdir().unwrap();
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &labelled());
    let student = toy::model(&place.path().join("student"), &toy::config(2, 16), &Head::None);
    let (report, trials) =
        tuned(place.path(), &output(&place.path().join("out"), false), &Context::default()).unwrap();
    assert!(report.intermediate.is_some());
    for trial in trials {
        let settings = settings();
        let prediction = StageRecipe { learning_rate: trial.learning_rate, ..settings.prediction.clone() };
        let settings = TaskSettings { prediction, max_steps: Some(trial.steps), ..settings };
        let out = place.path().join("alone");
        let context = Context::default();
        let alone =
            with_data(|data| distill_task(&settings, &teacher, &student, data, &*out, &context)).unwrap();
        assert_eq!(Some(alone.dev.primary()), trial.dev);
    }
}

#[test]
fn patience_ends_the_prediction_stage_alone() {
    let place = tempfile::tempdir().unwrap();
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(4, 32), &labelled());
    let student = toy::model(&place.path().join("student"), &toy::config(2, 16), &Head::None);
    let defaults = settings();
    let settings = TaskSettings {
        prediction: StageRecipe { learning_rate: 1e-9, epochs: 6, ..defaults.prediction.clone() },
        patience: NonZeroU64::new(2),
        ..defaults
    };
    let out = place.path().join("out");
    let context = Context::default();
    let report =
        with_data(|data| distill_task(&settings, &teacher, &student, data, &*out, &context)).unwrap();
    let (intermediate, prediction) = (report.intermediate.unwrap(), report.prediction.unwrap());
    assert!(!intermediate.out_of_patience && intermediate.steps == 5);
    assert!(prediction.out_of_patience && prediction.steps == 15, "{prediction:?}");
}
