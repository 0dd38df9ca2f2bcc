//! Two models beside each other: whether their difference on the same examples is more than chance.

use serde_json::{Value, json};
use tinybert_base::Result;
use tinybert_data::Split;
use tinybert_data::metrics::intervals::LEAST_SAMPLES;
use tinybert_data::metrics::{Difference, McNemar, difference};

use super::judged::Judged;
use super::print_confidence;
use crate::standard_output::{describe_metrics, print_line};

/// A difference whose probability by chance is less is called more than chance.
const LEVEL: f64 = 0.05;

/// The model of `--model`, A, beside the one of `--against`, B.
pub struct Comparison<'a> {
    models: [&'a Judged; 2],
    mcnemar: Option<McNemar>,
    /// The difference of the metric that selects, where McNemar's test says nothing about it and there are enough
    /// examples for the bootstrap.
    difference: Option<Difference>,
}

impl<'a> Comparison<'a> {
    /// # Errors
    /// [`Error::Input`](tinybert_base::Error::Input) for answers to different examples.
    pub fn new(first: &'a Judged, second: &'a Judged) -> Result<Self> {
        let [a, b] = [first, second].map(|judged| &judged.answers.labelled.outcomes);
        let mcnemar = McNemar::new(a, b)?;
        let is_said = mcnemar.is_some() && first.metrics.primary == "accuracy";
        let is_enough = first.metrics.samples >= LEAST_SAMPLES;
        let difference = (!is_said && is_enough).then(|| difference(a, b)).transpose()?;
        Ok(Self { models: [first, second], mcnemar, difference })
    }

    /// Prints the metrics of both models, the counts of the test, and a sentence for each test.
    pub fn print(&self, split: Split) -> Result<()> {
        for (letter, model) in ["A", "B"].into_iter().zip(self.models) {
            print_line(format_args!("{letter}: {}", model.name))?;
            print_line(format_args!("{letter}: {split} {}", describe_metrics(&model.metrics)))?;
            print_confidence(&model.answers, format_args!("{letter}: {split}"))?;
        }
        if let Some(McNemar { both, only_first, only_second, neither, .. }) = self.mcnemar {
            print_line(format_args!(
                "right: both {both}, A alone {only_first}, B alone {only_second}, neither {neither}"
            ))?;
        }
        self.sentences().iter().try_for_each(print_line)
    }

    /// What each test says.
    fn sentences(&self) -> Vec<String> {
        let examples = self.models[0].metrics.samples;
        let verdict = |is_more: bool| if is_more { "it is more than chance" } else { "it may be chance" };
        let of_mcnemar = self.mcnemar.map(|McNemar { only_first, only_second, p_value, .. }| {
            format!(
                "Of {examples} examples, A alone is right on {only_first} and B alone on {only_second}: such a difference \
                 arises by chance with probability {}, so {}.",
                probability(p_value),
                verdict(p_value < LEVEL)
            )
        });
        let of_difference = self.difference.map(|difference| {
            let (metric, difference_of) = (difference.metric, difference.estimate());
            let is_more = difference.is_more_than_chance();
            let contains = if is_more { "leaves out 0" } else { "contains 0" };
            format!(
                "On {examples} examples, the {metric} of A minus that of B is {difference_of}. The 95 % \
                 interval {contains}, so {}.",
                verdict(is_more)
            )
        });
        let is_silent = of_mcnemar.is_none() && of_difference.is_none();
        let too_few = is_silent.then(|| {
            format!("{examples} examples are too few to say whether the models differ by more than chance.")
        });
        of_mcnemar.into_iter().chain(of_difference).chain(too_few).collect()
    }

    /// The second model with its metrics, and the tests.
    pub fn to_json(&self) -> Value {
        let [_, second] = self.models;
        let mut json = json!(second.metrics);
        json["model"] = json!(second.name);
        if let Some(confidence) = &second.answers.confidence {
            json["confidence"] = json!(confidence.metrics.values);
            json["confidence_intervals"] = json!(confidence.metrics.intervals);
        }
        json["conclusion"] = json!(self.sentences().join(" "));
        if let Some(mcnemar) = self.mcnemar {
            json["mcnemar"] = json!({
                "both": mcnemar.both,
                "only_model": mcnemar.only_first,
                "only_against": mcnemar.only_second,
                "neither": mcnemar.neither,
                "p_value": mcnemar.p_value,
            });
        }
        if let Some(difference) = self.difference {
            json["difference"] = json!(difference);
        }
        json
    }
}

/// A probability with two digits that count.
fn probability(p: f64) -> String {
    match p {
        ..0.0001 => "below 0.0001".into(),
        ..0.001 => format!("{p:.5}"),
        ..0.01 => format!("{p:.4}"),
        ..0.1 => format!("{p:.3}"),
        _ => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::probability;

    #[test]
    fn probabilities_have_two_digits_that_count() {
        let found = [0.453_125, 0.031_25, 0.003_21, 0.000_85, 8.5e-5, 1.0].map(probability);
        assert_eq!(found, ["0.45", "0.031", "0.0032", "0.00085", "below 0.0001", "1.00"]);
    }
}
