//! Sparse distillation: as many zeros as asked for, where they may be, and the same bits however often it is
//! stopped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_distill::{StageRecipe, TaskSettings, distill_task};
use tinybert_model::{Checkpoint, Head};
use tinybert_testing::runs::{fine_tune_settings, labelled, metrics, output, with_data};
use tinybert_testing::toy;
use tinybert_train::sparsity::{SparsityMethod, SparsitySettings};
use tinybert_train::{Output, fine_tune};

fn sparse(method: SparsityMethod, pattern: &str) -> Option<SparsitySettings> {
    let settings = SparsitySettings::new(0.5);
    Some(SparsitySettings { method, pattern: pattern.parse().unwrap(), ..settings })
}

fn settings(intermediate: u64, sparsity: Option<SparsitySettings>) -> TaskSettings {
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    TaskSettings {
        intermediate: stage(defaults.intermediate.clone(), intermediate),
        prediction: stage(defaults.prediction.clone(), 3),
        evaluations_per_epoch: 2,
        max_tokens: 16,
        sparsity,
        allow_weak_teacher: true,
        ..defaults
    }
}

fn run(
    place: &Path,
    student: &Checkpoint,
    settings: &TaskSettings,
    output: Output,
    context: &Context,
) -> Result<()> {
    let teacher = toy::model(&place.join("teacher"), &toy::config(4, 32), &labelled());
    with_data(|data| distill_task(settings, &teacher, student, data, output, context)).map(drop)
}

fn fresh(place: &Path) -> Checkpoint {
    toy::model(&place.join("student"), &toy::config(2, 16), &Head::None)
}

/// The zeros of the layers' linears: name, output, input.
fn zeros(folder: &Path) -> BTreeSet<(String, usize, usize)> {
    let model = Checkpoint::load(folder).unwrap();
    let mut found = BTreeSet::new();
    for (name, tensor) in
        model.tensors.iter().filter(|(name, tensor)| name.contains("layer.") && tensor.rank() == 2)
    {
        for (row, values) in tensor.to_vec2::<f32>().unwrap().iter().enumerate() {
            let columns = (0..values.len()).filter(|&column| values[column] == 0.0);
            found.extend(columns.map(|column| (name.clone(), row, column)));
        }
    }
    found
}

/// Weights of the two layers' linears: four of 16 × 16 and two of 16 × 32.
const WEIGHTS: usize = 2 * (4 * 256 + 2 * 512);

#[test]
fn half_of_the_weights_are_zero_and_stopping_changes_nothing() {
    for (method, pattern) in [
        (SparsityMethod::Magnitude, "unstructured"),
        (SparsityMethod::Movement, "unstructured"),
        (SparsityMethod::Movement, "2:4"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
        let (student, settings) = (fresh(place.path()), settings(0, sparse(method, pattern)));
        run(place.path(), &student, &settings, output(&whole, false), &Context::default()).unwrap();
        let mut stops = 0;
        loop {
            let stop = toy::StopAfter::new([2, 1, 3][stops % 3]);
            match run(place.path(), &student, &settings, output(&parts, stops > 0), &stop.context()) {
                Ok(()) => break,
                Err(Error::Interrupted(_)) => stops += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(stops < 30);
        }
        assert!(stops > 3);
        let weights = |out: &Path| fs::read(out.join("model.safetensors")).unwrap();
        assert_eq!(weights(&whole), weights(&parts), "{method:?} {pattern}");
        assert_eq!(metrics(&whole), metrics(&parts));

        let found = zeros(&whole);
        assert_eq!(found.len(), WEIGHTS / 2, "{method:?} {pattern}");
        if pattern == "2:4" {
            let mut by_group = std::collections::BTreeMap::new();
            for (name, row, column) in found {
                *by_group.entry((name, row, column / 4)).or_insert(0) += 1;
            }
            assert!(by_group.len() == WEIGHTS / 4 && by_group.values().all(|&zeros| zeros == 2));
        }
        let record = fs::read_to_string(whole.join("run.json")).unwrap();
        assert!(record.contains("\"zero_weights\": 0.5"), "{record}");
    }
}

#[test]
fn zeros_stay_through_later_training_unless_they_are_set_free() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let first = place.join("sparse");
    let settings_of = |sparsity| settings(1, sparsity);
    let magnitude = sparse(SparsityMethod::Magnitude, "unstructured");
    run(place, &fresh(place), &settings_of(magnitude), output(&first, false), &Context::default()).unwrap();
    let (student, before) = (Checkpoint::load(&first).unwrap(), zeros(&first));

    let again = place.join("again");
    run(place, &student, &settings_of(None), output(&again, false), &Context::default()).unwrap();
    assert_eq!(zeros(&again), before);
    assert_ne!(toy::bits(&again), toy::bits(&first));

    let tuned = place.join("tuned");
    with_data(|data| {
        fine_tune(&fine_tune_settings(), &student, data, output(&tuned, false), &Context::default())
    })
    .unwrap();
    assert_eq!(zeros(&tuned), before);

    let sparser = place.join("sparser");
    let more = Some(SparsitySettings::new(0.75));
    run(place, &student, &settings_of(more), output(&sparser, false), &Context::default()).unwrap();
    let after = zeros(&sparser);
    assert!(after.is_superset(&before) && after.len() == WEIGHTS * 3 / 4);

    let free = place.join("free");
    let none = Some(SparsitySettings::new(0.0));
    run(place, &student, &settings_of(none), output(&free, false), &Context::default()).unwrap();
    assert!(zeros(&free).len() < WEIGHTS / 100);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let student = fresh(place.path());
    let refused = |settings: &TaskSettings| {
        let out = output(&place.path().join("out"), false);
        run(place.path(), &student, settings, out, &Context::default()).unwrap_err()
    };
    let error = refused(&settings(0, Some(SparsitySettings::new(1.0))));
    assert!(matches!(&error, Error::Usage(what) if what.contains("sparsity 1")), "{error}");
    let mut timed = settings(0, Some(SparsitySettings::new(0.5)));
    timed.prediction.time_limit.max_minutes = Some(1.0);
    let error = refused(&timed);
    assert!(matches!(&error, Error::Usage(what) if what.contains("time limit")), "{error}");
}
