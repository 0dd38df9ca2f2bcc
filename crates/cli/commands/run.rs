//! `run`: answers text.

use std::io::BufRead;
use std::ops::Range;
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};
use tinybert_base::files::BYTE_ORDER_MARK;
use tinybert_base::{Error, Result};
use tinybert_data::TextPrompts;
use tinybert_data::metrics::entities;
use tinybert_evaluate::predictor::{PredictedAnswer, PredictedTag, Prediction, Predictor, Question};
use tinybert_model::ListedPrompts;
use tinybert_nn::device::Compute;

use crate::args::ModelArgs;
use crate::invocation::Invocation;
use crate::standard_output::{print_json, print_line};
use crate::terminal::{Terminal, on_one_line};

/// The name of standard input in errors.
const STANDARD_INPUT: &str = "standard input";

/// Answers one text, or every line of standard input.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The text. Without it, every line of standard input is a text, or a pair of sentences with a tab
    /// between them.
    text: Option<String>,
    /// Second sentence, for models of sentence pairs.
    #[arg(long, value_name = "TEXT", requires = "text")]
    pair: Option<String>,
    /// For sentence encoders: the prompt before every text, such as "query: ", or its name in the list of the model's
    /// folder.
    #[arg(long, value_name = "PROMPT")]
    prompt: Option<String>,
    /// Print a JSON object per answer.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RunArgs, invocation: &Invocation) -> Result<()> {
    // The terminal is for a model that is fetched. Answering needs none.
    let terminal = Terminal::open(invocation)?;
    let local = args.model.locate(&terminal.context())?;
    let predictor = args.model.open_at(&local, &Compute::cpu(), false, &terminal.context())?;
    let labels = predictor.labels()?;
    let printed: Vec<String> = labels.iter().map(|label| on_one_line(label).into_owned()).collect();
    let prompts = args.prompts(&predictor, &local.path)?;
    let prompted = |(text, pair): Question| prompts.before(text, pair);
    let print = |question: &Question, reply: Prediction| {
        if args.json {
            print_json(&to_json(question, &reply, &labels))
        } else {
            print_line(to_text(question, &reply, &printed))
        }
    };
    match &args.text {
        Some(text) => predictor.answer_each([Ok(prompted((text.clone(), args.pair.clone())))], print),
        None => {
            let lines = questions(std::io::stdin().lock(), predictor.takes_pairs()?);
            predictor.answer_each(lines.map(|question| question.map(prompted)), print)
        }
    }
}

impl RunArgs {
    /// The prompts before the texts: none unless the model is a sentence encoder.
    fn prompts(&self, predictor: &Predictor, model: &Path) -> Result<TextPrompts> {
        match (predictor.embeds()?, &self.prompt) {
            (true, prompt) => {
                let text = ListedPrompts::of_folder(model)?.text(prompt.as_deref())?;
                Ok(TextPrompts { pair: text.clone(), text })
            }
            (false, None) => Ok(TextPrompts::default()),
            (false, Some(_)) => {
                Err(Error::Usage("--prompt is for sentence encoders, and this model is none".into()))
            }
        }
    }
}

/// One question per line, read as the devices read it: the second sentence follows the first tab. `pairs`
/// says whether the model reads pairs.
fn questions(input: impl BufRead, pairs: bool) -> impl Iterator<Item = Result<Question>> {
    input.split(b'\n').enumerate().map(move |(index, line)| {
        let mut line = line.map_err(Error::io(STANDARD_INPUT))?;
        if index == 0 && line.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        question(line, pairs).map_err(|what| Error::line(STANDARD_INPUT, index + 1, what))
    })
}

/// The question on a line.
fn question(line: Vec<u8>, pairs: bool) -> std::result::Result<Question, &'static str> {
    let mut text = String::from_utf8(line).map_err(|_| "the line is not UTF-8; convert it first")?;
    if text.ends_with('\r') {
        text.pop();
    }
    match text.split_once('\t') {
        None => Ok((text, None)),
        Some(_) if !pairs => {
            Err("a tab separates two sentences, and the model reads single texts; put a space there")
        }
        Some((first, second)) => Ok((first.to_owned(), Some(second.to_owned()))),
    }
}

/// What is printed for an answer without any of the labels that it may have.
const NO_LABEL: &str = "(none)";

/// What follows an answer that the image rejects.
const NOT_ACCEPTED: &str = "\t(not accepted)";

