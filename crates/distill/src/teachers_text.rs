//! The texts as a teacher reads them whose student has another vocabulary.

use std::borrow::Cow;

use super::pair::check_vocabulary;
use tinybert_base::{Error, Result};
use tinybert_data::{Batch, EncodedSet};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::Checkpoint;
use tinybert_train::TaskData;

/// What a teacher reads where its student reads something else: a student may have lost word pieces, and its answers are
/// then compared with those that the teacher gives to the same texts in its own pieces.
pub struct TeachersText {
    /// Where the teacher has ids of its own.
    own: Option<Own>,
}

struct Own {
    /// The training data.
    train: EncodedSet,
    /// The development data.
    judge: Judge,
    /// Fills short rows.
    pad_id: u32,
}

impl TeachersText {
    /// For a student that reads `data.train` as `set`.
    ///
    /// # Errors
    /// Those of [`encode_to_learn`]; [`Error::Input`] where both do not answer for the same words.
    pub fn new(
        teacher: &Checkpoint,
        student: &Checkpoint,
        set: &EncodedSet,
        data: &TaskData,
        max_tokens: usize,
    ) -> Result<Self> {
        if check_vocabulary(&teacher.text, &student.text).is_ok() {
            return Ok(Self { own: None });
        }
        let train = encode_to_learn(&teacher.text, data.train, max_tokens)?;
        // Words with tags: of those cut off at the end, one vocabulary may have kept more.
        let (own, students) = (train.answer_starts(), set.answer_starts());
        if let Some(sample) = (0..set.len()).find(|&i| own[i + 1] - own[i] != students[i + 1] - students[i]) {
            return Err(Error::Input(format!(
                "example {}: teacher and student have different vocabularies, and within {max_tokens} tokens one reads \
                 {} words and the other {}; give a larger --max-tokens or leave such texts out",
                sample + 1,
                own[sample + 1] - own[sample],
                students[sample + 1] - students[sample]
            )));
        }
        let judge = Judge::new(&teacher.text, data.dev, data.metrics, max_tokens)?;
        let pad_id = teacher.text.special().pad;
        Ok(Self { own: Some(Own { train, judge, pad_id }) })
    }

    /// What the teacher is judged by, given what the student is.
    pub fn judge<'a>(&'a self, students: &'a Judge) -> &'a Judge {
        self.own.as_ref().map_or(students, |own| &own.judge)
    }

    /// The training data as the teacher reads them, given how the student does.
    pub fn set<'a>(&'a self, students: &'a EncodedSet) -> &'a EncodedSet {
        self.own.as_ref().map_or(students, |own| &own.train)
    }

    /// The same samples as in the student's batch.
    pub fn batch<'a>(&self, students: &'a Batch) -> Cow<'a, Batch> {
        match &self.own {
            None => Cow::Borrowed(students),
            Some(own) => Cow::Owned(own.train.collate(&students.samples, own.pad_id)),
        }
    }
}
