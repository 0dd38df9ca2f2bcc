//! A checkpoint: a model folder with the state of the run in `training.json` and `training.safetensors`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensorError, View};

use super::identity::Identity;
use super::trainee::Trainee;
use crate::metrics_window::MetricsWindow;
use crate::summary::{Summary, one_rank, total_steps};
use tinybert_base::collective::Collective;
use tinybert_base::{Error, FileHash, Result};
use tinybert_model::{Checkpoint, Companion, Tensors};

/// The state of the run and the hashes of all other files. It is written last.
const STATE: &str = "training.json";
/// The optimizer's moments, the projections and the best weights so far.
const TENSORS: &str = "training.safetensors";

/// How far a run has come.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct RunState {
    pub identity: Identity,
    pub session: SessionState,
    /// Summaries of the run's finished sessions by name.
    #[serde(rename = "done")]
    pub finished: BTreeMap<String, Summary>,
    /// Length of `metrics.jsonl` in bytes.
    pub metrics_bytes: u64,
    /// How many ranks shared the steps.
    #[serde(default = "one_rank")]
    pub ranks: usize,
}

impl RunState {
    /// The steps of all sessions.
    pub fn steps(&self) -> u64 {
        self.session.steps + total_steps(&self.finished)
    }
}

/// How far a session has come.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct SessionState {
    pub name: String,
    pub steps: u64,
    pub tokens: u64,
    pub seconds: f64,
    pub window: MetricsWindow,
    /// Evaluations of the session's selection since its best one.
    #[serde(default)]
    pub evaluations_since_best: u64,
}

/// The contents of `training.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct StateFile<S> {
    #[serde(flatten)]
    state: S,
    files: Vec<FileHash>,
}

/// A checkpoint that has been read.
pub(crate) struct Snapshot {
    pub state: RunState,
    /// The model's tensors.
    pub model: Tensors,
    /// The contents of `training.safetensors`.
    tensors: HashMap<String, Tensor>,
}

/// Values that are stored without a copy of all of them at once.
pub(crate) enum StoredValues<'a> {
    /// An optimizer's moment as one row.
    Moment([usize; 1], Cow<'a, [f32]>),
    /// A tensor of any shape.
    Tensor(Cow<'a, Tensor>),
}

impl<'a> StoredValues<'a> {
    /// The moment of one parameter.
    pub fn moment(values: Cow<'a, [f32]>) -> Self {
        Self::Moment([values.len()], values)
    }
}

impl View for &StoredValues<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        match self {
            StoredValues::Moment(shape, _) => shape,
            StoredValues::Tensor(tensor) => tensor.dims(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            StoredValues::Moment(_, values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            StoredValues::Tensor(tensor) => Cow::Owned(View::data(&**tensor).into_owned()),
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * size_of::<f32>()
    }
}

/// Writes a checkpoint: the model, and the state of the run beside it.
///
/// # Errors
/// Returns the errors of [`FolderContents::save`](tinybert_model::FolderContents::save).
pub(super) fn write(
    folder: &Path,
    trainee: &Trainee,
    state: &RunState,
    tensors: &[(String, StoredValues)],
) -> Result<()> {
    let bytes: usize = tensors.iter().map(|(_, values)| values.data_len()).sum();
    let write_tensors = |path: &Path| {
        let views = tensors.iter().map(|(name, values)| (name, values));
        safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
            SafeTensorError::IoError(error) => Error::io(path)(error),
            other => Error::Usage(format!("{}: cannot be written: {other}", path.display())),
        })
    };
    let write_state = |path: &Path| {
        let files = hashes(path.parent().unwrap_or(Path::new("")))?;
        let text =
            serde_json::to_string_pretty(&StateFile { state, files }).expect("the state is plain values");
        fs::write(path, text).map_err(Error::io(path))
    };
    // The headers, and the state itself, fit into a MiB each.
    let companions = [
        Companion { name: TENSORS, bytes: bytes as u64 + (1 << 20), write: &write_tensors },
        Companion { name: STATE, bytes: 1 << 20, write: &write_state },
    ];
    trainee.save(folder, &trainee.parameters.detached(), serde_json::Value::Null, &companions)
}

