//! Search of the learning rate by successive halving: all rates are tried in short runs, the better half in runs of
//! twice the length, until one rate is left, which the whole run takes.

use std::fs::{self, File};
use std::path::Path;

use super::checkpoint::{Identity, Output, lock, remove_unfinished};
use super::journal::{self, Journal};
use super::recipe::TimeLimit;
use tinybert_base::{Context, Error, Result, own_folder};
use tinybert_model::METRICS;

/// The lowest rate is the given one divided by this factor, the highest one is the given one times it.
const RANGE: f64 = 10.0;

/// A search of the learning rate.
pub struct RateSearch<'a> {
    /// Number of learning rates, at least 2.
    pub trials: usize,
    /// The rate in the middle of all rates.
    pub learning_rate: f64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// The time limit of the whole run. A search takes none.
    pub time_limit: TimeLimit,
    /// Everything that the trials depend on.
    pub identity: Identity,
    /// The folder of the whole run. The trials stand in `OUT.run`.
    pub out: &'a Output,
    /// Display and stop signal.
    pub context: &'a Context<'a>,
}

/// One trial of a learning rate.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Trial {
    /// The round, counted from 1.
    pub round: u32,
    /// The learning rate.
    pub learning_rate: f64,
    /// The optimizer steps that the trial was planned for.
    pub steps: u64,
    /// The metric on the development set; `None` if the trial diverged.
    pub dev: Option<f64>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The best rate.
    pub learning_rate: f64,
    /// All trials in their order.
    pub trials: Vec<Trial>,
}

/// The finished trials: `tuning.json` in `OUT.run`.
#[derive(serde::Serialize, serde::Deserialize)]
struct TuningJournal {
    identity: Identity,
    trials: Vec<Trial>,
}

impl Journal for TuningJournal {
    const FILE: &'static str = "tuning.json";
    const WHAT: &'static str = "a journal of trials";

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Makes sure that the run folder `folder` has no search of the learning rate, for a run that is not the last of one.
///
/// # Errors
/// [`Error::Usage`] if it has one: the run would remove its trials.
pub(crate) fn check_no_search(folder: &Path) -> Result<()> {
    if !folder.join(TuningJournal::FILE).exists() {
        return Ok(());
    }
    let shown = folder.display();
    Err(Error::Usage(format!(
        "{shown} is left of an interrupted search of the learning rate: go on with it by --resume and --tune N with the \
         number of trials that it began with, or remove it to begin anew"
    )))
}

impl RateSearch<'_> {
    /// Runs every trial that is missing in `OUT.run` and chooses the rate. `train` trains with a rate for so many
    /// steps, from the beginning, into the folder of an output, and gives the metric on the development set.
    ///
    /// # Errors
    /// [`Error::Usage`] for fewer than two trials, for several ranks, for a time limit, for trials of an earlier run
    /// without [`Output::resume`] or of other settings, and while another process runs them; [`Error::Diverged`] if all
    /// trials of a round diverge; the other errors of `train`.
    pub fn run(&self, mut train: impl FnMut(f64, u64, Output) -> Result<f64>) -> Result<Tuned> {
        if self.trials < 2 {
            let trials = self.trials;
            return Err(Error::Usage(format!(
                "{trials} trials: a search of the learning rate needs at least 2"
            )));
        }
        if self.context.ranks.size() > 1 {
            return Err(Error::Usage(
                "the learning rate is searched in one process, not on several ranks".into(),
            ));
        }
        if self.time_limit.max_minutes.is_some() {
            return Err(Error::Usage(
                "a search of the learning rate takes no limit in minutes, because the rate would depend on the speed of the \
                 machine: leave the limit or the search out"
                    .into(),
            ));
        }
        if let Some(earlier) = &self.out.replayed {
            earlier.compare(self.identity.inputs(), self.context.progress);
        }
        let run = self.out.run_folder()?;
        // Released at the end of the trials: the whole run then takes the lock itself.
        let (mut journal, _lock) = self.open_journal(&run)?;
        let mut finished = journal.trials.clone().into_iter();
        let mut rates = rates(self.learning_rate, self.trials);
        let rounds = self.trials.next_power_of_two().ilog2();
        for round in 1..=rounds {
            let steps = (self.steps >> (rounds + 1 - round)).max(1);
            let mut trials = Vec::new();
            for (at, &learning_rate) in rates.iter().enumerate() {
                if let Some(trial) = finished.next() {
                    trials.push(trial);
                    continue;
                }
                self.context.progress.say(&format!(
                    "round {round} of {rounds}, trial {} of {}: learning rate {learning_rate:e}, {steps} steps",
                    at + 1,
                    rates.len()
                ));
                let out = self.out.nested(run.join(format!("round-{round}-trial-{}", at + 1)))?;
                let dev = match train(learning_rate, steps, out.clone()) {
                    Ok(dev) => Some(dev),
                    Err(Error::Diverged(what)) => {
                        self.context.progress.say(&what);
                        None
                    }
                    Err(error) => {
                        if journal.trials.is_empty() {
                            remove_if_alone(&run, TuningJournal::FILE);
                        }
                        return Err(error);
                    }
                };
                let trial = Trial { round, learning_rate, steps, dev };
                journal.trials.push(trial.clone());
                journal.write(&run)?;
                trials.push(trial);
                // Nothing but the metric is needed any more; a large model would fill the disk otherwise.
                for folder in [out.run_folder()?, out.folder] {
                    if folder.exists() {
                        fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
                    }
                }
            }
            rates = better_half(&trials)?;
        }
        Ok(Tuned { learning_rate: rates[0], trials: journal.trials })
    }

