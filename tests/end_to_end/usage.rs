//! Command lines that cannot be: exit code 2, and nothing is touched.

#[cfg(not(feature = "mpi"))]
use crate::program::error_says;
use crate::program::{fails, output, tinybert};

#[test]
fn help_is_no_error_and_lists_every_command() {
    let help = output("--help");
    for command in
        ["init", "fine-tune", "distill", "quantize", "sign", "eval", "run", "inspect", "bench", "demo"]
    {
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
    fails(
        "eval --model nowhere --dev no.jsonl --device cuda",
        2,
        &["cuda:0", "--features cuda", "--device cpu"],
    );
    let distill = "distill --stage task --teacher t --student s --train t.jsonl --dev d.jsonl --out result";
    fails(&format!("{distill} --teacher-bf16"), 2, &["--device cuda"]);
}

#[cfg(not(feature = "mpi"))]
#[test]
fn several_processes_of_a_build_without_mpi_are_refused() {
    let training = "distill --stage task --teacher t --student s --out o --train x.jsonl --dev y.jsonl";
    for variable in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"] {
        let started = |line: &str, count: &str| tinybert(line).env(variable, count).assert();
        error_says(started(training, "2").code(2), &["2 processes", "--features mpi"]);
        error_says(started("eval --model m --train x.jsonl", "2").code(2), &["works in one"]);
        error_says(started(training, "1").code(4), &["t"]);
    }
    // A batch script is one process however many its job has room for.
    error_says(tinybert(training).env("SLURM_NTASKS", "8").assert().code(4), &["t"]);
}
