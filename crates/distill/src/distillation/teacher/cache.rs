//! A cache on disk of what a teacher computes for every sample of a set.

use std::fs::{self, File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cache_entry::CacheEntry;
use super::cache_layout::CacheLayout;
use super::{TeacherAnswers, TeacherOutput, TeacherStates, WantedStates};
use tinybert_base::atomic::Staging;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::{Batch, EncodedSet, evaluation_batches};
use tinybert_model::Checkpoint;
use tinybert_nn::device::Compute;
use tinybert_nn::ops::rows::with_slice;
use tinybert_nn::{Bert, Mode, TaskModel};

/// Samples per forward pass.
const BATCH: usize = 32;

/// The file of an entry that holds the values.
const VALUES: &str = "values.bin";
/// The file of an entry that says what the values were computed from.
const DESCRIPTION: &str = "cache.json";

/// A folder of cache entries. The name of an entry is the hash of everything that its values depend on.
pub struct TeacherCache<'a> {
    /// The folder of the entries.
    pub folder: &'a Path,
    /// Largest size of all entries together in bytes.
    pub bytes: u64,
    /// The device and the number formats that compute the values.
    pub compute: &'a Compute,
    /// The teacher.
    pub teacher: &'a Checkpoint,
    /// The samples.
    pub set: &'a EncodedSet,
    /// Progress, stop signal and ranks of the pass that fills an entry.
    pub context: &'a Context<'a>,
}

/// A function that writes bytes at an offset.
type WriteAt<'a> = &'a dyn Fn(u64, &[u8]) -> Result<()>;

