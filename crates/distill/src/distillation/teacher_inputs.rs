//! The data of a task as the teacher reads them: a student may have another vocabulary.

use std::borrow::Cow;

use super::alignment::{Align, Alignment, Readers, WordAlignment};
use super::compatibility::check_vocabulary;
use tinybert_base::{Error, Result};
use tinybert_data::task::Dataset;
use tinybert_data::{Batch, EncodedSet};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::Checkpoint;
use tinybert_train::TaskData;

/// The texts of a task in the teacher's word pieces.
///
/// A student whose vocabulary was pruned, and one whose teacher has pieces of its own, read other ids than their
/// teacher. The student is then compared with what the teacher says to the same texts in the teacher's own pieces.
pub struct TeacherInputs {
    /// The data in the teacher's own ids; `None` where teacher and student have the same vocabulary.
    own: Option<OwnInputs>,
}

/// The data in the teacher's own ids.
struct OwnInputs {
    /// The training data.
    train: EncodedSet,
    /// The judge of the development data.
    judge: Judge,
    /// The id that fills short rows.
    pad_id: u32,
}

impl TeacherInputs {
    /// The inputs of the teacher of a student that reads `data.train` as `set`.
    ///
    /// # Errors
    /// Returns the errors of [`encode_to_learn`]; [`Error::Input`] where the two do not answer for the same
    /// words.
    pub fn new(
        teacher: &Checkpoint,
        student: &Checkpoint,
        set: &EncodedSet,
        data: &TaskData,
        max_tokens: usize,
    ) -> Result<Self> {
        if check_vocabulary(&teacher.text, &student.text).is_ok() {
            return Ok(Self::of_student());
        }
        let train = encode_to_learn(&teacher.text, data.train, max_tokens)?;
        // Tagged words that are cut off or have no token get no answer, and these may be others in another vocabulary.
        for sample in 0..set.len() {
            let (own, students) = (train.words(sample), set.words(sample));
            let mut words = own.into_iter().flatten().zip(students.into_iter().flatten());
            if let Some(word) = words.position(|(own, students)| own.is_some() != students.is_some()) {
                return Err(Error::Input(format!(
                    "example {}: teacher and student have different vocabularies, and within {max_tokens} tokens only one \
                     of them reads word {}; give a larger --max-tokens or leave such texts out",
                    sample + 1,
                    word + 1
                )));
            }
        }
        let judge = Judge::new(&teacher.text, data.dev, data.metrics, max_tokens)?;
        let pad_id = teacher.text.special().pad;
        Ok(Self { own: Some(OwnInputs { train, judge, pad_id }) })
    }

    /// The inputs of a teacher that reads what the student reads.
    pub fn of_student() -> Self {
        Self { own: None }
    }

    /// The positions of the training data that the intermediate layers are compared at.
    ///
    /// # Errors
    /// Returns the errors of [`WordAlignment::new`].
    pub fn alignment(
        &self,
        align: Option<Align>,
        teacher: &Checkpoint,
        student: &Checkpoint,
        data: &Dataset,
        max_tokens: usize,
    ) -> Result<Alignment> {
        let align = align.unwrap_or(if self.own.is_some() { Align::Words } else { Align::Pieces });
        if align == Align::Pieces {
            return Ok(Alignment::Pieces);
        }
        let readers = Readers { student: &student.text, teacher: &teacher.text, max_tokens };
        Ok(Alignment::Words(Box::new(WordAlignment::new(readers, data.inputs())?)))
    }

    /// The judge of the teacher; it is `students` where both have the same vocabulary.
    pub fn judge<'a>(&'a self, students: &'a Judge) -> &'a Judge {
        self.own.as_ref().map_or(students, |own| &own.judge)
    }

    /// The training data as the teacher reads them; they are `students` where both have the same vocabulary.
    pub fn set<'a>(&'a self, students: &'a EncodedSet) -> &'a EncodedSet {
        self.own.as_ref().map_or(students, |own| &own.train)
    }

    /// The samples of the student's batch as the teacher reads them.
    ///
    /// # Errors
    /// Those of [`EncodedSet::collate`].
    pub fn batch<'a>(&self, students: &'a Batch) -> Result<Cow<'a, Batch>> {
        Ok(match &self.own {
            None => Cow::Borrowed(students),
            Some(own) => Cow::Owned(own.train.collate(&students.samples, own.pad_id)?),
        })
    }
}
