//! A toy task and toy models, which the program itself makes once per test run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::program::output;

/// Three intents and the sentences that express them; `{}` is replaced by one of [`FILLERS`].
pub const TEMPLATES: [(&str, [&str; 3]); 3] = [
    ("music", ["play some {}", "i want to hear {} songs", "put {} on"]),
    ("weather", ["will it rain in {}", "weather forecast for {}", "how cold is it in {}"]),
    ("table", ["book a table in {}", "reserve a restaurant near {}", "dinner for two at {}"]),
];
/// Words for the templates; the first [`DEV_FILLERS`] are for the development set.
pub const FILLERS: [&str; 16] = [
    "paris", "jazz", "oslo", "rock", "lima", "blues", "rome", "folk", "cairo", "metal", "delhi", "soul",
    "quito", "disco", "turin", "opera",
];
/// Number of fillers of the development set.
pub const DEV_FILLERS: usize = 4;

/// The folder of this test run, emptied once.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end-to-end");
    drop(fs::remove_dir_all(&home)); // there may be one of an earlier run
    fs::create_dir_all(&home).expect("the target folder can be written");
    home
});

/// A path in this run's folder.
pub fn path(name: &str) -> PathBuf {
    HOME.join(name)
}

/// Writes a file into this run's folder; gives its path.
pub fn write(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = path(name);
    fs::write(&path, contents).expect("the target folder can be written");
    path.display().to_string()
}

/// Sentences and labels of the given fillers as JSONL.
fn sentences(fillers: &[&str]) -> String {
    let line = |text: String, label: &str| format!("{{\"text\": \"{text}\", \"label\": \"{label}\"}}\n");
    fillers
        .iter()
        .flat_map(|filler| {
            TEMPLATES.iter().flat_map(move |(label, templates)| {
                templates.iter().map(move |template| line(template.replace("{}", filler), label))
            })
        })
        .collect()
}

static TRAIN: LazyLock<String> = LazyLock::new(|| write("train.jsonl", sentences(&FILLERS[DEV_FILLERS..])));
static DEV: LazyLock<String> = LazyLock::new(|| write("dev.jsonl", sentences(&FILLERS[..DEV_FILLERS])));

/// The training file: 108 sentences.
pub fn train() -> &'static str {
    &TRAIN
}

/// Data options of the toy task; 36 sentences for development.
pub fn data() -> String {
    format!("--train {} --dev {}", *TRAIN, *DEV)
}

/// A folder with an uncased `vocab.txt` of the first `pieces` pieces: specials, letters, and the task's words.
pub fn vocabulary(name: &str, pieces: usize) -> String {
    let letters = ('a'..='z').flat_map(|letter| [letter.to_string(), format!("##{letter}")]);
    let text = TEMPLATES.iter().flat_map(|(_, templates)| templates.iter()).chain(&FILLERS);
    let words: BTreeSet<&str> =
        text.flat_map(|text| text.split(' ')).filter(|word| word.len() > 1 && *word != "{}").collect();
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
    let all = specials.into_iter().chain(letters).chain(words.into_iter().map(String::from));
    fs::create_dir_all(path(name)).expect("the target folder can be written");
    write(&format!("{name}/vocab.txt"), all.take(pieces).map(|piece| piece + "\n").collect::<String>());
    path(name).display().to_string()
}

/// Runs the command line `line` so that it writes the folder or file `name`; gives its path.
pub fn make(name: &str, line: &str) -> String {
    let out = path(name).display().to_string();
    output(&format!("{line} --out {out} --quiet"));
    out
}

/// A fresh model of 2 layers with 4 heads, unless `sizes` say otherwise.
pub fn student(name: &str, sizes: &str, vocabulary: &str) -> String {
    let layers = if sizes.contains("--layers") { "" } else { "--layers 2" };
    let heads = if sizes.contains("--heads") { "" } else { "--heads 4" };
    make(name, &format!("init {layers} {heads} {sizes} --ffn 64 --positions 32 --vocab-from {vocabulary}"))
}

/// A general teacher without a head: 4 layers, hidden 48.
pub static ENCODER: LazyLock<String> =
    LazyLock::new(|| student("encoder", "--layers 4 --hidden 48", &vocabulary("vocabulary", usize::MAX)));

/// The task teacher: [`ENCODER`], fine-tuned.
pub static TEACHER: LazyLock<String> = LazyLock::new(|| {
    let line = format!(
        "fine-tune --model {} {} --max-tokens 32 --epochs 8 --lr 1e-3 --batch-size 16",
        *ENCODER,
        data()
    );
    make("teacher", &line)
});

/// A fresh student of [`TEACHER`]: 2 layers, hidden 32.
pub static FRESH: LazyLock<String> = LazyLock::new(|| student("fresh", "--hidden 32", &ENCODER));

/// The toy task's student, distilled from [`TEACHER`].
pub static STUDENT: LazyLock<String> = LazyLock::new(|| {
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *FRESH, data());
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 16 --prediction-lr 1e-3 --prediction-epochs 24";
    make("student", &format!("{line} {rates} --batch-size 16 --max-tokens 32"))
});

/// The image of [`STUDENT`], for inputs of up to 32 tokens.
pub static IMAGE: LazyLock<String> = LazyLock::new(|| {
    make("model.tbim", &format!("quantize --model {} {} --max-tokens 32", *STUDENT, data()))
});
