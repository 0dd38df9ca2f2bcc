//! Runs that are stopped and resumed end with the weights of runs that were not.

use std::fs;
use std::path::{Path, PathBuf};

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_model::{Checkpoint, Head};
use tinybert_testing::runs::{
    fine_tune_settings, labelled, metrics, output, run_fine_tune, run_general, run_masked_lm,
    run_quantization_aware, run_task, with_data,
};
use tinybert_testing::toy;
use tinybert_train::{FineTune, Output, Recipe, TaskData, fine_tune};

/// Runs `run` on so many threads.
fn on<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Stops `run` every few steps, on one thread and on two in turn, and compares it with a run in one piece.
fn stopping_changes_nothing(run: fn(&Path, Output, &Context) -> Result<()>) {
    let place = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
    on(1, || run(place.path(), output(&whole, false), &Context::default())).unwrap();
    let mut stops = 0;
    for steps in [4, 1, 2, 3].into_iter().cycle() {
        let stop = toy::StopAfter::new(steps);
        match on(1 + stops % 2, || run(place.path(), output(&parts, stops > 0), &stop.context())) {
            Ok(()) => break,
            Err(Error::Interrupted(what)) => assert!(what.contains("--resume"), "{what}"),
            Err(error) => panic!("{error}"),
        }
        stops += 1;
        assert!(stops < 20);
    }
    assert!(stops > 3);
    assert_eq!(
        fs::read(whole.join("model.safetensors")).unwrap(),
        fs::read(parts.join("model.safetensors")).unwrap()
    );
    assert_eq!(metrics(&whole), metrics(&parts));
    assert!(!toy::run_folder(&parts).exists());
}

#[test]
fn fine_tuning_in_parts_is_fine_tuning() {
    stopping_changes_nothing(run_fine_tune);
}

#[test]
fn the_general_stage_in_parts_is_the_general_stage() {
    stopping_changes_nothing(run_general);
}

#[test]
fn masked_lm_training_in_parts_is_masked_lm_training() {
    stopping_changes_nothing(run_masked_lm);
}

#[test]
fn both_task_stages_in_parts_are_the_task_stages() {
    stopping_changes_nothing(run_task);
}

#[test]
fn quantization_aware_distillation_in_parts_is_one() {
    stopping_changes_nothing(run_quantization_aware);
}

/// A fine-tuning run in `place/out` that was stopped after seven steps, and its checkpoints.
fn stopped(place: &Path) -> (PathBuf, Vec<PathBuf>) {
    let out = place.join("out");
    let error = run_fine_tune(place, output(&out, false), &toy::StopAfter::new(7).context()).unwrap_err();
    assert!(matches!(&error, Error::Interrupted(what) if what.contains("after 7 steps")), "{error}");
    let mut checkpoints: Vec<PathBuf> = fs::read_dir(toy::run_folder(&out))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    checkpoints.sort();
    (out, checkpoints)
}

#[test]
fn the_last_two_checkpoints_stay_and_are_models() {
    let place = tempfile::tempdir().unwrap();
    let (out, checkpoints) = stopped(place.path());
    let names: Vec<_> = checkpoints.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["step-00000006", "step-00000007"]);
    assert_eq!(Checkpoint::load(&checkpoints[1]).unwrap().head, labelled());
    assert!(!out.exists());
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let place = tempfile::tempdir().unwrap();
    let (out, checkpoints) = stopped(place.path());
    for (file, at) in [("training.safetensors", 400), ("model.safetensors", 4000)] {
        let damaged = checkpoints[1].join(file);
        let mut bytes = fs::read(&damaged).unwrap();
        bytes[at] ^= 1;
        fs::write(&damaged, bytes).unwrap();
    }
    run_fine_tune(place.path(), output(&out, true), &Context::default()).unwrap();
    let whole = place.path().join("whole");
    run_fine_tune(place.path(), output(&whole, false), &Context::default()).unwrap();
    let expected = (toy::bits(&whole), metrics(&whole));
    assert_eq!((toy::bits(&out), metrics(&out)), expected);

    // With nothing to fall back on the run begins anew, and says what is lost.
    let place = tempfile::tempdir().unwrap();
    let (out, checkpoints) = stopped(place.path());
    fs::remove_dir_all(&checkpoints[0]).unwrap();
    fs::write(checkpoints[1].join("training.safetensors"), "").unwrap();
    let said = toy::RecordedLines::default();
    run_fine_tune(place.path(), output(&out, true), &said.context()).unwrap();
    let said = said.lines();
    for part in ["step-00000007", "training.safetensors is not", "beginning anew", "lost"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((toy::bits(&out), metrics(&out)), expected);
}

#[test]
fn another_run_is_refused_and_leaves_the_checkpoints_alone() {
    let place = tempfile::tempdir().unwrap();
    let (out, checkpoints) = stopped(place.path());
    let model = toy::model(&place.path().join("fresh"), &toy::config(2, 16), &Head::None);
    let with = |settings: &FineTune, model: &Checkpoint, train: &Dataset, resume| {
        let dev = toy::sentences(20, 2);
        let data = TaskData { train, dev: &dev, metrics: MetricSet::Accuracy };
        fine_tune(settings, model, &data, output(&out, resume), &Context::default()).unwrap_err()
    };
    let (settings, train) = (fine_tune_settings(), toy::sentences(40, 1));

    let faster =
        FineTune { recipe: Recipe { learning_rate: 1e-2, ..settings.recipe.clone() }, ..settings.clone() };
    let error = with(&faster, &model, &train, true);
    let expected = "learning_rate: it began with 0.003, now 0.01";
    assert!(matches!(&error, Error::Usage(what) if what.contains(expected)), "{error}");

    let error = with(&settings, &model, &toy::sentences(40, 9), true);
    assert!(matches!(&error, Error::Input(what) if what.contains("training examples")), "{error}");

    let other = toy::model(&place.path().join("other"), &toy::config(3, 16), &Head::None);
    let error = with(&settings, &other, &train, true);
    assert!(matches!(&error, Error::Input(what) if what.contains("other/config.json")), "{error}");

    let error = with(&settings, &model, &train, false);
    assert!(matches!(&error, Error::Usage(what) if what.contains("give --resume")), "{error}");
    assert!(checkpoints.iter().all(|checkpoint| checkpoint.exists()));
}

#[test]
fn time_limits_may_change_on_the_way() {
    let place = tempfile::tempdir().unwrap();
    let (out, _) = stopped(place.path());
    let model = toy::model(&place.path().join("fresh"), &toy::config(2, 16), &Head::None);
    let mut settings = fine_tune_settings();
    settings.recipe.time_limit.max_minutes = Some(0.0);
    let report =
        with_data(|data| fine_tune(&settings, &model, data, output(&out, true), &Context::default()))
            .unwrap();
    assert!(report.training.out_of_time && report.training.steps == 7);
}

#[test]
fn resuming_nothing_begins_and_a_complete_run_is_not_repeated() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    run_fine_tune(place.path(), output(&out, true), &Context::default()).unwrap();
    let error = run_fine_tune(place.path(), output(&out, true), &Context::default()).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("is complete")), "{error}");
    run_fine_tune(place.path(), output(&out, false), &Context::default()).unwrap();
}

#[test]
fn metrics_that_were_cut_off_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let (out, _) = stopped(place.path());
    fs::write(toy::run_folder(&out).join("metrics.jsonl"), "").unwrap();
    let error = run_fine_tune(place.path(), output(&out, true), &Context::default()).unwrap_err();
    assert!(matches!(&error, Error::Input(what) if what.contains("metrics.jsonl: cut off")), "{error}");
}
