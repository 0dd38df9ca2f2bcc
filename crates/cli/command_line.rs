//! The whole command line: a command, and the options that every command has.

use clap::Parser;

use crate::args::GlobalArgs;
use crate::commands::Command;

/// Turns a teacher (BERT, DistilBERT, ELECTRA, MPNet, RoBERTa or XLM-RoBERTa) and the text of a task into one model
/// image, whose weights have eight or four bits, for devices without an operating system.
#[derive(Parser)]
#[command(name = "tinybert-compress", version, max_term_width = 110)]
#[command(
    after_help = "FOLDER|ORG/NAME: a model folder, or the id of a model on the Hugging Face Hub (ORG/NAME or \
                        ORG/NAME@REVISION), which is fetched once. A path that exists is a path.\n\n\
                        Exit codes: 0 done, 1 fault of this program, 2 usage, 3 bad input, 4 I/O or disk full, \
                        5 training diverged, 6 a process of a run on several machines was lost, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: GlobalArgs,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use clap::CommandFactory;

    /// The names behind two dashes in the string literals of a source file.
    fn named_options(source: &str) -> BTreeSet<String> {
        let before_tests = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
        let mut found = BTreeSet::new();
        for line in lines.filter(|line| line.contains('"') || line.trim_end().ends_with('\\')) {
            // `var(--x)` and the names in a `style` are variables of a style sheet.
            for part in
                line.split("--").skip(1).filter(|_| !line.contains("var(--") && !line.contains("\"style\""))
            {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                    .collect();
                if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.insert(name.trim_end_matches('-').to_owned());
                }
            }
        }
        found
    }

    /// All source files in a folder, without those of tests.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "benches", "examples", "reference", "target"].contains(&&*name) {
                sources(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "build.rs" {
                found.push(path);
            }
        }
    }

    #[test]
    fn messages_name_only_options_that_exist() {
        let mut command = super::Cli::command();
        command.build();
        let commands = command.get_subcommands().chain([&command]);
        let options = commands.flat_map(|command| command.get_arguments()).flat_map(|option| {
            let aliases = option.get_all_aliases().unwrap_or_default();
            option.get_long().into_iter().chain(aliases).map(str::to_owned).collect::<Vec<_>>()
        });
        let mut known: BTreeSet<String> = options.collect();
        // Options of cargo and of launchers.
        known.extend(["release", "features", "help", "version", "mpi"].map(String::from));
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates"), &mut files);
        assert!(files.len() > 100);
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            for name in named_options(&source) {
                assert!(known.contains(&name), "{}: no command has the option --{name}", file.display());
            }
        }
    }

    #[test]
    fn the_definitions_of_all_options_agree_with_each_other() {
        super::Cli::command().debug_assert();
    }
}
