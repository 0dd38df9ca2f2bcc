//! The character properties that BERT's normalisation needs, in 25 KB of sorted tables.
//!
//! They are not the newest properties, but those of Unicode 9 and earlier that Hugging Face `tokenizers` has, because
//! models were trained with them. `tests/tables.rs` generates [`tables`] from the crates that `tokenizers` uses and
//! compares.

#[rustfmt::skip]
mod tables;

use tables::{CLASS_RANGES, CLASSES, DECOMPOSED, DECOMPOSED_STARTS, DECOMPOSITIONS, LOWERCASE};

/// The properties of a character that normalisation needs, apart from its decomposition and its lower case.
#[derive(Clone, Copy)]
pub(crate) struct Class(u16);

impl Class {
    /// Returns whether normalisation removes the character: control, format, private use, NUL and U+FFFD.
    pub(crate) fn is_removed(self) -> bool {
        self.0 & 1 != 0
    }

    /// Returns whether the character is white space that is not removed.
    pub(crate) fn is_space(self) -> bool {
        self.0 & 2 != 0
    }

    /// Returns whether the character is punctuation, a word of its own.
    pub(crate) fn is_punctuation(self) -> bool {
        self.0 & 4 != 0
    }

    /// Returns whether the character has the general category Mn, which "strip accents" strips.
    pub(crate) fn is_nonspacing_mark(self) -> bool {
        self.0 & 8 != 0
    }

    /// Returns the canonical combining class; 0 is a starter.
    pub(crate) fn combining(self) -> u8 {
        (self.0 >> 8) as u8
    }
}

/// Returns the class of any character.
pub(crate) fn class(c: char) -> Class {
    let next = CLASS_RANGES.partition_point(|range| range >> 8 <= c as u32);
    let range = next.checked_sub(1).and_then(|i| CLASS_RANGES.get(i));
    let class = range.and_then(|range| CLASSES.get((range & 0xff) as usize));
    Class(class.copied().unwrap_or(0))
}

/// Returns whether the character lies in the blocks of ideographs around which BERT puts spaces
/// (`handle_chinese_chars`).
pub(crate) fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2b73f}'
            | '\u{2b740}'..='\u{2b81f}'
            | '\u{2b920}'..='\u{2ceaf}'
            | '\u{2f800}'..='\u{2fa1f}'
    )
}

/// Calls `emit` for each character of the canonical decomposition (NFD, before reordering) of `c`, without the
/// non-spacing marks of a combining class above 0: stripping removes those, and they play no part in the reordering.
pub(crate) fn decompose(c: char, mut emit: impl FnMut(char)) {
    if let Some(syllable) = (c as u32).checked_sub(0xac00).filter(|s| *s < 11172) {
        // Hangul by arithmetic: Unicode standard, section 3.12.
        let jamo = [0x1100 + syllable / 588, 0x1161 + syllable % 588 / 28, 0x11a7 + syllable % 28];
        let used = if syllable % 28 == 0 { 2 } else { 3 };
        jamo.into_iter().take(used).filter_map(char::from_u32).for_each(emit);
    } else {
        match DECOMPOSED.binary_search(&(c as u32)) {
            Ok(i) => decomposition(i).chars().for_each(emit),
            Err(_) => emit(c),
        }
    }
}

/// Returns the decomposition of the `i`-th character that has one.
fn decomposition(i: usize) -> &'static str {
    let start = DECOMPOSED_STARTS.get(i).copied().unwrap_or(0);
    let end = DECOMPOSED_STARTS.get(i + 1).copied().unwrap_or(0);
    DECOMPOSITIONS.get(start.into()..end.into()).unwrap_or("")
}

/// Returns the lower case of one character; only U+0130 has two characters. There is no rule for a final sigma.
pub(crate) fn lowercase(c: char) -> (char, Option<char>) {
    if c == '\u{130}' {
        return ('i', Some('\u{307}'));
    }
    let next = LOWERCASE.partition_point(|range| range.first <= c as u32);
    let range = next.checked_sub(1).and_then(|i| LOWERCASE.get(i));
    let lower = range
        .filter(|range| c as u32 <= range.last && (c as u32 - range.first) & range.skip == 0)
        .and_then(|range| char::from_u32((c as u32).wrapping_add_signed(range.delta)));
    (lower.unwrap_or(c), None)
}

/// Upper-case characters `first..=last`, every one (`skip` 0) or every second (`skip` 1), that have their lower case
/// `delta` further on.
struct Lowercase {
    first: u32,
    last: u32,
    skip: u32,
    delta: i32,
}
