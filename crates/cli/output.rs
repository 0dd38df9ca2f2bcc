//! What commands write: standard output, and a check of the output path before any work starts.

use std::io::Write;
use std::path::Path;

use tinybert_host::checkpoint;
use tinybert_host::metrics::Metrics;
use tinybert_host::{Error, Result};

/// Stands for standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line to standard output; a closed pipe is an error here, where `println!` would panic.
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// Hashes and keys in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `accuracy 0.9686, f1 0.9500 (872 examples)`, the value that selects first.
pub fn metrics(metrics: &Metrics) -> String {
    let mut line = format!("{} {:.4}", metrics.primary, metrics.primary());
    for (name, value) in metrics.values.iter().filter(|(name, _)| **name != metrics.primary) {
        line += &format!(", {name} {value:.4}");
    }
    line + &format!(" ({} examples)", metrics.samples)
}

/// Refuses an output folder that could not be written at the end of a long run: one that holds something else than a
/// checkpoint of ours, or whose path runs through a file or a folder without write permission.
pub fn check_folder(out: &Path) -> Result<()> {
    probe_folder(out)?;
    checkpoint::check_target(out)
}

/// Refuses an output folder whose path runs through a file or a folder without write permission.
pub fn probe_folder(out: &Path) -> Result<()> {
    let nearest = out.ancestors().find(|path| path.exists()).unwrap_or(Path::new(""));
    probe(out, nearest)
}

/// Refuses an output file that could not be written at the end of a long run.
pub fn check_file(out: &Path) -> Result<()> {
    if out.is_dir() {
        return Err(Error::Usage(format!("--out {}: is a folder; name a file", out.display())));
    }
    probe(out, out.parent().unwrap_or(out))
}

/// Creates and removes a temporary file in `folder`, on behalf of `out`.
fn probe(out: &Path, folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::tempfile_in(folder).map(drop).map_err(Error::io(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_to_be_made_is_fine_and_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("a/b");
        check_folder(&out).unwrap();
        check_file(&parent.path().join("model.tbim")).unwrap();
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_path_through_a_file_is_an_io_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = check_folder(&file.path().join("out")).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
    }

    #[test]
    fn a_file_needs_a_folder_that_is_there() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(check_file(&parent.path().join("a/model.tbim")).unwrap_err().exit_code(), 4);
    }

    #[test]
    fn a_folder_is_no_output_file() {
        let out = tempfile::tempdir().unwrap();
        assert_eq!(check_file(out.path()).unwrap_err().exit_code(), 2);
    }
}
