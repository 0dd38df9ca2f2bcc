//! A toy task and toy models, made once per test run by the program itself.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::program::output;

/// Where everything of this test run lies.
const HOME: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/end-to-end");

/// The three intents and how they are asked for; `{}` is a word of [`FILLERS`].
const TEMPLATES: [(&str, [&str; 3]); 3] = [
    ("music", ["play some {}", "i want to hear {} songs", "put {} on"]),
    ("weather", ["will it rain in {}", "weather forecast for {}", "how cold is it in {}"]),
    ("table", ["book a table in {}", "reserve a restaurant near {}", "dinner for two at {}"]),
];
const FILLERS: [&str; 16] = [
    "paris", "jazz", "oslo", "rock", "lima", "blues", "rome", "folk", "cairo", "metal", "delhi", "soul",
    "quito", "disco", "turin", "opera",
];

/// A path in this run's folder.
pub fn path(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

/// `--train F --dev F` of the toy task: 108 and 36 sentences of three intents.
pub static DATA: LazyLock<String> = LazyLock::new(|| {
    drop(fs::remove_dir_all(HOME)); // of an earlier run
    fs::create_dir_all(HOME).expect("the target folder can be written");
    let (dev, train) = FILLERS.split_at(4);
    format!("--train {} --dev {}", write_split("train", train), write_split("dev", dev))
});

fn write_split(name: &str, fillers: &[&str]) -> String {
    let mut lines = String::new();
    for filler in fillers {
        for (label, templates) in TEMPLATES {
            for template in templates {
                let text = template.replace("{}", filler);
                writeln!(lines, r#"{{"text": "{text}", "label": "{label}"}}"#)
                    .expect("strings take any text");
            }
        }
    }
    write(&format!("{name}.jsonl"), &lines)
}

/// Writes a file of this run's folder; gives its path.
pub fn write(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = path(name);
    fs::write(&path, contents).expect("the target folder can be written");
    path.display().to_string()
}

/// A folder made by running the command line `line` with `--out` set to it.
fn made(name: &str, line: &str) -> String {
    let out = path(name).display().to_string();
    output(&format!("{line} --out {out} --quiet"));
    out
}

/// A general teacher without a head: 4 layers, hidden 48, 4 heads, and a vocabulary of the toy task.
pub static ENCODER: LazyLock<String> = LazyLock::new(|| {
    let train = DATA.split_whitespace().nth(1).expect("DATA begins with --train F");
    made(
        "encoder",
        &format!(
            "init --layers 4 --hidden 48 --heads 4 --ffn 96 --positions 32 --train-vocab-from {train} --vocab-size 160"
        ),
    )
});

/// The task teacher: [`ENCODER`], fine-tuned.
pub static TEACHER: LazyLock<String> = LazyLock::new(|| {
    made("teacher", &format!("fine-tune --model {} {} --epochs 8 --lr 1e-3 --batch-size 16", *ENCODER, *DATA))
});

/// A fresh student of 2 layers and hidden 32 with the teacher's heads and vocabulary.
pub static FRESH: LazyLock<String> = LazyLock::new(|| {
    made(
        "fresh",
        &format!("init --layers 2 --hidden 32 --heads 4 --ffn 64 --positions 32 --vocab-from {}", *ENCODER),
    )
});
