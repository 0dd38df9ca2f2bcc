//! `OUT.run`: the folder in which a run keeps its metrics and checkpoints until `OUT` is complete.

mod identity;
mod output;
mod replayed;
mod resume;
mod run_folder;
mod snapshot;
mod trainee;
mod work_folder;

pub use self::identity::Identity;
pub use self::output::Output;
pub use self::replayed::ReplayedRun;
pub(crate) use self::run_folder::lock;
pub use self::run_folder::{remove_finished, remove_unfinished};
pub(crate) use self::snapshot::{SessionState, Snapshot, StoredValues};
pub use self::trainee::Trainee;
pub(crate) use self::work_folder::WorkFolder;
