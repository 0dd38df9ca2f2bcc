//! Calibrated probabilities, answers that are rejected, and texts that are none of the labels.

use std::fs;
use std::sync::LazyLock;

use serde_json::Value;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, FILLERS, IMAGE, STUDENT, TEMPLATES, data};

/// Names of the development rows that are none of the labels.
const OTHER: &str = "other";

/// Makes an image of the toy task's student; gives what was printed.
fn quantize(name: &str, data: &str, options: &str) -> (String, String) {
    let out = toy::path(name).display().to_string();
    let printed =
        output(&format!("quantize --model {} {data} --max-tokens 32 --out {out} {options}", *STUDENT));
    (out, printed)
}

/// An image that accepts three of four development rows.
static CALIBRATED: LazyLock<(String, String)> =
    LazyLock::new(|| quantize("calibrated.tbim", &data(), "--calibrate --reject-coverage 0.75"));

/// Data with texts in the development set that are none of the labels.
static WITH_OTHERS: LazyLock<String> = LazyLock::new(|| {
    let row =
        |text: String, label: &str| serde_json::json!({ "text": text, "label": label }).to_string() + "\n";
    let rows = FILLERS[..4].iter().flat_map(|filler| {
        let known = TEMPLATES.iter().flat_map(move |(label, templates)| {
            templates.iter().map(move |template| row(template.replace("{}", filler), label))
        });
        let others = FILLERS[4..8].iter().map(move |other| row(format!("{filler} {other} {filler}"), OTHER));
        known.chain(others)
    });
    let dev = toy::write("dev-with-others.jsonl", rows.collect::<String>());
    format!("--train {} --dev {dev}", toy::train())
});

