//! Checks of a teacher before hours of training: whether it answers the task, and whether it is better than
//! chance.

use tinybert_base::{Context, Error, Result};
use tinybert_data::list;
use tinybert_data::metrics::label_sets::best_constant_set;
use tinybert_data::metrics::{self, MetricSet, Metrics};
use tinybert_data::task::{Dataset, NO_TAG, Target, TaskKind};
use tinybert_evaluate::judge::Judge;
use tinybert_model::{Checkpoint, Head};
use tinybert_nn::TaskModel;
use tinybert_train::{TaskData, head_of};

/// A teacher has learned the task if its metric is at least this share of the way from chance to perfect
/// answers.
const LEAST_SHARE: f64 = 0.1;

/// Makes sure that the teacher's head answers what the data ask.
///
/// # Errors
/// [`Error::Input`] naming what differs.
pub fn check_head(teacher: &Checkpoint, data: &TaskData) -> Result<()> {
    let asked = head_of(data.train);
    if teacher.head.kind() != asked.kind() {
        let remedy = match asked {
            Head::Embedding { .. } => "give a bare sentence encoder, such as all-MiniLM-L6-v2",
            _ => "fine-tune the teacher on the task first",
        };
        return Err(Error::Input(format!(
            "{}: the task needs a teacher with a {} head, found {}; {remedy}",
            teacher.folder.display(),
            asked.kind(),
            teacher.head.kind()
        )));
    }
    if teacher.head.labels() != asked.labels() {
        return Err(Error::Input(format!(
            "{}: the teacher answers with {}, but the data have {}; give its config.json these names in id2label",
            teacher.folder.display(),
            list(teacher.head.labels()),
            list(asked.labels())
        )));
    }
    Ok(())
}

/// The teacher's metrics on the development set.
///
/// # Errors
/// [`Error::Input`] for a teacher near chance and for a development set with a single label, unless
/// `allow_weak`; the errors of [`Judge::answers`].
pub fn evaluate(
    teacher: &Checkpoint,
    model: &TaskModel,
    data: &TaskData,
    judge: &Judge,
    allow_weak: bool,
    context: &Context,
) -> Result<Metrics> {
    // A stop signal does not interrupt this evaluation: the run stops soon afterwards with a checkpoint.
    let outputs = judge.outputs(model, &Context::default())?;
    // A student learns probabilities. The thresholds of its teacher do not matter.
    let predictions = judge.answers(&judge.with_thresholds(&model.head, &outputs)?, &outputs)?;
    let found = judge.metrics(&predictions)?;
    let chance = chance(data.dev, data.metrics)?;
    let least = chance + LEAST_SHARE * (1.0 - chance);
    context.progress.say(&format!(
        "teacher: dev {} {:.4}, chance {chance:.4}",
        found.primary,
        found.primary()
    ));
    let (what, remedy) = if let Some(one_answer) = data.dev_of_one_answer() {
        (one_answer, "give one with different answers")
    } else if found.primary() >= least {
        return Ok(found);
    } else {
        // A metric that is not a number counts as weak too.
        let mut what = format!(
            "{}: on the {} examples of the development set the teacher's {} is {:.4}, and answering always the same \
             gives {chance:.4}: it has not learned this task, which takes {least:.4}",
            teacher.folder.display(),
            found.samples,
            found.primary,
            found.primary(),
        );
        what.extend(renamed_labels(&predictions, data.dev));
        (what, "fine-tune it, with more passes or another learning rate if it was fine-tuned already")
    };
    if allow_weak {
        context.progress.say(&format!("warning: {what}"));
        return Ok(found);
    }
    Err(Error::Input(format!(
        "{what}; {remedy}, or allow a weak teacher where the command has an option for it"
    )))
}

/// The metric of the best constant answer. This is not always the most frequent class, because F1 counts the
/// positive one.
fn chance(data: &Dataset, set: MetricSet) -> Result<f64> {
    match data.kind {
        TaskKind::Classification => {
            let gold = data.targets();
            (0..data.labels.len() as u32).try_fold(0.0, |best, class| {
                let same = vec![Target::Class(class); gold.len()];
                Ok(f64::max(best, metrics::evaluate(set, &data.labels, &same, &gold)?.primary()))
            })
        }
        TaskKind::MultiLabel => {
            let MetricSet::LabelSets { primary } = set else { return Ok(0.0) };
            let sets: Vec<&[u32]> = data.examples.iter().map(|example| example.target.classes()).collect();
            Ok(best_constant_set(primary, data.labels.len(), &sets))
        }
        // Constant scores correlate with nothing, and no single tag marks the entities.
        TaskKind::Regression | TaskKind::Tagging | TaskKind::Embedding => Ok(0.0),
    }
}

