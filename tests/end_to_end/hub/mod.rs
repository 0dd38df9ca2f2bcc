//! Models by their ids on the Hub.

mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

use self::server::{HubServer, MAIN, TAGGED, TOKEN};
use crate::program::{error_says, output, tinybert};
use crate::toy::{self, ENCODER, TEACHER};

const WEIGHTS: &str = "model.safetensors";

/// A Hub, and a machine whose cache is empty.
struct Machine {
    hub: HubServer,
    home: PathBuf,
}

impl Machine {
    /// A Hub that serves `folder`.
    fn new(name: &str, folder: &Path) -> Self {
        Self { hub: HubServer::start(folder), home: toy::path(&format!("{name}-home")) }
    }

    /// A Hub that serves [`TEACHER`] and what nobody needs.
    fn with_teacher(name: &str) -> Self {
        let folder = served(name);
        for unneeded in ["pytorch_model.bin", "tf_model.h5", "README.md", "onnx/model.onnx"] {
            let path = folder.join(unneeded);
            fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
            fs::write(path, "unneeded").expect("the folder can be written");
        }
        Self::new(name, &folder)
    }

    fn tinybert(&self, line: &str) -> Command {
        let mut command = tinybert(line);
        for name in ["HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
            command.env_remove(name);
        }
        command.env("HF_ENDPOINT", &self.hub.address).env("HF_HOME", &self.home).env("NO_PROXY", "*");
        command
    }

    /// Runs `line`, which must succeed; gives what it printed.
    fn output(&self, line: &str) -> String {
        let assert = self.tinybert(line).assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).expect("the program prints UTF-8")
    }

    /// A path in the cache of `acme/tiny`.
    fn cached(&self, path: &str) -> PathBuf {
        self.home.join("hub/models--acme--tiny").join(path)
    }
}

/// A copy of [`TEACHER`]'s folder.
fn served(name: &str) -> PathBuf {
    copied(&TEACHER, name)
}

/// A copy of the folder of `model`.
fn copied(model: &str, name: &str) -> PathBuf {
    let folder = toy::path(&format!("{name}-served"));
    fs::create_dir_all(&folder).expect("the target folder can be written");
    for entry in fs::read_dir(model).expect("the teacher is there").flatten() {
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("the files can be copied");
    }
    folder
}

fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).expect("the file is there")
}

#[test]
fn a_model_is_fetched_once_and_without_what_is_not_needed() {
    let machine = Machine::with_teacher("hub-once");
    let of_folder = output(&format!("inspect {}", *TEACHER));
    assert_eq!(machine.output("inspect acme/tiny"), of_folder);
    let requests = machine.hub.take_requests();
    assert!(requests.iter().any(|request| request == &format!("GET /storage/{WEIGHTS}")), "{requests:?}");
    for unneeded in ["pytorch_model.bin", "tf_model.h5", "README.md", "onnx", "run.json"] {
        assert!(!requests.iter().any(|request| request.contains(unneeded)), "{unneeded}: {requests:?}");
    }

    // The layout that all tools of the Hub share.
    assert_eq!(bytes(machine.cached("refs/main")), MAIN.as_bytes());
    let snapshot = machine.cached(&format!("snapshots/{MAIN}"));
    let link = fs::read_link(snapshot.join(WEIGHTS)).expect("the weights are a link");
    assert!(link.starts_with("../../blobs"), "{link:?}");
    assert_eq!(bytes(snapshot.join(WEIGHTS)), bytes(Path::new(&*TEACHER).join(WEIGHTS)));

    assert_eq!(machine.output("inspect hf://acme/tiny"), of_folder);
    assert_eq!(machine.output(&format!("inspect acme/tiny@{MAIN}")), of_folder);
    let offline = machine.tinybert("inspect acme/tiny").env("HF_HUB_OFFLINE", "1").assert().success();
    assert_eq!(offline.get_output().stdout, of_folder.as_bytes());
    assert_eq!(machine.hub.take_requests(), [""; 0]);
}

#[test]
fn a_vocabulary_comes_without_the_weights_and_every_command_takes_ids() {
    let machine = Machine::with_teacher("hub-commands");
    let out = toy::path("hub-student");
    machine.output(&format!(
        "init --layers 2 --hidden 32 --heads 4 --ffn 64 --positions 32 --vocab-from acme/tiny -q --out {}",
        out.display()
    ));
    assert!(!machine.hub.take_requests().iter().any(|request| request.contains(WEIGHTS)));
    let line = "distill --stage task --teacher acme/tiny@v1 --max-tokens 32 -q --layer-map uniform";
    let epochs = "--intermediate-epochs 1 --prediction-epochs 1 --allow-weak-teacher";
    let distilled = toy::path("hub-distilled");
    machine.output(&format!(
        "{line} {epochs} --student {} {} --out {}",
        out.display(),
        toy::data(),
        distilled.display()
    ));
    // The record names what is always the same, not where it was on this machine.
    let record = String::from_utf8(bytes(distilled.join("run.json"))).expect("the record is text");
    assert!(record.contains(&format!("hf://acme/tiny@{TAGGED}/{WEIGHTS}")), "{record}");
    assert!(!record.contains("snapshots"), "{record}");
    let record = String::from_utf8(bytes(out.join("run.json"))).expect("the record is text");
    assert!(record.contains(&format!("hf://acme/tiny@{MAIN}")), "{record}");
    machine.output(&format!("eval --model acme/tiny {}", toy::data()));
    machine.output("run --model acme/tiny jazz");
}

