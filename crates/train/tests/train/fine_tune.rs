//! Fine-tuning toy models from folder to folder.

use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, Target};
use tinybert_model::{Checkpoint, Head};
use tinybert_testing::toy;
use tinybert_train::{FineTune, FineTuneReport, Recipe, TaskData, TimeLimit, fine_tune};

fn settings() -> FineTune {
    FineTune {
        max_tokens: 16,
        recipe: Recipe { epochs: 6, batch_size: 8, learning_rate: 3e-3, ..FineTune::default().recipe },
        ..FineTune::default()
    }
}

/// Fine-tunes a fresh two-layer encoder on the toy sentences into `out`.
fn run(settings: &FineTune, place: &Path) -> Result<FineTuneReport> {
    let model = toy::model(&place.join("fresh"), &toy::config(2, 16), &Head::None);
    let (train, dev) = (toy::sentences(200, 1), toy::sentences(60, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    fine_tune(settings, &model, &data, place.join("out"), &Context::default())
}

#[test]
fn a_separable_task_is_learned_and_the_folder_is_complete() {
    let place = tempfile::tempdir().unwrap();
    let report = run(&settings(), place.path()).unwrap();
    assert!(report.dev.primary() >= 0.95, "{report:?}");
    assert_eq!(report.training.steps, 6 * 25);

    let out = place.path().join("out");
    let trained = Checkpoint::load(&out).unwrap();
    assert_eq!(trained.head, Head::Classification { labels: toy::labels() });
    let evaluations = toy::metrics(&out).iter().filter(|line| line["dev"].is_object()).count();
    assert_eq!(evaluations, 6);
    assert!(!toy::run_folder(&out).exists());
}

#[test]
fn regression_learns_scores() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("fresh"), &toy::config(1, 16), &Head::None);
    let (train, dev) = (toy::scored(200, 1), toy::scored(60, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::PearsonAndSpearman };
    let report =
        fine_tune(&settings(), &model, &data, place.path().join("out"), &Context::default()).unwrap();
    assert!(report.dev.values["pearson"] >= 0.95, "{report:?}");
}

#[test]
fn one_seed_gives_one_result_on_any_number_of_threads() {
    let weights = |threads: usize| {
        let place = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            run(&FineTune { recipe: Recipe { epochs: 1, ..settings().recipe }, ..settings() }, place.path())
        })
        .unwrap();
        toy::bits(&place.path().join("out"))
    };
    assert_eq!(weights(1), weights(2));
}

#[test]
fn time_that_is_up_ends_the_run_early_but_well() {
    let place = tempfile::tempdir().unwrap();
    let time_limit = TimeLimit { max_minutes: Some(0.0) };
    let report =
        run(&FineTune { recipe: Recipe { time_limit, ..settings().recipe }, ..settings() }, place.path())
            .unwrap();
    assert!(report.training.out_of_time && report.training.steps == 0);
    assert!(Checkpoint::load(&place.path().join("out")).is_ok());
}

#[test]
fn divergence_is_reported_with_its_step_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let error = run(
        &FineTune { recipe: Recipe { learning_rate: 1e30, ..settings().recipe }, ..settings() },
        place.path(),
    )
    .unwrap_err();
    assert!(matches!(&error, Error::Diverged(what) if what.contains("at step")), "{error}");
    let out = place.path().join("out");
    assert!(!out.exists() && !toy::run_folder(&out).exists());
}

#[test]
fn data_that_are_probably_a_mistake_are_learned_from_with_a_warning() {
    let place = tempfile::tempdir().unwrap();
    let quick = FineTune { recipe: Recipe { epochs: 1, ..settings().recipe }, ..settings() };
    let said = |train: &Dataset, dev: &Dataset| {
        let model = toy::model(&place.path().join("model"), &toy::config(1, 16), &Head::None);
        let data = TaskData { train, dev, metrics: MetricSet::Accuracy };
        let said = toy::RecordedLines::default();
        fine_tune(&quick, &model, &data, place.path().join("out"), &said.context()).unwrap();
        said.lines()
    };
    let (train, dev) = (toy::sentences(24, 1), toy::sentences(20, 2));
    assert!(!said(&train, &dev).contains("warning"));
    let mut alike = dev.clone();
    alike.examples.retain(|example| example.target == Target::Class(0));
    let warned = said(&train, &alike);
    assert!(warned.contains("warning: all ") && warned.contains("\"negative\""), "{warned}");

    let labels: Vec<String> = (0..13).map(|score| format!("0.{score}")).collect();
    let [train, dev] = [train, dev].map(|data| Dataset { labels: labels.clone(), ..data });
    assert!(said(&train, &dev).contains("24 training examples have 13 different labels"));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    for (settings, expected) in [
        (FineTune { recipe: Recipe { epochs: 0, ..settings().recipe }, ..settings() }, "at least one epoch"),
        (FineTune { recipe: Recipe { batch_size: 0, ..settings().recipe }, ..settings() }, "batch size 0"),
        (
            FineTune { recipe: Recipe { learning_rate: f64::NAN, ..settings().recipe }, ..settings() },
            "learning rate NaN",
        ),
        (FineTune { max_tokens: 17, ..settings() }, "expected 3 to 16"),
    ] {
        let error = run(&settings, place.path()).unwrap_err();
        assert!(matches!(&error, Error::Usage(what) if what.contains(expected)), "{error}");
    }

    let model = toy::model(&place.path().join("fresh"), &toy::config(1, 16), &Head::None);
    let refuse = |train: &_, dev: &_, expected: &str| {
        let data = TaskData { train, dev, metrics: MetricSet::Accuracy };
        let error =
            fine_tune(&settings(), &model, &data, place.path().join("out"), &Context::default()).unwrap_err();
        assert!(matches!(&error, Error::Input(what) if what.contains(expected)), "{error}");
    };
    refuse(&toy::sentences(8, 1), &toy::scored(8, 1), "ask different things");
    let mut unlabelled = toy::sentences(8, 1);
    unlabelled.examples[2].target = Target::None;
    refuse(&unlabelled, &toy::sentences(8, 1), "example 3 has no label");
}
