//! The options of an earlier run.

use std::path::PathBuf;

use clap::Args;
use tinybert_base::Result;
use tinybert_base::progress::Progress;
use tinybert_model::RunRecord;
use tinybert_train::{Output, ReplayedRun};

use crate::invocation::Invocation;

/// The options of an earlier run. They are words of the command line already when clap reads it
/// ([`with_recorded_options`](crate::replay::with_recorded_options)).
#[derive(Args)]
pub struct ReplayArgs {
    /// Take the options of an earlier run from its run.json. Options of the command line replace those of the file.
    #[arg(long, value_name = "FILE", help_heading = "Options of an earlier run")]
    config: Option<PathBuf>,
}

impl ReplayArgs {
    /// `output` of a run that records the options of its command line and compares what it reads with what the earlier
    /// run read.
    pub fn recorded(
        &self,
        output: Output,
        invocation: &Invocation,
        progress: &dyn Progress,
    ) -> Result<Output> {
        let replayed = self.config.as_ref().map(|path| RunRecord::read_file(path)).transpose()?;
        let replayed = self.config.clone().zip(replayed).map(|(record, RunRecord { version, inputs, .. })| {
            let present = env!("CARGO_PKG_VERSION");
            if version != present {
                progress.say(&format!(
                    "warning: version {version} wrote {}, and this is version {present}: what the run did not name may \
                     have another default now",
                    record.display()
                ));
            }
            ReplayedRun { record, inputs }
        });
        Ok(Output { options: invocation.options.clone(), replayed, ..output })
    }
}
