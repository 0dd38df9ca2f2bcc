//! `pytorch_model.bin`: a real one (see `tests/reference/checkpoint.py`), and spoilt ones.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::folder::{ModelFolder, assert_same, config, tensors};
use crate::{Head, pickle};

const TORCH: &[u8] = include_bytes!("../../tests/reference/pytorch_model.bin");

fn folder_with(bytes: &[u8]) -> ModelFolder {
    let folder = ModelFolder::new(&Head::MaskedLm);
    folder.write_config();
    folder.write("pytorch_model.bin", bytes);
    folder
}

#[track_caller]
fn refused(bytes: &[u8], part: &str) {
    let message = folder_with(bytes).fault();
    assert!(message.contains(part), "{part:?} is not in: {message}");
    assert!(message.contains("pytorch_model.bin") && message.contains("convert it"), "{message}");
}

/// The entries of the real archive, each passed through `change`.
fn rewritten(method: CompressionMethod, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(TORCH)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        if let Some(contents) = change(&name, contents) {
            writer.start_file(&name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(&contents).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// The pickle of the real archive.
fn real_pickle() -> Vec<u8> {
    let mut contents = Vec::new();
    let mut archive = ZipArchive::new(Cursor::new(TORCH)).unwrap();
    archive.by_name("pytorch_model/data.pkl").unwrap().read_to_end(&mut contents).unwrap();
    contents
}

#[test]
fn a_file_of_torch_save_is_the_same_model() {
    assert_same(&folder_with(TORCH).load().unwrap().tensors, &tensors(&config(), &Head::MaskedLm));
}

#[test]
fn safetensors_go_first() {
    let folder = folder_with(b"not a model");
    folder.finish().load().unwrap();
}

#[test]
fn truncated_and_foreign_files_are_refused_with_the_conversion() {
    for keep in [0, 1, 100, TORCH.len() / 2, TORCH.len() - 1] {
        refused(&TORCH[..keep], "truncated");
    }
    // How files from before PyTorch 1.6 begin.
    refused(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "before PyTorch 1.6");
}

#[test]
fn compressed_archives_and_archives_without_their_parts_are_refused() {
    let stored = CompressionMethod::Stored;
    refused(&rewritten(stored, |name, bytes| (!name.ends_with("data.pkl")).then_some(bytes)), "no data.pkl");
    refused(
        &rewritten(stored, |name, bytes| (!name.ends_with("data/3")).then_some(bytes)),
        "data/3 is missing",
    );
    let short = |name: &str, mut bytes: Vec<u8>| {
        bytes.truncate(if name.contains("/data/") { bytes.len() - 1 } else { bytes.len() });
        Some(bytes)
    };
    refused(&rewritten(stored, short), "does not fit into");
    let big_endian =
        |name: &str, bytes| Some(if name.ends_with("byteorder") { b"big".to_vec() } else { bytes });
    refused(&rewritten(stored, big_endian), "little-endian");
}

#[test]
fn a_damaged_pickle_is_noticed_by_its_checksum() {
    let mut bytes = TORCH.to_vec();
    let at = bytes.windows(8).position(|window| window == b"LayerNor").unwrap();
    bytes[at] = b'l';
    refused(&bytes, "data.pkl is damaged");
}

#[test]
fn the_pickle_reader_survives_every_changed_byte_and_every_cut() {
    let pickle = real_pickle();
    // The model's 42 tensors, the position ids and the tied decoder.
    assert_eq!(pickle::state_dictionary(&pickle).unwrap().len(), 44);
    for end in 0..pickle.len() {
        pickle::state_dictionary(&pickle[..end]).unwrap_err();
    }
    let mut changed = pickle.clone();
    for at in 0..changed.len() {
        // The bytes are zero, all ones, and the instructions for a mark, a tuple, a call, a long text and a recall.
        for byte in [0, 0xff, b'(', 0x85, b'R', b'X', b'h'] {
            changed[at] = byte;
            // Both results are right. The reader must not panic or take memory beyond the file's size.
            let _ = pickle::state_dictionary(&changed);
        }
        changed[at] = pickle[at];
    }
}

#[test]
fn pickles_made_to_harm_are_refused() {
    let refused = |bytes: &[u8], part: &str| {
        let message = pickle::state_dictionary(bytes).unwrap_err();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    };
    refused(b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lstR.", "os system");
    refused(b"\x80\x02X\xff\xff\xff\xffabc.", "ends within a text");
    refused(&[&[b'N'][..], &[0x85; 100_000], b"."].concat(), "nested");
    refused(b"", "ends early");
    refused(b".", "stack");
    refused(b"N.", "something else than a state dictionary");
    refused(b"\x8a\xff", "integer of 255 bytes");
    // One shape of many axes, which each tensor would copy.
    let storage =
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ";
    let shape = [&b"("[..], &b"K\x01".repeat(1000), b"tq\x00"].concat();
    let tensor = |shape: &[u8]| {
        [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], storage, b"K\x00", shape, shape, b"tR"].concat()
    };
    refused(&tensor(&shape), "1000 axes");
    let small = b"K\x01\x85";
    let twice: Vec<u8> = [b"X\x01\x00\x00\x00a".to_vec(), tensor(small), b"s".to_vec()].concat();
    refused(&[&b"}"[..], &twice, &twice, b"."].concat(), "\"a\" twice");
    // Nine times two references each: 2^9 nested copies if they were copies.
    let doubling: Vec<u8> = [&b"N"[..], &b"q\x00h\x00\x86".repeat(9), b"."].concat();
    refused(&doubling, "nested");
}