impl TeacherCache<'_> {
    /// The teacher's answers to all samples. They are read from the cache, or computed once and written to
    /// it. If they do not fit into the cache, they are computed batch by batch.
    ///
    /// # Errors
    /// Returns the errors of the forward pass; [`Error::Io`]; [`Error::Interrupted`].
    pub fn answers<'m>(&self, model: &'m TaskModel) -> Result<TeacherAnswers<'m>> {
        let outputs = model.head.outputs();
        let starts = self.set.answer_starts();
        let bytes = self.logit_bytes(outputs);
        if bytes > self.bytes {
            return Ok(TeacherAnswers::Computed(model));
        }
        let entry = self.entry(json!("logits"), bytes, |batch, put| {
            let (_, logits) = model.forward(batch, Mode::Eval)?;
            with_slice(&logits, |logits: &[f32]| {
                let mut rest = logits;
                Ok(batch.samples.iter().try_for_each(|&sample| {
                    let (first, end) = (starts[sample] * outputs, starts[sample + 1] * outputs);
                    let (own, others) = rest.split_at(end - first);
                    rest = others;
                    let bytes: Vec<u8> = own.iter().flat_map(|logit| logit.to_le_bytes()).collect();
                    put((first * size_of::<f32>()) as u64, &bytes)
                }))
            })?
        })?;
        Ok(TeacherAnswers::Cached { entry, outputs, starts })
    }

    /// The teacher's states and scores of all samples, cached like the answers. `bert` has as many layers of
    /// the teacher's encoder as are wanted.
    ///
    /// # Errors
    /// Returns the errors of [`TeacherCache::answers`].
    pub fn states<'m>(&self, bert: &'m Bert, wanted: WantedStates) -> Result<TeacherStates<'m>> {
        let layout = CacheLayout::new(wanted.clone(), &self.teacher.config, self.set)?;
        let room = self.bytes.saturating_sub(self.logit_bytes(self.teacher.head.outputs()));
        if layout.bytes() > room {
            if self.bytes > 0 {
                self.context.progress.say(&format!(
                    "the teacher's states take {} MiB and the cache has {} MiB for them: they are computed at every step",
                    layout.bytes().div_ceil(1 << 20),
                    room >> 20
                ));
            }
            return Ok(TeacherStates::Computed { bert, wanted });
        }
        let entry = self.entry(json!(wanted), layout.bytes(), |batch, put| {
            let output = TeacherOutput::from_output(&bert.forward(batch, Mode::Eval)?, layout.wanted());
            layout.encode(&output, batch)?.iter().try_for_each(|(offset, bytes)| put(*offset, bytes))
        })?;
        Ok(TeacherStates::Cached { entry, layout })
    }

    fn logit_bytes(&self, outputs: usize) -> u64 {
        (self.set.answer_starts()[self.set.len()] * outputs * size_of::<f32>()) as u64
    }

    /// Opens the entry for `what`, or fills it by a pass over all samples. The batches of that pass depend
    /// only on the lengths of the samples, so that every bit of the entry does too.
    fn entry(
        &self,
        what: Value,
        bytes: u64,
        fill: impl Fn(&Batch, WriteAt) -> Result<()>,
    ) -> Result<CacheEntry> {
        let teacher: Vec<String> = self.teacher.hashes()?.into_iter().map(|file| file.sha256).collect();
        let description = json!({
            "version": env!("CARGO_PKG_VERSION"), "teacher": teacher, "samples": self.set.digest()?, "what": what,
            "bytes": bytes, "device": self.compute.record(),
        });
        let mut hash = Sha256::new();
        hash.update(description.to_string());
        let folder = self.folder.join(tinybert_base::hex(&hash.finalize()));
        // Rank 0 fills the entry first. The other ranks find it if they share the folder, and otherwise fill
        // their own.
        let ranks = self.context.ranks;
        for turn in 0..ranks.size() {
            if turn == ranks.rank() {
                self.ensure_entry(&folder, &description, bytes, &fill)?;
                self.synchronise(turn, true)?;
            } else {
                while !self.synchronise(turn, false)? {}
            }
        }
        let path = folder.join(VALUES);
        let file = File::open(&path).map_err(Error::io(&path))?;
        Ok(CacheEntry { path, file })
    }

    /// Exchanges the state of all ranks while rank `turn` fills the entry: a stop signal on any rank reaches
    /// all of them, and no rank waits for one that is lost. Returns true once rank `turn` has `finished`.
    fn synchronise(&self, turn: usize, finished: bool) -> Result<bool> {
        let all = self.context.ranks.gather_values((finished, self.context.should_stop()))?;
        match all.iter().any(|(_, interrupted)| *interrupted) {
            true => Err(Error::Interrupted(
                "stopped while what the teacher says was cached; the same command with --resume does that again".into(),
            )),
            false => Ok(all[turn].0),
        }
    }

    /// Makes sure that `folder` has a complete entry.
    fn ensure_entry(
        &self,
        folder: &Path,
        description: &Value,
        bytes: u64,
        fill: impl Fn(&Batch, WriteAt) -> Result<()>,
    ) -> Result<()> {
        if is_complete(folder, description)? {
            self.context.progress.say(&format!("teacher cache: {}", folder.display()));
            mark_as_used(folder);
            return Ok(());
        }
        self.make_room(bytes)?;
        self.write_entry(folder, description, bytes, fill)
    }

    /// Computes and writes an entry.
    fn write_entry(
        &self,
        folder: &Path,
        description: &Value,
        bytes: u64,
        fill: impl Fn(&Batch, WriteAt) -> Result<()>,
    ) -> Result<()> {
        let staging = Staging::begin(folder)?;
        staging.reserve(bytes)?;
        staging.write_by(VALUES, |path| {
            let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::io(path))?;
            file.set_len(bytes).map_err(Error::io(path))?;
            let put = |offset, bytes: &[u8]| file.write_all_at(bytes, offset).map_err(Error::io(path));
            self.context.progress.begin("teacher cache", self.set.len() as u64);
            let mut done = 0;
            for samples in evaluation_batches(&self.set.lengths()?, BATCH) {
                self.synchronise(self.context.ranks.rank(), false)?;
                fill(&self.set.collate(&samples, self.teacher.text.special().pad)?, &put)?;
                done += samples.len() as u64;
                self.context.progress.advance(done, "");
            }
            self.context.progress.end();
            Ok(())
        })?;
        staging.write_by(DESCRIPTION, |path| {
            let values = path.with_file_name(VALUES);
            let file = File::create(path).map_err(Error::io(path))?;
            let record = json!({ "description": description, "sha256": FileHash::of_file(&values)?.sha256 });
            serde_json::to_writer(BufWriter::new(file), &record)
                .map_err(|error| Error::io(path)(error.into()))
        })?;
        staging.commit()
    }

    /// Removes the least recently used entries until `bytes` more fit into the cache.
    fn make_room(&self, bytes: u64) -> Result<()> {
        let mut entries = Vec::new();
        if self.folder.exists() {
            for entry in fs::read_dir(self.folder).map_err(Error::io(self.folder))? {
                let path = entry.map_err(Error::io(self.folder))?.path();
                tinybert_base::atomic::remove_abandoned(&path)?;
                // Anything that is not an entry stays.
                if let (Ok(values), Ok(used)) = (
                    fs::metadata(path.join(VALUES)),
                    fs::metadata(path.join(DESCRIPTION)).and_then(|file| file.modified()),
                ) {
                    entries.push((used, values.len(), path));
                }
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in entries {
            if total + bytes <= self.bytes {
                break;
            }
            self.context.progress.say(&format!("teacher cache: {} makes room", path.display()));
            fs::remove_dir_all(&path).map_err(Error::io(&path))?;
            total -= freed;
        }
        Ok(())
    }
}

/// Marks an entry as used now. A failure is ignored: the entry may then be removed earlier and filled again.
fn mark_as_used(folder: &Path) {
    if let Ok(file) = OpenOptions::new().write(true).open(folder.join(DESCRIPTION)) {
        drop(file.set_modified(SystemTime::now()));
    }
}

/// Whether `folder` holds an undamaged entry with this description.
fn is_complete(folder: &Path, description: &Value) -> Result<bool> {
    let Ok(text) = fs::read(folder.join(DESCRIPTION)) else { return Ok(false) };
    let record: Value = serde_json::from_slice(&text).unwrap_or_default();
    if record["description"] != *description {
        return Ok(false);
    }
    let values = folder.join(VALUES);
    Ok(values.exists() && FileHash::of_file(&values)?.sha256 == record["sha256"])
}
