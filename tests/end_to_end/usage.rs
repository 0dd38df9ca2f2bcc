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
