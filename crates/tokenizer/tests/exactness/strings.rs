//! Generated nasty strings against Hugging Face. `TINYBERT_TOKENIZER_STRINGS` sets how many (1,000,000 for the full
//! check); `TINYBERT_VOCAB` names a `vocab.txt` that they are compared with as well.

use crate::both::{Both, SPECIAL, normalize};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeSet;
use tinybert_tokenizer::{MIN_TOKENS, Options, pack};
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::canonical_combining_class;

const DEFAULT_STRINGS: usize = 50_000;
/// Strings that share a vocabulary.
const BATCH: usize = 25_000;

struct Generator {
    random: ChaCha8Rng,
    /// Combining marks that stripping keeps, whose order therefore shows.
    kept_marks: Vec<char>,
    /// Marks that stripping removes, those of class 0 among them.
    stripped_marks: Vec<char>,
    punctuation: Vec<char>,
    controls_and_spaces: Vec<char>,
    cased: Vec<char>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let all = |keep: fn(&char) -> bool| ('\0'..=char::MAX).filter(keep).collect();
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            kept_marks: all(|c| canonical_combining_class(*c) != 0 && !c.is_mark_nonspacing()),
            stripped_marks: all(|c| c.is_mark_nonspacing()),
            punctuation: all(|c| c.is_punctuation() || c.is_ascii_punctuation()),
            controls_and_spaces: all(|c| c.is_whitespace() || c.is_other_control() || c.is_other_format()),
            cased: all(|c| !c.to_lowercase().eq([*c]) || !c.to_uppercase().eq([*c])),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.random.next_u64() % n as u64) as usize
    }

    fn one_of(&mut self, characters: &[char]) -> char {
        characters[self.below(characters.len())]
    }

    fn within(&mut self, first: u32, last: u32) -> char {
        let value = first + self.below((last - first + 1) as usize) as u32;
        char::from_u32(value).unwrap_or('x')
    }

    /// Appends up to `most` characters of one kind.
    fn run(&mut self, out: &mut String, most: usize, mut character: impl FnMut(&mut Self) -> char) {
        for _ in 0..=self.below(most) {
            let c = character(self);
            out.push(c);
        }
    }

    fn marks(&mut self, out: &mut String) {
        let most = if self.below(20) == 0 { 150 } else { 8 };
        self.run(out, most, |g| match g.below(3) {
            0 => g.one_of(&g.stripped_marks.clone()),
            _ => g.one_of(&g.kept_marks.clone()),
        });
    }

    fn special(&mut self, out: &mut String) {
        const LOOKALIKES: [&str; 9] = [
            "[SEP",
            "[[SEP]]",
            "[sep]",
            "[ SEP]",
            "[S\u{301}EP]",
            "[\0SEP]",
            "[SEP][",
            "[CLS]]",
            "[UNK]\u{302e}",
        ];
        let choice = self.below(SPECIAL.len() + LOOKALIKES.len());
        out.push_str(SPECIAL.iter().chain(&LOOKALIKES).nth(choice).unwrap());
    }

    fn string(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..self.below(10) {
            match self.below(16) {
                0 | 1 => self.run(&mut out, 9, |g| g.within(0x61, 0x7a)),
                2 => self.run(&mut out, 9, |g| g.within(0x20, 0x7e)),
                3 => self.run(&mut out, 6, |g| g.within(0xc0, 0x24f)),
                4 => self.marks(&mut out),
                5 => {
                    let letter = self.within(0x61, 0x7a);
                    out.push(letter);
                    self.marks(&mut out);
                }
                6 => self.run(&mut out, 4, |g| g.one_of(&g.controls_and_spaces.clone())),
                7 => self.run(&mut out, 4, |g| g.one_of(&g.punctuation.clone())),
                8 => self.run(&mut out, 4, |g| g.within(0x4e00, 0x9fff)),
                9 => self.run(&mut out, 4, |g| g.within(0xac00, 0xd7a3)),
                10 => self.run(&mut out, 5, |g| match g.below(4) {
                    0 => '\u{200d}',
                    1 => '\u{fe0f}',
                    2 => g.within(0x1f1e6, 0x1f1ff),
                    _ => g.within(0x1f300, 0x1faff),
                }),
                11 => self.run(&mut out, 6, |g| g.one_of(&g.cased.clone())),
                12 => self.special(&mut out),
                13 => self.run(&mut out, 6, |g| g.within(0x80, 0x33ff)),
                14 => self.run(&mut out, 3, |g| g.within(0, 0x10_ffff)),
                _ if self.below(4) == 0 => {
                    // Around the limit of 100 characters of a word.
                    for _ in 0..90 {
                        let letter = self.within(0x61, 0x7a);
                        out.push(letter);
                    }
                    self.run(&mut out, 20, |g| g.within(0x61, 0xff));
                }
                _ => out.push(' '),
            }
        }
        out
    }

    /// Most characters that come out of the normalisation of `texts`, beginning and continuing a word, and some
    /// fragments of words; what is missing makes `[UNK]`.
    fn pieces(&mut self, texts: &[String], options: Options) -> Vec<String> {
        let mut pieces = BTreeSet::new();
        for text in texts {
            let normalized = normalize(text, options);
            for word in normalized.split_whitespace() {
                let characters: Vec<char> = word.chars().collect();
                if self.below(4) == 0 {
                    let start = self.below(characters.len());
                    let fragment: String = characters[start..].iter().take(2 + self.below(5)).collect();
                    pieces.insert(fragment.clone());
                    pieces.insert(format!("##{fragment}"));
                }
                pieces.extend(characters.iter().flat_map(|c| [c.to_string(), format!("##{c}")]));
            }
        }
        pieces.retain(|_| self.below(50) != 0);
        SPECIAL.iter().for_each(|special| {
            pieces.remove(*special);
        });
        SPECIAL.iter().map(|&special| special.to_owned()).chain(pieces).collect()
    }
}

