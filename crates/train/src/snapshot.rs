//! The state of a run beside its model: what is in `training.json` and `training.safetensors` of a checkpoint.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensorError, View};

use super::identity::Identity;
use super::session::{Summary, one};
use super::trainee::Trainee;
use super::window::Window;
use tinybert_base::FileHash;
use tinybert_base::collective::Collective;
use tinybert_base::{Error, Result};
use tinybert_model::{Checkpoint, Companion, Tensors};

/// The state, and last the hashes of all other files.
const STATE: &str = "training.json";
/// Moments, projections and the best weights so far.
const TENSORS: &str = "training.safetensors";

/// Where a run stands.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct State {
    pub identity: Identity,
    pub session: SessionState,
    /// What earlier sessions of the run did, by name.
    pub done: BTreeMap<String, Summary>,
    /// Length of `metrics.jsonl`.
    pub metrics_bytes: u64,
    /// How many ranks shared the steps.
    #[serde(default = "one")]
    pub ranks: usize,
}

/// Where a session stands.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct SessionState {
    pub name: String,
    pub steps: u64,
    pub tokens: u64,
    pub seconds: f64,
    pub window: Window,
}

/// `training.json`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Marker<S> {
    #[serde(flatten)]
    state: S,
    files: Vec<FileHash>,
}

/// A checkpoint that has been read back.
pub(super) struct Snapshot {
    pub state: State,
    /// The model's.
    pub model: Tensors,
    tensors: HashMap<String, Tensor>,
}

/// Values to be stored, without a copy of all of them at once.
pub(super) enum Values<'a> {
    Moment([usize; 1], Cow<'a, [f32]>),
    Tensor(Cow<'a, Tensor>),
}

impl<'a> Values<'a> {
    pub fn moment(values: Cow<'a, [f32]>) -> Self {
        Self::Moment([values.len()], values)
    }
}

impl View for &Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        match self {
            Values::Moment(shape, _) => shape,
            Values::Tensor(tensor) => tensor.dims(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Values::Moment(_, values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Tensor(tensor) => Cow::Owned(View::data(&**tensor).into_owned()),
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * size_of::<f32>()
    }
}

/// Writes a checkpoint: the model, and beside it where the run stands.
///
/// # Errors
/// Those of [`tinybert_model::save_with`].
pub(super) fn write(
    folder: &Path,
    trainee: &Trainee,
    state: &State,
    tensors: &[(String, Values)],
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
        let text = serde_json::to_string_pretty(&Marker { state, files }).expect("the state is plain values");
        fs::write(path, text).map_err(Error::io(path))
    };
    // Headers and the state itself fit into a MiB.
    let companions = [
        Companion { name: TENSORS, bytes: bytes as u64 + (1 << 20), write: &write_tensors },
        Companion { name: STATE, bytes: 1 << 20, write: &write_state },
    ];
    trainee.save(folder, &trainee.parameters.detached(), serde_json::Value::Null, &companions)
}

/// SHA-256 of every file in `folder` but [`STATE`], by bare name and in that order.
fn hashes(folder: &Path) -> Result<Vec<FileHash>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        names.push(entry.map_err(Error::io(folder))?.file_name());
    }
    names.sort();
    let others = names.iter().filter(|name| *name != STATE);
    others
        .map(|name| Ok(FileHash { path: name.to_string_lossy().into(), ..FileHash::of(&folder.join(name))? }))
        .collect()
}

impl State {
    /// Makes sure that the checkpoint belongs to a run of `identity`, whose folder is `run`.
    ///
    /// # Errors
    /// Those of [`Identity::check`].
    pub fn check(&self, identity: &Identity, run: &Path) -> Result<()> {
        self.identity.check(identity, run)
    }
}

impl Marker<State> {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(Error::io(&path))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::line(&path, error.line(), format!("damaged: {error}")))
    }
}

/// Where the run of the checkpoint in `folder` stands.
///
/// # Errors
/// [`Error::Input`] or [`Error::Io`] for one that is damaged.
pub(super) fn read_state(folder: &Path) -> Result<State> {
    Ok(Marker::read(folder)?.state)
}

/// Reads the checkpoint in `folder`.
///
/// # Errors
/// [`Error::Input`] or [`Error::Io`] for one that is damaged.
pub(super) fn read(folder: &Path) -> Result<Snapshot> {
    let Marker { state, files } = Marker::read(folder)?;
    let found = hashes(folder)?;
    if let Some(file) = files.iter().find(|file| !found.contains(file)) {
        return Err(Error::input(folder, format!("damaged: {} is not what was written there", file.path)));
    }
    let model = Checkpoint::load(folder)?.tensors;
    let tensors = candle_core::safetensors::load(folder.join(TENSORS), &Device::Cpu)?;
    Ok(Snapshot { state, model, tensors })
}

/// Prefix of the model's tensors among those that are sent to other ranks.
const MODEL: &str = "model/";

impl Snapshot {
    /// The snapshot that rank 0 has read, on every rank: the others need not see its disk.
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

    /// Takes out the tensor of this name.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Error::Input(format!("the checkpoint to resume from has no tensor {name}")))
    }

    /// Takes out all tensors whose names begin with `prefix`, by what follows it.
    pub fn take_all(&mut self, prefix: &str) -> Tensors {
        let names: Vec<String> =
            self.tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        names
            .into_iter()
            .filter_map(|name| Some((name[prefix.len()..].to_owned(), self.tensors.remove(&name)?)))
            .collect()
    }
}