/// SHA-256 of every file in `folder` except [`STATE`], in the order of their names.
fn hashes(folder: &Path) -> Result<Vec<FileHash>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        names.push(entry.map_err(Error::io(folder))?.file_name());
    }
    names.sort();
    let others = names.iter().filter(|name| *name != STATE);
    others
        .map(|name| {
            Ok(FileHash { path: name.to_string_lossy().into(), ..FileHash::of_file(&folder.join(name))? })
        })
        .collect()
}

impl StateFile<RunState> {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            // The folder is no checkpoint of a run, or not a whole one, as if the file were damaged.
            ErrorKind::NotFound => Error::input(&path, "is missing"),
            _ => Error::io(&path)(error),
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::line(&path, error.line(), format!("damaged: {error}")))
    }
}

/// Reads the state of the run from the checkpoint in `folder`.
///
/// # Errors
/// [`Error::Input`] or [`Error::Io`] for a damaged checkpoint.
pub(super) fn read_state(folder: &Path) -> Result<RunState> {
    Ok(StateFile::read(folder)?.state)
}

/// Reads the checkpoint in `folder`.
///
/// # Errors
/// [`Error::Input`] or [`Error::Io`] for a damaged checkpoint.
pub(super) fn read(folder: &Path) -> Result<Snapshot> {
    let StateFile { state, files } = StateFile::read(folder)?;
    let found = hashes(folder)?;
    if let Some(file) = files.iter().find(|file| !found.contains(file)) {
        return Err(Error::input(folder, format!("damaged: {} is not what was written there", file.path)));
    }
    let model = Checkpoint::load(folder)?.tensors;
    let tensors = candle_core::safetensors::load(folder.join(TENSORS), &Device::Cpu)?;
    Ok(Snapshot { state, model, tensors })
}

/// Prefix of the model's tensors among the tensors that are sent to other ranks.
const MODEL: &str = "model/";

impl Snapshot {
    /// Sends the snapshot that rank 0 has read to every rank: the other ranks need not see rank 0's disk.
    ///
    /// # Errors
    /// [`Error::Ranks`] if a rank is lost.
    pub fn shared(mine: Option<Self>, ranks: &dyn Collective) -> Result<Option<Self>> {
        if ranks.size() == 1 {
            return Ok(mine);
        }
        let (state, tensors) = match mine {
            Some(Self { state, model, mut tensors }) => {
                tensors.extend(model.into_iter().map(|(name, tensor)| (format!("{MODEL}{name}"), tensor)));
                (Some(state), tensors)
            }
            None => Default::default(),
        };
        let Some(state) = ranks.first_value(state)? else { return Ok(None) };
        let bytes = match ranks.is_first() {
            true => safetensors::serialize(&tensors, None)
                .map_err(|error| Error::Ranks(format!("the checkpoint cannot be sent: {error}")))?,
            false => Vec::new(),
        };
        drop(tensors);
        let tensors = candle_core::safetensors::load_buffer(&ranks.broadcast(bytes)?, &Device::Cpu)?;
        let mut shared = Self { state, model: Tensors::new(), tensors };
        shared.model = shared.take_all(MODEL);
        Ok(Some(shared))
    }

    /// Takes the tensor of this name out of the snapshot.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Error::Input(format!("the checkpoint to resume from has no tensor {name}")))
    }

    /// Takes all tensors whose names begin with `prefix` out of the snapshot. Their new names lack the prefix.
    pub fn take_all(&mut self, prefix: &str) -> Tensors {
        let names: Vec<String> =
            self.tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        names
            .into_iter()
            .filter_map(|name| Some((name[prefix.len()..].to_owned(), self.tensors.remove(&name)?)))
            .collect()
    }
}
