//! The floor: the least metric that an image must have, relative to its teacher's.

use std::fmt;

use tinybert_base::{Error, Result};
use tinybert_data::metrics::intervals::LEAST_SAMPLES;
use tinybert_data::metrics::{Difference, Metrics, Outcomes, difference, difference_by};
use tinybert_data::task::Dataset;
use tinybert_data::{DevShare, ScopedDataset};

/// Share of the development set that is held out.
const HELD_OUT: f64 = 0.5;

/// Differences of metrics below this are rounding: metrics are quotients of counts of examples.
const ROUNDING: f64 = 1e-9;

/// How much of the teacher's metric an image must keep.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// This share of the teacher's metric, above 0 and at most 1.
    Keep(f64),
    /// The teacher's metric less this fraction, which is at least 0.
    MaxLoss(f64),
}

/// The search for the smallest image that holds a floor.
#[derive(Debug, Clone, Copy)]
pub struct FloorSearch<'a> {
    /// The least metric.
    pub floor: Floor,
    /// Most models that are trained to find the smallest; at least 1.
    pub tries: usize,
    /// Development examples that nothing else reads. The finished image is judged on them, once.
    pub held_out: &'a Dataset,
}

/// The two parts of a development set: see [`DevParts::cut`].
#[derive(Debug, Clone)]
pub struct DevParts {
    /// The part by which weights are selected, models are searched, and temperatures and thresholds are fitted.
    pub search: ScopedDataset,
    /// The part that is held out.
    pub held_out: ScopedDataset,
}

/// The metric of a finished image beside the floor, on the examples that were held out.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FloorCheck {
    /// The floor.
    pub floor: Floor,
    /// The teacher's metrics with their 95 % intervals.
    pub teacher: Metrics,
    /// The image's metrics with their 95 % intervals.
    pub image: Metrics,
    /// The image's metric minus the teacher's, on the same examples.
    pub difference: Difference,
    /// The image's metric minus the floor, on the same examples.
    pub margin: Difference,
    /// What follows from the margin.
    pub verdict: Verdict,
}

/// Whether an image holds the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole 95 % interval of the margin is at the floor or above it.
    Surely,
    /// The margin itself is at the floor or above it, and the interval does not make it sure: it also reaches below, or
    /// no example tells image and teacher apart.
    Probably,
    /// The margin is below the floor, and the interval does not rule the floor out.
    ProbablyNot,
    /// The whole interval is below the floor.
    SurelyNot,
    /// A share of the teacher's metric was asked for, and that metric is not above 0 here.
    Undefined,
}

impl Floor {
    /// The least metric beside a teacher with the metric `teacher`.
    pub fn beside(self, teacher: f64) -> f64 {
        match self {
            Self::Keep(share) => share * teacher,
            Self::MaxLoss(loss) => teacher - loss,
        }
    }

    /// Whether an image with the metric `image` holds the floor beside a teacher with the metric `teacher`.
    pub(crate) fn is_held(self, image: f64, teacher: f64) -> bool {
        image - self.beside(teacher) >= -ROUNDING
    }

    /// The highest floor of this kind that an image with the metric `image` holds, in hundredths of a percent or point,
    /// rounded downwards. `None` for a share of a metric that is not above 0.
    pub fn reached(self, image: f64, teacher: f64) -> Option<Self> {
        let hundredths = |fraction: f64| (fraction * 1e4 + ROUNDING * 1e3).floor() / 1e4;
        match self {
            Self::Keep(_) => (teacher > 0.0).then(|| Self::Keep(hundredths(image / teacher))),
            Self::MaxLoss(_) => Some(Self::MaxLoss(-hundredths(image - teacher))),
        }
    }

