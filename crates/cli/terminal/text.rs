//! Text for people: what reaches a terminal has no characters that would move its cursor, hide other text or begin a
//! new line of the output's protocol.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;

/// Prints a line to standard error. An error cannot be told to anybody there, and must not end a long run: the reader
/// of a pipe may be gone, and a disk may be full.
pub fn say(line: impl Display) {
    let line = line.to_string();
    let _ = writeln!(std::io::stderr(), "{}", safe_lines(&line));
}

/// `text` for one place of one line: control characters, line breaks and tabs among them, and characters that change
/// the direction of the text are written as escape sequences of Rust.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// The same for text of several lines, with columns between tabs.
pub fn safe_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_control(character) && !matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_escaped(character) {
            // Gives `\n` and `\t` for line breaks and tabs, and the number of other characters.
            true if character.is_ascii_whitespace() => escaped.extend(character.escape_default()),
            true => escaped.extend(character.escape_unicode()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, separators of lines and paragraphs, and marks that change the direction of the text.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["play some jazz", "Größe, 爵士, 🎷", ""] {
            assert!(matches!(on_one_line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(on_one_line("new\nline\ttab\r"), r"new\nline\ttab\r");
        assert_eq!(on_one_line("\u{1b}[2Jgone"), r"\u{1b}[2Jgone");
        assert_eq!(on_one_line("\u{9b}2J\u{202e}abc"), r"\u{9b}2J\u{202e}abc");
        assert_eq!(safe_lines("one\n\ttwo\u{7}\r\n"), "one\n\ttwo\\u{7}\\r\n");
    }
}
