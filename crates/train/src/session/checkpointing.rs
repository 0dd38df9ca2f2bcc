//! Writing a session into a checkpoint and reading it back.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Instant;

use super::selection::{BEST, Selection};
use super::{LastCheckpoint, TrainingSession, minutes};
use crate::checkpoint::{SessionState, StoredValues};
use tinybert_base::{Error, Result};

/// Prefix of parameters that are learned beside the model and not kept, such as projections. The model's own
/// tensors stand in the model's file; the optimizer gives its moments prefixes of their own.
const VALUE: &str = "value/";

/// The decision about what all ranks do between two steps.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Decision {
    /// Somebody asks to stop.
    interrupted: bool,
    /// It is time for a checkpoint.
    due: bool,
    /// The time limit is reached.
    out_of_time: bool,
}

impl TrainingSession<'_> {
    /// Restores the session from the checkpoint, if the checkpoint was written in a session of this name.
    pub(super) fn restore(&mut self) -> Result<()> {
        if !self.work.resumes(self.config.name) {
            return Ok(());
        }
        let Some(snapshot) = &mut self.work.resumed else { return Ok(()) };
        let SessionState { steps, tokens, seconds, ref window, .. } = snapshot.state.session;
        (self.steps, self.tokens, self.window) = (steps, tokens, window.clone());
        (self.earlier.seconds, self.earlier.tokens) = (seconds, tokens);
        self.last_checkpoint.steps = steps;
        for (name, var) in self.optimizer.parameters() {
            // The model's own parameters were created with the checkpoint's values.
            if !snapshot.model.contains_key(name) {
                var.set(&snapshot.take(&format!("{VALUE}{name}"))?.to_device(var.device())?)?;
            }
        }
        snapshot.model.clear();
        self.optimizer.restore(steps, |moment, name| snapshot.take(&format!("{moment}{name}")))?;
        let done = self.fraction_done();
        let Some(snapshot) = &mut self.work.resumed else { return Ok(()) };
        self.sparsity.restore(done, snapshot)
    }

    /// Writes a checkpoint between two steps if it is time for one, or if the user asks any of the ranks to
    /// stop. `selection` is the session's selection, if it has one.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after the checkpoint if the user asks to stop; [`Error::Ranks`] if the ranks
    /// have different weights; the errors of saving.
    pub fn checkpoint_if_due(&mut self, selection: Option<&Selection>) -> Result<()> {
        let decision = self.decide()?;
        self.out_of_time = decision.out_of_time;
        if !(decision.interrupted || decision.due) {
            return Ok(());
        }
        self.check_ranks()?;
        let folder = self.write_checkpoint(selection)?;
        self.last_checkpoint = LastCheckpoint { time: Instant::now(), steps: self.steps };
        if !decision.interrupted {
            return Ok(());
        }
        // No rank ends the run while another is writing.
        self.ranks().wait()?;
        Err(Error::Interrupted(format!(
            "{} interrupted after {} steps; the same command with --resume goes on from {}",
            self.config.name,
            self.steps,
            folder.display()
        )))
    }

    /// The decision that all ranks share: any rank may be asked to stop, and the time is that of rank 0's
    /// clock.
    fn decide(&self) -> Result<Decision> {
        let LastCheckpoint { time, steps } = self.last_checkpoint;
        let output = self.work.output();
        let mine = Decision {
            interrupted: self.context.should_stop(),
            due: time.elapsed() >= minutes(output.checkpoint_minutes)
                || output.checkpoint_steps.is_some_and(|interval| self.steps - steps >= interval),
            out_of_time: self
                .config
                .recipe
                .time_limit
                .max_minutes
                .is_some_and(|limit| self.seconds() >= 60.0 * limit),
        };
        let all = self.ranks().gather_values(mine)?;
        Ok(Decision { interrupted: all.iter().any(|rank| rank.interrupted), ..all[0] })
    }

    /// Makes sure that all ranks have the same weights.
    pub(super) fn check_ranks(&self) -> Result<()> {
        let what = format!("the weights of {} after {} steps", self.config.name, self.steps);
        self.ranks().check_equal(&what, || self.optimizer.digest())
    }

    fn write_checkpoint(&mut self, selection: Option<&Selection>) -> Result<PathBuf> {
        let state = SessionState {
            name: self.config.name.into(),
            steps: self.steps,
            tokens: self.tokens,
            seconds: self.seconds(),
            window: self.window.clone(),
            evaluations_since_best: selection.map_or(0, Selection::evaluations_since_best),
        };
        let mut tensors = Vec::new();
        for (name, var) in self.optimizer.parameters() {
            if self.trainee.parameters.get(name).is_none() {
                let value = StoredValues::Tensor(Cow::Owned(var.as_detached_tensor()));
                tensors.push((format!("{VALUE}{name}"), value));
            }
        }
        for (moment, name, values) in self.optimizer.moments()? {
            tensors.push((format!("{moment}{name}"), StoredValues::moment(values)));
        }
        tensors.extend(self.sparsity.state()?);
        let best = selection.into_iter().flat_map(Selection::best_so_far);
        tensors.extend(
            best.map(|(name, tensor)| (format!("{BEST}{name}"), StoredValues::Tensor(Cow::Borrowed(tensor)))),
        );
        self.work.write_checkpoint(&self.trainee, state, &tensors)
    }
}
