//! The program `tinybert-compress`: the library's command line, with what belongs to a whole process.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tinybert_compress::explain_panics();
    ExitCode::from(tinybert_compress::run_program(std::env::args_os()))
}