#[test]
fn shards_and_the_pooling_of_a_sentence_encoder_are_fetched() {
    let folder = served("hub-shards");
    let weights = bytes(folder.join(WEIGHTS));
    let length = u64::from_le_bytes(weights[..8].try_into().expect("eight bytes")) as usize;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&weights[8..8 + length]).expect("the header is JSON");
    let names = header.keys().filter(|name| *name != "__metadata__");
    let map: BTreeMap<&String, &str> = names.map(|name| (name, "part-1.safetensors")).collect();
    let index = serde_json::json!({ "weight_map": map }).to_string();
    fs::rename(folder.join(WEIGHTS), folder.join("part-1.safetensors")).expect("the file can be renamed");
    fs::write(folder.join("model.safetensors.index.json"), index).expect("the folder can be written");
    fs::create_dir(folder.join("pool")).expect("the folder can be written");
    let modules =
        r#"[{"path": "", "type": "models.Transformer"}, {"path": "pool", "type": "models.Pooling"}]"#;
    fs::write(folder.join("modules.json"), modules).expect("the folder can be written");
    fs::write(folder.join("pool/config.json"), "{}").expect("the folder can be written");
    let machine = Machine::new("hub-shards", &folder);
    assert_eq!(machine.output("inspect acme/tiny"), output(&format!("inspect {}", *TEACHER)));
    assert_eq!(bytes(machine.cached(&format!("snapshots/{MAIN}/pool/config.json"))), b"{}");
    machine.hub.take_requests();
    machine.output("inspect acme/tiny");
    assert_eq!(machine.hub.take_requests(), [""; 0]);
}

#[test]
fn offline_only_the_cache_is_read() {
    let machine = Machine::with_teacher("hub-offline");
    let assert = machine.tinybert("inspect acme/tiny").env("HF_HUB_OFFLINE", "1").assert().code(4);
    error_says(assert, &["acme/tiny", "HF_HUB_OFFLINE is set", "config.json"]);
    assert_eq!(machine.hub.take_requests(), [""; 0]);
}

#[test]
fn offline_a_sentence_encoder_is_refused_if_nobody_knows_how_it_pools() {
    let machine = Machine::new("hub-pooling", &copied(&ENCODER, "hub-pooling"));
    let row = |pair: &str, score: u8| {
        format!("{{\"text\": \"play jazz\", \"pair\": \"{pair}\", \"label\": {score}}}\n")
    };
    let dev = toy::write(
        "hub-pairs.jsonl",
        row("play jazz", 5) + &row("play some rock", 3) + &row("rain in oslo", 0),
    );
    let line = format!("eval --model acme/tiny --embedding --pair-column pair --dev {dev}");
    machine.output(&line);
    // The cache knows that the model has no such file.
    machine.tinybert(&line).env("HF_HUB_OFFLINE", "1").assert().success();
    let absence = machine.cached(&format!(".no_exist/{MAIN}/modules.json"));
    fs::remove_file(absence).expect("the cache remembers what is not there");
    let assert = machine.tinybert(&line).env("HF_HUB_OFFLINE", "1").assert().code(3);
    error_says(assert, &["acme/tiny", "modules.json", "with access to the Hugging Face Hub"]);
}

#[test]
fn a_model_that_may_not_be_read_or_is_not_there_is_explained() {
    let machine = Machine::with_teacher("hub-refused");
    let assert = machine.tinybert("inspect acme/unknown").assert().code(4);
    error_says(assert, &["acme/unknown", "(401)", "did you mean a folder", "set HF_TOKEN"]);
    let assert = machine.tinybert("inspect acme/unknown").env("HF_TOKEN", TOKEN).assert().code(4);
    error_says(assert, &["acme/unknown", "(404)", "did you mean a folder", "may not read it"]);
    let assert = machine.tinybert("inspect acme/gated").assert().code(4);
    error_says(assert, &["gated", "accept its terms", "set HF_TOKEN"]);
    let assert = machine.tinybert("inspect acme/tiny@v2").assert().code(4);
    error_says(assert, &["no branch, tag or commit \"v2\""]);
}

