//! BERT's normalisation, pre-tokenization and WordPiece, in one pass over the text.

use crate::encode::Tokens;
use crate::unicode::{class, decompose, is_chinese, lowercase};
use crate::vocabulary::Vocabulary;
use crate::word::WordBuffer;

/// The bytes that are ASCII letters or digits.
static IS_ALPHANUMERIC: [bool; 256] = is_alphanumeric();

const fn is_alphanumeric() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
}

impl Vocabulary<'_> {
    /// Appends the tokens of `text`, without `[CLS]` and `[SEP]`, until it ends or `output` has enough.
    pub(crate) fn tokenize(&self, text: &str, output: &mut Tokens<'_>) {
        let mut words = WordSplitter { vocabulary: self, word: WordBuffer::new(), output };
        let mut rest = text;
        while !words.output.is_enough() {
            // Most texts are mostly letters and digits, which need no more than the lower case.
            let plain = rest.bytes().take_while(|&byte| IS_ALPHANUMERIC[usize::from(byte)]).count();
            if let Some((run, after)) = rest.split_at_checked(plain) {
                words.word.push_alphanumeric(run.as_bytes(), self.options().lowercase);
                rest = after;
            }
            let mut after = rest.chars();
            let Some(c) = after.next() else { break };
            rest = after.as_str();
            if c == '['
                && let Some((id, after)) = self.special_piece(rest)
            {
                words.end_word();
                words.output.push(id);
                rest = after;
            } else {
                words.add(c);
            }
        }
        words.end_word();
    }

    /// Returns the special piece whose text after the `[` is at the start of `text`, and the rest of `text`. Special
    /// pieces are searched before any normalisation.
    fn special_piece<'t>(&self, text: &'t str) -> Option<(u32, &'t str)> {
        self.special().with_texts().into_iter().find_map(|(piece, id)| {
            let after = text.strip_prefix(piece.strip_prefix('[')?)?;
            Some((id?, after))
        })
    }
}

/// Takes characters and writes the tokens of whole words.
struct WordSplitter<'v, 'o, 't> {
    vocabulary: &'v Vocabulary<'v>,
    word: WordBuffer,
    output: &'o mut Tokens<'t>,
}

impl WordSplitter<'_, '_, '_> {
    /// Takes a character of the text that is not an ASCII letter or digit.
    fn add(&mut self, c: char) {
        match c {
            '\t' | '\n' | '\r' | ' ' => self.end_word(),
            '!'..='~' => self.add_alone(c),
            '\0'..='\x7f' => {}
            _ => self.add_non_ascii(c),
        }
    }

    fn add_non_ascii(&mut self, c: char) {
        let options = self.vocabulary.options();
        let class = class(c);
        if class.is_removed() {
            return;
        }
        let alone = options.split_chinese && is_chinese(c);
        if class.is_space() || alone {
            self.end_word();
        }
        if class.is_space() {
            return;
        }
        if options.strip_accents {
            decompose(c, |part| self.add_decomposed(part));
        } else {
            self.add_in_lower_case(c, class.is_punctuation());
        }
        if alone {
            self.end_word();
        }
    }

    /// Takes a character of a canonical decomposition, in the order before canonical reordering.
    fn add_decomposed(&mut self, c: char) {
        let class = class(c);
        let combining = class.combining();
        if class.is_nonspacing_mark() {
            if combining == 0 {
                self.word.set_barrier();
            }
        } else if combining == 0 {
            self.add_in_lower_case(c, class.is_punctuation());
        } else {
            self.word.push_mark(c, combining);
        }
    }

    fn add_in_lower_case(&mut self, c: char, is_punctuation: bool) {
        if is_punctuation {
            self.add_alone(c);
        } else if self.vocabulary.options().lowercase {
            let (lower, more) = lowercase(c);
            self.word.push(lower);
            more.into_iter().for_each(|mark| self.word.push(mark));
        } else {
            self.word.push(c);
        }
    }

    /// Writes a character that is a word of its own, such as punctuation.
    fn add_alone(&mut self, c: char) {
        self.end_word();
        self.word.push(c);
        self.end_word();
    }

    /// Writes the pieces of the word, or `[UNK]` if some part of it has none, and begins the next word.
    fn end_word(&mut self) {
        if !self.word.is_empty() {
            let before = self.output.count();
            if !self.push_pieces() {
                self.output.truncate(before);
                self.output.push(self.vocabulary.special().unk);
            }
        }
        self.word.clear();
    }

    /// Writes the pieces of the word by WordPiece: first the longest piece, then the longest continuation, to the end
    /// of the word. Returns whether every part has a piece.
    fn push_pieces(&mut self) -> bool {
        let Some(mut rest) = self.word.as_bytes() else { return false };
        let mut continuation = false;
        while !rest.is_empty() {
            let Some((id, bytes)) = self.vocabulary.longest_prefix(rest, continuation) else { return false };
            self.output.push(id);
            rest = rest.get(bytes..).unwrap_or_default();
            continuation = true;
        }
        true
    }
}
