//! Wrong command lines: the program ends with exit code 2 and touches nothing.

use tinybert_kernels::Isa;

#[cfg(not(feature = "mpi"))]
use crate::program::error_says;
use crate::program::{fails, output, tinybert};
use crate::toy;

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
fn help_tells_the_defaults_and_places_of_its_own_command() {
    let help = |command| {
        let lines = output(&format!("{command} --help"));
        lines.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for command in ["compress", "ablations"] {
        assert!(!help(command).contains("FOLDER.run"), "{command}");
    }
    let [batch, optimizer] = ["Examples per step [default: ", "Optimizer [default: "];
    for (command, says) in [
        ("prune", [format!("{batch}32]"), format!("{optimizer}paper]")]),
        ("ablations", [format!("{batch}32]"), format!("{optimizer}paper]")]),
        ("distill", [format!("{batch}256 in the general stage"), format!("{optimizer}paper]")]),
        ("fine-tune", [format!("{batch}32]"), format!("{optimizer}adamw]")]),
    ] {
        let help = help(command);
        assert!(says.iter().all(|part| help.contains(part)), "{command}: {says:?} in {help}");
    }
}

#[test]
fn options_stand_under_their_heading_and_only_where_they_can_be_used() {
    for command in ["compress", "fine-tune", "distill", "prune"] {
        let help = output(&format!("{command} --help"));
        let section = help.split("\nOutput and checkpoints:\n").nth(1).expect(command);
        let section = section.split(":\n").next().unwrap_or_default();
        for option in ["--out", "--resume", "--checkpoint-minutes", "--tensorboard"] {
            assert!(
                section.contains(&format!("{option} ")) || section.contains(&format!("{option}\n")),
                "{command}: {help}"
            );
        }
    }
    let help = output("baseline --help");
    assert!(
        !help.contains("--embedding") && !help.contains("--prompt") && help.contains("--tagging"),
        "{help}"
    );
}

#[test]
fn numbers_without_what_they_belong_to_are_refused() {
    let compress = "compress --teacher t --train a.jsonl --dev b.jsonl --out o";
    fails(&format!("{compress} --tries 2"), 2, &["--keep", "--max-loss"]);
    fails(&format!("{compress} --max-loss 100"), 2, &["at least 0 and below 100"]);
}

#[test]
fn a_bad_value_of_a_record_names_its_file() {
    let record = serde_json::json!({
        "program": "tinybert-compress", "version": "0", "command": "fine-tune", "settings": {}, "seed": 1, "inputs": [],
        "metrics": null, "options": { "lr": ["much"] },
    });
    let file = toy::write("bad-value.json", record.to_string());
    let line = format!("fine-tune --model nowhere --train t.jsonl --dev d.jsonl --out o --config {file}");
    fails(&line, 2, &["'much'", "--lr", &file]);
}

#[test]
fn every_instruction_set_is_listed() {
    let names = Isa::ALL.map(Isa::name);
    for command in ["run", "eval", "bench"] {
        let help = output(&format!("{command} --help"));
        assert!(names.iter().all(|name| help.contains(&format!(" {name}"))), "{help}");
    }
    fails("bench model.tbim --isa sse2", 2, &names);
}

#[test]
fn an_option_of_the_other_stage_or_objective_is_named() {
    let distill = "distill --teacher t --student s --out result --stage";
    let task = format!("{distill} task --train t.jsonl --dev d.jsonl");
    fails(&format!("{task} --inherit"), 2, &["--inherit is for --stage general"]);
    for (option, value) in
        [("--temperature", "=2"), ("--sparsity", " 0.5"), ("--train", " t"), ("--quantization-aware", "")]
    {
        let line = format!("{distill} general --corpus c.txt {option}{value}");
        fails(&line, 2, &[&format!("{option} is for --stage task")]);
    }
    let fine_tune = "fine-tune --model m --out result --train t.jsonl";
    fails(&format!("{fine_tune} --whole-words"), 2, &["--whole-words is for --objective mlm"]);
    fails(&format!("{fine_tune} --objective mlm --corpus c"), 2, &["--train is for --objective task"]);
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
    // A batch script is one process, however many processes its job could hold.
    error_says(tinybert(training).env("SLURM_NTASKS", "8").assert().code(4), &["t"]);
}

#[test]
fn what_surrounds_a_run_is_checked_before_anything_is_read() {
    let fine_tune = "fine-tune --model nowhere --train t.jsonl --dev d.jsonl";
    let task = "distill --stage task --teacher nowhere --student s --train t.jsonl --dev d.jsonl";
    for line in [fine_tune, task] {
        fails(&format!("{line} --out o --patience 0"), 2, &["--patience"]);
        fails(&format!("{line} --out o --tune 1"), 2, &["--tune", "2.."]);
        let file = toy::write("file-for-events", "mine");
        fails(&format!("{line} --out o --tensorboard {file}"), 2, &["--tensorboard", "is a file"]);
        std::fs::create_dir_all(toy::path("folder-with-others")).expect("the target folder can be written");
        let others = toy::write("folder-with-others/run.json", "{}");
        let others = others.trim_end_matches("/run.json");
        fails(&format!("{line} --out o --tensorboard {others}"), 2, &["holds run.json", "no event file"]);
        let out = toy::path("out-of-events").display().to_string();
        for inside in [out.clone(), format!("{out}/events"), format!("{out}.run/events")] {
            fails(&format!("{line} --out {out} --tensorboard {inside}"), 2, &["is in the folder of --out"]);
        }
        fails(&format!("{line} --out o --tensorboard {file}/events"), 4, &["file-for-events/events"]);
    }
    let mlm = "fine-tune --objective mlm --model nowhere --corpus c --out o";
    fails(&format!("{mlm} --patience 3"), 2, &["--patience and --tune are for --objective task"]);
    let general = "distill --stage general --teacher nowhere --student s --corpus c --out o";
    fails(&format!("{general} --tune 4"), 2, &["--tune is for --stage task"]);
    // The chosen rate would depend on the clock; only runs without a search have a limit in minutes.
    fails(&format!("{fine_tune} --out o --tune 4 --max-minutes 5"), 2, &["--max-minutes"]);
    fails(&format!("{task} --out o --tune 4 --max-minutes 5"), 2, &["--max-minutes"]);
    fails(&format!("{general} --patience 4"), 2, &["--patience is for --stage task"]);
    let prune = format!("prune --heads 0.5 --model nowhere --train t.jsonl --out o --tensorboard {}", "e");
    fails(&prune, 2, &["without --steps"]);
}
