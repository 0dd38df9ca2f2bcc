//! What a program can ask about an answer: names, thresholds, probabilities, cosines.

use tinybert_runtime::image::{Config, HeadKind};
use tinybert_runtime::{Answer, Model, cosine};

use crate::memory::{one, place, slice, slice_mut};
use crate::{CAnswer, CText, Handle, Status, call_status};

/// How far an answer with one label can be trusted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CConfidence {
    /// The probability of the label, 0 to 1, by the temperature that the image states, or by a temperature of 1.
    pub probability: f32,
    /// Whether the probability is at least the threshold that the image states, and the label is not the one that
    /// stands for everything out of scope. If not, the model does not know the answer. An image that states neither
    /// accepts every answer.
    pub accepted: bool,
}

/// Writes the name of a label to `name`. The name lies in the image and is valid as long as the image. The number of
/// labels is `tinybert_label_count`; beyond it the status is TINYBERT_STATUS_NO_SUCH_LABEL.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `name` to a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_label(model: *const Handle, label: u32, name: *mut CText) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, name) = unsafe { (Handle::get(model)?, place(name)?) };
        let label = usize::try_from(label).ok().and_then(|label| model.label(label));
        name.write(CText::of(label.ok_or(Status::NoSuchLabel)?));
        Ok(())
    })
}

/// Writes to `threshold` the least logit with which an answer has a label, for models whose answers are of the kind
/// TINYBERT_KIND_LABELS. Other models have no such label: the status is TINYBERT_STATUS_NO_SUCH_LABEL.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `threshold` to a float.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_threshold(model: *const Handle, label: u32, threshold: *mut f32) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, threshold) = unsafe { (Handle::get(model)?, place(threshold)?) };
        let thresholds = model.image().head().thresholds;
        let of_label = usize::try_from(label).ok().and_then(|label| thresholds.get(label));
        threshold.write(*of_label.ok_or(Status::NoSuchLabel)?);
        Ok(())
    })
}

/// Writes to `confidence` how probable the label of an answer is, and whether the answer is accepted. The answer is one
/// that a `tinybert_run_...` or `tinybert_step` has written with this model, and the workspace has not been used since.
/// For models whose answers are of another kind than TINYBERT_KIND_LABEL, the status is TINYBERT_STATUS_OTHER_KIND. If
/// the answer has another number of outputs than the model, or a label that is not the one with the largest logit, the
/// status is TINYBERT_STATUS_FOREIGN_ANSWER.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
/// `confidence` to a confidence.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_confidence_of(
    model: *const Handle,
    answer: *const CAnswer,
    confidence: *mut CConfidence,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, confidence) = unsafe { (Handle::get(model)?, place(confidence)?) };
        // SAFETY: as the caller promises.
        match unsafe { answer_again(model, answer, "")? } {
            Answer::Label { index, probability, accepted, .. } => {
                // SAFETY: as the caller promises.
                let CAnswer { label, .. } = *unsafe { one(answer)? };
                if usize::try_from(label) != Ok(index) {
                    return Err(Status::ForeignAnswer);
                }
                confidence.write(CConfidence { probability, accepted });
                Ok(())
            }
            _ => Err(Status::OtherKind),
        }
    })
}

/// Writes the probability of every label, 0 to 1, to `probabilities`, which has room for `count` floats. The answer is
/// one as for `tinybert_confidence_of`, of the kind TINYBERT_KIND_LABEL or TINYBERT_KIND_LABELS. For models whose
/// answers are of another kind, the status is TINYBERT_STATUS_OTHER_KIND. If there is less room than the answer has
/// outputs, it is TINYBERT_STATUS_BUFFER_TOO_SMALL; if the answer has another number of outputs than the model,
/// TINYBERT_STATUS_FOREIGN_ANSWER.
///
/// # Safety
/// `model` points to a model that is zero or was opened, `answer` to an answer whose outputs are still there,
/// `probabilities` to `count` floats, which are nobody else's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_probabilities(
    model: *const Handle,
    answer: *const CAnswer,
    probabilities: *mut f32,
    count: usize,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (model, room) = unsafe { (Handle::get(model)?, slice_mut(probabilities, count)?) };
        // SAFETY: as the caller promises.
        let answer = unsafe { answer_again(model, answer, "")? };
        let (Answer::Label { .. } | Answer::Labels(_)) = answer else { return Err(Status::OtherKind) };
        if room.len() < answer.outputs().len() {
            return Err(Status::BufferTooSmall);
        }
        answer.probabilities(room);
        Ok(())
    })
}

/// Writes to `cosine` the cosine of the angle between two vectors of `count` floats, such as the outputs of two answers
/// of the kind TINYBERT_KIND_EMBEDDING: from -1 (opposite) to 1 (the same direction), apart from rounding. It is 0 if a
/// vector has no direction, because it is empty or zero, and also if the vector is shorter than 1e-19. If a float is
/// NaN, infinite or beyond 1e19, the cosine is NaN or 0. The outputs of the first answer have to be copied before its
/// workspace is used for the second one.
///
/// # Safety
/// `a` and `b` point to `count` floats, `cosine` to a float.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tinybert_cosine(
    a: *const f32,
    b: *const f32,
    count: usize,
    cosine: *mut f32,
) -> Status {
    call_status(|| {
        // SAFETY: as the caller promises.
        let (a, b, place) = unsafe { (slice(a, count)?, slice(b, count)?, place(cosine)?) };
        place.write(self::cosine(a, b).ok_or(Status::Internal)?);
        Ok(())
    })
}

/// Returns the answer that C has got from a run. `text` is the text that was answered; only an answer of tags reads it.
///
/// # Safety
/// If `answer` is not null, it points to an answer of the model that nobody writes for `'m`, and neither does anybody
/// write the outputs.
pub(crate) unsafe fn answer_again<'m>(
    model: &'m Model<'_>,
    answer: *const CAnswer,
    text: &'m str,
) -> Result<Answer<'m>, Status> {
    // SAFETY: as the caller promises.
    let CAnswer { outputs, output_count, .. } = *unsafe { one(answer)? };
    // SAFETY: as the caller promises.
    let outputs = unsafe { slice(outputs, output_count)? };
    let Config { head, outputs: expected, .. } = *model.config();
    let fits = match head {
        HeadKind::TokenClassification => output_count.is_multiple_of(expected),
        _ => output_count == expected,
    };
    if !fits {
        return Err(Status::ForeignAnswer);
    }
    Ok(model.answer(outputs, text)?)
}
