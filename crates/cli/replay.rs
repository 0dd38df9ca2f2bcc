//! `--config run.json`: the options of an earlier run. `run.json` records the options that the command line of its run
//! named; they become words of the new command line, before clap reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};
use tinybert_base::{Error, Result};
use tinybert_model::{RecordedOptions, RunRecord};

use crate::command_line::Cli;

/// The option that names the `run.json`.
const CONFIG: &str = "config";

/// Options that say where and how a run is done, and not what its result is.
const NOT_RECORDED: [&str; 9] = [
    CONFIG,
    "help",
    "out",
    "resume",
    "checkpoint_minutes",
    "checkpoint_steps",
    "tensorboard",
    "threads",
    "quiet",
];

/// The options that the command line in `matches` names itself, for `run.json`.
pub fn recorded_options(matches: &ArgMatches) -> RecordedOptions {
    let Some((name, matches)) = matches.subcommand() else { return BTreeMap::new() };
    let definition = definition();
    let options = definition.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    options
        .filter(|option| matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine))
        .filter_map(|option| Some((recorded_name(option)?.to_owned(), option)))
        .map(|(name, option)| {
            let values = matches.get_raw(option.get_id().as_str()).filter(|_| takes_values(option));
            (name, values.into_iter().flatten().map(|value| value.to_string_lossy().into()).collect())
        })
        .collect()
}

/// `arguments` with the options that the record named by `--config` has, if there is one. An option of the record is
/// left out if the command line names the same option, or one that conflicts with it.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for a file that is no record of this command, and for an option that the command
/// does not have.
pub fn with_recorded_options(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let definition = definition();
    let command = |word: &OsString| definition.find_subcommand(word);
    let Some(at) = arguments.iter().skip(1).position(|word| command(word).is_some()).map(|at| at + 1) else {
        return Ok(arguments);
    };
    let Some(command) = command(&arguments[at]) else { return Ok(arguments) };
    let Some(config) = config(command, &arguments[at + 1..]) else { return Ok(arguments) };
    let options = options_of(command, Path::new(&config))?;
    let present: Vec<&Arg> = arguments.iter().filter_map(|word| named_option(command, word)).collect();
    let conflict = |one: &Arg, other: &Arg| command.get_arg_conflicts_with(one).contains(&other);
    let is_replaced = |option: &Arg| {
        present.iter().any(|named| {
            named.get_id() == option.get_id() || conflict(named, option) || conflict(option, named)
        })
    };
    let mut all = arguments[..=at].to_vec();
    for (option, values) in options.iter().filter(|(option, _)| !is_replaced(option)) {
        let name = option.get_long().unwrap_or_default();
        match takes_values(option) {
            true => all.extend(values.iter().map(|value| format!("--{name}={value}").into())),
            false => all.push(format!("--{name}").into()),
        }
    }
    all.extend_from_slice(&arguments[at + 1..]);
    Ok(all)
}

/// The record that `--config` names in `arguments`, if it does.
pub fn record(arguments: &[OsString]) -> Option<OsString> {
    let definition = definition();
    let (at, command) = arguments
        .iter()
        .enumerate()
        .skip(1)
        .find_map(|(at, word)| Some((at, definition.find_subcommand(word)?)))?;
    config(command, &arguments[at + 1..])
}

/// All commands with all their options.
fn definition() -> Command {
    let mut definition = Cli::command();
    definition.build();
    definition
}

/// The value of `--config` among `words`, if `command` has that option.
fn config(command: &Command, words: &[OsString]) -> Option<OsString> {
    command.get_arguments().find(|option| option.get_id() == CONFIG)?;
    let at = words
        .iter()
        .position(|word| named_option(command, word).is_some_and(|option| option.get_id() == CONFIG))?;
    match words[at].to_str()?.split_once('=') {
        Some((_, value)) => Some(value.into()),
        None => words.get(at + 1).cloned(),
    }
}

/// The option of `command` that `word` names, such as `--train` or `--train=FILE`.
fn named_option<'c>(command: &'c Command, word: &OsString) -> Option<&'c Arg> {
    let word = word.to_str()?.strip_prefix("--")?;
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let is_named = |option: &&Arg| {
        option.get_long() == Some(name)
            || option.get_all_aliases().into_iter().flatten().any(|alias| alias == name)
    };
    command.get_arguments().find(is_named)
}

