//! Pages about the results of the other commands.

use std::fs;

use crate::program::{fails, output};
use crate::toy::{self, IMAGE, STUDENT, TEACHER};

#[test]
fn a_line_of_steps_becomes_a_page() {
    let [page, json] =
        ["report.html", "report-of-steps.json"].map(|name| toy::path(name).display().to_string());
    let places = format!("{} {} {}", *TEACHER, *STUDENT, *IMAGE);
    let line = format!(
        "report {places} {} --teacher {} --out {page} --json {json} --title Toy",
        toy::data(),
        *TEACHER
    );
    assert_eq!(output(&line), format!("wrote {json}\nwrote {page}\n"));

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

    // The image's answers to the 36 sentences for development, beside the teacher's.
    let answers = &report["answers"];
    let confusion: Vec<Vec<u64>> = serde_json::from_value(answers["confusion"].clone()).unwrap();
    let right: u64 = (0..3).map(|label| confusion[label][label]).sum();
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 36);
    assert!((right as f64 / 36.0 - stages[2]["metrics"]["accuracy"].as_f64().unwrap()).abs() < 1e-9);
    let bins = answers["reliability"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>(), 36);
    let teacher = &answers["teacher"];
    let lost = teacher["lost"].as_array().unwrap();
    assert_eq!(lost.len() as u64, teacher["only_teacher"].as_u64().unwrap());
    let right_of_teacher = (stages[0]["metrics"]["accuracy"].as_f64().unwrap() * 36.0).round() as i64;
    let difference = right_of_teacher - right as i64;
    assert_eq!(lost.len() as i64 - teacher["only_image"].as_i64().unwrap(), difference, "{teacher}");

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
    let of_teacher = format!("--teacher {} --out {page}", *TEACHER);
    fails(&format!("report {} {of_teacher}", *IMAGE), 2, &["--teacher", "give --dev"]);
    fails(&format!("report {} {} {of_teacher}", *STUDENT, toy::data()), 2, &["none of the places is one"]);
    fails(&format!("report {} {} --regression {of_teacher}", *IMAGE, toy::data()), 2, &["one label"]);
    assert!(!fs::exists(&page).unwrap());
}
