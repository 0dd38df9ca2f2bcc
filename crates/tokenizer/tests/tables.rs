//! Generates `src/unicode/tables.rs` from the crates that Hugging Face `tokenizers` takes its properties from, and
//! compares: the tables cannot drift. `TINYBERT_BLESS=1 cargo test -p tinybert-tokenizer --test tables` writes the
//! file.

use std::fmt::Write;
use std::path::Path;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

const FLAG_REMOVED: u16 = 1;
const FLAG_SPACE: u16 = 2;
const FLAG_PUNCTUATION: u16 = 4;
const FLAG_NONSPACING: u16 = 8;

fn scalars() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// Flags in the low byte, combining class in the high one.
fn class(c: char) -> u16 {
    let tab_or_line_end = matches!(c, '\t' | '\n' | '\r');
    let removed = matches!(c, '\0' | '\u{fffd}') || (c.is_other() && !tab_or_line_end);
    let mut class = u16::from(canonical_combining_class(c)) << 8;
    if removed {
        class |= FLAG_REMOVED;
    } else if c.is_whitespace() {
        class |= FLAG_SPACE;
    }
    if c.is_ascii_punctuation() || c.is_punctuation() {
        class |= FLAG_PUNCTUATION;
    }
    if c.is_mark_nonspacing() {
        class |= FLAG_NONSPACING;
    }
    class
}

/// Prints `values` as rows of a Rust array's body.
fn rows<T>(out: &mut String, values: &[T], per_row: usize, print: impl Fn(&T) -> String) {
    for row in values.chunks(per_row) {
        let row: Vec<String> = row.iter().map(&print).collect();
        writeln!(out, "    {},", row.join(", ")).unwrap();
    }
    out.push_str("];\n\n");
}

fn write_classes(out: &mut String) {
    let mut classes: Vec<u16> = vec![];
    let mut ranges: Vec<u32> = vec![];
    let mut previous = None;
    for c in scalars() {
        let class = class(c);
        if previous == Some(class) {
            continue;
        }
        previous = Some(class);
        let index = classes.iter().position(|&known| known == class).unwrap_or_else(|| {
            classes.push(class);
            classes.len() - 1
        });
        ranges.push((c as u32) << 8 | u32::try_from(index).unwrap());
    }
    assert!(classes.len() <= 256);
    writeln!(out, "/// First character << 8 | index into `CLASSES`; a range ends where the next begins.")
        .unwrap();
    writeln!(out, "pub(super) static CLASS_RANGES: [u32; {}] = [", ranges.len()).unwrap();
    rows(out, &ranges, 10, |range| format!("{range:#x}"));
    writeln!(out, "/// Combining class << 8 | non-spacing 8 | punctuation 4 | space 2 | removed 1.").unwrap();
    writeln!(out, "pub(super) static CLASSES: [u16; {}] = [", classes.len()).unwrap();
    rows(out, &classes, 16, |class| format!("{class:#x}"));
}

fn write_decompositions(out: &mut String) {
    let mut decomposed: Vec<u32> = vec![];
    let mut starts: Vec<usize> = vec![];
    let mut pool = String::new();
    for c in scalars().filter(|c| !('\u{ac00}'..='\u{d7a3}').contains(c)) {
        let mut full = String::new();
        decompose_canonical(c, |d| full.push(d));
        if full.chars().eq([c]) {
            continue;
        }
        decomposed.push(c as u32);
        starts.push(pool.len());
        pool.extend(full.chars().filter(|&d| !d.is_mark_nonspacing() || canonical_combining_class(d) == 0));
    }
    starts.push(pool.len());
    assert!(pool.len() <= usize::from(u16::MAX));
    writeln!(out, "/// The characters that have a canonical decomposition, but for Hangul syllables.")
        .unwrap();
    writeln!(out, "pub(super) static DECOMPOSED: [u32; {}] = [", decomposed.len()).unwrap();
    rows(out, &decomposed, 14, |c| format!("{c:#x}"));
    writeln!(out, "/// Byte offset into `DECOMPOSITIONS` for each of `DECOMPOSED`, and the end.").unwrap();
    writeln!(out, "pub(super) static DECOMPOSED_STARTS: [u16; {}] = [", starts.len()).unwrap();
    rows(out, &starts, 18, |start| start.to_string());
    writeln!(out, "/// The decompositions without non-spacing marks of combining class above 0.").unwrap();
    writeln!(out, "pub(super) const DECOMPOSITIONS: &str = \"\\").unwrap();
    for row in pool.chars().collect::<Vec<_>>().chunks(16) {
        let row: String = row
            .iter()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { c.escape_unicode().to_string() })
            .collect();
        writeln!(out, "    {row}\\").unwrap();
    }
    out.push_str("\";\n\n");
}

