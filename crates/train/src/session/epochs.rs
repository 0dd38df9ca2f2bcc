//! The loop over epochs, batches and micro-batches.

use super::{Losses, MicroBatch, Selection, StepBatches, StepOutcome, TrainingSession};
use tinybert_base::Result;
use tinybert_data::{EncodedSet, EpochBatches};

/// Trains all epochs over `set` from the step that the session stands at, or until the session stops.
/// `selection` evaluates the model in between, and a last time when the session stops.
///
/// # Errors
/// Returns the errors of the session, of `losses` and of `selection`.
pub(crate) fn train_epochs(
    session: &mut TrainingSession,
    set: &EncodedSet,
    mut losses: impl FnMut(&MicroBatch) -> Result<Losses>,
    mut selection: Option<&mut Selection>,
) -> Result<()> {
    let recipe = session.config.recipe.clone();
    let (pad_id, evaluations) = (session.trainee.text.special().pad, session.config.evaluations_per_epoch);
    let per_epoch = set.len().div_ceil(recipe.batch_size).max(1) as u64;
    let (first_epoch, first_batch) = (session.steps() / per_epoch, session.steps() % per_epoch);
    for epoch in first_epoch..recipe.epochs {
        let batches = EpochBatches::new(set, recipe.batch_size, recipe.seed, epoch)?;
        let done = if epoch == first_epoch { first_batch as usize } else { 0 };
        for (index, samples) in batches.iter().enumerate().skip(done) {
            session.checkpoint_if_due(selection.as_deref())?;
            let collate = |part: &[usize]| set.collate(part, pad_id);
            let step = StepBatches::split(&samples?, recipe.micro_batch, session.ranks(), collate)?;
            let outcome = session.step(&step, &mut losses)?;
            // Evaluations of this epoch that are due before and after this batch.
            let [before, after] = [index, index + 1].map(|done| done * evaluations / batches.len());
            if let Some(selection) = selection.as_deref_mut()
                && (after > before || outcome == StepOutcome::Stop)
            {
                selection.evaluate(session, epoch as f64 + (index + 1) as f64 / batches.len() as f64)?;
                if outcome == StepOutcome::Continue && session.is_out_of_patience(selection)? {
                    return Ok(());
                }
            }
            if outcome == StepOutcome::Stop {
                return Ok(());
            }
        }
    }
    Ok(())
}