/// A hint for a teacher that would often be right if its labels had other names: its labels are in another
/// order.
fn renamed_labels(predictions: &[Target], data: &Dataset) -> Option<String> {
    // Of two sets nobody knows which label was said for which.
    if data.kind == TaskKind::MultiLabel {
        return None;
    }
    let classes = data.labels.len();
    let mut counts = vec![vec![0usize; classes]; classes];
    let mut answers = 0;
    for (prediction, example) in predictions.iter().zip(&data.examples) {
        for (&answer, &gold) in prediction.classes().iter().zip(example.target.classes()) {
            if answer != NO_TAG {
                counts[answer as usize][gold as usize] += 1;
                answers += 1;
            }
        }
    }
    let names: Vec<usize> =
        counts.iter().map(|row| (0..classes).rev().max_by_key(|&gold| row[gold]).unwrap_or(0)).collect();
    let each_once = (0..classes).all(|gold| names.contains(&gold));
    let right: usize = names.iter().zip(&counts).map(|(&gold, row)| row[gold]).sum();
    let share = right as f64 / answers.max(1) as f64;
    // Chance can suggest names too, but hardly names that are all different and right three times in four.
    let changed: Vec<String> = (0..classes)
        .filter(|&answer| names[answer] != answer)
        .map(|answer| format!("{:?} for {:?}", data.labels[answer], data.labels[names[answer]]))
        .collect();
    (each_once && share >= 0.75 && !changed.is_empty()).then(|| {
        format!(
            ". If it says {}, it is right in {:.1} % of them: its labels are in another order, so correct id2label \
             in its config.json",
            changed.join(", "),
            100.0 * share
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinybert_data::metrics::LabelSetMetric;
    use tinybert_data::task::Example;

    fn dataset(classes: &[u32]) -> Dataset {
        let example = |class: &u32| Example { text: "x".into(), pair: None, target: Target::Class(*class) };
        Dataset {
            examples: classes.iter().map(example).collect(),
            labels: ["no", "maybe", "yes"].map(String::from).into(),
            kind: TaskKind::Classification,
            sources: Vec::new(),
        }
    }

    #[test]
    fn chance_is_the_best_constant_answer_by_the_metric_itself() {
        let chance = |classes: &[u32], metrics| super::chance(&dataset(classes), metrics).unwrap();
        assert_eq!(chance(&[2, 0, 2, 1], MetricSet::Accuracy), 0.5);
        // Four of ten are positive. The answer no has accuracy 0.6 and F1 0; the answer yes has 0.4 and
        // 2·4 / (2·4 + 6).
        let minority = [2, 2, 2, 2, 0, 0, 0, 0, 0, 0];
        let found = chance(&minority, MetricSet::AccuracyAndF1 { positive: 2 });
        assert!((found - (0.4 + 8.0 / 14.0) / 2.0).abs() < 1e-12, "{found}");
        assert_eq!(chance(&minority, MetricSet::Matthews), 0.0);
    }

    #[test]
    fn chance_of_sets_is_that_of_the_best_constant_set() {
        let sets: [&[u32]; 5] = [&[0], &[0, 1], &[0], &[2], &[]];
        let example =
            |set: &[u32]| Example { text: "x".into(), pair: None, target: Target::LabelSet(set.into()) };
        let data = Dataset {
            examples: sets.into_iter().map(example).collect(),
            kind: TaskKind::MultiLabel,
            ..dataset(&[])
        };
        let chance = |primary| super::chance(&data, MetricSet::LabelSets { primary }).unwrap();
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        // Always label 0: 3 of 5 predictions right, 5 labels there. All labels: 2·5 / (15 + 5).
        near(chance(LabelSetMetric::MicroF1), 2.0 * 3.0 / (5.0 + 5.0));
        // All labels: F1 of 2·3 / (5 + 3), 2·1 / (5 + 1) and the same.
        near(chance(LabelSetMetric::MacroF1), (6.0 / 8.0 + 2.0 / 6.0 + 2.0 / 6.0) / 3.0);
        near(chance(LabelSetMetric::ExactMatch), 2.0 / 5.0);
    }

    #[test]
    fn labels_in_another_order_are_recognised_by_what_they_are_said_for() {
        let gold = dataset(&[0, 1, 2, 0, 1, 2, 0, 1]);
        let shifted: Vec<Target> = [1, 2, 0, 1, 2, 0, 1, 0].map(Target::Class).into();
        let said = renamed_labels(&shifted, &gold).unwrap();
        assert!(said.contains("\"maybe\" for \"no\"") && said.contains("87.5 %"), "{said}");
        // Right as it is, or wrong in no consistent way.
        let right: Vec<Target> = gold.examples.iter().map(|example| example.target.clone()).collect();
        assert_eq!(renamed_labels(&right, &gold), None);
        let muddled: Vec<Target> = [1, 1, 1, 0, 2, 0, 2, 0].map(Target::Class).into();
        assert_eq!(renamed_labels(&muddled, &gold), None);
    }
}
