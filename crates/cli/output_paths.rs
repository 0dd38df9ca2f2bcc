//! Checks of output paths before any work starts: an output must be writable and may not replace what is
//! needed.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use tinybert_base::{Error, Result};
use tinybert_runtime::image::MAGIC;
use tinybert_train::EVENT_FILES;

/// Paths that an output may not replace: what the command reads and its other outputs, each with the option
/// that names it.
#[derive(Clone, Default)]
pub struct ProtectedPaths(Vec<(&'static str, PathBuf)>);

impl ProtectedPaths {
    /// Adds the paths of one more option.
    #[must_use]
    pub fn with<'a, P: AsRef<Path> + 'a>(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item = &'a P>,
    ) -> Self {
        self.0.extend(paths.into_iter().map(|path| (option, path.as_ref().to_path_buf())));
        self
    }

    /// Refuses an output that is a protected path.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the output and the protected path.
    pub fn check(&self, option: &str, out: &Path) -> Result<()> {
        let place = resolved(out);
        self.refuse(option, out, |path| place == path)
    }

    /// Refuses an output file that is a protected path, or would replace a file in a protected folder.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the output and the protected path.
    fn check_file(&self, option: &str, out: &Path) -> Result<()> {
        let place = resolved(out);
        self.refuse(option, out, |path| place == path || place.is_file() && place.starts_with(path))
    }

    /// Refuses `out` if `is_lost` is true for a protected path, which it gets resolved.
    fn refuse(&self, option: &str, out: &Path, is_lost: impl Fn(&Path) -> bool) -> Result<()> {
        match self.0.iter().find(|(_, path)| is_lost(&resolved(path))) {
            None => Ok(()),
            Some((protected_by, path)) => Err(Error::Usage(format!(
                "{option} {}: would write over {protected_by} {}; choose another place",
                out.display(),
                path.display()
            ))),
        }
    }
}

/// A path without links and `..`. The part that does not exist yet stays as it is named.
fn resolved(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|ancestor| {
        let existing = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        Some((existing.canonicalize().ok()?, path.strip_prefix(ancestor).ok()?))
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

/// Refuses an output folder that could not be written at the end of a long run: a protected one, one that holds
/// anything but a checkpoint of this program, and one whose path runs through a file or a folder without write
/// permission.
pub fn check_folder(out: &Path, protected: &ProtectedPaths) -> Result<()> {
    probe_folder(out, protected)?;
    tinybert_model::check_target(out)
}

/// Refuses an output folder that is protected or a file, or whose path runs through a file or a folder
/// without write permission.
pub fn probe_folder(out: &Path, protected: &ProtectedPaths) -> Result<()> {
    protected.check("--out", out)?;
    if out.exists() && !out.is_dir() {
        return Err(Error::Usage(format!("--out {}: is a file; name a folder", out.display())));
    }
    if out.is_symlink() && !out.exists() {
        return Err(Error::Usage(format!("--out {}: is a link to nothing; name a folder", out.display())));
    }
    probe(out, if out.exists() { out } else { nearest(out) })
}

/// The nearest folder that is there already, in which the others will be made.
fn nearest(out: &Path) -> &Path {
    out.ancestors().skip(1).find(|path| path.exists()).unwrap_or(Path::new(""))
}

/// Refuses a folder for event files that is a file, holds other files or cannot be written, and one in the output
/// folder `out` or in its `out.run`: the first is replaced as a whole, the second is removed.
pub fn check_tensorboard(folder: Option<&PathBuf>, out: &Path) -> Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let refuse = |why: &str| Err(Error::Usage(format!("--tensorboard {}: {why}", folder.display())));
    if folder.exists() && !folder.is_dir() {
        return refuse("is a file; name a folder");
    }
    let files = folder.read_dir().into_iter().flatten().flatten().filter(|entry| entry.path().is_file());
    let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    if let Some(name) = names.find(|name| !name.starts_with(EVENT_FILES)) {
        return refuse(&format!("holds {name}, which is no event file; name a folder for event files alone"));
    }
    let mut run = out.as_os_str().to_owned();
    run.push(".run");
    let place = resolved(folder);
    if [out, Path::new(&run)].iter().any(|taken| place.starts_with(resolved(taken))) {
        return refuse("is in the folder of --out, which is replaced as a whole; name another folder");
    }
    probe(folder, if folder.exists() { folder } else { nearest(folder) })
}

/// Refuses an output file of `option` that is protected or could not be written at the end of a long run.
pub fn check_file(option: &str, out: &Path, protected: &ProtectedPaths) -> Result<()> {
    protected.check_file(option, out)?;
    probe_file(option, out)
}

/// Refuses an output file that is a folder or could not be created.
fn probe_file(option: &str, out: &Path) -> Result<()> {
    if out.is_dir() {
        return Err(Error::Usage(format!("{option} {}: is a folder; name a file", out.display())));
    }
    if out.exists() && !out.is_file() {
        // The output gets its name when it is complete, and would take the place of the device or the pipe.
        let what =
            "is a device or a pipe, and the output is a file that appears when it is complete; name a file";
        return Err(Error::Usage(format!("{option} {}: {what}", out.display())));
    }
    probe(out, nearest(out))
}

/// Does the same as [`check_file`] for an image, which replaces nothing but an image.
pub fn check_image(out: &Path, protected: &ProtectedPaths) -> Result<()> {
    protected.check("--out", out)?;
    probe_file("--out", out)?;
    check_replaced("--out", out, "an image", &MAGIC)
}

/// Does the same as [`check_file`] for a page, which replaces nothing but a page.
pub fn check_page(out: &Path, protected: &ProtectedPaths) -> Result<()> {
    protected.check("--out", out)?;
    probe_file("--out", out)?;
    check_replaced("--out", out, "an HTML page", b"<!DOCTYPE html")
}

/// Does the same as [`check_file`] for a JSON file of `option`, which replaces nothing but a file that `is_like` says
/// to be of its kind. `what` says which kind that is.
pub fn check_json(
    option: &str,
    out: &Path,
    protected: &ProtectedPaths,
    what: &str,
    is_like: impl Fn(&Path) -> bool,
) -> Result<()> {
    check_file(option, out, protected)?;
    let is_empty = std::fs::metadata(out).map_or(true, |metadata| metadata.is_file() && metadata.len() == 0);
    if is_empty || out.is_file() && is_like(out) { Ok(()) } else { Err(replaces_another(option, out, what)) }
}

/// Refuses to replace a file that does not begin with `beginning`, in upper or lower case. An empty file
/// holds nothing to lose. `what` says what may be replaced.
fn check_replaced(option: &str, out: &Path, what: &str, beginning: &[u8]) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    let mut found = Vec::new();
    // Reading a pipe would wait for its writer.
    if out.is_file() {
        let file = File::open(out).map_err(Error::io(out))?;
        file.take(beginning.len() as u64).read_to_end(&mut found).map_err(Error::io(out))?;
        if found.is_empty() || found.eq_ignore_ascii_case(beginning) {
            return Ok(());
        }
    }
    Err(replaces_another(option, out, what))
}

/// The error for an output that would replace a file of another kind.
fn replaces_another(option: &str, out: &Path, what: &str) -> Error {
    let out = out.display();
    Error::Usage(format!(
        "{option} {out}: is there already and is not {what}; choose another name, or remove it first"
    ))
}

/// Creates and removes a temporary file in `folder`; an error names `out`.
fn probe(out: &Path, folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::tempfile_in(folder).map(drop).map_err(Error::io(out))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn free() -> ProtectedPaths {
        ProtectedPaths::default()
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
    fn the_folders_of_a_file_will_be_made() {
        let parent = tempfile::tempdir().unwrap();
        check_image(&parent.path().join("a/b/model.tbim"), &free()).unwrap();
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
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
    fn a_device_is_no_output_file() {
        let error = check_file("--predictions", Path::new("/dev/null"), &free()).unwrap_err();
        assert!(error.to_string().contains("a device") && error.exit_code() == 2, "{error}");
    }

    #[test]
    fn what_is_read_is_protected_by_whatever_way_it_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        fs::create_dir_all(path("models/teacher")).unwrap();
        std::os::unix::fs::symlink(path("models"), path("link")).unwrap();
        let protected = ProtectedPaths::default().with("--teacher", [&path("models/teacher")]);
        for name in ["teacher", "../link/teacher", "none/../teacher", "teacher/."] {
            let error = protected.check("--out", &path("models").join(name)).unwrap_err();
            assert!(error.to_string().contains("--teacher") && error.exit_code() == 2, "{name}: {error}");
        }
        for name in [".", "teacher-2", "../teacher", "teacher/../student", "none/teacher", "teacher/new"] {
            protected.check("--out", &path("models").join(name)).unwrap();
        }
        // Files that are in the folder are read too; files that the command will write there are not.
        let [config, new] = ["models/teacher/config.json", "models/teacher/new.json"].map(path);
        fs::write(&config, "{}").unwrap();
        assert_eq!(check_file("--json", &config, &protected).unwrap_err().exit_code(), 2);
        check_file("--json", &new, &protected).unwrap();
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
