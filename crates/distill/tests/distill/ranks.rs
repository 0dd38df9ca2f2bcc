//! Several ranks, here threads, end where one does but for rounding, and with the same bits each time.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use tinybert_base::collective::{Collective, ThreadRanks};
use tinybert_base::progress::{Progress, Silent};
use tinybert_base::{Context, Error, Result, StopSignal};
use tinybert_data::task::TaskKind;
use tinybert_data::{ColumnNames, DataSpec, Source, Split, TableFiles, read_rows};
use tinybert_distill::augment::{AugmentSettings, CandidateSources, augment};
use tinybert_model::Head;
use tinybert_testing::runs::{
    fine_tune_settings, metrics, output, run_fine_tune, run_general, run_masked_lm, run_task, with_data,
};
use tinybert_testing::toy;
use tinybert_train::{FineTune, Output, Recipe, fine_tune};

/// A kind of training.
type Run = fn(&Path, Output, &Context) -> Result<()>;

/// The surroundings of a run on one rank.
struct Rank {
    ranks: ThreadRanks,
    /// It asks to stop once it has been asked so often.
    stop_after: Option<u64>,
    asked: AtomicU64,
    said: std::sync::Mutex<String>,
}

impl Rank {
    fn context(&self) -> Context<'_> {
        Context { progress: self, stop: self, ranks: &self.ranks }
    }
}

impl StopSignal for Rank {
    fn is_raised(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.stop_after.is_some_and(|after| asked >= after)
    }
}

impl Progress for Rank {
    fn say(&self, line: &str) {
        *self.said.lock().unwrap() += line;
    }
}

/// Runs on so many ranks, of which `stops` asks to stop after so many looks; gives what each ends with.
fn on_ranks<T: Send>(size: usize, stops: Option<(usize, u64)>, run: impl Fn(&Rank) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let run = &run;
        let start = |(rank, ranks)| {
            let stop_after = stops.filter(|(who, _)| *who == rank).map(|(_, after)| after);
            let rank = Rank { ranks, stop_after, asked: 0.into(), said: Default::default() };
            scope.spawn(move || run(&rank))
        };
        let started: Vec<_> = ThreadRanks::new(size).into_iter().enumerate().map(start).collect();
        started.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Runs on so many ranks, all of which must end well, and gives the weights.
fn weights(size: usize, run: Run, place: &Path, name: &str) -> Vec<u8> {
    let out = place.join(name);
    on_ranks(size, None, |rank| run(&models(place, rank), output(&out, false), &rank.context()).unwrap());
    model(&out)
}

/// Each rank writes its toy models to a place of its own; their bytes are the same.
fn models(place: &Path, rank: &Rank) -> std::path::PathBuf {
    let own = place.join(format!("models-{}", rank.ranks.rank()));
    fs::create_dir_all(&own).unwrap();
    own
}

fn model(out: &Path) -> Vec<u8> {
    fs::read(out.join("model.safetensors")).unwrap()
}

/// Losses and gradient norms of one kind of training on one rank and on two.
fn two_ranks_are_one_but_for_rounding(run: Run) {
    let place = tempfile::tempdir().unwrap();
    let alone = place.path().join("alone");
    run(place.path(), output(&alone, false), &Context::default()).unwrap();
    assert_eq!(weights(1, run, place.path(), "one"), model(&alone), "one rank is no ranks");

    let two = weights(2, run, place.path(), "two");
    assert_eq!(weights(2, run, place.path(), "again"), two);
    assert_eq!(metrics(&place.path().join("two")), metrics(&place.path().join("again")));
    let lines = metrics(&alone);
    let shared = metrics(&place.path().join("two"));
    assert_eq!(lines.len(), shared.len());
    for (line, shared) in lines.iter().zip(&shared) {
        assert_eq!((&line["step"], &line["tokens"]), (&shared["step"], &shared["tokens"]));
        for name in ["loss", "gradient_norm"] {
            let [a, b] = [line, shared].map(|line| line[name].as_f64());
            let (Some(a), Some(b)) = (a, b) else { continue };
            assert!((a - b).abs() <= 2e-3 * a.abs(), "{name}: {a} on one rank, {b} on two");
        }
    }
}

#[test]
fn the_general_stage_on_two_ranks_is_that_on_one_but_for_rounding() {
    two_ranks_are_one_but_for_rounding(run_general);
}

#[test]
fn both_task_stages_on_two_ranks_are_those_on_one_but_for_rounding() {
    two_ranks_are_one_but_for_rounding(run_task);
}

#[test]
fn fine_tuning_on_two_ranks_is_that_on_one_but_for_rounding() {
    two_ranks_are_one_but_for_rounding(run_fine_tune);
}

#[test]
fn masked_lm_training_on_two_ranks_is_that_on_one_but_for_rounding() {
    two_ranks_are_one_but_for_rounding(run_masked_lm);
}

#[test]
fn more_ranks_than_a_step_has_samples_train_too() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(
        weights(9, run_fine_tune, place.path(), "nine"),
        weights(9, run_fine_tune, place.path(), "again")
    );
}

#[test]
fn a_stop_on_any_rank_stops_all_and_the_same_ranks_go_on_to_the_same_bits() {
    for (run, stop) in [(run_general as Run, 5), (run_task, 4), (run_task, 9), (run_fine_tune, 7)] {
        let place = tempfile::tempdir().unwrap();
        let whole = weights(2, run, place.path(), "whole");
        let out = place.path().join("parts");
        let ended = on_ranks(2, Some((1, stop)), |rank| {
            run(&models(place.path(), rank), output(&out, false), &rank.context()).unwrap_err()
        });
        for error in ended {
            assert!(matches!(&error, Error::Interrupted(what) if what.contains("--resume")), "{error}");
        }
        assert!(toy::run_folder(&out).exists());
        on_ranks(2, None, |rank| {
            run(&models(place.path(), rank), output(&out, true), &rank.context()).unwrap()
        });
        assert_eq!(model(&out), whole);
        assert_eq!(metrics(&out), metrics(&place.path().join("whole")));
    }
}

