//! Ablations of a toy task: which rows run, what they learn from, and that nothing runs twice.

use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_distill::ablations::{Ablation, Ablations};
use tinybert_distill::{StageRecipe, TaskSettings};
use tinybert_model::{Checkpoint, Head};
use tinybert_testing::toy;
use tinybert_train::{Output, TaskData};

/// Models and data of a small task. The teacher knows nothing: the table only has to come about.
struct Place {
    folder: tempfile::TempDir,
    teacher: Checkpoint,
    student: Checkpoint,
    train: Dataset,
    dev: Dataset,
    augmented: Dataset,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let head = Head::Classification { labels: toy::labels() };
        Self {
            teacher: toy::model(&folder.path().join("teacher"), &toy::config(4, 16), &head),
            student: toy::model(&folder.path().join("student"), &toy::config(2, 8), &Head::None),
            train: toy::sentences(13, 1),
            dev: toy::sentences(12, 2),
            augmented: toy::sentences(48, 3),
            folder,
        }
    }

    fn ablations(&self, rows: &[Ablation], seeds: &[u64]) -> Ablations<'_> {
        let defaults = TaskSettings::default();
        let stage = |stage| StageRecipe { epochs: 1, batch_size: 8, learning_rate: 1e-3, ..stage };
        Ablations {
            task: TaskSettings {
                intermediate: stage(defaults.intermediate.clone()),
                prediction: stage(defaults.prediction.clone()),
                max_tokens: 16,
                allow_weak_teacher: true,
                ..defaults
            },
            rows: rows.to_vec(),
            seeds: seeds.to_vec(),
            teacher: &self.teacher,
            student: &self.student,
            fresh: None,
            data: TaskData { train: &self.train, dev: &self.dev, metrics: MetricSet::Accuracy },
            augmented: None,
        }
    }

    fn out(&self) -> Output {
        Output::from(self.folder.path().join("out"))
    }

    fn again(&self) -> Output {
        Output { resume: true, ..self.out() }
    }
}

/// Names of the rows of a table.
fn names(table: &str) -> Vec<&str> {
    table.lines().skip(2).map(|line| line.split('|').nth(1).unwrap().trim()).collect()
}

/// A column of a table by its number, for each row.
fn column(table: &str, column: usize) -> Vec<&str> {
    table.lines().skip(2).map(|line| line.split('|').nth(1 + column).unwrap().trim()).collect()
}

#[test]
fn every_row_takes_the_same_number_of_steps() {
    let place = Place::new();
    let fresh = toy::model(&place.folder.path().join("fresh"), &toy::config(2, 8), &Head::None);
    let ablations =
        Ablations { fresh: Some(&fresh), augmented: Some(&place.augmented), ..place.ablations(&[], &[7, 8]) };
    let table = ablations.run(&place.out(), &Context::default()).unwrap();
    assert_eq!(names(&table), Ablation::ALL.map(Ablation::name));
    // 48 examples in batches of 8, in two stages; without the variants the 13 are repeated.
    assert!(column(&table, 4).iter().all(|steps| *steps == "12"), "{table}");
    let out = place.out().folder;
    assert_eq!(std::fs::read_to_string(out.join("ablations.md")).unwrap(), table);
    for row in Ablation::ALL {
        assert!(Checkpoint::load(&out.join(format!("{}-7", row.name()))).is_ok(), "{row:?}");
    }
}

#[test]
fn rows_without_their_inputs_are_left_out_or_refused() {
    let place = Place::new();
    let table = place.ablations(&[], &[1]).run(&place.out(), &Context::default()).unwrap();
    assert_eq!(names(&table).len(), Ablation::ALL.len() - 2, "{table}");
    assert!(!table.contains("no-general") && !table.contains("no-augmentation"), "{table}");

    let place = Place::new();
    let refused =
        place.ablations(&[Ablation::NoGeneral], &[1]).run(&place.out(), &Context::default()).unwrap_err();
    assert!(matches!(&refused, Error::Usage(what) if what.contains("--fresh")), "{refused}");
}

#[test]
fn what_has_run_does_not_run_again() {
    let place = Place::new();
    let first = place.ablations(&[Ablation::MapTop], &[1]).run(&place.out(), &Context::default()).unwrap();
    let weights = place.out().folder.join("map-top-1/model.safetensors");
    let written = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = written(&weights);

    let refused =
        place.ablations(&[Ablation::MapTop], &[1]).run(&place.out(), &Context::default()).unwrap_err();
    assert!(matches!(&refused, Error::Usage(what) if what.contains("--resume")), "{refused}");
    let more = place
        .ablations(&[Ablation::MapTop, Ablation::Full], &[1, 2])
        .run(&place.again(), &Context::default())
        .unwrap();
    assert_eq!(written(&weights), before);
    assert_eq!(names(&first), ["map-top"]);
    assert_eq!(names(&more), ["full", "map-top"]);
    assert_eq!(column(&more, 3), ["2", "2"]);

    let mut other = place.ablations(&[Ablation::Full], &[1]);
    other.task.temperature = 2.0;
    let refused = other.run(&place.again(), &Context::default()).unwrap_err();
    assert!(matches!(&refused, Error::Usage(what) if what.contains("temperature")), "{refused}");
}

#[test]
fn an_interrupted_row_ends_as_if_it_had_run_through() {
    let (whole, broken) = (Place::new(), Place::new());
    let rows = [Ablation::Full, Ablation::NoPrediction];
    whole.ablations(&rows, &[3]).run(&whole.out(), &Context::default()).unwrap();

    let run = |output: &Output, context: &Context| -> Result<String> {
        broken.ablations(&rows, &[3]).run(output, context)
    };
    let mut stops = 0;
    let mut output = broken.out();
    while let Err(error) = run(&output, &toy::StopAfter::new(2).context()) {
        assert!(matches!(error, Error::Interrupted(_)), "{error}");
        stops += 1;
        output = broken.again();
    }
    assert!(stops > 2, "{stops}");
    for row in rows {
        let folder = |place: &Place| place.out().folder.join(format!("{}-3", row.name()));
        assert_eq!(toy::bits(&folder(&whole)), toy::bits(&folder(&broken)), "{row:?}");
    }
}

#[test]
fn a_folder_of_something_else_is_not_touched() {
    let place = Place::new();
    let folder = place.out().folder;
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("thesis.tex"), "years of work").unwrap();
    let refused =
        place.ablations(&[Ablation::Full], &[1]).run(&place.out(), &Context::default()).unwrap_err();
    assert!(matches!(refused, Error::Usage(_)), "{refused}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn rows_of_other_data_do_not_join_a_table() {
    let place = Place::new();
    let rows = [Ablation::MapTop];
    let without = place.ablations(&rows, &[1]);
    let with = Ablations { augmented: Some(&place.augmented), ..place.ablations(&rows, &[1]) };
    for [first, second] in [[&without, &with], [&with, &without]] {
        first.run(&place.out(), &Context::default()).unwrap();
        let refused = second.run(&place.again(), &Context::default()).unwrap_err();
        assert!(matches!(&refused, Error::Input(what) if what.contains("augmented examples")), "{refused}");
        std::fs::remove_dir_all(place.out().folder).unwrap();
    }
}
