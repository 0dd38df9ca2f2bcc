//! Time to tokenize a sentence of 25 words, beside Hugging Face's tokenizer, and to open a vocabulary.
//!
//! `TINYBERT_VOCAB` names a `vocab.txt`, without which a small vocabulary of the texts' own words is used.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use tinybert_tokenizer::{Options, Vocabulary, pack};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// 25 words; 34 pieces of bert-base-uncased.
const ENGLISH: &str = "Please add the unreleased Thelonious Monk recordings from nineteen fifty to my bebop playlist, \
                       play something mellow and dim the kitchenette lights to forty percent.";
/// 28 words with accents, ideographs, Hangul and marks.
const MIXED: &str = "Añade la canción «Für Élise» à ma liste, s'il vous plaît; dann spiele 東京 소녀 от Чайковского и \
                     Ωδή στη χαρά, naïvely façade jalapeño čtvrtek i\u{307}stanbul dnes večer.";
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

fn vocab_txt() -> String {
    if let Ok(path) = std::env::var("TINYBERT_VOCAB") {
        return std::fs::read_to_string(path).unwrap();
    }
    let words = [ENGLISH, MIXED].map(str::to_lowercase).concat();
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters = ('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]);
    let pieces: Vec<String> =
        SPECIAL.map(String::from).into_iter().chain(words.map(String::from)).chain(letters).collect();
    pieces.join("\n")
}

fn huggingface(vocab_txt: &str) -> Tokenizer {
    let vocab = WordPiece::read_bytes(vocab_txt.as_bytes()).unwrap();
    let special = |piece: &str| (piece.to_owned(), vocab[piece]);
    let processing = BertProcessing::new(special("[SEP]"), special("[CLS]"));
    let mut tokenizer = Tokenizer::new(WordPiece::builder().vocab(vocab).build().unwrap());
    tokenizer.with_normalizer(Some(BertNormalizer::default())).unwrap();
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(processing));
    tokenizer.add_special_tokens(SPECIAL.map(|piece| AddedToken::from(piece, true))).unwrap();
    tokenizer
}

fn encode(criterion: &mut Criterion) {
    let vocab_txt = vocab_txt();
    let pieces: Vec<&str> = vocab_txt.lines().map(str::trim_end).collect();
    let packed = pack(&pieces, Options::UNCASED).unwrap();
    let vocabulary = Vocabulary::from_bytes(&packed).unwrap();
    let huggingface = huggingface(&vocab_txt);
    let (mut ids, mut type_ids) = ([0; 128], [0; 128]);
    for (name, text) in [("25 words", ENGLISH), ("28 words of many scripts", MIXED)] {
        let tokens = vocabulary.encode(text, None, &mut ids, &mut type_ids).unwrap().tokens;
        println!("{name}: {} pieces", tokens - 2);
        criterion.bench_function(&format!("encode/{name}/tinybert"), |bencher| {
            bencher.iter(|| vocabulary.encode(black_box(text), None, &mut ids, &mut type_ids).unwrap());
        });
        criterion.bench_function(&format!("encode/{name}/huggingface"), |bencher| {
            bencher.iter(|| huggingface.encode(black_box(text), true).unwrap());
        });
    }
    criterion.bench_function(&format!("open/{} pieces", pieces.len()), |bencher| {
        bencher.iter(|| Vocabulary::from_bytes(black_box(&packed)).unwrap());
    });
}

criterion_group!(benches, encode);
criterion_main!(benches);