#[test]
fn a_token_opens_a_private_model_and_stays_with_the_hub() {
    let machine = Machine::with_teacher("hub-private");
    machine.tinybert("inspect acme/private").assert().code(4);
    let token = toy::write("hub-token", format!("{TOKEN}\n"));
    machine.hub.take_requests();
    machine.tinybert("inspect acme/private").env("HF_TOKEN_PATH", token).assert().success();
    let requests = machine.hub.take_requests();
    let (storage, hub): (Vec<&String>, _) =
        requests.iter().partition(|request| request.contains("/storage/"));
    assert!(hub.iter().all(|request| request.ends_with(TOKEN)), "{hub:?}");
    assert!(!storage.is_empty() && !storage.iter().any(|request| request.contains(TOKEN)), "{storage:?}");
}

#[test]
fn a_cut_transfer_continues_and_a_cut_file_is_never_used() {
    let machine = Machine::with_teacher("hub-cut");
    let weights = bytes(Path::new(&*TEACHER).join(WEIGHTS));
    let here = machine.cached(&format!("snapshots/{MAIN}/{WEIGHTS}"));
    machine.hub.cut(usize::MAX);
    let assert = machine.tinybert("inspect acme/tiny").assert().code(4);
    error_says(assert, &[WEIGHTS, "was cut", "the same command continues"]);
    assert!(!here.exists());

    machine.hub.take_requests();
    machine.hub.cut(1);
    machine.output("inspect acme/tiny");
    assert_eq!(bytes(&here), weights);
    let requests = machine.hub.take_requests();
    let storage: Vec<_> = requests.iter().filter(|request| request.contains("/storage/")).collect();
    assert!(storage.len() == 2 && storage.iter().all(|request| request.contains(" from ")), "{requests:?}");
}

#[test]
fn contents_that_are_not_those_of_the_hub_are_refused() {
    let machine = Machine::with_teacher("hub-wrong");
    machine.output("inspect acme/tiny");
    let blob = fs::canonicalize(machine.cached(&format!("snapshots/{MAIN}/{WEIGHTS}"))).expect("it is there");
    // The rest of another transfer, of which a part was written wrongly.
    let mut partial = bytes(&blob);
    partial.truncate(1000);
    partial[500] ^= 1;
    fs::remove_file(&blob).expect("the cache can be written");
    fs::write(format!("{}.incomplete", blob.display()), partial).expect("the cache can be written");
    let assert = machine.tinybert("inspect acme/tiny").assert().code(3);
    error_says(assert, &[WEIGHTS, "SHA-256", "fetches it again"]);
    assert!(!blob.exists());
    machine.output("inspect acme/tiny");
}

#[test]
fn a_damaged_file_of_the_cache_is_fetched_again() {
    let machine = Machine::with_teacher("hub-damaged");
    let found = machine.output("inspect acme/tiny");
    let weights = machine.cached(&format!("snapshots/{MAIN}/{WEIGHTS}"));
    let whole = bytes(&weights);
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] ^= 1;
    fs::write(&weights, &damaged).expect("the cache can be written");
    let assert = machine.tinybert("inspect acme/tiny").env("HF_HUB_OFFLINE", "1").assert().code(3);
    error_says(assert, &[WEIGHTS, "damaged", "fetches it again"]);
    machine.hub.take_requests();
    assert_eq!(machine.output("inspect acme/tiny"), found);
    assert_eq!(bytes(&weights), whole);
    assert!(!machine.hub.take_requests().is_empty());

    // A link of a stranger.
    let outside =
        toy::write("hub-outside.json", bytes(machine.cached(&format!("snapshots/{MAIN}/config.json"))));
    let config = machine.cached(&format!("snapshots/{MAIN}/config.json"));
    fs::remove_file(&config).expect("the cache can be written");
    std::os::unix::fs::symlink(outside, &config).expect("the cache can be written");
    let assert = machine.tinybert("inspect acme/tiny").assert().code(3);
    error_says(assert, &["config.json", "out of the cache"]);
}

#[test]
fn without_a_network_the_error_says_so() {
    let machine = Machine::with_teacher("hub-unreachable");
    let mut command = machine.tinybert("inspect acme/tiny");
    let assert = command.env("HF_ENDPOINT", "http://127.0.0.1:1").assert().code(4);
    error_says(assert, &["acme/tiny", "http://127.0.0.1:1 cannot be reached", "HF_HUB_OFFLINE=1"]);
}

#[test]
fn a_path_that_exists_is_a_path_and_a_wrong_id_is_named() {
    let machine = Machine::with_teacher("hub-path");
    let here = toy::path("hub-here");
    fs::create_dir_all(here.join("acme/tiny")).expect("the target folder can be written");
    let assert = machine.tinybert("inspect acme/tiny").current_dir(here).assert().code(3);
    error_says(assert, &["acme/tiny", "config.json is missing"]);
    let assert = machine.tinybert("inspect hf://tiny").assert().code(2);
    error_says(assert, &["hf://ORG/NAME@REVISION"]);
    assert_eq!(machine.hub.take_requests(), [""; 0]);
}
