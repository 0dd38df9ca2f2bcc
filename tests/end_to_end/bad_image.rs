//! Damaged and wrong images: the program ends with exit code 3 and never answers.

use std::fs;

use tinybert_image::{AlignedBytes, Image, ImageBuilder, seal};

use crate::program::{fails, output};
use crate::toy::{self, IMAGE};

fn refused(name: &str, image: &[u8]) {
    let path = toy::write(name, image);
    for command in ["inspect", "bench --min-time 0.01 --seq 4", "run play --model"] {
        fails(&format!("{command} {path}"), 3, &[&path]);
    }
}

fn image() -> Vec<u8> {
    fs::read(IMAGE.as_str()).expect("quantize writes an image")
}

#[test]
fn a_truncated_image_is_refused_wherever_it_ends() {
    let image = image();
    for (index, length) in [0, 1, 63, 64, 100, image.len() / 2, image.len() - 1].into_iter().enumerate() {
        refused(&format!("truncated-{index}.tbim"), &image[..length]);
    }
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    let good = image();
    for index in 0..12 {
        let mut image = good.clone();
        image[index * (good.len() - 1) / 11] ^= 1 << (index % 8);
        refused(&format!("flipped-{index}.tbim"), &image);
    }
}

/// The checksums of the image are right.
#[test]
fn a_row_sum_that_is_not_of_its_weights_is_refused() {
    let mut bytes = AlignedBytes::from_slice(&image());
    let row_sum = Image::from_bytes(&bytes).expect("an image").head().output.row_sum;
    // The change is towards zero, so that weights with this sum could exist.
    let wrong = row_sum[0] - if row_sum[0] > 0 { 1 } else { -1 };
    let place = row_sum.as_ptr() as usize - bytes.as_ptr() as usize;
    bytes[place..place + 4].copy_from_slice(&wrong.to_le_bytes());
    seal(&mut bytes);
    refused("row-sum.tbim", &bytes);
}

#[test]
fn what_an_image_states_of_its_workspace_is_not_believed() {
    let bytes = AlignedBytes::from_slice(&image());
    for stated in [64, u32::MAX as usize] {
        let mut builder = ImageBuilder::from_image(&Image::from_bytes(&bytes).expect("an image"));
        builder.config.workspace_bytes = stated;
        let path = toy::write(&format!("states-{stated}.tbim"), &*builder.build().expect("an image"));
        for command in ["inspect --header", "run --json jazz --model"] {
            assert_eq!(output(&format!("{command} {path}")), output(&format!("{command} {}", *IMAGE)));
        }
    }
}

#[test]
fn another_kind_of_file_is_refused() {
    refused("text.tbim", b"this is not an image\n");
}

#[test]
fn a_missing_image_is_an_io_error() {
    fails("inspect no-such.tbim", 4, &["no-such.tbim"]);
}

#[test]
fn an_image_with_other_labels_than_the_data_is_refused() {
    let data = toy::write("other-labels.jsonl", "{\"text\": \"play\", \"label\": \"sport\"}\n");
    fails(&format!("eval --model {} --dev {data}", *IMAGE), 3, &["sport", "music"]);
}

#[test]
fn a_folder_without_a_task_head_cannot_become_an_image() {
    let out = toy::path("no-head.tbim");
    let line =
        format!("quantize --model {} {} --max-tokens 32 --out {}", *toy::ENCODER, toy::data(), out.display());
    fails(&line, 3, &["no head", "fine-tune it"]);
    assert!(!out.exists());
}
