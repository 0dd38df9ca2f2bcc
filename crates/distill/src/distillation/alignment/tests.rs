//! Alignment by words against numbers of PyTorch (see `tests/reference/alignment.py`).

use candle_core::Var;
use serde_json::Value;

use super::*;
use crate::losses::{attention_mse, hidden_mse};
use tinybert_model::TextEncoder;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/alignment.json")).unwrap()
}

fn numbers(list: &Value) -> Vec<f32> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

/// The places of one side's tokens.
fn places(tokens: &Value) -> Vec<TokenPlace> {
    let tokens: Vec<Option<(usize, usize)>> = serde_json::from_value(tokens.clone()).unwrap();
    let last = tokens.len() - 1;
    let place = |(at, token): (usize, Option<(usize, usize)>)| match token {
        Some((start, end)) => TokenPlace::Text { text: 0, bytes: start..end },
        None => TokenPlace::Special(usize::from(at == last)),
    };
    tokens.into_iter().enumerate().map(place).collect()
}

/// The words of a text by BERT's rules; the vocabulary knows none of them.
fn spans(text: &str) -> Vec<Range<usize>> {
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(String::from);
    let encoder = TextEncoder::from_pieces(pieces.into(), true).unwrap();
    encoder.words(text).unwrap().into_iter().map(|word| word.span).collect()
}

fn alignment(reference: &Value) -> WordAlignment {
    let samples = reference["samples"].as_array().unwrap().iter().map(|sample| {
        let words = [spans(sample["text"].as_str().unwrap()), Vec::new()];
        words_of_tokens(&words, &places(&sample["student"]), &places(&sample["teacher"]))
    });
    let mut alignment = WordAlignment::default();
    samples.for_each(|(ours, theirs, count)| alignment.push(&ours, &theirs, count));
    alignment
}

#[test]
fn losses_and_gradients_are_those_of_an_independent_script() {
    let reference = reference();
    let alignment = alignment(&reference);
    let counts: Vec<usize> = numbers(&reference["counts"]).into_iter().map(|count| count as usize).collect();
    assert_eq!(alignment.counts(&[0, 1]), counts);

    let (b, heads, hidden, ours, theirs) = (2, 2, 3, 10, 9);
    let tensor = |kind: &str, side: &str, shape: &[usize]| {
        Tensor::from_vec(numbers(&reference[kind][side]), shape, &Device::Cpu).unwrap()
    };
    let states = Var::from_tensor(&tensor("states", "student", &[b, ours, hidden])).unwrap();
    let scores = Var::from_tensor(&tensor("scores", "student", &[b, heads, ours, ours])).unwrap();
    let student = alignment.student(&[0, 1], ours, &Device::Cpu).unwrap();
    let teacher = alignment.teacher(&[0, 1], theirs, &Device::Cpu).unwrap();
    let target = teacher.states(&tensor("states", "teacher", &[b, theirs, hidden])).unwrap();
    let hidden_loss = hidden_mse(&student.states(&states).unwrap(), &target, &counts).unwrap();
    let target = teacher.scores(&tensor("scores", "teacher", &[b, heads, theirs, theirs])).unwrap();
    let attention_loss = attention_mse(&student.scores(&scores).unwrap(), &target, &counts).unwrap();
    for (name, loss) in [("hidden", &hidden_loss), ("attention", &attention_loss)] {
        let (found, expected) =
            (loss.to_scalar::<f32>().unwrap(), reference["losses"][name].as_f64().unwrap());
        assert!((f64::from(found) - expected).abs() < 1e-5 * expected, "{name}: {found}, not {expected}");
    }

    let gradients = (hidden_loss + attention_loss).unwrap().backward().unwrap();
    for (name, var) in [("states", &states), ("scores", &scores)] {
        let found: Vec<f32> = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        for (found, expected) in found.into_iter().zip(numbers(&reference["gradients"][name])) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found}, not {expected}");
        }
    }
}

#[test]
fn samples_in_any_order_and_of_any_padding_pool_alike() {
    let alignment = alignment(&reference());
    let values: Vec<f32> = (0..2 * 12).map(|i| (i as f32 * 0.7).sin()).collect();
    let states = Tensor::from_vec(values, (2, 12, 1), &Device::Cpu).unwrap();
    let swapped =
        Tensor::cat(&[states.narrow(0, 1, 1).unwrap(), states.narrow(0, 0, 1).unwrap()], 0).unwrap();
    let pool = |samples: &[usize], states: &Tensor| {
        let pooled = alignment.student(samples, 12, &Device::Cpu).unwrap().states(states).unwrap();
        pooled.squeeze(2).unwrap().to_vec2::<f32>().unwrap()
    };
    let (straight, turned) = (pool(&[0, 1], &states), pool(&[1, 0], &swapped));
    assert_eq!((&straight[0], &straight[1]), (&turned[1], &turned[0]));
}

#[test]
fn the_words_of_a_pair_are_counted_text_by_text() {
    let special = TokenPlace::Special;
    let piece = |text, bytes| TokenPlace::Text { text, bytes };
    let words = [std::iter::once(0..3).collect(), vec![0..3, 4..6]];
    let student = [special(0), piece(0, 0..3), special(1), piece(1, 0..3), piece(1, 4..6), special(2)];
    // Two separators, and the second text's words as one piece each; a piece of white space alone.
    let teacher = [
        special(0),
        piece(0, 0..2),
        piece(0, 2..3),
        special(1),
        special(1),
        piece(1, 0..3),
        piece(1, 4..4),
        piece(1, 4..6),
        special(2),
    ];
    let (ours, theirs, count) = words_of_tokens(&words, &student, &teacher);
    assert_eq!(count, 6);
    assert_eq!(ours, [0, 3, 1, 4, 5, 2]);
    assert_eq!(theirs, [0, 3, 3, 1, 1, 4, NONE, 5, 2]);
}
