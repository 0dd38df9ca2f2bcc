//! What commands write: standard output, and a check of the output path before any work starts.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_runtime::image::MAGIC;

/// Stands for standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line to standard output; a closed pipe is an error here, where `println!` would panic.
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// `accuracy 0.9686, f1 0.9500 (872 examples)`, the value that selects first.
pub fn metrics(metrics: &Metrics) -> String {
    let mut line = format!("{} {:.4}", metrics.primary, metrics.primary());
    for (name, value) in metrics.values.iter().filter(|(name, _)| **name != metrics.primary) {
        line += &format!(", {name} {value:.4}");
    }
    line + &format!(" ({} examples)", metrics.samples)
}

/// Places that no output may take: what the command reads and its other outputs, each with the option that names it.
#[derive(Clone, Default)]
pub struct Taken(Vec<(&'static str, PathBuf)>);

impl Taken {
    /// With the paths of one more option.
    #[must_use]
    pub fn and<'a>(mut self, option: &'static str, paths: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        self.0.extend(paths.into_iter().map(|path| (option, path.clone())));
        self
    }

    /// Refuses an output that is one of them.
    ///
    /// # Errors
    /// [`Error::Usage`] naming both.
    pub fn check(&self, option: &str, out: &Path) -> Result<()> {
        let place = resolved(out);
        self.refuse(option, out, |path| place == path)
    }

    /// Refuses an output file that is one of them, or would replace a file in one.
    ///
    /// # Errors
    /// [`Error::Usage`] naming both.
    fn check_contents(&self, option: &str, out: &Path) -> Result<()> {
        let place = resolved(out);
        self.refuse(option, out, |path| place == path || place.is_file() && place.starts_with(path))
    }

    fn refuse(&self, option: &str, out: &Path, is_lost: impl Fn(&Path) -> bool) -> Result<()> {
        match self.0.iter().find(|(_, path)| is_lost(&resolved(path))) {
            None => Ok(()),
            Some((taken, path)) => Err(Error::Usage(format!(
                "{option} {}: would write over {taken} {}; choose another place",
                out.display(),
                path.display()
            ))),
        }
    }
}

/// A path without links and `..`; what of it does not exist yet is taken as it is named.
fn resolved(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|ancestor| {
        let there = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        Some((there.canonicalize().ok()?, path.strip_prefix(ancestor).ok()?))
    });
    let Some((mut place, rest)) = known else { return path.into() };
    for part in rest.components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            part => place.push(part),
        }
    }
    place
}

/// Refuses an output folder that could not be written at the end of a long run: one that is taken, holds something else
/// than a checkpoint of ours, or whose path runs through a file or a folder without write permission.
pub fn check_folder(out: &Path, taken: &Taken) -> Result<()> {
    probe_folder(out, taken)?;
    tinybert_model::check_target(out)
}

/// Refuses an output folder that is taken or a file, or whose path runs through a file or a folder without write
/// permission.
pub fn probe_folder(out: &Path, taken: &Taken) -> Result<()> {
    taken.check("--out", out)?;
    if out.exists() && !out.is_dir() {
        return Err(Error::Usage(format!("--out {}: is a file; name a folder", out.display())));
    }
    let nearest = out.ancestors().find(|path| path.exists()).unwrap_or(Path::new(""));
    probe(out, nearest)
}

/// Refuses an output file of `option` that is taken or could not be written at the end of a long run.
pub fn check_file(option: &str, out: &Path, taken: &Taken) -> Result<()> {
    taken.check_contents(option, out)?;
    probe_file(option, out)
}

fn probe_file(option: &str, out: &Path) -> Result<()> {
    if out.is_dir() {
        return Err(Error::Usage(format!("{option} {}: is a folder; name a file", out.display())));
    }
    probe(out, out.parent().unwrap_or(out))
}

/// [`check_file`] for an image, which replaces nothing but an image.
pub fn check_image(out: &Path, taken: &Taken) -> Result<()> {
    taken.check("--out", out)?;
    probe_file("--out", out)?;
    check_replaced(out, "an image", &MAGIC)
}

