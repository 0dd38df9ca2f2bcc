//! `compress` finds the smallest image that holds a floor, and says before any training what cannot be.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::compress::{RATES, bytes, is_around, journal, killed_and_resumed, read_json};
use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, IMAGE, STUDENT, TEACHER};

/// The tries of a run with a floor.
fn tries(journal: &Value) -> Vec<Value> {
    journal["tries"].as_array().expect("a run with a floor has tries").clone()
}

#[test]
fn the_smallest_image_that_was_tried_and_holds_the_floor_is_the_result() {
    let line = format!("compress --teacher {} --student {} {} {RATES}", *TEACHER, *STUDENT, toy::data());
    let out = toy::path("floor").display().to_string();
    let line = format!("{line} --recovery-epochs 4");
    // Whether the first try holds the floor does not matter here.
    let first = tinybert(&format!("{line} --keep 70% --tries 1 --out {out} --quiet")).output();
    first.expect("the program runs");
    let before = journal(&out);
    // More tries go on with the same run.
    let printed = output(&format!("{line} --keep 70% --tries 3 --out {out} --resume --quiet"));
    let journal = journal(&out);
    assert_eq!(journal["tries"][0], before["tries"][0]);
    // Its times are measured, so that they would differ if it had been trained again.
    assert_eq!(journal["outcome"]["baseline"], before["outcome"]["baseline"]);
    let (outcome, tries) = (&journal["outcome"], tries(&journal));
    assert!((1..=3).contains(&tries.len()), "{tries:?}");
    let least = outcome["floor"]["least"].as_f64().expect("a floor");
    let flash = |of: &Value| of["cost"]["flash"].as_u64().expect("bytes");
    for of in &tries {
        let metric = of["metric"].as_f64().expect("a metric");
        assert_eq!(of["holds"], metric >= least - 1e-9, "{of}");
        assert!(is_around(metric, &of["interval"]), "{of}");
        // The size was known before.
        assert_eq!(of["cost"]["flash"], of["candidate"]["cost"]["flash"], "{of}");
    }
    let smallest = tries.iter().filter(|of| of["holds"] == true).map(flash).min();
    let image = Path::new(&out).join("model.tbim");
    assert_eq!(smallest, Some(bytes(&image)));
    assert!(bytes(&image) < bytes(Path::new(&*IMAGE)));

    // Teacher and image are judged on either half of the 36 sentences.
    let metrics = outcome["metrics"].as_array().expect("metrics");
    let judged: Vec<_> =
        metrics.iter().map(|of| (of["split"].clone(), of["metrics"]["samples"].clone())).collect();
    let expected = ["dev", "dev", "held-out", "held-out"].map(|split| (json!(split), json!(18)));
    assert_eq!(judged, expected);
    let accuracy = |at: usize| metrics[at]["metrics"]["values"]["accuracy"].as_f64().expect("a metric");
    assert!((least - 0.7 * accuracy(0)).abs() < 1e-9);
    let check = &outcome["floor"]["check"];
    let close = |value: &Value, expected: f64| (value.as_f64().expect("a number") - expected).abs() < 1e-9;
    assert!(close(&check["difference"]["value"], accuracy(3) - accuracy(2)), "{check}");
    assert!(close(&check["margin"]["value"], accuracy(3) - 0.7 * accuracy(2)), "{check}");
    for says in ["70 % of the teacher's accuracy", "image minus floor", "held-out", "floor is held"] {
        assert!(printed.contains(says), "{says}: {printed}");
    }
    let report = read_json(&out, "report.json");
    assert_eq!(report["floor"]["tries"].as_array().map(Vec::len), Some(tries.len()));
    assert_eq!((&report["floor"]["samples"], &report["budget"]["metric"]), (&json!(18), &json!(least)));
    let tried = report["floor"]["tries"].as_array().expect("tries");
    let metric = |of: &Value| of["metric"].as_f64().expect("a metric");
    assert!(tried.iter().all(|of| is_around(metric(of), &of["interval"])), "{tried:?}");
    let page = fs::read_to_string(Path::new(&out).join("report.html")).expect("a page");
    assert!(page.contains("image minus floor"));

    // Another floor is another run.
    fails(&format!("{line} --keep 71% --tries 3 --out {out} --resume"), 2, &["floor.keep"]);
}