#[test]
fn another_number_of_ranks_goes_on_and_says_what_that_means() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    on_ranks(2, Some((0, 5)), |rank| {
        run_fine_tune(&models(place.path(), rank), output(&out, false), &rank.context()).unwrap_err()
    });
    let said = on_ranks(3, None, |rank| {
        run_fine_tune(&models(place.path(), rank), output(&out, true), &rank.context()).unwrap();
        rank.said.lock().unwrap().clone()
    });
    assert!(said[0].contains("2 ranks wrote the checkpoint and 3 go on"), "{}", said[0]);
    let record: Value = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["metrics"]["training"]["ranks"], 3);
}

#[test]
fn ranks_of_different_runs_are_refused_on_all_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let model = toy::model(&place.path().join("fresh"), &toy::config(2, 16), &Head::None);
    let ended = on_ranks(3, None, |rank| {
        let seed = if rank.ranks.rank() == 2 { 7 } else { 42 };
        let settings =
            FineTune { recipe: Recipe { seed, ..fine_tune_settings().recipe }, ..fine_tune_settings() };
        with_data(|data| fine_tune(&settings, &model, data, output(&out, false), &rank.context()))
            .unwrap_err()
    });
    for error in ended {
        let expected = "seed: rank 0 has 42, rank 2 has 7";
        assert!(matches!(&error, Error::Usage(what) if what.contains(expected)), "{error}");
    }
    assert!(!toy::run_folder(&out).exists());
}

#[test]
fn the_others_end_when_a_rank_is_lost_and_the_checkpoint_stays() {
    let place = tempfile::tempdir().unwrap();
    let whole = weights(2, run_fine_tune, place.path(), "whole");
    let out = place.path().join("out");
    let ended = on_ranks(2, None, |rank| {
        let place = models(place.path(), rank);
        if rank.ranks.rank() == 0 {
            return Some(run_fine_tune(&place, output(&out, false), &rank.context()).unwrap_err());
        }
        // Takes part until it panics in the middle of a step.
        struct Dying<'a>(&'a Rank);
        impl StopSignal for Dying<'_> {
            fn is_raised(&self) -> bool {
                assert!(self.0.asked.fetch_add(1, Ordering::Relaxed) < 8, "on purpose");
                false
            }
        }
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run_fine_tune(&place, output(&out, false), &Context { stop: &Dying(rank), ..rank.context() })
        }));
        assert!(died.is_err());
        None
    });
    assert!(matches!(&ended[0], Some(Error::Ranks(what)) if what.contains("rank 1 is lost")), "{ended:?}");
    assert!(toy::run_folder(&out).join("step-00000006").exists());
    on_ranks(2, None, |rank| {
        run_fine_tune(&models(place.path(), rank), output(&out, true), &rank.context()).unwrap();
    });
    assert_eq!(model(&out), whole);
}

#[test]
fn augmentation_writes_the_same_bytes_on_any_number_of_ranks_stopped_or_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("train.jsonl");
    let data = toy::sentences(900, 4);
    let line = |text: &str| format!("{{\"text\": \"{text}\", \"label\": \"x\"}}\n");
    fs::write(&path, data.examples.iter().map(|example| line(&example.text)).collect::<String>()).unwrap();
    let columns =
        ColumnNames { text: "text".into(), pair: None, label: Some("label".into()), soft_labels: None };
    let kind = TaskKind::Classification;
    let source = Source::Table(TableFiles {
        train: Some(path),
        dev: None,
        test: None,
        format: None,
        columns,
        kind,
        dev_share: None,
    });
    let rows = read_rows(&DataSpec { source, labels: None }, Split::Train, &Silent).unwrap();
    let model = toy::model(&place.path().join("masked-lm"), &toy::config(1, 16), &Head::MaskedLm);
    let sources = CandidateSources { model: &model, vectors: None, vectors_file: None };
    let settings = AugmentSettings { variants: 3, ..AugmentSettings::default() };
    let run = |name: &str, resume, context: &Context| {
        augment(&settings, &sources, &rows, &place.path().join(name), resume, context)
    };
    run("alone.jsonl", false, &Context::default()).unwrap();
    let expected = fs::read(place.path().join("alone.jsonl")).unwrap();
    for size in [1, 3, 5] {
        let name = format!("{size}.jsonl");
        let reports = on_ranks(size, None, |rank| run(&name, false, &rank.context()).unwrap());
        assert!(fs::read(place.path().join(&name)).unwrap() == expected, "{size} ranks");
        assert!(reports.iter().all(|report| report.written == reports[0].written));
    }

    // Rank 1 is asked to stop within its second chunk of the 900 rows.
    let looks = on_ranks(2, None, |rank| {
        run("looks.jsonl", false, &rank.context()).unwrap();
        rank.asked.load(Ordering::Relaxed)
    });
    let ended =
        on_ranks(2, Some((1, looks[1] - 1)), |rank| run("parts.jsonl", false, &rank.context()).unwrap_err());
    assert!(ended.iter().all(|error| error.to_string().contains("after 512 of 900")), "{ended:?}");
    on_ranks(3, None, |rank| run("parts.jsonl", true, &rank.context()).unwrap());
    assert!(fs::read(place.path().join("parts.jsonl")).unwrap() == expected);
}
