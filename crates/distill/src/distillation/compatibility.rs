//! Whether a student can learn from a teacher, and the parts of the teacher that it learns from.

use candle_core::DType;

use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;
use tinybert_model::{BertConfig, Checkpoint, Head, Tensors, TextEncoder};
use tinybert_nn::{Bert, on_device, with_linears_in};
use tinybert_train::Output;

/// Makes sure that both tokenizers give the same ids to the same text.
///
/// # Errors
/// [`Error::Input`] naming the first difference.
pub fn check_vocabulary(teacher: &TextEncoder, student: &TextEncoder) -> Result<()> {
    let advice = "a student learns token by token and needs its teacher's vocabulary: make it with \
                  `init` from the teacher's folder";
    let kind = |own: bool| if own { "BPE or Unigram" } else { "WordPiece" };
    if teacher.has_own_pieces() != student.has_own_pieces() {
        return Err(Error::Input(format!(
            "the teacher's pieces are {} and the student's {}",
            kind(teacher.has_own_pieces()),
            kind(student.has_own_pieces())
        )));
    }
    if teacher.lowercase() != student.lowercase() {
        let case = |lower: bool| if lower { "lower-cases text" } else { "keeps upper case" };
        return Err(Error::Input(format!(
            "the teacher's tokenizer {} and the student's {}; {advice}",
            case(teacher.lowercase()),
            case(student.lowercase())
        )));
    }
    let (teacher, student) = (teacher.pieces(), student.pieces());
    if teacher.len() != student.len() {
        return Err(Error::Input(format!(
            "the teacher's vocabulary has {} pieces and the student's {}; {advice}",
            teacher.len(),
            student.len()
        )));
    }
    match teacher.iter().zip(&student).position(|(teacher, student)| teacher != student) {
        None => Ok(()),
        Some(id) => Err(Error::Input(format!(
            "piece {id} is {:?} in the teacher's vocabulary and {:?} in the student's; {advice}",
            teacher[id], student[id]
        ))),
    }
}

/// Makes sure that models of this family can be students.
///
/// # Errors
/// [`Error::Usage`] for a family of teachers only.
pub fn check_student(student: &BertConfig) -> Result<()> {
    if student.architecture.may_be_student() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "the student is {}; only a teacher can be: make a student with `init`",
        student.architecture.name()
    )))
}

/// The head of a student: that of its teacher. An embedding is projected from the student's size to the
/// teacher's.
pub fn student_head(teacher: &Head) -> Head {
    match teacher {
        Head::Embedding { dimensions, pooling, normalized, prompt, .. } => Head::Embedding {
            dimensions: *dimensions,
            projected: true,
            pooling: *pooling,
            normalized: *normalized,
            prompt: prompt.clone(),
        },
        other => other.clone(),
    }
}

/// The first `layers` layers of a teacher's encoder, without a graph.
///
/// # Errors
/// Returns the errors of [`Bert::frozen`].
pub fn lower_layers(config: &BertConfig, tensors: &Tensors, layers: usize) -> Result<Bert> {
    let config = BertConfig { num_hidden_layers: layers, ..config.clone() };
    Bert::frozen(&config, tensors)
}

/// The teacher's tensors on the run's device and in the number format that the run asks for.
pub fn teacher_tensors(teacher: &Checkpoint, output: &Output) -> Result<Tensors> {
    let tensors = on_device(&teacher.tensors, &output.compute.device)?;
    if output.compute.teacher_bf16 { with_linears_in(&tensors, DType::BF16) } else { Ok(tensors) }
}

/// Tokens, approximately, of the samples that initial weights are computed from.
const SAMPLE_TOKENS: usize = 8192;

/// Indices of samples at even distances over `set`, from which initial weights are computed.
pub fn evenly_spaced_samples(set: &EncodedSet) -> Vec<usize> {
    let count = (set.len() * SAMPLE_TOKENS).div_ceil(set.total_tokens().max(1)).clamp(1, set.len());
    (0..count).map(|i| i * set.len() / count).collect()
}