/// The recorded options of the run of `command` whose `run.json` is at `path`, with their values.
fn options_of<'c>(command: &'c Command, path: &Path) -> Result<Vec<(&'c Arg, Vec<String>)>> {
    let record = RunRecord::read_file(path)?;
    let name = command.get_name();
    if record.command.split(' ').next() != Some(name) {
        let of = &record.command;
        return Err(Error::input(
            path,
            format!("is the record of a run of `{of}`; `{name}` needs one of `{name}`"),
        ));
    }
    if record.options.is_empty() {
        return Err(Error::input(
            path,
            "has no `options`: the run was not begun by this command, or by a version that did not record them",
        ));
    }
    let option = |(name, values): (String, Vec<String>)| {
        let known = command.get_arguments().find(|option| recorded_name(option) == Some(&name));
        let known = known.ok_or_else(|| {
            Error::input(path, format!("the option {name:?} is none that `{}` records", command.get_name()))
        })?;
        if takes_values(known) == values.is_empty() {
            let what = if values.is_empty() { "has no value" } else { "has a value and takes none" };
            return Err(Error::input(path, format!("the option {name:?} {what}")));
        }
        Ok((known, values))
    };
    record.options.into_iter().map(option).collect()
}

/// The name by which an option is recorded; `None` if it is not.
fn recorded_name(option: &Arg) -> Option<&str> {
    option.get_long().filter(|_| !NOT_RECORDED.contains(&option.get_id().as_str()))
}

fn takes_values(option: &Arg) -> bool {
    option.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    /// The command line that `line` becomes if the record at `--config RECORD` has these options.
    fn replayed(line: &str, command: &str, options: serde_json::Value) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let record = json!({
            "program": "tinybert-compress", "version": "0", "command": command, "settings": {}, "seed": 1, "inputs": [],
            "metrics": null, "options": options,
        });
        fs::write(&path, record.to_string()).unwrap();
        let line = line.replace("RECORD", path.to_str().unwrap());
        let all = with_recorded_options(words(&line))?;
        let all: Vec<&str> = all.iter().map(|word| word.to_str().unwrap()).collect();
        Ok(all.join(" ").replace(path.to_str().unwrap(), "RECORD"))
    }

    #[test]
    fn what_a_command_line_names_is_recorded_and_becomes_the_same_command_line() {
        let line = "program distill --stage general --teacher t --student s --out o --corpus a b --inherit --seed 7 \
                    --layer-weights 1,2,3 --threads 2 --checkpoint-steps 5 --tensorboard e";
        let matches = Cli::command().try_get_matches_from(words(line)).unwrap();
        let options = recorded_options(&matches);
        let expected = json!({
            "stage": ["general"], "teacher": ["t"], "student": ["s"], "corpus": ["a", "b"], "inherit": [],
            "seed": ["7"], "layer-weights": ["1", "2", "3"],
        });
        assert_eq!(json!(options), expected);
        let again =
            replayed("program distill --config RECORD --out n", "distill --stage general", json!(options));
        let again = again.unwrap().replace("RECORD", "run.json");
        let matches = Cli::command().try_get_matches_from(words(&again)).unwrap();
        assert_eq!(recorded_options(&matches), options);
    }

    #[test]
    fn the_command_line_wins_over_the_record() {
        let fine_tune =
            |line: &str, options| replayed(&format!("program {line}"), "fine-tune", options).unwrap();
        let recorded = json!({ "train": ["t"], "dev-share": ["0.1"], "dev-seed": ["3"], "seed": ["7"] });
        assert_eq!(
            fine_tune("--seed 1 fine-tune --config=RECORD --dev d", recorded.clone()),
            "program --seed 1 fine-tune --train=t --config=RECORD --dev d"
        );
        assert_eq!(
            fine_tune("fine-tune --task rte --data glue --config RECORD", recorded),
            "program fine-tune --seed=7 --task rte --data glue --config RECORD"
        );
        let glue = json!({ "task": ["rte"], "data": ["glue"] });
        assert_eq!(
            fine_tune("fine-tune --train t --config RECORD", glue),
            "program fine-tune --train t --config RECORD"
        );
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in
            ["program", "program --config x", "program run --model m --config x", "program fine-tune --out x"]
        {
            assert_eq!(with_recorded_options(words(line)).unwrap(), words(line));
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_refused_by_name() {
        let line = "program fine-tune --config RECORD";
        let refused = |command, options, expected: &str| {
            let error = replayed(line, command, options).unwrap_err();
            assert!(matches!(&error, Error::Input(what) if what.contains(expected)), "{error}");
        };
        refused("distill --stage task", json!({ "lr": ["1"] }), "`distill --stage task`; `fine-tune` needs");
        refused("fine-tune", json!({}), "has no `options`");
        refused("fine-tune", json!({ "rate": ["1"] }), "the option \"rate\"");
        refused("fine-tune", json!({ "out": ["x"] }), "the option \"out\"");
        refused("fine-tune", json!({ "help": [] }), "the option \"help\"");
        refused("fine-tune", json!({ "lr": [] }), "\"lr\" has no value");
        refused("fine-tune", json!({ "tagging": ["x"] }), "\"tagging\" has a value");
        refused("fine-tune", json!(["lr"]), "not a record of a run");
    }
}
