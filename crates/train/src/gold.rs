//! Gold answers, and the loss of a model against them.

mod label_sets;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use candle_core::{D, Tensor};
use candle_nn::ops::log_softmax;

use tinybert_base::{Error, Result};
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_data::{Batch, EncodedSet, list};

/// How much the classes count in the cross-entropy of gold labels.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeighting {
    /// Every class counts as much as any other: its examples have weights in inverse proportion to their number.
    Balanced,
    /// These weights by label; labels that are not named have weight 1.
    ByLabel(BTreeMap<String, f64>),
}

impl FromStr for ClassWeighting {
    type Err = Error;

    /// `balanced`, or a list such as `refund=4,other=0.5`.
    fn from_str(text: &str) -> Result<Self> {
        if text == "balanced" {
            return Ok(Self::Balanced);
        }
        let refuse = |entry: &str, why: &str| {
            Error::Usage(format!("class weight {entry:?}: {why}; expected balanced, or LABEL=WEIGHT,..."))
        };
        let mut weights = BTreeMap::new();
        for entry in text.split(',') {
            // A label may have an equals sign in it, a weight may not.
            let (label, weight) =
                entry.rsplit_once('=').ok_or_else(|| refuse(entry, "there is no weight"))?;
            let weight: f64 = weight.parse().map_err(|_| refuse(entry, "the weight is not a number"))?;
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(refuse(entry, "a weight is a finite number of at least 0"));
            }
            if weights.insert(label.to_owned(), weight).is_some() {
                return Err(refuse(entry, "the label has two weights"));
            }
        }
        Ok(Self::ByLabel(weights))
    }
}

impl fmt::Display for ClassWeighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced => f.write_str("balanced"),
            Self::ByLabel(weights) => {
                let entries: Vec<_> =
                    weights.iter().map(|(label, weight)| format!("{label}={weight}")).collect();
                f.write_str(&entries.join(","))
            }
        }
    }
}

impl ClassWeighting {
    /// The weight of each class of `data`, scaled so that the mean over all gold answers is 1: the learning rate
    /// keeps its meaning. A class without examples has weight 0 if the weights are balanced. The weights of labels of
    /// which an answer may have several are those of [`label_sets::positive_weights`], and not scaled.
    ///
    /// # Errors
    /// [`Error::Usage`] for data without labels, for a label that the data do not have, and for weights that are 0
    /// for all examples.
    fn weights(&self, data: &Dataset) -> Result<Vec<f64>> {
        let mut counts = vec![0usize; data.labels.len()];
        for class in data.examples.iter().flat_map(|example| example.target.classes()) {
            counts[*class as usize] += 1;
        }
        if data.labels.is_empty() {
            return Err(Error::Usage("class weights are for labels; these data have none".into()));
        }
        if data.kind == TaskKind::MultiLabel {
            return label_sets::positive_weights(self, data, &counts);
        }
        let weights: Vec<f64> = match self {
            Self::Balanced => {
                counts.iter().map(|&count| if count == 0 { 0.0 } else { 1.0 / count as f64 }).collect()
            }
            Self::ByLabel(by_label) => Self::named(by_label, data)?,
        };
        let total: f64 = weights.iter().zip(&counts).map(|(weight, &count)| weight * count as f64).sum();
        if total <= 0.0 {
            return Err(Error::Usage("the class weights of all training examples are 0".into()));
        }
        let scale = counts.iter().sum::<usize>() as f64 / total;
        Ok(weights.into_iter().map(|weight| weight * scale).collect())
    }

    /// The weights `by_label` in the order of the labels of `data`; 1 for a label that is not named.
    fn named(by_label: &BTreeMap<String, f64>, data: &Dataset) -> Result<Vec<f64>> {
        if let Some(unknown) = by_label.keys().find(|label| !data.labels.contains(label)) {
            let known = list(&data.labels);
            return Err(Error::Usage(format!(
                "class weight of {unknown:?}: there is no such label; the labels are {known}"
            )));
        }
        Ok(data.labels.iter().map(|label| by_label.get(label).copied().unwrap_or(1.0)).collect())
    }
}

/// The gold answers of a training set.
pub struct GoldAnswers<'a> {
    examples: &'a [Example],
    /// The weight of each class, or of each label where an answer has it; `None` if all have the same weight.
    weights: Option<Vec<f32>>,
    /// Whether an answer may have any number of labels.
    label_sets: bool,
}

impl<'a> GoldAnswers<'a> {
    /// The gold answers of `data`. Examples may lack one.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] for weights that do not fit the data.
    pub fn new(data: &'a Dataset, weighting: Option<&ClassWeighting>) -> Result<Self> {
        let weights = weighting.map(|weighting| weighting.weights(data)).transpose()?;
        let weights = weights.map(|weights| weights.into_iter().map(|weight| weight as f32).collect());
        Ok(Self { weights, ..Self::unweighted(&data.examples) })
    }

    /// The gold answers of `examples`; all classes have the same weight.
    pub fn unweighted(examples: &'a [Example]) -> Self {
        let is_label_set =
            |example: &Example| matches!(example.target, Target::LabelSet(_) | Target::SoftLabelSet { .. });
        Self { examples, weights: None, label_sets: examples.iter().any(is_label_set) }
    }

    /// Whether no example has a gold answer.
    pub fn is_empty(&self) -> bool {
        self.examples.iter().all(|example| !example.target.is_gold())
    }