    /// The journal in `run`, or a new one, with the lock on `run`.
    fn open_journal(&self, run: &Path) -> Result<(TuningJournal, File)> {
        let new = TuningJournal { identity: self.identity.clone(), trials: Vec::new() };
        let (out, shown) = (self.out, run.display());
        if run.join(TuningJournal::FILE).exists() {
            if !out.resume {
                return Err(Error::Usage(format!(
                    "{shown} is left of an interrupted run: give --resume to go on with it, or remove it to begin anew"
                )));
            }
            let lock = lock(run)?;
            let journal: TuningJournal = journal::read(&run.join(TuningJournal::FILE))?;
            journal.check(&new, run)?;
            return Ok((journal, lock));
        }
        if out.can_resume()? {
            return Err(Error::Usage(format!(
                "{shown} is left of an interrupted run with one learning rate: go on with it by --resume and without \
                 --tune, or remove it to begin anew"
            )));
        }
        if out.resume && out.folder.join(METRICS).exists() {
            return Err(Error::Usage(format!(
                "{} is complete and there is nothing to resume; leave --resume out to run again and replace it",
                out.folder.display()
            )));
        }
        if out.resume {
            self.context.progress.say(&format!("no trials in {shown}: beginning anew"));
        }
        own_folder::open(run)?;
        let lock = lock(run)?;
        remove_unfinished(run)?;
        new.write(run)?;
        Ok((new, lock))
    }
}

impl Tuned {
    /// The output of the whole run with the best rate in `out`: it records the trials, and continues from a checkpoint
    /// if there is one.
    ///
    /// # Errors
    /// Returns the errors of [`Output::can_resume`].
    pub fn output(&self, out: &Output) -> Result<Output> {
        let (resume, trials) = (out.can_resume()?, self.trials.clone());
        // The inputs were compared with those of an earlier run before the first trial.
        Ok(Output { resume, trials, replayed: None, ..out.clone() })
    }
}

/// So many rates in ascending order, evenly spaced by their logarithms, with three digits, so that a command line can
/// name them.
fn rates(middle: f64, count: usize) -> Vec<f64> {
    let rate = |at: usize| {
        let exponent = 2.0 * at as f64 / (count - 1) as f64 - 1.0;
        let rate = middle * RANGE.powf(exponent);
        format!("{rate:.2e}").parse().unwrap_or(rate)
    };
    (0..count).map(rate).collect()
}

/// The rates of the better half of `trials`, rounded up, in ascending order. Of equally good ones the lower one stays.
///
/// # Errors
/// [`Error::Diverged`] if all trials diverged.
fn better_half(trials: &[Trial]) -> Result<Vec<f64>> {
    let mut ranked: Vec<(f64, f64)> =
        trials.iter().filter_map(|trial| Some((trial.dev?, trial.learning_rate))).collect();
    if ranked.is_empty() {
        return Err(Error::Diverged("all trials diverged: give a lower learning rate".into()));
    }
    ranked.sort_by(|(dev, rate), (other_dev, other_rate)| {
        other_dev.total_cmp(dev).then(rate.total_cmp(other_rate))
    });
    ranked.truncate(trials.len().div_ceil(2));
    let mut rates: Vec<f64> = ranked.into_iter().map(|(_, rate)| rate).collect();
    rates.sort_by(f64::total_cmp);
    Ok(rates)
}

/// The rate that a search with these trials has chosen; `None` if it has none.
pub fn chosen_rate(trials: &[Trial]) -> Option<f64> {
    let last = trials.last()?.round;
    let last: Vec<Trial> = trials.iter().filter(|trial| trial.round == last).cloned().collect();
    better_half(&last).ok()?.first().copied()
}