fn write_lowercase(out: &mut String) {
    // first, last, skip, delta
    let mut ranges: Vec<(u32, u32, u32, i64)> = vec![];
    for c in scalars().filter(|&c| c != '\u{130}') {
        let lower: Vec<char> = c.to_lowercase().collect();
        let [lower] = lower[..] else { panic!("{c:?} has {} lower-case characters", lower.len()) };
        if lower == c {
            continue;
        }
        let (c, delta) = (c as u32, i64::from(lower as u32) - i64::from(c as u32));
        match ranges.last_mut() {
            Some((first, last, skip, d))
                if *d == delta && (*first == *last || c - *last == *skip + 1) && c - *last <= 2 =>
            {
                *skip = c - *last - 1;
                *last = c;
            }
            _ => ranges.push((c, c, 0, delta)),
        }
    }
    writeln!(out, "/// Lower case, sorted.").unwrap();
    writeln!(out, "pub(super) static LOWERCASE: [Lowercase; {}] = [", ranges.len()).unwrap();
    rows(out, &ranges, 1, |(first, last, skip, delta)| {
        format!("Lowercase {{ first: {first:#x}, last: {last:#x}, skip: {skip}, delta: {delta} }}")
    });
}

#[test]
fn the_tables_are_those_of_the_crates_that_hugging_face_uses() {
    let mut expected = String::from(
        "//! Generated by `tests/tables.rs`; do not edit.\n//!\n\
         //! Categories of `unicode_categories` 0.1.1, decompositions and combining classes of\n\
         //! `unicode-normalization-alignments` 0.1.12, white space and lower case of the standard library.\n\n\
         use super::Lowercase;\n\n",
    );
    write_classes(&mut expected);
    write_decompositions(&mut expected);
    write_lowercase(&mut expected);
    let expected = expected.trim_end().to_owned() + "\n";

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/unicode/tables.rs");
    if std::env::var_os("TINYBERT_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the crates give; TINYBERT_BLESS=1 writes it anew",
        path.display()
    );
}

/// The normaliser relies on this without a check.
#[test]
fn marks_and_lower_case_keep_clear_of_word_boundaries() {
    for c in scalars() {
        let combining = canonical_combining_class(c);
        let boundary = FLAG_REMOVED | FLAG_SPACE | FLAG_PUNCTUATION;
        if combining != 0 {
            assert_eq!(
                class(c) & (FLAG_SPACE | FLAG_PUNCTUATION),
                0,
                "{c:?} would end a word inside a run of marks"
            );
            assert!(c.to_lowercase().eq([c]), "{c:?} is a mark with a lower case");
        }
        if !c.to_lowercase().eq([c]) {
            let lower = c.to_lowercase().next().unwrap();
            assert_eq!(class(c) & boundary, class(lower) & boundary, "{c:?} changes its class in lower case");
        }
        if class(c) & (FLAG_REMOVED | FLAG_SPACE) == 0 {
            decompose_canonical(c, |d| {
                assert_eq!(class(d) & FLAG_SPACE, 0, "{c:?} decomposes into a space");
            });
        }
    }
}
