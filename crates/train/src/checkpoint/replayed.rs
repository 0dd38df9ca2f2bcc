//! The earlier run whose options a run takes.

use std::path::PathBuf;

use super::identity::short;
use tinybert_base::FileHash;
use tinybert_base::progress::Progress;

/// The earlier run whose options a run takes: what its `run.json` says about the files that it read.
#[derive(Debug, Clone)]
pub struct ReplayedRun {
    /// The path of `run.json`.
    pub record: PathBuf,
    /// The files that the earlier run read.
    pub inputs: Vec<FileHash>,
}

impl ReplayedRun {
    /// Tells the user which of `inputs`, the files that the new run reads, have other contents than all files that the
    /// earlier run read: the result will be another one.
    pub fn compare(&self, inputs: &[FileHash], progress: &dyn Progress) {
        for file in inputs {
            if self.inputs.iter().any(|earlier| earlier.sha256 == file.sha256) {
                continue;
            }
            let then = match self.inputs.iter().find(|earlier| earlier.path == file.path) {
                Some(earlier) => format!("it had the SHA-256 {} then", short(&earlier.sha256)),
                None => "no file was the same".into(),
            };
            progress.say(&format!(
                "warning: {} (SHA-256 {}) is not what the run of {} read: {then}",
                file.path,
                short(&file.sha256),
                self.record.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use tinybert_testing::toy::RecordedLines;

    use super::*;

    #[test]
    fn a_file_is_known_by_its_contents() {
        let file =
            |path: &str, sha256: &str| FileHash { path: path.into(), bytes: 1, sha256: sha256.repeat(32) };
        let record = PathBuf::from("old/run.json");
        let earlier = ReplayedRun { record, inputs: vec![file("train", "aa"), file("dev", "bb")] };
        let said = |inputs: &[FileHash]| {
            let said = RecordedLines::default();
            earlier.compare(inputs, &said);
            said.lines().lines().map(String::from).collect::<Vec<_>>()
        };
        assert!(said(&[file("elsewhere/dev", "bb"), file("train", "aa")]).is_empty());
        let lines = said(&[file("train", "cc"), file("more", "dd")]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("warning: train (SHA-256 cccccccccccc)")
                && lines[0].contains("aaaaaaaaaaaa then"),
            "{lines:?}"
        );
        assert!(lines[1].contains("more") && lines[1].contains("old/run.json"), "{lines:?}");
    }
}
