//! Finding the checkpoint that a run continues from.

use std::fs;
use std::path::Path;

use super::identity::Identity;
use super::output::Output;
use super::run_folder::checkpoints;
use super::snapshot::{self, Snapshot};
use crate::tuning::check_no_search;
use tinybert_base::{Context, Error, Result};
use tinybert_model::METRICS;

/// The last undamaged checkpoint in `folder`; `None` for a run that begins. Damaged checkpoints after it are
/// removed.
///
/// # Errors
/// Returns the errors of [`WorkFolder::open`](super::WorkFolder::open).
pub(super) fn find_checkpoint(
    output: &Output,
    folder: &Path,
    identity: &Identity,
    context: &Context,
) -> Result<Option<Snapshot>> {
    // The last run of a search has its trials, and goes on where they stand.
    if output.trials.is_empty() {
        check_no_search(folder)?;
    }
    let all = checkpoints(folder)?;
    match (all.last(), output.resume) {
        (None, false) => return Ok(None),
        (Some(last), false) => {
            return Err(Error::Usage(format!(
                "{} is left of an interrupted run: give --resume to go on with it, or remove {} to begin anew",
                last.display(),
                folder.display()
            )));
        }
        (None, true) if output.folder.exists() && output.folder.join(METRICS).exists() => {
            return Err(Error::Usage(format!(
                "{} is complete and there is nothing to resume; leave --resume out to run again and replace it",
                output.folder.display()
            )));
        }
        (None, true) => {
            context.progress.say(&format!("no checkpoint in {}: beginning anew", folder.display()));
            return Ok(None);
        }
        (Some(_), true) => {}
    }
    let mut found = None;
    let mut damaged = Vec::new();
    for (older, path) in all.iter().enumerate().rev() {
        match read_checkpoint(path, folder, identity)? {
            Ok(snapshot) => {
                context.progress.say(&format!("going on from {}", path.display()));
                found = Some(snapshot);
                break;
            }
            // The only checkpoint is not removed because it could not be read this time.
            Err(damage) if older == 0 && !matches!(damage, Error::Input(_)) => return Err(damage),
            Err(damage) => {
                context.progress.say(&match older {
                    0 => format!(
                        "warning: {damage}; there is no checkpoint before it: beginning anew, all that the run had \
                         learned is lost"
                    ),
                    _ => format!("{damage}; trying the checkpoint before it"),
                });
                damaged.push(path);
            }
        }
    }
    for path in damaged {
        fs::remove_dir_all(path).map_err(Error::io(path))?;
    }
    Ok(found)
}

/// The checkpoint at `path`; the inner error says what is damaged.
///
/// # Errors
/// Returns the errors of [`Identity::check`]: the checkpoints belong to another run, and an older one would
/// not help.
fn read_checkpoint(path: &Path, folder: &Path, identity: &Identity) -> Result<Result<Snapshot>> {
    match snapshot::read_state(path) {
        Ok(state) => state.identity.check(identity, folder)?,
        Err(damage) => return Ok(Err(damage)),
    }
    Ok(snapshot::read(path))
}
