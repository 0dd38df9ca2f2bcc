//! Model folders that are wrong or do not fit together.

use std::fs;
use std::path::PathBuf;

use crate::program::fails;
use crate::toy::{self, ENCODER, FRESH, TEACHER};

const TASK: &str = "distill --stage task --max-tokens 32 --layer-map uniform";

/// Copies a model folder, so that a test can damage the copy.
fn copy_of(model: &str, name: &str) -> PathBuf {
    let copy = toy::path(name);
    fs::create_dir_all(&copy).expect("the target folder can be written");
    for entry in fs::read_dir(model).expect("the model folder is there") {
        let entry = entry.expect("the model folder can be listed");
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("its files can be copied");
    }
    copy
}

#[test]
fn a_missing_model_folder_is_named() {
    let line = format!("fine-tune --model no-such-model {} --out {}", toy::data(), toy::path("x").display());
    fails(&line, 4, &["no-such-model"]);
    let line = format!("init --vocab-from no-such-folder --out {}", toy::path("x").display());
    fails(&line, 4, &["no-such-folder", "no such folder"]);
}

#[test]
fn truncated_weights_are_recognised() {
    let model = copy_of(&ENCODER, "truncated");
    let weights = model.join("model.safetensors");
    let bytes = fs::read(&weights).expect("the copy has weights");
    fs::write(&weights, &bytes[..bytes.len() / 2]).expect("the copy can be written");
    let line =
        format!("fine-tune --model {} {} --out {}", model.display(), toy::data(), toy::path("x").display());
    fails(&line, 3, &["model.safetensors", "truncated"]);
}

/// Every weight is a finite number, but their sums are not.
#[test]
fn weights_that_overflow_give_no_answer() {
    let model = copy_of(&TEACHER, "overflow");
    let path = model.join("model.safetensors");
    let mut bytes = fs::read(&path).expect("the copy has weights");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: serde_json::Value =
        serde_json::from_slice(&bytes[8..8 + length]).expect("the header is JSON");
    let place =
        |at: usize| header["classifier.weight"]["data_offsets"][at].as_u64().expect("a number") as usize;
    let data = &mut bytes[8 + length..];
    let values = data[place(0)..place(1)].as_chunks_mut::<4>().0;
    values.iter_mut().for_each(|value| *value = 3e38f32.to_le_bytes());
    fs::write(&path, bytes).expect("the copy can be written");
    fails(&format!("run --model {} play", model.display()), 5, &["finite number", "overflow"]);
    fails(&format!("eval --model {} {}", model.display(), toy::data()), 5, &["finite number", "overflow"]);
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    let model = copy_of(&ENCODER, "lfs-pointer");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    fs::write(model.join("model.safetensors"), pointer).expect("the copy can be written");
    let line =
        format!("fine-tune --model {} {} --out {}", model.display(), toy::data(), toy::path("x").display());
    fails(&line, 3, &["model.safetensors", "LFS"]);
}

#[test]
fn a_teacher_without_the_tasks_head_is_refused() {
    let line = format!("{TASK} --teacher {} --student {} {}", *ENCODER, *FRESH, toy::data());
    fails(&format!("{line} --out {}", toy::path("x").display()), 3, &[&ENCODER, "fine-tune"]);
}

#[test]
fn a_student_with_another_vocabulary_is_refused_piece_by_piece() {
    let other = toy::student("other-vocabulary", "--hidden 32", &toy::vocabulary("small", 60));
    let line = format!("{TASK} --align pieces --teacher {} --student {other} {}", *TEACHER, toy::data());
    fails(&format!("{line} --out {}", toy::path("x").display()), 3, &["vocabular", "--align words"]);
}

#[test]
fn heads_that_do_not_match_name_the_options() {
    let other = toy::student("other-heads", "--hidden 32 --heads 8", &ENCODER);
    let line = format!("{TASK} --teacher {} --student {other} {}", *TEACHER, toy::data());
    fails(&format!("{line} --out {}", toy::path("x").display()), 2, &["heads", "the weight 0"]);
}

#[test]
fn a_layer_map_that_does_not_fit_names_one_that_does() {
    let other = toy::student("three-layers", "--layers 3 --hidden 32", &ENCODER);
    let line = format!("{TASK} --teacher {} --student {other} {}", *TEACHER, toy::data());
    fails(&format!("{line} --out {}", toy::path("x").display()), 2, &["uniform", "explicit"]);
}

#[test]
fn a_seed_gives_the_same_weights_and_another_seed_others() {
    let weights = |name: &str, seed: u32| {
        let out = toy::student(name, &format!("--hidden 32 --seed {seed}"), &ENCODER);
        fs::read(PathBuf::from(out).join("model.safetensors")).expect("init writes weights")
    };
    let first = weights("seed-1", 1);
    assert_eq!(first, weights("seed-1-again", 1));
    assert_ne!(first, weights("seed-2", 2));
}