    /// For each answer of `batch`, which was taken from `set`, 1 if it has a gold answer and 0 if it has none.
    pub fn mask(&self, batch: &Batch, set: &EncodedSet) -> Vec<f32> {
        let mask = |&sample: &usize| {
            let is_gold = self.examples[sample].target.is_gold();
            std::iter::repeat_n(if is_gold { 1.0 } else { 0.0 }, set.answers(sample))
        };
        batch.samples.iter().flat_map(mask).collect()
    }

    /// Loss of `logits` `[answers, outputs]` against the gold answers: the mean over the answers of `batch` of the
    /// cross-entropy of a class times its weight, of the binary cross-entropy of a set of labels, or of the squared
    /// error of a score. An answer without a gold one counts with a loss of 0.
    ///
    /// `batch` was taken from `set`. A tagged word counts only if it has a token within the longest
    /// input.
    ///
    /// # Errors
    /// Returns an internal error of the tensor engine.
    pub fn loss(&self, logits: &Tensor, batch: &Batch, set: &EncodedSet) -> Result<Tensor> {
        if self.label_sets {
            return self.label_set_loss(logits, batch, set);
        }
        let (count, device) = (batch.answers(), logits.device());
        let mut weights = self.mask(batch, set);
        let (mut classes, mut scores) = (vec![0u32; count], vec![0f32; count]);
        let mut is_score = false;
        let mut first = 0;
        for &sample in &batch.samples {
            match (&self.examples[sample].target, set.words(sample)) {
                (Target::Class(class) | Target::SoftLabels { gold: Some(class), .. }, _) => {
                    classes[first] = *class
                }
                (Target::Score(score), _) => {
                    is_score = true;
                    scores[first] = *score;
                }
                (Target::Tags(tags), Some(words)) => {
                    let tagged = tags.iter().zip(words).filter(|(_, word)| word.is_some());
                    classes[first..].iter_mut().zip(tagged).for_each(|(class, (tag, _))| *class = *tag);
                }
                // Sets of labels have a loss of their own.
                (
                    Target::Tags(_)
                    | Target::None
                    | Target::SoftLabels { gold: None, .. }
                    | Target::LabelSet(_)
                    | Target::SoftLabelSet { .. },
                    _,
                ) => {}
            }
            first += set.answers(sample);
        }
        if let Some(by_class) = &self.weights {
            weights.iter_mut().zip(&classes).for_each(|(weight, class)| *weight *= by_class[*class as usize]);
        }
        let losses = if is_score {
            let scores = Tensor::from_vec(scores, (count, 1), device)?;
            (logits - scores)?.sqr()?
        } else {
            let classes = Tensor::from_vec(classes, count, device)?;
            if weights.iter().all(|weight| *weight == 1.0) {
                return Ok(candle_nn::loss::cross_entropy(logits, &classes)?);
            }
            log_softmax(logits, D::Minus1)?.gather(&classes.unsqueeze(1)?, 1)?.neg()?
        };
        Ok((losses * Tensor::from_vec(weights, (count, 1), device)?)?.mean_all()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(classes: &[u32]) -> Dataset {
        let example = |class: &u32| Example { text: "x".into(), pair: None, target: Target::Class(*class) };
        Dataset {
            examples: classes.iter().map(example).collect(),
            labels: ["a", "b", "c=d"].map(String::from).into(),
            kind: TaskKind::Classification,
            sources: Vec::new(),
        }
    }

    fn weights(text: &str, classes: &[u32]) -> Result<Vec<f64>> {
        text.parse::<ClassWeighting>()?.weights(&data(classes))
    }

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y): n / (classes · count). With a class that does
        // not occur the number of classes is that of those that do.
        let found = weights("balanced", &[0, 0, 0, 0, 0, 1, 1, 2]).unwrap();
        let wanted = [8.0 / 15.0, 8.0 / 6.0, 8.0 / 3.0];
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12), "{found:?}");
        assert_eq!(weights("balanced", &[0, 0, 0, 1]).unwrap(), [4.0 / 6.0, 2.0, 0.0]);
    }

    #[test]
    fn named_weights_have_the_mean_1_over_the_examples() {
        let found = weights("c=d=4,a=0.5", &[0, 0, 1, 2]).unwrap();
        let scale = 4.0 / (0.5 + 0.5 + 1.0 + 4.0);
        assert_eq!(found, [0.5 * scale, scale, 4.0 * scale]);
    }

    #[test]
    fn weights_that_mean_nothing_are_refused() {
        let fault = |text: &str| weights(text, &[0, 1]).unwrap_err().to_string();
        assert!(fault("b").contains("there is no weight"));
        assert!(fault("a=x").contains("not a number"));
        assert!(fault("a=-1").contains("at least 0"));
        assert!(fault("a=inf").contains("at least 0"));
        assert!(fault("a=NaN").contains("at least 0"));
        assert!(fault("a=1,a=2").contains("two weights"));
        assert!(fault("e=1").contains(r#"class weight of "e""#) && fault("e=1").contains("a, b, c=d"));
        assert!(fault("a=0,b=0").contains("are 0"));
    }

    #[test]
    fn the_text_of_a_weighting_reads_as_the_same_weighting() {
        for text in ["balanced", "a=0.5,c=d=4"] {
            assert_eq!(text.parse::<ClassWeighting>().unwrap().to_string(), text);
        }
    }
}
