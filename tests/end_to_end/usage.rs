//! Command lines that cannot be: exit code 2, and nothing is touched.

use crate::program::{fails, output, tinybert};

#[test]
fn help_is_no_error_and_lists_every_command() {
    let help = output("--help");
    for command in ["init", "fine-tune", "distill", "quantize", "eval", "run", "inspect", "bench", "demo"] {
        assert!(help.contains(command), "{command} is missing in:\n{help}");
    }
}

#[test]
fn an_unknown_command_or_option_is_a_usage_error() {
    fails("destill", 2, &["destill"]);
    fails("init --presett x", 2, &["--presett"]);
    tinybert("").assert().code(2);
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_gpu_without_cuda_in_the_program_is_a_usage_error() {
    let fine_tune = "fine-tune --model nowhere --train no.jsonl --dev no.jsonl --out result";
    fails(&format!("{fine_tune} --device cuda"), 2, &["cuda:0", "--features cuda", "--device cpu"]);
    fails(&format!("{fine_tune} --device gpu"), 2, &["cpu, cuda or cuda:N"]);
    fails(&format!("{fine_tune} --tf32"), 2, &["--device cuda"]);
}