    /// Makes sure that the floor says something beside a teacher with the metric `teacher`.
    ///
    /// # Errors
    /// [`Error::Input`] for a share of a metric that is not above 0.
    pub(crate) fn check(self, metric: &str, teacher: f64) -> Result<()> {
        match self {
            Self::Keep(_) if teacher <= 0.0 => Err(Error::Input(format!(
                "the teacher's {metric} on the development set is {teacher:.4}, of which no share can be kept: give a better \
                 teacher, or --max-loss"
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded to four digits and without zeros at the end: 0.995 is 99.5 %.
        let percent = |fraction: f64| (fraction * 1e6).round() / 1e4;
        match self {
            Self::Keep(share) => write!(f, "{} % of the teacher's", percent(*share)),
            Self::MaxLoss(loss) => write!(f, "the teacher's less {} points", percent(*loss)),
        }
    }
}

impl DevParts {
    /// Cuts a development set in two halves: each label and what is out of scope with its share, and examples of the
    /// same text on one side.
    ///
    /// # Errors
    /// [`Error::Input`] for a development set that is too small.
    pub fn cut(dev: &ScopedDataset, seed: u64) -> Result<Self> {
        let (search, held_out) = dev.split(DevShare::new(HELD_OUT, seed)?);
        if [&search, &held_out].iter().any(|half| half.labelled.examples.len() < LEAST_SAMPLES) {
            return Err(Error::Input(format!(
                "the development set has {} examples, which are too few: half of them check the floor, and the search reads \
                 the others, at least {LEAST_SAMPLES} each; give a larger --dev",
                dev.labelled.examples.len()
            )));
        }
        Ok(Self { search, held_out })
    }
}

impl FloorCheck {
    /// Compares the answers of the teacher and of the image to the same examples.
    ///
    /// # Errors
    /// As [`difference`].
    pub(crate) fn new(floor: Floor, teacher: &Outcomes, image: &Outcomes) -> Result<Self> {
        let margin = difference_by(image, teacher, |image, teacher| image - floor.beside(teacher))?;
        let difference = difference(image, teacher)?;
        let teacher = teacher.metrics_with_intervals();
        let verdict = match floor.check(&teacher.primary, teacher.primary()) {
            Ok(()) => Verdict::of(&margin, &difference),
            Err(_) => Verdict::Undefined,
        };
        Ok(Self { floor, teacher, image: image.metrics_with_intervals(), difference, margin, verdict })
    }

    /// The least metric on these examples.
    pub fn least(&self) -> f64 {
        self.floor.beside(self.teacher.primary())
    }
}

impl Verdict {
    /// What follows from the image's metric minus the floor, and from its metric minus the teacher's.
    fn of(margin: &Difference, difference: &Difference) -> Self {
        let [low, high] = margin.interval;
        // Of examples that tell the two models nowhere apart, the bootstrap does not see how few they are.
        let is_blind = difference.interval[0] == difference.interval[1];
        match margin.value >= -ROUNDING {
            true if low >= -ROUNDING && !is_blind => Self::Surely,
            true => Self::Probably,
            false if high >= -ROUNDING || is_blind => Self::ProbablyNot,
            false => Self::SurelyNot,
        }
    }

    /// Whether the image holds the floor by the point estimate.
    pub fn holds(self) -> bool {
        matches!(self, Self::Surely | Self::Probably)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Surely => "the floor is held: the whole 95 % interval is at the floor or above",
            Self::Probably => "the floor is held by the point estimate; the 95 % interval does not make it sure",
            Self::ProbablyNot => {
                "the floor is not held by the point estimate; the 95 % interval does not rule it out"
            }
            Self::SurelyNot => "the floor is not held: the whole 95 % interval is below it",
            Self::Undefined => {
                "the floor means nothing: the teacher's metric is not above 0, so that no share of it can be kept"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinybert_data::metrics::MetricSet;
    use tinybert_data::task::{Example, Target, TaskKind};

    #[test]
    fn a_floor_is_a_share_or_a_distance() {
        assert!((Floor::Keep(0.99).beside(0.9) - 0.891).abs() < 1e-12);
        assert!((Floor::MaxLoss(0.005).beside(0.9) - 0.895).abs() < 1e-12);
        // 891 of 1000 are 99 % of 900 of 1000.
        assert!(Floor::Keep(0.99).is_held(0.891, 0.9) && !Floor::Keep(0.99).is_held(0.890, 0.9));
        assert!(Floor::MaxLoss(0.0).is_held(0.9, 0.9));
        assert_eq!(Floor::Keep(0.99).reached(0.45, 0.9), Some(Floor::Keep(0.5)));
        assert_eq!(Floor::MaxLoss(0.1).reached(0.5, 0.75), Some(Floor::MaxLoss(0.25)));
        // What just fails a floor is not printed as this floor.
        let reached = |floor: Floor, image| floor.reached(image, 1.0).unwrap().to_string();
        assert_eq!(reached(Floor::Keep(0.99), 0.98996), "98.99 % of the teacher's");
        assert_eq!(reached(Floor::MaxLoss(0.005), 0.99496), "the teacher's less 0.51 points");
        assert_eq!(Floor::Keep(0.99).reached(-0.1, 0.0), None);
        assert_eq!(Floor::Keep(0.995).to_string(), "99.5 % of the teacher's");
        assert_eq!(Floor::MaxLoss(0.005).to_string(), "the teacher's less 0.5 points");
    }

    #[test]
    fn no_share_of_nothing_is_kept() {
        Floor::MaxLoss(0.01).check("pearson", -0.1).unwrap();
        Floor::Keep(0.99).check("pearson", 0.1).unwrap();
        let error = Floor::Keep(0.99).check("pearson", 0.0).unwrap_err().to_string();
        assert!(error.contains("pearson") && error.contains("--max-loss"), "{error}");
        let check = FloorCheck::new(Floor::Keep(0.99), &outcomes(0, 10), &outcomes(5, 10)).unwrap();
        assert!(check.verdict == Verdict::Undefined && !check.verdict.holds());
    }

    /// Answers of which the first `right` of `all` are right.
    fn outcomes(right: usize, all: usize) -> Outcomes {
        let answers: Vec<Target> = (0..all).map(|at| Target::Class(u32::from(at >= right))).collect();
        let labels = ["a", "b"].map(String::from);
        Outcomes::new(MetricSet::Accuracy, &labels, &answers, &vec![Target::Class(0); all]).unwrap()
    }

    #[test]
    fn verdicts_follow_the_margin_and_its_interval() {
        let check =
            |floor, image| FloorCheck::new(floor, &outcomes(900, 1000), &outcomes(image, 1000)).unwrap();
        // 891 are needed. Of paired answers only those between vary: sd about sqrt(margin / 1000).
        let verdict = |image| check(Floor::Keep(0.99), image).verdict;
        assert_eq!(verdict(899), Verdict::Surely);
        // The same answers to all examples: they tell the two models nowhere apart.
        assert_eq!(verdict(900), Verdict::Probably);
        assert_eq!(verdict(892), Verdict::Probably);
        assert_eq!(verdict(889), Verdict::ProbablyNot);
        assert_eq!(verdict(870), Verdict::SurelyNot);
        let check = check(Floor::MaxLoss(0.01), 895);
        assert!((check.least() - 0.89).abs() < 1e-12);
        assert!((check.difference.value + 0.005).abs() < 1e-12 && (check.margin.value - 0.005).abs() < 1e-12);
        assert!(check.verdict.holds());
    }

    #[test]
    fn half_of_the_development_set_is_held_out() {
        let example = |at: usize| Example {
            text: format!("text {at}"),
            pair: None,
            target: Target::Class(u32::from(at.is_multiple_of(4))),
        };
        let dev = |count: usize| {
            let examples = (0..count).map(example).collect();
            let labels = ["a", "b"].map(String::from).into();
            ScopedDataset::all_in_scope(Dataset {
                examples,
                labels,
                kind: TaskKind::Classification,
                sources: Vec::new(),
            })
        };
        let DevParts { search, held_out } = DevParts::cut(&dev(80), 7).unwrap();
        assert_eq!((search.labelled.examples.len(), held_out.labelled.examples.len()), (40, 40));
        assert!(held_out.labelled.examples.iter().all(|of| !search.labelled.examples.contains(of)));
        assert!(search.unknown.examples.is_empty() && held_out.unknown.examples.is_empty());

        // Ten more texts are out of scope, and ten are so under a text that also has a label.
        let mut scoped = dev(80);
        scoped.unknown.examples =
            (70..90).map(|at| Example { target: Target::None, ..example(at) }).collect();
        let DevParts { search, held_out } = DevParts::cut(&scoped, 7).unwrap();
        assert_eq!(search.labelled.examples.len() + held_out.labelled.examples.len(), 80);
        assert_eq!(search.unknown.examples.len() + held_out.unknown.examples.len(), 20);
        let texts = |of: &ScopedDataset| -> Vec<String> {
            of.labelled.examples.iter().chain(&of.unknown.examples).map(|of| of.text.clone()).collect()
        };
        assert!(texts(&held_out).iter().all(|text| !texts(&search).contains(text)));
        let unknown = |of: &ScopedDataset| of.unknown.examples.iter().all(|of| of.target == Target::None);
        assert!(unknown(&search) && unknown(&held_out) && held_out.unknown.examples.len() >= 5);

        // Half of them would say nothing about a floor.
        for few in [1, 16] {
            let error = DevParts::cut(&dev(few), 7).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{few} examples")) && error.contains("at least 10 each"),
                "{error}"
            );
        }
    }
}
