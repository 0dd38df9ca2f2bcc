//! How a session gets into a checkpoint and out of it.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Instant;

use super::{Session, minutes};
use crate::selection::{BEST, Selection};
use crate::snapshot::{SessionState, Values};
use tinybert_base::{Error, Result};

/// Prefix of what is learned beside the model and thrown away. The model's own tensors stand in its file, and moments
/// have their prefixes from the optimizer.
const VALUE: &str = "value/";

/// What to do between two steps.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Decision {
    interrupted: bool,
    /// It is time for a checkpoint.
    due: bool,
    out_of_time: bool,
}

impl Session<'_> {
    /// Takes over from the checkpoint, if that was written in a session of this name.
    pub(super) fn restore(&mut self) -> Result<()> {
        if !self.work.resumes(self.plan.name) {
            return Ok(());
        }
        let Some(snapshot) = &mut self.work.resumed else { return Ok(()) };
        let SessionState { steps, tokens, seconds, ref window, .. } = snapshot.state.session;
        (self.steps, self.tokens, self.window) = (steps, tokens, window.clone());
        (self.before, self.saved.1) = ((seconds, tokens), steps);
        for (name, var) in self.optimizer.parameters() {
            // The model's own tensors are its parameters' first values already.
            if !snapshot.model.contains_key(name) {
                var.set(&snapshot.take(&format!("{VALUE}{name}"))?.to_device(var.device())?)?;
            }
        }
        snapshot.model.clear();
        self.optimizer.restore(steps, |moment, name| snapshot.take(&format!("{moment}{name}")))?;
        let done = self.share_done();
        let Some(snapshot) = &mut self.work.resumed else { return Ok(()) };
        self.sparsity.restore(done, snapshot)
    }

    /// Between two steps: writes a checkpoint if it is time for one or the user asks to stop, on whichever rank.
    /// `selection` is what judges the session, if anything does.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after the checkpoint if the user asks to stop; [`Error::Ranks`] if the ranks have different
    /// weights; those of saving.
    pub fn keep(&mut self, selection: Option<&Selection>) -> Result<()> {
        let decision = self.decide()?;
        self.out_of_time = decision.out_of_time;
        if !(decision.interrupted || decision.due) {
            return Ok(());
        }
        self.check_ranks()?;
        let folder = self.save(selection)?;
        self.saved = (Instant::now(), self.steps);
        if !decision.interrupted {
            return Ok(());
        }
        // No rank ends the run while another is writing.
        self.ranks().wait()?;
        Err(Error::Interrupted(format!(
            "{} interrupted after {} steps; the same command with --resume goes on from {}",
            self.plan.name,
            self.steps,
            folder.display()
        )))
    }

    /// The same on every rank: whoever is asked to stop, and rank 0's clock.
    fn decide(&self) -> Result<Decision> {
        let (time, steps) = self.saved;
        let output = self.work.output();
        let mine = Decision {
            interrupted: self.context.should_stop(),
            due: time.elapsed() >= minutes(output.checkpoint_minutes)
                || output.checkpoint_steps.is_some_and(|interval| self.steps - steps >= interval),
            out_of_time: self.plan.budget.max_minutes.is_some_and(|limit| self.seconds() >= 60.0 * limit),
        };
        let all = self.ranks().gather_values(mine)?;
        Ok(Decision { interrupted: all.iter().any(|rank| rank.interrupted), ..all[0] })
    }

    /// Makes sure that all ranks have the same weights.
    pub(super) fn check_ranks(&self) -> Result<()> {
        let what = format!("the weights of {} after {} steps", self.plan.name, self.steps);
        self.ranks().check_equal(&what, || self.optimizer.digest())
    }

    fn save(&mut self, selection: Option<&Selection>) -> Result<PathBuf> {
        let state = SessionState {
            name: self.plan.name.into(),
            steps: self.steps,
            tokens: self.tokens,
            seconds: self.seconds(),
            window: self.window.clone(),
        };
        let trainee = self.plan.trainee;
        let mut tensors = Vec::new();
        for (name, var) in self.optimizer.parameters() {
            if trainee.parameters.get(name).is_none() {
                tensors
                    .push((format!("{VALUE}{name}"), Values::Tensor(Cow::Owned(var.as_detached_tensor()))));
            }
        }
        for (moment, name, values) in self.optimizer.moments()? {
            tensors.push((format!("{moment}{name}"), Values::moment(values)));
        }
        tensors.extend(self.sparsity.state()?);
        let best = selection.into_iter().flat_map(Selection::best_so_far);
        tensors.extend(
            best.map(|(name, tensor)| (format!("{BEST}{name}"), Values::Tensor(Cow::Borrowed(tensor)))),
        );
        self.work.save(&trainee, state, &tensors)
    }
}