fn compare_strings(options: Options, seed: u64) {
    let strings = std::env::var("TINYBERT_TOKENIZER_STRINGS").map_or(DEFAULT_STRINGS, |n| n.parse().unwrap());
    let real = std::env::var("TINYBERT_VOCAB").ok().map(|path| std::fs::read_to_string(path).unwrap());
    let real: Option<Vec<&str>> = real.as_ref().map(|text| text.lines().map(str::trim_end).collect());
    let real_packed = real.as_ref().map(|pieces| pack(pieces, options).unwrap());
    let mut real = real.zip(real_packed.as_ref()).map(|(pieces, packed)| Both::new(&pieces, packed));
    let mut generator = Generator::new(seed);
    for start in (0..strings).step_by(BATCH) {
        let texts: Vec<String> = (start..strings.min(start + BATCH)).map(|_| generator.string()).collect();
        let pieces = generator.pieces(&texts, options);
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let packed = pack(&pieces, options).unwrap();
        let mut both = Both::new(&pieces, &packed);
        for (i, text) in texts.iter().enumerate() {
            let pair = (generator.below(4) == 0).then(|| texts[(i + 1) % texts.len()].as_str());
            let max_tokens = if generator.below(2) == 0 { MIN_TOKENS + generator.below(40) } else { 4096 };
            both.compare(text, pair, max_tokens);
            if let Some(real) = &mut real {
                real.compare(text, pair, max_tokens);
            }
        }
    }
    println!("{strings} strings, no difference");
}

#[test]
fn uncased() {
    compare_strings(Options::UNCASED, 1);
}

#[test]
fn cased() {
    compare_strings(Options::CASED, 2);
}

#[test]
fn lower_case_with_accents() {
    compare_strings(Options { strip_accents: false, ..Options::UNCASED }, 3);
}
