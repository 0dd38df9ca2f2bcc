//! `baseline` trains a linear classifier on n-grams; `report` shows it.

use std::fs;

use serde_json::Value;

use crate::program::{fails, output};
use crate::tagging;
use crate::toy::{self, IMAGE};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a JSON object")
}

#[test]
fn a_baseline_is_judged_written_and_reported() {
    let [out, page, report] = ["baseline.json", "baseline.html", "baseline-report.json"]
        .map(|name| toy::path(name).display().to_string());
    let test = toy::data().replace("--train", "--test").split("--dev").next().expect("a file").to_owned();
    let printed = output(&format!("baseline {} {test} --out {out}", toy::data()));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].starts_with("baseline dev  accuracy 0.")
            || lines[0].starts_with("baseline dev  accuracy 1.")
    );
    assert!(
        lines[1].starts_with("baseline test accuracy ")
            && lines[1].ends_with("(108 examples, 95 % intervals)"),
        "{printed}"
    );
    let row = json(&fs::read_to_string(&out).expect("the file is there"));
    assert!(row["splits"]["dev"]["values"]["accuracy"].as_f64().expect("a number") > 0.9, "{row}");
    assert!(printed.contains(&format!("size     {} bytes", row["bytes"])), "{printed}");

    // What is printed does not depend on the number of threads, except for the times.
    let steady = |threads: usize| {
        let mut row = json(&output(&format!("baseline {} --json --threads {threads}", toy::data())));
        for time in ["seconds", "microseconds"] {
            assert!(row[time].take().as_f64().expect("a number") > 0.0);
        }
        row
    };
    assert_eq!(steady(1), steady(3));
    let train = json(&output(&format!("baseline {} --json --split train dev train", toy::data())));
    assert_eq!(train["splits"].as_object().expect("an object").keys().collect::<Vec<_>>(), ["dev", "train"]);

    let line = format!("report {} {} --baseline {out}", *IMAGE, toy::data());
    output(&format!("{line} --out {page} --json {report}"));
    assert_eq!(json(&fs::read_to_string(report).expect("a report"))["baseline"], row);
    let page = fs::read_to_string(page).expect("a page");
    assert!(page.contains("<h2>Linear baseline</h2>"));
    let wrong = toy::write("not-a-row.json", "{\"bytes\": 1}");
    let line = format!("report {} --baseline {wrong} --out {wrong}.html", *IMAGE);
    fails(&line, 3, &["not-a-row.json", "missing field"]);
}

#[test]
fn tagged_words_have_a_baseline_that_entities_judge() {
    let out = toy::path("baseline-of-tags.json").display().to_string();
    let printed = output(&format!("baseline {} --out {out}", *tagging::DATA));
    assert!(printed.starts_with("baseline dev  f1 ") && printed.contains(", precision "), "{printed}");
    let row = json(&fs::read_to_string(&out).expect("the file is there"));
    let metrics = &row["splits"]["dev"];
    assert!(metrics["values"]["f1"].as_f64().expect("a number") > 0.8, "{row}");
    assert_eq!(metrics["intervals"]["f1"].as_array().expect("an interval").len(), 2);
    assert_eq!(row["metric"], "f1");
}

#[test]
fn what_a_baseline_cannot_be_trained_on_is_refused() {
    let train = format!("--train {}", toy::train());
    fails(&format!("baseline {train}"), 2, &["development set", "--dev-share"]);
    fails("baseline", 2, &["--train"]);
    fails(&format!("baseline {train} --dev-share 0.2 --embedding"), 2, &["no linear baseline for sentence"]);
    let unlabelled = toy::write("no-labels.jsonl", "{\"text\": \"play some jazz\"}\n");
    fails(&format!("baseline --train {unlabelled} --dev {unlabelled}"), 3, &["no-labels.jsonl"]);
    let out = toy::train();
    fails(&format!("baseline {} --out {out}", toy::data()), 2, &["--out", "would write over --train"]);
}
