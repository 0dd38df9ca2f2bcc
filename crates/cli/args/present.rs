//! The options that the command line names itself, as opposed to options that take their defaults.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

/// The options of a command, and which of them stand on the command line.
pub struct PresentOptions {
    /// The arguments of the command as clap parsed them.
    matches: ArgMatches,
}

impl PresentOptions {
    /// The options of the command in `matches`, which are of a whole command line.
    pub fn of_subcommand(matches: &ArgMatches) -> Self {
        let matches = matches.subcommand().map(|(_, matches)| matches.clone()).unwrap_or_default();
        Self { matches }
    }

    /// The option of the group `A` that stands first on the command line, such as `--corpus`; `None` if none
    /// does. The command must have the group.
    pub fn first_of<A: Args>(&self) -> Option<String> {
        let group = A::augment_args(clap::Command::new("group"));
        let present = group.get_arguments().filter_map(|option| {
            let id = option.get_id().as_str();
            let is_present = self.matches.value_source(id) == Some(ValueSource::CommandLine);
            let place = self.matches.indices_of(id).filter(|_| is_present)?.min()?;
            Some((place, option.get_long()?.to_owned()))
        });
        present.min().map(|(_, name)| format!("--{name}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Program {
        Train(TrainArgs),
    }

    #[derive(Args)]
    struct TrainArgs {
        #[command(flatten)]
        _data: DataGroup,
        #[command(flatten)]
        _rate: RateGroup,
    }

    #[derive(Args)]
    struct DataGroup {
        #[arg(long, num_args = 1..)]
        files: Vec<String>,
        #[arg(long, default_value = "text")]
        column: String,
        #[arg(long)]
        tagging: bool,
    }

    #[derive(Args)]
    struct RateGroup {
        #[arg(long, default_value_t = 0.1)]
        learning_rate: f64,
    }

    fn present(line: &str) -> PresentOptions {
        let matches = <Program as clap::CommandFactory>::command().try_get_matches_from(line.split(' '));
        PresentOptions::of_subcommand(&matches.unwrap())
    }

    #[test]
    fn an_option_that_takes_its_default_is_not_present() {
        let present = present("program train");
        assert_eq!(present.first_of::<DataGroup>(), None);
        assert_eq!(present.first_of::<RateGroup>(), None);
    }

    #[test]
    fn the_first_option_of_the_group_is_named_however_it_is_written() {
        let named = |line| present(line).first_of::<DataGroup>();
        assert_eq!(named("program train --tagging --files a b").as_deref(), Some("--tagging"));
        assert_eq!(named("program train --files a b --tagging").as_deref(), Some("--files"));
        assert_eq!(named("program train --column=text --files a").as_deref(), Some("--column"));
        assert_eq!(named("program train --learning-rate 1"), None);
        let rate = present("program train --files a --learning-rate=1").first_of::<RateGroup>();
        assert_eq!(rate.as_deref(), Some("--learning-rate"));
    }

    #[test]
    fn a_value_that_looks_like_an_option_is_none() {
        let present = present("program train --learning-rate 1 --files=--column");
        assert_eq!(present.first_of::<DataGroup>().as_deref(), Some("--files"));
    }
}
