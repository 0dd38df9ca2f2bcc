//! The families of encoders, one file for each; no other file branches on the family.
//!
//! This program has BERT's conventions for every model: BERT's tensor names, BERT's token ids and BERT's
//! sizes. A [`Family`] translates a folder to these when it is read and back when it is written, and says what
//! its encoder computes beyond BERT's.
//!
//! A new family is a file with its [`Family`], an entry of [`FAMILIES`] and a variant of [`Architecture`].
//! The compiler then asks for every answer. Where a family differs from BERT in something that no method asks
//! about yet, the trait gets a method, and so does every other family.

mod bert;
mod distilbert;
mod electra;
mod mpnet;
mod names;
mod roberta;

use serde_json::Value;

use crate::architecture::{Activation, Architecture};
use crate::config::BertConfig;
use crate::config_source::ConfigSource;
use crate::head::Head;
use crate::special_pieces::{ModelSpecialIds, SpecialPieces};
use crate::vocabulary::NamedFiles;
use tinybert_base::Result;

/// Every family.
static FAMILIES: [&dyn Family; 6] = [
    &bert::BertFamily,
    &distilbert::DistilBertFamily,
    &electra::ElectraFamily,
    &mpnet::MpNetFamily,
    &roberta::ROBERTA,
    &roberta::XLM_ROBERTA,
];

impl Architecture {
    /// The family with this architecture.
    pub(crate) fn family(&self) -> &'static dyn Family {
        match self {
            Self::Bert => &bert::BertFamily,
            Self::DistilBert => &distilbert::DistilBertFamily,
            Self::Electra => &electra::ElectraFamily,
            Self::MpNet(_) => &mpnet::MpNetFamily,
            Self::Roberta(_) => &roberta::ROBERTA,
            Self::XlmRoberta(_) => &roberta::XLM_ROBERTA,
        }
    }

    /// The name of the family in messages.
    pub fn name(&self) -> &'static str {
        self.family().name()
    }

    /// Whether models of the family can be trained as students.
    pub fn may_be_student(&self) -> bool {
        self.family().abilities().student
    }

    /// Whether models of the family can become images for devices.
    pub fn may_be_image(&self) -> bool {
        self.family().abilities().image
    }

    /// Whether heads, neurons and layers of the family's models can be pruned.
    pub fn may_be_pruned(&self) -> bool {
        self.family().abilities().pruning
    }

    /// The function after the first linear of the head of whole inputs.
    pub fn pooler_activation(&self) -> Activation {
        self.family().pooler_activation()
    }

    /// Rows of the position table before the first token's.
    fn first_position(&self) -> usize {
        match self {
            Self::Bert | Self::DistilBert | Self::Electra => 0,
            Self::MpNet(_) => mpnet::FIRST_POSITION,
            Self::Roberta(special) | Self::XlmRoberta(special) => roberta::first_position(special.pad),
        }
    }

    /// For a vocabulary of `pieces` pieces in BERT's numbering, their rows of the word embeddings; `None`
    /// where a piece's id is its row.
    fn piece_rows(&self, pieces: usize) -> Option<PieceRows> {
        match self {
            Self::Bert | Self::DistilBert | Self::Electra | Self::Roberta(_) | Self::XlmRoberta(_) => None,
            Self::MpNet(special) => Some(mpnet::piece_rows(pieces, special)),
        }
    }
}

/// A teacher family: everything in which it can differ from other families.
pub(crate) trait Family: Sync {
    /// Name in messages.
    fn name(&self) -> &'static str;

    /// The roles that models of the family can have besides that of a teacher.
    fn abilities(&self) -> Abilities;

    /// `model_type` in `config.json`.
    fn model_type(&self) -> &'static str;

    /// Prefix of the family's class names in transformers; BERT's is `Bert`.
    fn class_prefix(&self) -> &'static str;

    /// The encoder that the family's `config.json` describes, whose tokenizer has these special pieces. The
    /// caller reads what pruning removed, for all families alike.
    ///
    /// # Errors
    /// [`Error::Input`](tinybert_base::Error::Input) naming every missing size, or a value which says that the
    /// model computes something else than this program.
    fn read_config(&self, source: &ConfigSource, special: ModelSpecialIds) -> Result<BertConfig>;

    /// The family's `config.json` of the encoder, without what pruning removed.
    fn write_config(&self, config: &BertConfig, pad_token_id: u32) -> Value;

    /// Whether folders of bare encoders may carry the class name of a masked-LM model.
    fn masked_lm_may_lack_its_head(&self) -> bool;

    /// BERT's name for a tensor that folders of the family store as `name`. The result may still lack the
    /// prefix `bert.`, as in bare encoders, and may have TensorFlow's spelling.
    fn bert_name(&self, name: &str) -> String;

    /// The name by which folders of the family store the tensor of canonical name `name` in a model with this
    /// head.
    fn own_name(&self, name: &str, head: &Head) -> String;

    /// The embedding tables, and the table of position bias.
    fn embeddings(&self) -> EmbeddingLayout;

    /// The function after the first linear of the head of whole inputs, which BERT calls its pooler.
    fn pooler_activation(&self) -> Activation;

    /// Values of `tokenizer_class` that stand for the family's tokenizer.
    fn tokenizer_classes(&self) -> &'static [&'static str];

    /// How the family turns text into pieces.
    fn tokenizer(&self) -> FamilyTokenizer;
}

