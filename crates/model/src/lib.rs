#![doc = include_str!("../README.md")]

mod architecture;
mod audit;
mod config;
mod config_json;
mod config_source;
mod embeddings;
mod family;
mod file_names;
mod head;
pub mod image_file;
pub mod names;
mod per_projection;
mod pickle;
pub mod plan;
mod preset;
mod prompts;
mod pytorch;
mod quantization;
mod record;
mod safetensors;
mod save;
mod sentence;
mod shapes;
pub mod signature;
mod special_pieces;
mod storage;
mod stored_tensor;
mod tensors;
#[cfg(test)]
mod tests;
mod text;
pub mod thresholds;
mod tokenizer_folder;
mod tokenizer_json;
mod tokenizer_settings;
mod vocabulary;
mod weights;
mod wordpiece;

use std::path::{Path, PathBuf};

pub use architecture::{Activation, Architecture};
pub use config::{BertConfig, Pruned};
pub use embeddings::embeddings_from_teacher;
pub use family::PieceRows;
pub use file_names::{METRICS, QUANTIZATION, RUN_RECORD, WEIGHTS};
pub use head::Head;
pub use head::only_counts;
pub use names::WORD_EMBEDDINGS;
pub use per_projection::PerProjection;
pub use preset::{PRESETS, preset};
pub use prompts::ListedPrompts;
pub use quantization::write as write_quantization;
pub use record::{RecordedOptions, RunRecord};
pub use safetensors::parameters;
pub use save::{Companion, FolderContents, check_target, save};
pub use shapes::{expected_shapes, pooler_shapes};
pub use special_pieces::ModelSpecialIds;
pub use storage::Storage;
pub use tensors::{Tensors, lookup};
pub use text::{EncodedInput, EncodedWord, TextEncoder, TokenPlace};
pub use tinybert_image::Pooling;
pub use tinybert_image::{LayerLinear, PerLinear};
pub use vocabulary::FILES as TOKENIZER_FILES;
pub use wordpiece::VocabularyTrainer;

use self::config_json::ConfigFile;
use self::sentence::SentenceVector;
use self::weights::WeightFiles;
use crate::plan::ModelPlan;
use tinybert_base::{Error, FileHash, Result, files};

/// The file that says that the weights of a folder are added to those of another model.
const ADAPTER: &str = "adapter_config.json";

/// A model folder in memory, complete and checked.
pub struct Checkpoint {
    /// Sizes of the encoder.
    pub config: BertConfig,
    /// The task head on top of the encoder.
    pub head: Head,
    /// Every tensor of [`expected_shapes`], and the pooler's if the folder has them.
    pub tensors: Tensors,
    /// The model's tokenizer.
    pub text: TextEncoder,
    /// The plan that the model was trained to be quantized by, if it was.
    pub quantization: Option<ModelPlan>,
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// The name of the folder in records of runs, where that is not its path.
    origin: Option<String>,
    /// Every file that was read.
    sources: Vec<PathBuf>,
    /// Rows of the word embeddings of the folder that no piece takes and that were left out.
    unused_rows: usize,
}

/// Leaves out the rows of the word embeddings, and of the bias of their decoder, from `rows` on. Such rows are there
/// where a table was padded to a multiple of 8 or 64.
fn without_unused_rows(tensors: &mut Tensors, rows: usize) -> Result<()> {
    for name in [WORD_EMBEDDINGS, names::MASKED_LM_BIAS] {
        if let Some(table) = tensors.get_mut(name) {
            *table = table.narrow(0, 0, rows)?.force_contiguous()?;
        }
    }
    Ok(())
}

