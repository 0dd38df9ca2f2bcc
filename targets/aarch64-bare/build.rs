//! Puts the model image that `TINYBERT_IMAGE` names into the firmware for the board that `TINYBERT_BOARD` names.

use std::env;
use std::error::Error;
use std::path::Path;

/// Each has a linker script in `link`.
const BOARDS: [&str; 2] = ["virt", "raspi3b"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=TINYBERT_IMAGE");
    println!("cargo::rerun-if-env-changed=TINYBERT_BOARD");
    println!("cargo::rerun-if-changed=link");
    println!("cargo::rustc-check-cfg=cfg(board, values(\"{}\"))", BOARDS.join("\", \""));
    let board = env::var("TINYBERT_BOARD").unwrap_or_else(|_| BOARDS[0].into());
    if !BOARDS.contains(&board.as_str()) {
        return Err(format!("TINYBERT_BOARD is {board}, and must be one of: {}", BOARDS.join(", ")).into());
    }
    let folder = env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo::rustc-cfg=board=\"{board}\"");
    println!("cargo::rustc-link-arg=-L{folder}/link");
    println!("cargo::rustc-link-arg=-T{folder}/link/{board}.ld");
    let image = env::var_os("TINYBERT_IMAGE").ok_or("TINYBERT_IMAGE must name a model image")?;
    tinybert_runtime::embed_model(Path::new(&image))
}
