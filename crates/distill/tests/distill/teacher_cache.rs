//! Distillation with the teacher's states and answers read from a cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tinybert_base::{Context, Error, Result};
use tinybert_data::EncodedSet;
use tinybert_data::metrics::MetricSet;
use tinybert_distill::teacher::{TeacherCache, TeacherOutput, WantedStates};
use tinybert_distill::{StageRecipe, TaskSettings, distill_task};
use tinybert_evaluate::judge::encode;
use tinybert_model::{Checkpoint, Head};
use tinybert_nn::device::Compute;
use tinybert_nn::{Bert, Mode, TaskModel};
use tinybert_testing::toy;
use tinybert_train::{Output, TaskData};

const BUDGET: u64 = 1 << 20;

fn labelled() -> Head {
    Head::Classification { labels: toy::labels() }
}

fn teacher(place: &Path) -> Checkpoint {
    toy::model(&place.join("teacher"), &toy::config(4, 32), &labelled())
}

fn values(tensor: &candle_core::Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

static CPU: LazyLock<Compute> = LazyLock::new(Compute::cpu);

fn cache<'a>(
    folder: &'a Path,
    bytes: u64,
    teacher: &'a Checkpoint,
    set: &'a EncodedSet,
    context: &'a Context<'a>,
) -> TeacherCache<'a> {
    TeacherCache { folder, bytes, compute: &CPU, teacher, set, context }
}

/// Sentences of several lengths.
fn sentences() -> EncodedSet {
    let set = encode(&toy::text(), &toy::sentences(40, 1), 16).unwrap();
    let lengths = set.lengths().unwrap();
    assert!(lengths.iter().any(|&length| length != lengths[0]));
    set
}

#[test]
fn what_is_read_is_what_the_teacher_says_but_for_rounding() {
    let place = tempfile::tempdir().unwrap();
    let (teacher, set) = (teacher(place.path()), sentences());
    let folder = place.path().join("cache");
    let context = Context::default();
    let cache = cache(&folder, BUDGET, &teacher, &set, &context);
    let bert = Bert::frozen(&teacher.config, &teacher.tensors).unwrap();
    let model = TaskModel::frozen(&teacher.config, &teacher.head, &teacher.tensors).unwrap();
    let wanted = WantedStates { states: vec![0, 2, 4], scores: vec![1, 3] };
    let states = cache.states(&bert, wanted.clone()).unwrap();
    let answers = cache.answers(&model).unwrap();
    for samples in [vec![0, 1, 2, 3, 4, 5, 6], vec![39], vec![17, 3, 17]] {
        let batch = set.collate(&samples, 0).unwrap();
        let read = states.of_batch(&batch).unwrap();
        let (output, logits) = model.forward(&batch, Mode::Eval).unwrap();
        let computed = TeacherOutput::from_output(&output, &wanted);
        for (row, &length) in batch.lengths.iter().enumerate() {
            for (state, tensor) in &computed.states {
                let real = |tensor: &candle_core::Tensor| {
                    values(&tensor.get(row).unwrap().narrow(0, 0, length).unwrap())
                };
                close(&real(&read.states[state]), &real(tensor));
            }
            for (layer, tensor) in &computed.scores {
                let real = |tensor: &candle_core::Tensor| {
                    let row = tensor.get(row).unwrap();
                    values(&row.narrow(1, 0, length).unwrap().narrow(2, 0, length).unwrap())
                };
                close(&real(&read.scores[layer]), &real(tensor));
            }
        }
        let read = values(&answers.of_batch(&batch).unwrap());
        for (read, computed) in read.iter().zip(values(&logits)) {
            assert!((read - computed).abs() < 1e-5, "{read} and {computed}");
        }
    }
}

/// Within half a unit in the last place of half precision, and the rounding of another batch.
fn close(read: &[f32], computed: &[f32]) {
    assert_eq!(read.len(), computed.len());
    for (read, computed) in read.iter().zip(computed) {
        let room = 2f32.powi(-11) * computed.abs().max(2f32.powi(-14)) + 1e-6;
        assert!((read - computed).abs() <= room, "{read} and {computed}");
    }
}

fn distil(place: &Path, out: &str, teacher_cache_bytes: u64, threads: usize) -> Result<PathBuf> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| distil_watched(place, out, teacher_cache_bytes, &Context::default()))
}