/// How a family turns text into pieces.
#[derive(Clone, Copy)]
pub(crate) enum FamilyTokenizer {
    /// BERT's WordPiece, with BERT's special pieces and ids.
    Bert,
    /// BERT's WordPiece under other ids.
    Renumbered(&'static dyn Numbering),
    /// Byte-level BPE or Unigram, with RoBERTa's special pieces.
    OwnPieces,
}

impl FamilyTokenizer {
    /// The text of the special pieces.
    pub fn special_pieces(self) -> SpecialPieces {
        match self {
            Self::Bert => SpecialPieces::BERT,
            Self::Renumbered(numbering) => numbering.special_pieces(),
            Self::OwnPieces => SpecialPieces::ROBERTA,
        }
    }

    /// How BERT's pieces are numbered, where they are not as BERT's.
    pub fn numbering(self) -> Option<&'static dyn Numbering> {
        if let Self::Renumbered(numbering) = self { Some(numbering) } else { None }
    }

    /// Whether the pieces are not those of WordPiece.
    pub fn has_own_pieces(self) -> bool {
        matches!(self, Self::OwnPieces)
    }
}

/// BERT's vocabulary under other ids. Text becomes BERT's ids, so that a student sees the same tokens;
/// [`PieceRows`] leads from there to the rows of the word embeddings.
pub(crate) trait Numbering: Sync {
    /// Whether a vocabulary, whose `pieces` are in the order of their ids, has this numbering.
    fn has_vocabulary(&self, pieces: &[String]) -> bool;

    /// The text of the special pieces.
    fn special_pieces(&self) -> SpecialPieces;

    /// BERT's pieces in BERT's order.
    fn bert_pieces(&self, pieces: Vec<String>) -> Vec<String>;

    /// The files of the family's tokenizer for these pieces of BERT's vocabulary.
    fn tokenizer_files(&self, bert_pieces: &[String], lowercase: bool) -> NamedFiles;
}

/// The roles that models of a family can have besides that of a teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Models can be trained as students.
    pub student: bool,
    /// Models can become images that devices run.
    pub image: bool,
    /// Heads, neurons and layers of models can be removed.
    pub pruning: bool,
}

impl Abilities {
    /// No other role.
    pub const TEACHER: Self = Self { student: false, image: false, pruning: false };
}

/// The embedding tables of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EmbeddingLayout {
    /// Rows of the word embeddings beyond those of BERT's pieces.
    pub extra_word_rows: usize,
    /// Whether there is a table of segment types.
    pub segment_types: bool,
    /// Rows of the table of position bias, which is added to the attention scores; `None` without such a table.
    pub position_buckets: Option<usize>,
}

/// The row of the word embeddings of each piece, by BERT's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceRows(Vec<u32>);

impl PieceRows {
    /// Rows by id.
    pub fn rows(&self) -> &[u32] {
        &self.0
    }
}

/// The family of a `model_type` in `config.json`.
pub(crate) fn of_model_type(model_type: &str) -> Option<&'static dyn Family> {
    FAMILIES.into_iter().find(|family| family.model_type() == model_type)
}

/// How a WordPiece vocabulary, whose `pieces` are in the order of their ids, is numbered: as a family numbers it, or as
/// BERT does.
pub(crate) fn tokenizer_of_vocabulary(pieces: &[String]) -> FamilyTokenizer {
    let numberings = FAMILIES.iter().filter_map(|family| family.tokenizer().numbering());
    let mut of_vocabulary = numberings.filter(|numbering| numbering.has_vocabulary(pieces));
    of_vocabulary.next().map_or(FamilyTokenizer::Bert, FamilyTokenizer::Renumbered)
}

/// `model_type` of the families that may be students, and of those that may only be teachers.
pub(crate) fn model_types() -> (Vec<String>, Vec<String>) {
    let (students, teachers): (Vec<_>, Vec<_>) =
        FAMILIES.into_iter().partition(|family| family.abilities().student);
    let quoted = |families: Vec<&dyn Family>| {
        families.iter().map(|family| format!("{:?}", family.model_type())).collect()
    };
    (quoted(students), quoted(teachers))
}

/// Whether any family has this `tokenizer_class`.
pub(crate) fn has_tokenizer_class(class: &str) -> bool {
    FAMILIES.iter().any(|family| family.tokenizer_classes().contains(&class))
}

impl BertConfig {
    /// Rows of the word embedding matrix.
    pub fn word_rows(&self) -> usize {
        self.vocab_size + self.embeddings().extra_word_rows
    }

    /// Rows of the position table.
    pub(crate) fn position_rows(&self) -> usize {
        self.first_position() + self.max_position_embeddings
    }

    /// Rows of the position table before the first token's.
    pub fn first_position(&self) -> usize {
        self.architecture.first_position()
    }

    /// Whether the model has a table of segment types.
    pub fn has_segment_types(&self) -> bool {
        self.embeddings().segment_types
    }

    /// Rows of the table of position bias, which is added to the attention scores; `None` without such a table.
    pub fn position_buckets(&self) -> Option<usize> {
        self.embeddings().position_buckets
    }

    /// The row of the word embeddings of each piece of the vocabulary; `None` where a piece's id is its row.
    pub fn piece_rows(&self) -> Option<PieceRows> {
        self.architecture.piece_rows(self.vocab_size)
    }

    fn embeddings(&self) -> EmbeddingLayout {
        self.architecture.family().embeddings()
    }
}