/// [`check_file`] for a page, which replaces nothing but a page.
pub fn check_page(out: &Path, taken: &Taken) -> Result<()> {
    taken.check("--out", out)?;
    probe_file("--out", out)?;
    check_replaced(out, "an HTML page", b"<!DOCTYPE html")
}

/// Refuses to write over a file that does not begin as `what` does, in either case of letters. In an empty one there is
/// nothing to lose.
fn check_replaced(out: &Path, what: &str, beginning: &[u8]) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    let mut found = Vec::new();
    // A pipe would be waited for.
    if out.is_file() {
        let file = File::open(out).map_err(Error::io(out))?;
        file.take(beginning.len() as u64).read_to_end(&mut found).map_err(Error::io(out))?;
        if found.is_empty() || found.eq_ignore_ascii_case(beginning) {
            return Ok(());
        }
    }
    Err(Error::Usage(format!(
        "--out {}: is there already and is not {what}; choose another name, or remove it first",
        out.display()
    )))
}

/// Creates and removes a temporary file in `folder`, on behalf of `out`.
fn probe(out: &Path, folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::tempfile_in(folder).map(drop).map_err(Error::io(out))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn free() -> Taken {
        Taken::default()
    }

    #[test]
    fn a_folder_to_be_made_is_fine_and_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("a/b");
        check_folder(&out, &free()).unwrap();
        check_image(&parent.path().join("model.tbim"), &free()).unwrap();
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_path_through_a_file_is_an_io_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = check_folder(&file.path().join("out"), &free()).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
    }

    #[test]
    fn a_file_needs_a_folder_that_is_there() {
        let parent = tempfile::tempdir().unwrap();
        let error = check_image(&parent.path().join("a/model.tbim"), &free()).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
    }

    #[test]
    fn a_folder_is_no_output_file_and_a_file_no_output_folder() {
        let (folder, file) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let error = check_file("--json", folder.path(), &free()).unwrap_err();
        assert!(error.to_string().contains("--json") && error.exit_code() == 2, "{error}");
        let error = check_folder(file.path(), &free()).unwrap_err();
        assert!(error.to_string().contains("is a file") && error.exit_code() == 2, "{error}");
    }

    #[test]
    fn what_is_read_is_taken_by_whatever_way_it_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        fs::create_dir_all(path("models/teacher")).unwrap();
        std::os::unix::fs::symlink(path("models"), path("link")).unwrap();
        let taken = Taken::default().and("--teacher", [&path("models/teacher")]);
        for name in ["teacher", "../link/teacher", "none/../teacher", "teacher/."] {
            let error = taken.check("--out", &path("models").join(name)).unwrap_err();
            assert!(error.to_string().contains("--teacher") && error.exit_code() == 2, "{name}: {error}");
        }
        for name in [".", "teacher-2", "../teacher", "teacher/../student", "none/teacher", "teacher/new"] {
            taken.check("--out", &path("models").join(name)).unwrap();
        }
        // What is in a folder is read too; what is to come there is not.
        let [config, new] = ["models/teacher/config.json", "models/teacher/new.json"].map(path);
        fs::write(&config, "{}").unwrap();
        assert_eq!(check_file("--json", &config, &taken).unwrap_err().exit_code(), 2);
        check_file("--json", &new, &taken).unwrap();
    }

    #[test]
    fn images_and_pages_replace_only_their_like() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let fits = |contents: &str| {
            fs::write(&out, contents).unwrap();
            [check_image(&out, &free()), check_page(&out, &free())].map(|checked| checked.is_ok())
        };
        assert_eq!(fits(""), [true, true]);
        assert_eq!(fits("TBIM and more"), [true, false]);
        assert_eq!(fits("<!doctype HTML><p>"), [false, true]);
        assert_eq!(fits("{}"), [false, false]);
        assert_eq!(check_image(&out, &free()).unwrap_err().exit_code(), 2);
    }
}
