//! The words and the entities of a tagged answer, one after the other.

use tinybert_runtime::{Answer, TagPlace, Tags};

use crate::answers::answer_again;
use crate::memory::place;
use crate::{CAnswer, CText, Handle, Status, call_status};

/// A place between two words of a tagged text. Zero it before the first call: `= {0}`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CTagPlace {
    /// Number of bytes of the text before the place.
    pub bytes: usize,
    /// Number of tokens of these bytes.
    pub tokens: usize,
}

/// A word of a tagged text.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CWord {
    /// The word's first byte in the text.
    pub start: usize,
    /// The byte behind its last one.
    pub end: usize,
    /// The label with the largest logit: see `tinybert_label`.
    pub tag: u32,
    /// The probability of the tag, 0 to 1: the softmax of the word's logits.
    pub probability: f32,
    /// The logits of the word's first token, as many as `tinybert_output_count`. They lie in the workspace, as the
    /// answer's outputs do.
    pub logits: *const f32,
}

/// An entity of a tagged text: a run of words whose tags belong together.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CEntity {
    /// The first byte of its first word in the text.
    pub start: usize,
    /// The byte behind the last one of its last word.
    pub end: usize,
    /// Its type, which stands behind `B-` and `I-` in the names of the tags. It lies in the image.
    pub kind: CText,
}

/// Writes to `word` the next word of a text that a model of the kind TINYBERT_KIND_TAGS has answered. The first call
/// gets a place that is zero, and each call writes to it where the next one goes on. The status is TINYBERT_STATUS_END
/// behind the last word. White space separates the words. Words that were cut off and words without tokens have no tag
/// and are left out. There are no words if token ids were answered (with an empty text).
///
/// The answer and the text are those of a `tinybert_run_text` with this model, or of a `tinybert_start` and the
/// `tinybert_step`s behind it, and the workspace has not been used since. The other statuses are
/// TINYBERT_STATUS_OTHER_KIND and TINYBERT_STATUS_NOT_UTF8. The library needs no memory for this: it reads the text
/// again from the place on.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there, the text
/// to as many bytes as it says, `place` to a place that is nobody else's, and `word` to a word.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_next_word(
    model: *const Handle,
    answer: *const CAnswer,
    text: CText,
    place: *mut CTagPlace,
    word: *mut CWord,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (tags, from, room) = unsafe { (tags(model, answer, text)?, at(place)?, self::place(word)?) };
        let mut words = tags.words_from(from.read());
        let next = words.next().ok_or(Status::End)?;
        room.write(CWord {
            start: next.range.start,
            end: next.range.end,
            tag: u32::try_from(next.tag).unwrap_or(u32::MAX),
            probability: next.probability(),
            logits: next.logits.as_ptr(),
        });
        from.write(words.place());
        Ok(())
    })
}

/// Does the same as `tinybert_next_word` for entities: runs of words with tags such as `B-city I-city`, or of the
/// scheme IOBES. An `I-` without a `B-` of its type before it begins an entity, too. A word whose tag is `O` belongs to
/// none. A place is for words or for entities, not for both.
///
/// # Safety
/// As for `tinybert_next_word`; `entity` points to an entity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_next_entity(
    model: *const Handle,
    answer: *const CAnswer,
    text: CText,
    place: *mut CTagPlace,
    entity: *mut CEntity,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (tags, from, room) = unsafe { (tags(model, answer, text)?, at(place)?, self::place(entity)?) };
        let mut entities = tags.entities_from(from.read());
        let next = entities.next().ok_or(Status::End)?;
        room.write(CEntity { start: next.range.start, end: next.range.end, kind: CText::of(next.kind) });
        from.write(entities.place());
        Ok(())
    })
}

/// Returns the tags of an answer.
///
/// # Safety
/// As for [`tinybert_next_word`], for `'m`.
unsafe fn tags<'m>(model: *const Handle, answer: *const CAnswer, text: CText) -> Result<Tags<'m>, Status> {
    // SAFETY: as the caller promises.
    let (model, text) = unsafe { (Handle::get(model)?, text.read()?) };
    // SAFETY: as the caller promises.
    match unsafe { answer_again(model, answer, text)? } {
        Answer::Tags(tags) => Ok(tags),
        _ => Err(Status::OtherKind),
    }
}

/// Returns the place in a text, which is initialised.
///
/// # Safety
/// If `place` is not null, it points to a place that is nobody else's for `'p`.
unsafe fn at<'p>(place: *mut CTagPlace) -> Result<&'p mut CTagPlace, Status> {
    // SAFETY: as the caller promises.
    let [place] = (unsafe { crate::memory::slice_mut(place, 1)? }) else { return Err(Status::Internal) };
    Ok(place)
}

impl CTagPlace {
    fn read(&self) -> TagPlace {
        TagPlace { bytes: self.bytes, tokens: self.tokens }
    }

    fn write(&mut self, TagPlace { bytes, tokens }: TagPlace) {
        *self = Self { bytes, tokens };
    }
}