/// The answer as one line: `label<TAB>probability` and a mark if it is not accepted; labels one after the other with
/// tabs between them where an answer has any number of labels; the score; the vector, or the cosine of the vectors of a
/// pair; or `word/tag` for each word and then, behind tabs, `type: words` for each entity. `labels` are as they are
/// printed.
fn to_text((text, _): &Question, reply: &Prediction, labels: &[String]) -> String {
    let cut = if reply.truncated { format!("\t(cut to {} tokens)", reply.tokens) } else { String::new() };
    match &reply.answer {
        PredictedAnswer::Label { index, probabilities, accepted } => {
            let rejected = if *accepted { "" } else { NOT_ACCEPTED };
            format!("{}\t{:.4}{rejected}{cut}", labels[*index], probabilities[*index])
        }
        PredictedAnswer::LabelSet { indices, .. } if indices.is_empty() => format!("{NO_LABEL}{cut}"),
        PredictedAnswer::LabelSet { indices, probabilities } => {
            let each = indices.iter().map(|&label| format!("{}\t{:.4}", labels[label], probabilities[label]));
            each.collect::<Vec<_>>().join("\t") + &cut
        }
        PredictedAnswer::Score(score) | PredictedAnswer::Similarity(score) => format!("{score:.4}{cut}"),
        PredictedAnswer::Embedding(vector) => {
            let values: Vec<String> = vector.iter().map(ToString::to_string).collect();
            values.join(" ") + &cut
        }
        PredictedAnswer::Tags(words) => {
            let tagged = words
                .iter()
                .map(|word| format!("{}/{}", on_one_line(&text[word.range.clone()]), labels[word.tag]));
            let spans = entities(words, labels);
            let spans =
                spans.iter().map(|(kind, range)| format!("\t{kind}: {}", on_one_line(&text[range.clone()])));
            tagged.collect::<Vec<_>>().join(" ") + &spans.collect::<String>() + &cut
        }
    }
}

/// The type of each entity that the tags mark, and its range of bytes in the text.
fn entities<'l>(words: &[PredictedTag], labels: &'l [String]) -> Vec<(&'l str, Range<usize>)> {
    let tags = words.iter().map(|word| labels[word.tag].as_str());
    let bytes = |span: Range<usize>| words[span.start].range.start..words[span.end - 1].range.end;
    entities::entities(tags).into_iter().map(|entity| (entity.kind, bytes(entity.words))).collect()
}

/// The value of each label as a JSON object.
pub(super) fn by_label(labels: &[String], values: &[f32]) -> Value {
    let by_label: Map<_, _> = labels.iter().cloned().zip(values.iter().map(|value| json!(value))).collect();
    Value::Object(by_label)
}

/// The answer as a JSON object.
fn to_json((text, pair): &Question, reply: &Prediction, labels: &[String]) -> Value {
    let mut json = json!({ "text": text, "tokens": reply.tokens, "truncated": reply.truncated });
    if let Some(pair) = pair {
        json["pair"] = json!(pair);
    }
    match &reply.answer {
        PredictedAnswer::Label { index, probabilities, accepted } => {
            json["label"] = json!(labels[*index]);
            json["probability"] = json!(probabilities[*index]);
            json["accepted"] = json!(accepted);
            json["probabilities"] = by_label(labels, probabilities);
        }
        PredictedAnswer::LabelSet { indices, probabilities } => {
            json["labels"] = indices.iter().map(|&label| json!(labels[label])).collect();
            json["probabilities"] = by_label(labels, probabilities);
        }
        PredictedAnswer::Score(score) => json["score"] = json!(score),
        PredictedAnswer::Embedding(vector) => json["embedding"] = json!(vector),
        PredictedAnswer::Similarity(cosine) => json["cosine"] = json!(cosine),
        PredictedAnswer::Tags(words) => {
            let span = |range: &Range<usize>| json!({ "start": range.start, "end": range.end, "text": text[range.clone()] });
            let word = |word: &PredictedTag| {
                let mut json = span(&word.range);
                (json["tag"], json["probability"]) = (json!(labels[word.tag]), json!(word.probability));
                json
            };
            let entity = |(kind, range): (&str, Range<usize>)| {
                let mut json = span(&range);
                json["type"] = json!(kind);
                json
            };
            json["words"] = words.iter().map(word).collect();
            json["entities"] = entities(words, labels).into_iter().map(entity).collect();
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], pairs: bool) -> Vec<std::result::Result<Question, String>> {
        questions(input, pairs).map(|question| question.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn each_line_is_a_question_and_so_is_an_empty_one() {
        let found = read(b"play jazz\r\n\nstop", true);
        assert_eq!(found, ["play jazz", "", "stop"].map(|text| Ok((text.to_owned(), None))));
        assert_eq!(
            read(b"\xef\xbb\xbfplay", true),
            [Ok(("play".to_owned(), None))],
            "without byte order mark"
        );
    }

    #[test]
    fn the_first_tab_separates_a_pair() {
        let pair = |first: &str, second: &str| Ok((first.to_owned(), Some(second.to_owned())));
        assert_eq!(read(b"a b\tc\n\tonly\tsecond", true), [pair("a b", "c"), pair("", "only\tsecond")]);
        let found = read(b"single\na b\tc\n", false);
        assert_eq!(found[0], Ok(("single".to_owned(), None)));
        let error = found[1].as_ref().unwrap_err();
        assert!(error.contains("standard input:2") && error.contains("single texts"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_named_by_line() {
        let found = read(b"good\n\xff\xfe\n", false);
        assert!(found[0].is_ok());
        assert!(found[1].as_ref().unwrap_err().contains("standard input:2"), "{found:?}");
    }
}
