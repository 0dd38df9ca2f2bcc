//! Every Unicode scalar value, alone and inside a word, against Hugging Face.

use crate::both::{Both, SPECIAL, normalize};
use std::collections::BTreeSet;
use tinybert_tokenizer::{Options, pack};

/// Scalar values that share a vocabulary. It has every character that comes out of their normalisation, so that any
/// character lost, kept, split or changed by mistake changes an id.
const CHUNK: u32 = 0x8000;

fn compare_scalars(options: Options, end: u32) {
    for first in (0..end).step_by(CHUNK as usize) {
        let texts: Vec<String> =
            (first..first + CHUNK).filter_map(char::from_u32).map(|c| format!("{c} a{c}b")).collect();
        let characters: BTreeSet<char> =
            texts.iter().flat_map(|text| normalize(text, options).chars().collect::<Vec<_>>()).collect();
        let pieces: Vec<String> = characters.iter().flat_map(|c| [c.to_string(), format!("##{c}")]).collect();
        let pieces: Vec<&str> = SPECIAL.into_iter().chain(pieces.iter().map(String::as_str)).collect();
        let packed = pack(&pieces, options).unwrap();
        let mut both = Both::new(&pieces, &packed);
        texts.iter().for_each(|text| both.compare(text, None, 32));
    }
}

#[test]
fn uncased() {
    compare_scalars(Options::UNCASED, 0x11_0000);
}

#[test]
fn cased() {
    compare_scalars(Options::CASED, 0x11_0000);
}

/// The unusual combinations, where they can make a difference.
#[test]
fn lower_case_with_accents() {
    compare_scalars(Options { strip_accents: false, ..Options::UNCASED }, 0x2_0000);
}

#[test]
fn upper_case_without_accents_and_without_chinese() {
    compare_scalars(Options { strip_accents: true, lowercase: false, split_chinese: false }, 0x3_0000);
}