/// Removes the file `name` and the folder that has it if the folder has nothing else: a run that has failed before it
/// did anything leaves nothing.
fn remove_if_alone(folder: &Path, name: &str) {
    // The journal and the mark of the folder. They are not worth an error in place of the one that is on its way.
    if folder.read_dir().is_ok_and(|entries| entries.count() == 2) {
        let _ = fs::remove_file(folder.join(name));
        own_folder::remove_if_empty(folder);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checkpoint::WorkFolder;
    use tinybert_model::RunRecord;

    /// Searches with 8 rates around 1e-3 in a run of 100 steps. `dev` gives the metric of a rate after so many steps.
    fn search(out: &Output, dev: impl FnMut(f64, u64) -> Result<f64>) -> Result<Tuned> {
        let identity = Identity::new(&RunRecord::new("test", json!(null), 1, Vec::new()));
        let context = &Context::default();
        let mut dev = dev;
        let time_limit = TimeLimit::default();
        RateSearch { trials: 8, learning_rate: 1e-3, steps: 100, time_limit, identity, out, context }
            .run(|rate, steps, _| dev(rate, steps))
    }

    /// A metric that is best at a rate of 2e-3.
    fn peak(rate: f64) -> f64 {
        -(rate / 2e-3).log10().abs()
    }

    #[test]
    fn rates_are_evenly_spaced_by_their_logarithms() {
        assert_eq!(rates(1e-3, 3), [1e-4, 1e-3, 1e-2]);
        assert_eq!(rates(3e-5, 5), [3e-6, 9.49e-6, 3e-5, 9.49e-5, 3e-4]);
        assert_eq!(rates(2e-4, 2), [2e-5, 2e-3]);
    }

    #[test]
    fn each_round_has_half_of_the_rates_and_twice_the_steps() {
        let place = tempfile::tempdir().unwrap();
        let out = Output::from(place.path().join("out"));
        let mut runs = Vec::new();
        let tuned = search(&out, |rate, steps| {
            runs.push(steps);
            Ok(peak(rate))
        })
        .unwrap();
        assert_eq!(runs, [vec![12; 8], vec![25; 4], vec![50; 2]].concat());
        // Of 1e-3 · 10^(2i/7 − 1) the nearest to 2e-3 by its logarithm is i = 5.
        assert_eq!(tuned.learning_rate, 2.68e-3);
        assert_eq!(tuned.trials.len(), 14);
        assert_eq!(chosen_rate(&tuned.trials), Some(tuned.learning_rate));
    }

    #[test]
    fn halves_are_rounded_up_and_diverged_trials_are_the_worst() {
        let trial = |learning_rate, dev| Trial { round: 1, learning_rate, steps: 1, dev };
        let trials = [trial(1.0, Some(0.5)), trial(2.0, None), trial(3.0, Some(0.5)), trial(4.0, Some(0.7))];
        assert_eq!(better_half(&trials).unwrap(), [1.0, 4.0]);
        assert_eq!(better_half(&trials[..3]).unwrap(), [1.0, 3.0]);
        assert!(matches!(better_half(&trials[1..2]), Err(Error::Diverged(_))));
    }

    #[test]
    fn a_search_goes_on_at_the_trial_that_was_interrupted() {
        let place = tempfile::tempdir().unwrap();
        let out = Output::from(place.path().join("out"));
        let whole = search(&Output::from(place.path().join("whole")), |rate, _| Ok(peak(rate))).unwrap();
        let mut left = 9;
        let interrupted = search(&out, |rate, _| {
            left -= 1;
            if left == 0 { Err(Error::Interrupted("stop".into())) } else { Ok(peak(rate)) }
        });
        assert!(matches!(interrupted, Err(Error::Interrupted(_))));
        let error = search(&out, |rate, _| Ok(peak(rate))).unwrap_err();
        assert!(matches!(&error, Error::Usage(what) if what.contains("--resume")), "{error}");
        let mut runs = 0;
        let again = Output { resume: true, ..out };
        let resumed = search(&again, |rate, _| {
            runs += 1;
            Ok(peak(rate))
        });
        assert_eq!((resumed.unwrap(), runs), (whole, 14 - 8));
    }

    #[test]
    fn a_run_with_one_rate_does_not_remove_a_search() {
        let place = tempfile::tempdir().unwrap();
        let out = Output::from(place.path().join("out"));
        let mut left = 3;
        search(&out, |rate, _| {
            left -= 1;
            if left == 0 { Err(Error::Interrupted("stop".into())) } else { Ok(peak(rate)) }
        })
        .unwrap_err();
        let identity = || Identity::new(&RunRecord::new("test", json!(null), 1, Vec::new()));
        for resume in [true, false] {
            let out = Output { resume, ..out.clone() };
            let error =
                WorkFolder::open(&out, identity(), &Context::default()).err().expect("a search is left");
            assert!(
                matches!(&error, Error::Usage(what) if what.contains("--resume and --tune N")),
                "{error}"
            );
        }
        assert!(out.run_folder().unwrap().join(TuningJournal::FILE).exists());
    }

    #[test]
    fn only_one_process_runs_the_trials() {
        let place = tempfile::tempdir().unwrap();
        let out = Output::from(place.path().join("out"));
        let again = Output { resume: true, ..out.clone() };
        let mut others = Vec::new();
        search(&out, |rate, _| {
            others
                .push(search(&again, |_, _| panic!("two processes run one trial")).unwrap_err().to_string());
            Ok(peak(rate))
        })
        .unwrap();
        assert_eq!(others.len(), 14);
        assert!(others.iter().all(|error| error.contains("another process")), "{others:?}");
    }

    #[test]
    fn a_search_that_fails_at_once_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let out = Output::from(place.path().join("out"));
        search(&out, |_, _| Err(Error::Usage("no".into()))).unwrap_err();
        assert_eq!(place.path().read_dir().unwrap().count(), 0);
    }
}
