use serde_json::json;

use super::*;
use tinybert_base::Context;
use tinybert_base::progress::Silent;
use tinybert_model::RunRecord;

fn open(out: &Path) -> Result<WorkFolder> {
    let record = RunRecord::new("test", json!(null), 1, Vec::new());
    WorkFolder::open(&out.into(), Identity::new(&record), &Context::default())
}

#[test]
fn an_abandoned_folder_stays_only_with_a_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("model");
    let mut work = open(&out).unwrap();
    work.log(1, &json!({"step": 1}), &Silent).unwrap();
    drop(work);
    assert!(!place.path().join("model.run").exists());

    let work = open(&out).unwrap();
    fs::create_dir(place.path().join("model.run/step-00000010")).unwrap();
    drop(work);
    assert!(place.path().join("model.run/step-00000010").exists());
}

#[test]
fn what_a_killed_process_left_unfinished_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("model.run");
    own_folder::open(&run).unwrap();
    own_folder::open(&place.path().join(".model.run.done")).unwrap();
    for folder in [run.join(".step-00000003.partial"), place.path().join(".model.run.done/step-00000009")] {
        own_folder::open(&folder).unwrap();
    }
    fs::write(run.join(METRICS), "{\"step\":1}\n").unwrap();
    let work = open(&place.path().join("model")).unwrap();
    // The mark of the folder is left too.
    assert!(run.join(METRICS).exists() && fs::read_dir(&run).unwrap().count() == 2);
    assert_eq!(fs::read(run.join(METRICS)).unwrap(), b"");
    assert!(!place.path().join(".model.run.done").exists());
    drop(work);
}

#[test]
fn two_processes_do_not_run_one_run() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("model");
    let work = open(&out).unwrap();
    let Err(Error::Usage(what)) = open(&out) else { panic!("opened twice") };
    assert!(what.contains("another process"), "{what}");
    drop(work);
    open(&out).unwrap();
}

#[test]
fn an_output_without_a_name_is_refused() {
    assert!(matches!(open(Path::new("/")), Err(Error::Usage(_))));
}