#[test]
fn a_floor_and_a_budget_hold_together() {
    let flash = bytes(Path::new(&*IMAGE)) * 3 / 4;
    let line = format!("compress --teacher {} --student {} {} {RATES}", *TEACHER, *STUDENT, toy::data());
    let options = format!("--recovery-epochs 4 --max-loss 30 --tries 2 --flash {flash}");
    let journal = journal(&toy::make("floor-within", &format!("{line} {options}")));
    assert!(tries(&journal).iter().all(|of| of["cost"]["flash"].as_u64().expect("bytes") <= flash));
    assert!(journal["outcome"]["cost"]["flash"].as_u64().expect("bytes") <= flash);
}

#[test]
fn a_floor_that_no_image_holds_leaves_the_nearest_image() {
    // The student has learned nearly nothing.
    let line = format!("compress --teacher {} --student {} {} --quick", *TEACHER, *FRESH, toy::data());
    let out = toy::path("floor-too-high").display().to_string();
    let said = [
        "the floor is not held on the development examples that the search has read",
        "100 % of the teacher's accuracy",
        "No model that was tried",
    ];
    fails(&format!("{line} --max-tokens 32 --keep 100% --out {out}"), 2, &said);
    let journal = journal(&out);
    let tries = tries(&journal);
    // The first one, and the best one, which says that no other needs to be tried.
    assert!((1..=2).contains(&tries.len()) && tries.iter().all(|of| of["holds"] == false), "{tries:?}");
    let metric = |of: &Value| of["metric"].as_f64().expect("a metric");
    let best = tries.iter().max_by(|a, b| metric(a).total_cmp(&metric(b))).expect("a try");
    assert_eq!(best["cost"]["flash"], bytes(&Path::new(&out).join("model.tbim")));
    let report = read_json(&out, "report.json");
    assert_eq!(report["floor"]["held"], false);
    let headline = report["reasons"][0].as_str().expect("a sentence");
    for says in
        ["On the 18 examples that were held out, the floor", "the teacher has", "The image has accuracy"]
    {
        assert!(headline.contains(says), "{headline}");
    }
}

#[test]
fn what_no_training_can_change_is_said_before_any() {
    let line = format!("compress --teacher {} {} --max-tokens 32", *ENCODER, toy::data());
    let out = toy::path("never-begun").display().to_string();
    for (limit, least) in [
        ("--flash 5KB", "the least is an image of"),
        ("--ram 1KB", "the least is a workspace of"),
        ("--latency 1us", "(modelled), the least is"),
    ] {
        fails(
            &format!("{line} {limit} --keep 90% --out {out}"),
            2,
            &["nothing was trained", least, "--layers"],
        );
    }
    for (floor, says) in [
        ("--keep 120%", "at most 100%"),
        ("--keep 0%", "above 0"),
        ("--max-loss -1", "percentage points"),
        ("--keep 99% --max-loss 1", "cannot be used with"),
        ("--keep 99% --tries 0", "--tries"),
    ] {
        fails(&format!("{line} {floor} --out {out}"), 2, &[says]);
    }
    let blank = toy::write("blank.txt", "\n \n");
    fails(&format!("{line} --corpus {blank} --out {out}"), 3, &["blank.txt", "no text"]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn what_is_held_out_does_not_choose_the_threshold() {
    // 75 % of the 36 rows are 27, and of the 18 that the search reads 14 are needed.
    let line = format!("compress --teacher {} --student {} {} {RATES}", *TEACHER, *STUDENT, toy::data());
    let options = "--quick --keep 1% --tries 1 --calibrate --reject-coverage 75%";
    let out = toy::make("floor-calibrated", &format!("{line} {options}"));
    let confidence = read_json(&out, "report.json")["answers"]["confidence"].clone();
    let rows = confidence["values"]["coverage"].as_f64().expect("a share") * 18.0;
    assert!((rows - rows.round()).abs() < 1e-9 && rows.round() >= 14.0, "{confidence}");
}

#[test]
fn tries_that_are_killed_and_resumed_find_the_same_image() {
    let out = killed_and_resumed("floor-killed", "--recovery-epochs 2 --keep 60% --tries 3");
    assert!(journal(&out)["tries"].as_array().expect("tries").len() > 1);
}
