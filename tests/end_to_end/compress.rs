//! One command from teacher and data to an image within a budget.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{fails, output};
use crate::toy::{self, ENCODER, IMAGE, STUDENT, TEACHER};

const RATES: &str =
    "--intermediate-lr 1e-3 --prediction-lr 1e-3 --recovery-lr 1e-3 --batch-size 16 --max-tokens 32";

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).expect("the image is there").len()
}

/// What the run in `out` wrote about itself.
fn journal(out: &str) -> serde_json::Value {
    let text = fs::read_to_string(Path::new(out).join("compress.json")).expect("a run leaves its journal");
    serde_json::from_str(&text).expect("the journal is JSON")
}

fn accuracy(image: &Path) -> f64 {
    let evaluated = output(&format!("eval --model {} {}", image.display(), toy::data()));
    evaluated.split_whitespace().nth(2).and_then(|word| word.parse().ok()).expect("split, metric, value")
}

#[test]
fn a_bare_encoder_becomes_an_image_within_its_budget() {
    let line = format!(
        "compress --teacher {} {} {RATES} --teacher-epochs 8 --teacher-lr 1e-3 --intermediate-epochs 16 \
         --prediction-epochs 24 --recovery-epochs 6 --flash 45KB --ram 40KB --latency 5ms --board cortex-a53@1.2GHz",
        *ENCODER,
        toy::data()
    );
    let out = toy::make("compressed", &line);
    let image = Path::new(&out).join("model.tbim");
    assert!(bytes(&image) <= 45_000);
    // The size was known before there was an image.
    let journal = journal(&out);
    assert_eq!(journal["found"]["chosen"]["cost"]["flash"], bytes(&image));
    assert!(journal["outcome"]["cost"]["ram"].as_u64().expect("bytes") <= 40_000);
    let report =
        fs::read_to_string(Path::new(&out).join("report.json")).expect("a finished run has a report");
    assert!(report.contains("\"chosen\": true"), "{report}");
    let inspected = output(&format!("inspect {}", image.display()));
    let workspace = &journal["outcome"]["cost"]["ram"];
    assert!(inspected.contains(&workspace.to_string()), "{workspace}: {inspected}");
    for stage in ["teacher", "student-fresh", "student-general", "student"] {
        output(&format!("inspect {}", Path::new(&out).join(stage).display()));
    }
    assert!(accuracy(&image) > 0.6);
}

#[test]
fn a_budget_that_cannot_be_met_says_what_could_be() {
    let line =
        format!("compress --teacher {} --student {} {} --max-tokens 32", *TEACHER, *STUDENT, toy::data());
    let out = toy::path("impossible").display().to_string();
    let said = ["--flash cannot be met", "the least is", "nearest: ", "--ram can be met"];
    fails(&format!("{line} --flash 5KB --ram 1MB --out {out}"), 2, &said);
    // The same folder, other settings.
    fails(&format!("{line} --flash 1MB --out {out}"), 2, &["--resume"]);
    fails(&format!("{line} --flash 1MB --out {out} --resume"), 2, &["not the same run", "flash"]);
    fails(&format!("{line} --flash much --out {out}"), 2, &["2.5MB"]);
    fails(&format!("{line} --board pdp-11 --out {out}"), 2, &["raspberry-pi-4", "cortex-a53"]);
}

#[test]
fn a_run_killed_anywhere_and_resumed_makes_the_same_image() {
    let flash = bytes(Path::new(&*IMAGE)) * 3 / 4;
    let line = format!(
        "compress --teacher {} --student {} {} {RATES} --recovery-epochs 3 --flash {flash} --quiet --checkpoint-steps 3",
        *TEACHER,
        *STUDENT,
        toy::data()
    );
    let start = |out: &str, threads: usize| {
        Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
            .args(format!("{line} --out {out} --threads {threads} --resume").split_whitespace())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts")
    };
    let image = |out: &str| fs::read(Path::new(out).join("model.tbim")).expect("a finished run has an image");
    let whole = toy::path("compress-whole").display().to_string();
    let begun = Instant::now();
    assert!(start(&whole, 2).wait().expect("the program ends").success());
    let once = begun.elapsed();
    assert!(image(&whole).len() as u64 <= flash);

    let out = toy::path("compress-killed").display().to_string();
    for part in 1..=6u32 {
        let mut run = start(&out, 1 + part as usize % 2);
        std::thread::sleep(once * part / 8);
        run.kill().expect("the program can be killed");
        run.wait().expect("the program can be waited for");
    }
    let mut run = start(&out, 2);
    let begun = Instant::now();
    loop {
        if let Some(status) = run.try_wait().expect("the program can be waited for") {
            assert!(status.success());
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(600), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(image(&out), image(&whole));
}