fn run(model: &str, options: &str, texts: &str) -> String {
    let assert = tinybert(&format!("run --model {model} {options}")).write_stdin(texts).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

fn run_json(model: &str, texts: &str) -> Vec<Value> {
    run(model, "--json", texts)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect()
}

/// The number behind the words of `name` in what was printed.
fn number(printed: &str, name: &str) -> f64 {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let name: Vec<&str> = name.split(' ').collect();
    let at = words.windows(name.len()).position(|found| found == name);
    let number = at.and_then(|at| words.get(at + name.len())).map(|word| word.trim_end_matches([',', ';']));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number {name:?}: {printed}"))
}

/// The sentences of the development set.
fn texts() -> String {
    let each = FILLERS[..4].iter().flat_map(|filler| {
        let of_filler = move |template: &&str| template.replace("{}", filler) + "\n";
        TEMPLATES.iter().flat_map(|(_, templates)| templates.iter()).map(of_filler)
    });
    each.collect()
}

#[test]
fn a_calibrated_image_accepts_the_share_that_was_asked_for() {
    let (image, printed) = &*CALIBRATED;
    assert!(printed.contains("fitted to these very rows"), "{printed}");
    let coverage = number(printed, "coverage");
    assert!((0.75..0.9).contains(&coverage), "{printed}");
    assert!(number(printed, "accepted_accuracy") >= number(printed, "in_scope_accuracy"), "{printed}");
    let inspected = output(&format!("inspect {image}"));
    for part in [
        "temperature ",
        "accepted from a probability of",
        "confidence             12 bytes",
        "self-tests passed on",
    ] {
        assert!(inspected.contains(part), "{part}: {inspected}");
    }
    let json: Value =
        serde_json::from_str(&output(&format!("inspect {image} --json"))).expect("a JSON object");
    let json = &json["confidence"];
    assert!(
        (json["temperature"].as_f64().expect("a number") - number(&inspected, "temperature")).abs() < 1e-4
    );
    assert!(
        (json["threshold"].as_f64().expect("a number") - number(&inspected, "probability of")).abs() < 1e-4
    );
    let answers = run_json(image, &texts());
    let accepted = answers.iter().filter(|answer| answer["accepted"] == true).count();
    assert!(
        (accepted as f64 / answers.len() as f64 - coverage).abs() < 1e-4,
        "{accepted} of {}",
        answers.len()
    );
    let threshold = number(&inspected, "probability of");
    for answer in &answers {
        let probability = answer["probability"].as_f64().expect("a number");
        assert!(
            (probability - threshold).abs() < 1e-4 || answer["accepted"] == (probability > threshold),
            "{answer}"
        );
    }
}

#[test]
fn the_temperature_changes_probabilities_and_no_label() {
    let (image, printed) = &*CALIBRATED;
    let temperature = number(printed, "temperature");
    let (calibrated, plain) = (run_json(image, &texts()), run_json(&IMAGE, &texts()));
    for (calibrated, plain) in calibrated.iter().zip(&plain) {
        assert_eq!((&calibrated["label"], &plain["accepted"]), (&plain["label"], &Value::Bool(true)));
        // The differences of logits are the logarithms of the ratios of probabilities, times the temperature.
        let difference = |answer: &Value| {
            let of = |label: &str| answer["probabilities"][label].as_f64().expect("a number");
            (of("music") / of("table")).ln()
        };
        let (found, expected) = (temperature * difference(calibrated), difference(plain));
        assert!((found - expected).abs() < 2e-3 * expected.abs().max(1.0), "{found} and {expected}");
    }
}

#[test]
fn an_answer_that_is_not_accepted_is_marked() {
    let (image, _) = quantize("doubtful.tbim", &data(), "--calibrate --reject-below 1");
    let printed = run(&image, "", "play some lima\n");
    let columns: Vec<&str> = printed.trim_end().split('\t').collect();
    assert!(matches!(columns[..], ["music", _, "(not accepted)"]), "{printed}");
    assert!(run(&IMAGE, "", "play some lima\n").trim_end().split('\t').count() == 2);
    let long = format!("play some {}\n", "lima ".repeat(40));
    let printed = run(&image, "", &long);
    assert!(printed.contains("\t(not accepted)\t(cut to 32 tokens)"), "{printed}");
}

/// Without `--reject-below` and `--reject-coverage`, the threshold separates texts of labels from others.
#[test]
fn texts_that_are_none_of_the_labels_choose_the_threshold() {
    let (image, printed) = quantize("scoped.tbim", &WITH_OTHERS, "--calibrate --out-of-scope other");
    let recall = number(&printed, "out_of_scope_recall");
    let in_scope = number(&printed, "in_scope_accuracy");
    // Accepting everything has the recall 0.
    assert!(recall > 0.0 && recall + in_scope >= 1.0, "{printed}");
    // Those rows count for nothing else.
    let (_, plain) = quantize("unscoped.tbim", &data(), "--calibrate");
    assert_eq!(number(&printed, "temperature"), number(&plain, "temperature"));
    assert!(printed.contains("(36 examples)") && !plain.contains("out_of_scope_recall"), "{printed}{plain}");
    assert!(output(&format!("inspect {image}")).contains("accepted from a probability of"));
    let (_, covered) =
        quantize("covered.tbim", &WITH_OTHERS, "--calibrate --out-of-scope other --reject-coverage 1");
    assert!((number(&covered, "coverage") - 1.0).abs() < 1e-9, "{covered}");
}

#[test]
fn a_label_of_the_model_can_stand_for_what_is_out_of_scope() {
    let (image, printed) =
        quantize("class.tbim", &data(), "--calibrate --out-of-scope table --reject-below 0");
    assert!(printed.contains("not accepted with the label table"), "{printed}");
    assert!(number(&printed, "out_of_scope_recall") > 0.5, "{printed}");
    let answers = run_json(&image, "book a table in lima\nplay some lima\n");
    assert_eq!((&answers[0]["label"], &answers[0]["accepted"]), (&"table".into(), &false.into()));
    assert_eq!((&answers[1]["label"], &answers[1]["accepted"]), (&"music".into(), &true.into()));
}

#[test]
fn a_pruned_image_of_four_bits_has_the_same_probabilities_on_every_instruction_set() {
    let pruned = toy::make(
        "pruned-for-confidence",
        &format!("prune --model {} --heads 0.5 --ffn 0.5 --multiple-of 8 {}", *STUDENT, data()),
    );
    let options = "--max-tokens 32 --weights int4 --embeddings int4 --calibrate --reject-coverage 0.5";
    let image = toy::make("four-bits.tbim", &format!("quantize --model {pruned} {} {options}", data()));
    let expected = run(&image, "--json --isa scalar", &texts());
    assert!(expected.contains("\"accepted\":false") && expected.contains("\"accepted\":true"), "{expected}");
    for isa in ["avx2", "avx-vnni", "avx512-vnni", "neon", "neon-dotprod", "neon-dotprod-a55", "neon-i8mm"] {
        let found =
            tinybert(&format!("run --model {image} --json --isa {isa}")).write_stdin(texts()).output();
        let found = found.expect("the program runs");
        // 2: this machine has no such instructions.
        assert!(found.status.code() == Some(2) || found.stdout == expected.as_bytes(), "{isa}");
    }
}

/// What `eval --json` prints of a model, and the lines of its file of predictions.
fn evaluated(model: &str, data: &str, options: &str) -> (Value, Vec<Value>) {
    let file = toy::path("confidence-predictions.jsonl").display().to_string() + &model.replace('/', "-");
    let printed = output(&format!("eval --model {model} {data} --json --predictions {file} {options}"));
    let lines = fs::read_to_string(file).expect("eval writes the predictions");
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    (serde_json::from_str(&printed).expect("a JSON object"), lines)
}

#[test]
fn eval_measures_what_quantize_has_chosen() {
    let (image, printed) = &*CALIBRATED;
    let (found, _) = evaluated(image, &data(), "");
    for name in ["expected_calibration_error", "area_under_risk_coverage", "coverage", "accepted_accuracy"] {
        let value = found["confidence"][name].as_f64().expect("a number");
        assert!((value - number(printed, name)).abs() < 1e-4, "{name}: {found}, {printed}");
    }
    let (folder, _) = evaluated(&STUDENT, &data(), "");
    assert_eq!(folder["confidence"]["coverage"], 1.0);
    assert_eq!(folder["confidence"]["accepted_accuracy"], folder["values"]["accuracy"]);
    let printed = output(&format!("eval --model {image} {}", data()));
    assert!(printed.contains("dev accepted_accuracy ") && printed.contains("coverage 0.7"), "{printed}");
    // A tagger or a set of labels has no such values.
    fails(&format!("eval --model {image} {} --out-of-scope x --multi-label", data()), 2, &["--out-of-scope"]);
}

#[test]
fn eval_counts_rejected_texts_that_are_none_of_the_labels() {
    let (image, _) = quantize("scoped-again.tbim", &WITH_OTHERS, "--calibrate --out-of-scope other");
    for model in [image.as_str(), &STUDENT] {
        let (found, lines) = evaluated(model, &WITH_OTHERS, "--out-of-scope other");
        let (plain, _) = evaluated(model, &data(), "");
        assert_eq!((&found["values"], &found["samples"]), (&plain["values"], &36.into()));
        let share = |part: &dyn Fn(&Value) -> bool, of_others: bool| {
            let all: Vec<&Value> = lines.iter().filter(|line| (line["gold"] == OTHER) == of_others).collect();
            all.iter().filter(|line| part(line)).count() as f64 / all.len() as f64
        };
        let recall = share(&|line| line["accepted"] == false, true);
        let accuracy = share(&|line| line["accepted"] == true && line["gold"] == line["predicted"], false);
        assert_eq!(found["confidence"]["out_of_scope_recall"], recall, "{found}");
        assert_eq!(found["confidence"]["in_scope_accuracy"], accuracy, "{found}");
        assert_eq!(lines.len(), 36 + 16);
        assert_eq!(recall == 0.0, model == STUDENT.as_str(), "a folder accepts everything");
        fails(
            &format!("eval --model {model} {}", *WITH_OTHERS),
            3,
            &["\"other\" is unknown", "--out-of-scope"],
        );
        assert_eq!((&found["out_of_scope_samples"], &plain["out_of_scope_samples"]), (&16.into(), &0.into()));
        let printed = output(&format!("eval --model {model} {} --out-of-scope other", *WITH_OTHERS));
        assert!(
            printed.contains("(36 examples") && printed.contains("(16 examples out of scope)"),
            "{printed}"
        );
        for label in ["OTHER", ""] {
            let line = format!("eval --model {model} {} --out-of-scope={label}", data());
            fails(&line, 3, &["neither the model nor a row of the dev data has this label"]);
        }
    }
    // As a class of the model: a folder rejects answers with it, too.
    let (found, _) = evaluated(&STUDENT, &data(), "--out-of-scope table");
    assert!(found["confidence"]["out_of_scope_recall"].as_f64().expect("a number") > 0.5, "{found}");
}

#[test]
fn the_page_shows_what_eval_measures() {
    let (image, _) = quantize("scoped-for-page.tbim", &WITH_OTHERS, "--calibrate --out-of-scope other");
    let [page, json] =
        ["scoped.html", "report-of-scope.json"].map(|name| toy::path(name).display().to_string());
    let line = format!("report {} {image} --out {page} --json {json}", *STUDENT);
    output(&format!("{line} {} --teacher {} --out-of-scope other", *WITH_OTHERS, *STUDENT));
    let report: Value = serde_json::from_slice(&fs::read(&json).expect("report writes it")).expect("JSON");
    let (found, _) = evaluated(&image, &WITH_OTHERS, "--out-of-scope other");
    let confidence = &report["answers"]["confidence"];
    assert_eq!((&confidence["values"], &confidence["unknown"]), (&found["confidence"], &16.into()));
    assert_eq!(confidence["intervals"], found["confidence_intervals"]);
    assert_eq!(report["stages"][1]["metrics"], found["values"]);
    assert_eq!(report["answers"]["samples"], 36);
    let html = fs::read_to_string(&page).expect("report writes a page");
    for part in ["out of scope recall", "in scope accuracy", "examples that are none of the labels"] {
        assert!(html.contains(part), "{part}");
    }

    // A label of the model that stands for what is out of scope.
    output(&format!("{line} {} --out-of-scope table", data()));
    let report: Value = serde_json::from_slice(&fs::read(&json).expect("report writes it")).expect("JSON");
    let (found, _) = evaluated(&image, &data(), "--out-of-scope table");
    let confidence = &report["answers"]["confidence"];
    assert_eq!((&confidence["values"], &confidence["out_of_scope"]), (&found["confidence"], &"table".into()));

    fails(&format!("{line} {}", *WITH_OTHERS), 3, &["\"other\" is unknown"]);
    fails(&format!("{line} --out-of-scope other"), 2, &["--out-of-scope other", "give --dev"]);
    fails(
        &format!("report {} {} --out {page} --out-of-scope other", *STUDENT, *WITH_OTHERS),
        2,
        &["--out-of-scope other", "none of the places is one"],
    );
    fails(&format!("{line} {} --regression --out-of-scope other", data()), 2, &["--out-of-scope"]);
}

#[test]
fn compress_makes_a_calibrated_image_within_the_budget() {
    let line = format!(
        "compress --teacher {} --student {} {} --flash 45KB --ram 40KB --latency 5ms --board cortex-a53@1.2GHz \
         --recovery-lr 2e-3 --recovery-epochs 2 --prediction-lr 1e-3 --batch-size 16 --max-tokens 32 --calibrate \
         --reject-coverage 0.75 --out-of-scope other",
        *toy::TEACHER,
        *STUDENT,
        *WITH_OTHERS
    );
    let out = toy::path("compressed-confidence").display().to_string();
    let printed = output(&format!("{line} --out {out} --quiet"));
    let coverage = number(&printed, "coverage");
    assert!(coverage >= 0.75 && printed.contains("out_of_scope_recall"), "{printed}");
    let image = format!("{out}/model.tbim");
    assert!(output(&format!("inspect {image}")).contains("accepted from a probability of"));
    // The report has what `eval` says of the image.
    let report = fs::read(format!("{out}/report.json")).expect("compress writes a report");
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    let (found, _) = evaluated(&image, &WITH_OTHERS, "--out-of-scope other");
    assert_eq!(report["answers"]["confidence"]["values"], found["confidence"]);
    // Flash is exact before anything is pruned.
    let journal = fs::read_to_string(format!("{out}/compress.json")).expect("compress writes its journal");
    let journal: Value = serde_json::from_str(&journal).expect("the journal is JSON");
    let bytes = fs::metadata(&image).expect("the image is there").len();
    assert_eq!(journal["found"]["chosen"]["cost"]["flash"], bytes);
}

#[test]
fn options_of_confidence_are_checked_before_anything_is_made() {
    let out = toy::path("refused-confidence.tbim");
    let line = format!("quantize --model {} {} --max-tokens 32 --out {}", *STUDENT, data(), out.display());
    for option in ["--reject-below 0.5", "--reject-coverage 0.9", "--out-of-scope table"] {
        fails(&format!("{line} {option}"), 2, &["--calibrate"]);
    }
    fails(&format!("{line} --calibrate --reject-below 0.5 --reject-coverage 0.9"), 2, &["--reject-coverage"]);
    for below in ["1.1", "-0.1", "NaN", "half"] {
        fails(&format!("{line} --calibrate --reject-below={below}"), 2, &["a probability from 0 to 1"]);
    }
    for share in ["0", "1.01", "NaN"] {
        fails(
            &format!("{line} --calibrate --reject-coverage {share}"),
            2,
            &["a share above 0 and at most 100%"],
        );
    }
    for kind in ["--multi-label", "--regression", "--tagging", "--embedding"] {
        fails(&format!("{line} --calibrate {kind}"), 2, &["--calibrate", kind]);
    }
    fails(
        &format!("{line} --calibrate --out-of-scope {OTHER}"),
        3,
        &["no row of the development set", OTHER],
    );
    fails(&format!("{} --calibrate", line.replace(&data(), &WITH_OTHERS)), 3, &["\"other\" is unknown"]);
    assert!(!out.exists(), "nothing was made");
}

#[test]
fn a_damaged_confidence_section_is_noticed() {
    let mut image = fs::read(&CALIBRATED.0).expect("quantize writes an image");
    let section = image.len() - 64;
    image[section] ^= 1;
    let damaged = toy::write("damaged-confidence.tbim", image);
    fails(&format!("run --model {damaged} jazz"), 3, &[&damaged, "Confidence is damaged"]);
}
