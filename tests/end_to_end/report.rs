//! Pages about the results of the other commands.

use std::fs;

use crate::program::{fails, output};
use crate::toy::{self, IMAGE, STUDENT, TEACHER};

#[test]
fn a_line_of_steps_becomes_a_page() {
    let [page, json] =
        ["report.html", "report-of-steps.json"].map(|name| toy::path(name).display().to_string());
    let places = format!("{} {} {}", *TEACHER, *STUDENT, *IMAGE);
    let line = format!("report {places} {} --out {page} --json {json} --title Toy", toy::data());
    assert_eq!(output(&line), format!("wrote {page}\n"));

    let report: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let stages = report["stages"].as_array().unwrap();
    let commands: Vec<&str> = stages.iter().map(|stage| stage["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["fine-tune", "distill --stage task", "quantize"]);
    assert!(stages.iter().all(|stage| stage["metrics"]["accuracy"].as_f64().unwrap() > 0.5), "{report}");
    // The folders have recorded an accuracy of so many sentences; the image has been judged.
    assert!(stages.iter().all(|stage| stage["intervals"]["accuracy"][1].is_number()), "{report}");
    let sessions: Vec<&str> = stages[1]["curves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|curve| curve["session"].as_str().unwrap())
        .collect();
    assert_eq!(sessions, ["intermediate", "prediction"]);
    assert_eq!(report["image"]["bytes"].as_u64().unwrap(), fs::metadata(IMAGE.as_str()).unwrap().len());

    // The report in JSON gives the same page.
    let again = toy::path("report-again.html").display().to_string();
    output(&format!("report {json} --out {again}"));
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(fs::read_to_string(&again).unwrap(), html);
    assert!(html.contains("<h1>Toy</h1>") && html.matches("<svg").count() > 4 && !html.contains("NaN"));
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let page = toy::path("nothing.html").display().to_string();
    let empty = toy::path("nothing-to-report");
    fs::create_dir_all(&empty).unwrap();
    fails(&format!("report {} --out {page}", empty.display()), 3, &["neither run.json nor metrics.jsonl"]);
    fails(&format!("report {page}.tbim --out {page}"), 4, &[]);
    let json = toy::write("report-of-none.json", "{}");
    fails(&format!("report {json} {} --out {page}", *TEACHER), 2, &["give it alone"]);
    fails(&format!("report --out {page}"), 2, &[]);
    assert!(!fs::exists(&page).unwrap());
}
