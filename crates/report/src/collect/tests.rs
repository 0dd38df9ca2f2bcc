use std::path::PathBuf;

use super::*;

/// A folder with the given files.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("student");
    fs::create_dir(&folder).unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    (home, folder)
}

const RECORD: &str = r#"{
  "program": "tinybert-compress", "version": "0.1.0", "command": "distill --stage task", "seed": 1,
  "settings": {"epochs": 2}, "inputs": [{"path": "train.jsonl", "bytes": 5, "sha256": "00"}],
  "metrics": {
    "teacher": {"primary": "f1", "samples": 9, "values": {"f1": 0.75}},
    "dev": {"primary": "f1", "samples": 9, "values": {"f1": 0.5, "recall": 0.25}},
    "intermediate": {"seconds": 90.0, "steps": 4}, "prediction": {"seconds": 30.0, "steps": 2}
  }
}"#;

const LINES: &str = r#"{"session":"intermediate","step":2,"loss":3.0,"parts":{"hidden":1.0,"attention":2.0},"tokens":7}
{"session":"intermediate","step":4,"loss":1.5,"parts":{"hidden":0.5,"attention":1.0}}
{"session":"prediction","step":2,"loss":0.5,"parts":{"prediction":0.5}}
{"step":2,"epoch":1.0,"dev":{"primary":"f1","samples":9,"values":{"f1":0.5}}}
"#;

#[test]
fn a_folder_becomes_a_stage() {
    let (_home, folder) = folder(&[("run.json", RECORD), ("metrics.jsonl", LINES)]);
    let mut report = Report::new("", "report");
    report.add_folder(&folder).unwrap();
    let [stage] = report.stages.as_slice() else { panic!("one stage") };
    assert_eq!((stage.name.as_str(), stage.command.as_str()), ("student", "distill --stage task"));
    assert_eq!((stage.minutes, report.metric.as_str()), (Some(2.0), "f1"));
    let metrics: Vec<(&str, f64)> =
        stage.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(metrics, [("f1", 0.5), ("recall", 0.25), ("teacher f1", 0.75)]);
    // An F1 alone has no interval.
    assert!(stage.intervals.is_empty());
    let [intermediate, prediction] = stage.curves.as_slice() else { panic!("two sessions") };
    assert_eq!(intermediate.losses.len(), 2);
    assert_eq!(intermediate.losses[1].values["hidden"], 0.5);
    // One part alone is the total.
    assert_eq!(prediction.losses[0].values, BTreeMap::from([("loss".into(), 0.5)]));
    assert_eq!(prediction.evaluations[0].values["f1"], 0.5);
}

#[test]
fn recorded_shares_get_their_intervals() {
    let metrics = r#"{"primary": "accuracy", "samples": 10, "values": {"accuracy": 1.0, "f1": 1.0}}"#;
    let record = format!(
        "{{{}, \"metrics\": {{\"dev\": {metrics}, \"teacher\": {metrics}}}}}",
        RECORD.trim_start_matches('{').split_once("\n  \"metrics\"").unwrap().0.trim().trim_end_matches(',')
    );
    let (_home, folder) = folder(&[("run.json", &record)]);
    let mut report = Report::default();
    report.add_folder(&folder).unwrap();
    let intervals = &report.stages[0].intervals;
    assert_eq!(intervals.keys().collect::<Vec<_>>(), ["accuracy", "teacher accuracy"]);
    // scipy.stats.binomtest(10, 10).proportion_ci(method="wilson")
    assert!((intervals["accuracy"][0] - 0.7224672001371109).abs() < 1e-9 && intervals["accuracy"][1] == 1.0);
}

#[test]
fn a_run_in_progress_may_be_in_the_middle_of_a_line() {
    let (_home, folder) = folder(&[("metrics.jsonl", &LINES[..LINES.len() - 20])]);
    let mut report = Report::default();
    report.add_folder(&folder).unwrap();
    let curves = &report.stages[0].curves;
    assert_eq!((curves.len(), curves[1].losses.len(), curves[1].evaluations.len()), (2, 1, 0));
}

#[test]
fn what_is_wrong_is_named() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[], "has neither run.json nor metrics.jsonl"),
        (&[("run.json", "{}")], "run.json:1: not a record of a run"),
        (&[("metrics.jsonl", "{\"step\": 1}\nno\n")], "metrics.jsonl:2: not a line of metrics"),
    ];
    for (files, message) in cases {
        let (_home, folder) = folder(files);
        let error = Report::default().add_folder(&folder).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(message), "{error}");
    }
    let (_home, folder) = folder(&[("report.json", "{\"title\": 1}")]);
    let error = Report::read(&folder.join("report.json")).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("report.json:1: not a report"), "{error}");
}