impl Checkpoint {
    /// Reads the model folder, auditing configuration, tokenizer and every tensor first.
    ///
    /// # Errors
    /// [`Error::Input`] listing everything that is wrong with the folder's contents;
    /// [`Error::Io`] when a file cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let config_path = folder.join("config.json");
        if image_file::is_image(folder) {
            return Err(Error::input(
                folder,
                "is a model image, and a folder is needed here: name the folder that the image was made of",
            ));
        }
        if !folder.is_dir() {
            let reason = std::io::Error::new(std::io::ErrorKind::NotFound, "no such model folder");
            return Err(Error::io(folder)(reason));
        }
        let Some(bytes) = files::read_if_there(&config_path)? else {
            return Err(Error::input(folder, "not a model folder: config.json is missing"));
        };
        if folder.join(ADAPTER).exists() {
            return Err(Error::input(
                folder.join(ADAPTER),
                "the folder holds an adapter, which transformers adds to the weights and this program does not read; merge it, \
                 in Python: PeftModel.from_pretrained(model, folder).merge_and_unload().save_pretrained(folder)",
            ));
        }
        let file = ConfigFile::open(&config_path, &bytes)?;
        let text = TextEncoder::from_folder(folder)?;
        file.check_tokenizer(folder, &text)?;
        let mut config = file.encoder(text.special())?;
        let text = text.for_token_types(config.type_vocab_size);
        let weights = WeightFiles::open(folder, config.architecture)?;
        let head = file.head(config.hidden_size, |name| weights.get(name).is_some())?;
        let names = audit::audit(folder, &weights, &config, &head)?;
        let (pieces, rows) = (text.vocab_size(), config.vocab_size);
        if pieces > rows {
            return Err(Error::input(
                folder,
                format!(
                    "the tokenizer has {pieces} pieces, the model's vocab_size is {rows}: take the tokenizer files of the model \
                     it came from"
                ),
            ));
        }
        let mut tensors = weights.read(names)?;
        // The ids of a model with pieces of its own may have gaps, and its table has a row for each id.
        let unused_rows = if text.has_own_pieces() { 0 } else { rows - pieces };
        if unused_rows > 0 {
            config.vocab_size = pieces;
            without_unused_rows(&mut tensors, config.word_rows())?;
        }
        let quantization = quantization::read(folder, &config)?;
        let mut sources = vec![config_path];
        sources.extend(weights.sources().iter().cloned());
        sources.extend(vocabulary::FILES.iter().map(|name| folder.join(name)).filter(|file| file.exists()));
        sources.extend(quantization.is_some().then(|| folder.join(QUANTIZATION)));
        Ok(Self {
            config,
            head,
            tensors,
            text,
            quantization,
            folder: folder.to_path_buf(),
            origin: None,
            sources,
            unused_rows,
        })
    }

    /// What a user should know about the folder: that its embeddings have rows which no piece takes.
    pub fn notice(&self) -> Option<String> {
        let Self { unused_rows, folder, config, .. } = self;
        (*unused_rows > 0).then(|| {
            format!(
                "{}: {unused_rows} rows of the embeddings are left out, because the vocabulary has {} pieces and vocab_size is {}",
                folder.display(),
                config.vocab_size,
                config.vocab_size + unused_rows
            )
        })
    }

    /// This model in other sizes, with the tensors and the tokenizer that go with them.
    pub fn with(&self, config: BertConfig, tensors: Tensors, text: TextEncoder) -> Self {
        let (head, folder, sources) = (self.head.clone(), self.folder.clone(), self.sources.clone());
        let origin = self.origin.clone();
        Self { config, head, tensors, text, quantization: None, folder, origin, sources, unused_rows: 0 }
    }

    /// This model, whose folder has the name `origin` in records of runs.
    pub fn from_origin(self, origin: String) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// What the model is called in records and titles: its origin, or the path of its folder.
    pub fn name(&self) -> String {
        self.origin.clone().unwrap_or_else(|| self.folder.display().to_string())
    }

    /// A copy without the plan to be quantized by.
    pub fn copied(&self) -> Self {
        self.with(self.config.clone(), self.tensors.clone(), self.text.clone())
    }

    /// A copy whose labels have the names `labels` where it only counts them, as `LABEL_0` does.
    pub fn named(&self, labels: &[String]) -> Self {
        Self { head: self.head.clone().named(labels), ..self.copied() }
    }

    /// This model, which reads `prompt` before every text if it is a sentence encoder. What learns from it gets the
    /// same.
    #[must_use]
    pub fn prompted(self, prompt: &str) -> Self {
        Self { head: self.head.prompted(prompt), ..self }
    }

    /// Numbers in all tensors together.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.elem_count()).sum()
    }

    /// Makes a bare encoder a sentence encoder, as `modules.json` and `1_Pooling/config.json` of its folder say; leaves
    /// any other model as it is. Without these files the vector is the mean over all tokens, scaled to length 1.
    ///
    /// # Errors
    /// [`Error::Input`] where these files say that its vectors are made in a way that is not supported.
    pub fn as_sentence_encoder(self) -> Result<Self> {
        let dimensions = self.config.hidden_size;
        match self.head {
            Head::None => {
                let SentenceVector { pooling, normalized, files } =
                    sentence::sentence_vector(&self.folder, self.text.lowercase())?;
                let prompt = String::new();
                let head = Head::Embedding { dimensions, projected: false, pooling, normalized, prompt };
                let sources = self.sources.into_iter().chain(files).collect();
                Ok(Self { head, sources, ..self })
            }
            _ => Ok(self),
        }
    }

    /// Makes sure that inputs may be of `max_tokens` tokens: that the model has so many positions, and that
    /// the special pieces of a pair fit into the input.
    ///
    /// # Errors
    /// [`Error::Usage`] with the limits and the folder.
    pub fn check_max_tokens(&self, max_tokens: usize) -> Result<()> {
        let positions = self.config.max_position_embeddings;
        if (3..=positions).contains(&max_tokens) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "--max-tokens {max_tokens}: expected 3 to {positions}, the positions of {}",
            self.folder.display()
        )))
    }

    /// SHA-256 of every file the checkpoint was read from.
    ///
    /// # Errors
    /// [`Error::Io`] when one cannot be read.
    pub fn hashes(&self) -> Result<Vec<FileHash>> {
        let hash = |path: &PathBuf| {
            let hash = FileHash::of_file(path)?;
            Ok(match (&self.origin, path.strip_prefix(&self.folder)) {
                (Some(origin), Ok(name)) => FileHash { path: format!("{origin}/{}", name.display()), ..hash },
                _ => hash,
            })
        };
        self.sources.iter().map(hash).collect()
    }
}
