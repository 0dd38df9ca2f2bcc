//! Puts the model image that `TINYBERT_IMAGE` names into the firmware, and chooses the board by the target and by the
//! core that the compiler's flags name (`-Ctarget-cpu`).

use std::env;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=TINYBERT_IMAGE");
    println!("cargo::rerun-if-changed=link");
    let board = match env::var("TARGET")?.as_str() {
        "thumbv7em-none-eabihf" => "mps2-an386",
        // Cores without floating point, for counting instructions: the board with a Cortex-M3 has the same memory.
        "thumbv6m-none-eabi" | "thumbv7m-none-eabi" => "mps2-an386",
        "thumbv8m.main-none-eabihf" if is_for("cortex-m55") => "mps3-an547",
        "thumbv8m.main-none-eabihf" => "mps2-an505",
        other => return Err(format!("no board of {other} is known here").into()),
    };
    let folder = env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo::rustc-link-arg=-L{folder}/link");
    println!("cargo::rustc-link-arg=-T{folder}/link/{board}.ld");
    let image = env::var_os("TINYBERT_IMAGE").ok_or("TINYBERT_IMAGE must name a model image")?;
    tinybert_runtime::embed_model(Path::new(&image))
}

/// Returns whether the compiler's flags name this core.
fn is_for(core: &str) -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    flags.split('\x1f').any(|flag| flag.strip_prefix("-C").unwrap_or(flag).trim() == format!("target-cpu={core}"))
}