/// A run that goes on where one was stopped.
fn distil_watched(place: &Path, out: &str, teacher_cache_bytes: u64, context: &Context) -> Result<PathBuf> {
    let student = toy::model(&place.join("student"), &toy::config(2, 16), &Head::None);
    let (train, dev) = (toy::sentences(40, 1), toy::sentences(20, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let defaults = TaskSettings::default();
    let stage = |stage| StageRecipe { epochs: 2, batch_size: 8, learning_rate: 2e-3, ..stage };
    let settings = TaskSettings {
        intermediate: stage(defaults.intermediate.clone()),
        prediction: stage(defaults.prediction.clone()),
        max_tokens: 16,
        teacher_cache_bytes,
        allow_weak_teacher: true,
        ..defaults
    };
    let out = place.join(out);
    let output = Output { teacher_cache: Some(place.join("cache")), resume: true, ..Output::from(&out) };
    distill_task(&settings, &teacher(place), &student, &data, output, context)?;
    Ok(out)
}

/// The entries of the cache: their folders.
fn entries(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place.join("cache")) else { return Vec::new() };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn a_full_cache_an_empty_one_and_a_damaged_one_give_the_same_student() {
    let place = tempfile::tempdir().unwrap();
    let weights = |out, threads| toy::bits(&distil(place.path(), out, BUDGET, threads).unwrap());
    let cold = weights("cold", 2);
    let first = entries(place.path());
    assert_eq!(first.len(), 2);
    assert_eq!(weights("warm", 1), cold);
    for entry in &first {
        let path = entry.join("values.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 0x10;
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(weights("damaged", 1), cold);
    fs::remove_dir_all(place.path().join("cache")).unwrap();
    assert_eq!(weights("rebuilt", 1), cold);
    assert_eq!(entries(place.path()), first);
}

#[test]
fn what_exceeds_the_budget_is_computed() {
    let place = tempfile::tempdir().unwrap();
    let without = toy::bits(&distil(place.path(), "without", 0, 1).unwrap());
    assert_eq!(entries(place.path()).len(), 0);
    // Room for nothing, then for the answers alone: 40 samples of two logits.
    assert_eq!(toy::bits(&distil(place.path(), "nothing", 319, 1).unwrap()), without);
    assert_eq!(entries(place.path()).len(), 0);
    distil(place.path(), "answers", 320, 1).unwrap();
    assert_eq!(entries(place.path()).len(), 1);
}

#[test]
fn the_oldest_entries_make_room_for_new_ones() {
    let place = tempfile::tempdir().unwrap();
    let (teacher, set) = (teacher(place.path()), sentences());
    let folder = place.path().join("cache");
    let bert = Bert::frozen(&teacher.config, &teacher.tensors).unwrap();
    let fill = |state, bytes| {
        let context = Context::default();
        let cache = cache(&folder, bytes, &teacher, &set, &context);
        cache.states(&bert, WantedStates { states: vec![state], scores: Vec::new() }).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        entries(place.path())
    };
    let one = set.total_tokens() as u64 * 32 * 2;
    // Room for two entries, and for the answers that are not asked for.
    let budget = 2 * one + 320;
    let first = fill(0, budget);
    let both = fill(1, budget);
    assert_eq!((first.len(), both.len()), (1, 2));
    assert_eq!(fill(0, budget), both, "used again");
    let now = fill(2, budget);
    assert_eq!(now.len(), 2);
    assert!(now.contains(&first[0]), "the one used last stays");
}

#[test]
fn an_interrupted_pass_leaves_no_entry() {
    let place = tempfile::tempdir().unwrap();
    let (teacher, set) = (teacher(place.path()), sentences());
    let folder = place.path().join("cache");
    let stop = toy::StopAfter::new(1);
    let context = stop.context();
    let cache = cache(&folder, BUDGET, &teacher, &set, &context);
    let model = TaskModel::frozen(&teacher.config, &teacher.head, &teacher.tensors).unwrap();
    let Err(Error::Interrupted(what)) = cache.answers(&model) else { panic!("not interrupted") };
    assert!(what.contains("with --resume does that again"), "{what}");
    assert_eq!(entries(place.path()).len(), 0);
}

#[test]
fn a_run_stopped_again_and_again_even_while_it_fills_the_cache_ends_with_the_same_student() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole = toy::bits(&distil(whole.path(), "out", BUDGET, 1).unwrap());
    let mut said = Vec::new();
    let out = loop {
        match distil_watched(broken.path(), "out", BUDGET, &toy::StopAfter::new(3).context()) {
            Ok(out) => break out,
            Err(Error::Interrupted(what)) => said.push(what),
            Err(other) => panic!("{other}"),
        }
    };
    assert!(said[0].contains("cached") && said.iter().all(|what| what.contains("--resume")), "{said:?}");
    assert!(said.len() > 5, "{said:?}");
    assert_eq!(toy::bits(&out), whole);
}

#[test]
fn what_a_killed_pass_has_left_is_removed_and_a_running_one_is_not_disturbed() {
    let place = tempfile::tempdir().unwrap();
    let (teacher, set) = (teacher(place.path()), sentences());
    let folder = place.path().join("cache");
    let [left, running, foreign] = [".1.partial", ".2.partial", "3.partial"].map(|name| folder.join(name));
    for folder in [&left, &running, &foreign] {
        tinybert_base::own_folder::open(folder).unwrap();
        fs::write(folder.join("values.bin"), [0; 100]).unwrap();
    }
    let lock = fs::File::open(&running).unwrap();
    lock.lock().unwrap();
    let model = TaskModel::frozen(&teacher.config, &teacher.head, &teacher.tensors).unwrap();
    cache(&folder, BUDGET, &teacher, &set, &Context::default()).answers(&model).unwrap();
    assert_eq!([left, running, foreign].map(|folder| folder.exists()), [false, true, true]);
}
