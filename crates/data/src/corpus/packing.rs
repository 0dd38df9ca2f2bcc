//! Windows of a document: whole sentences, as many as fit.

use std::ops::Range;

use tinybert_base::{Error, Result};
use tinybert_model::{TextEncoder, TokenPlace};

/// Sentences of a paragraph: each ends with the white space after `.`, `!`, `?` or `…` and what closes with it.
/// An abbreviation may end one too early, which costs a window a few tokens and nothing else.
fn sentences(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut ended = false;
    paragraph.split_inclusive(move |c: char| {
        if ended && c.is_whitespace() {
            ended = false;
            return true;
        }
        ended =
            matches!(c, '.' | '!' | '?' | '…') || (ended && matches!(c, '"' | '\'' | ')' | ']' | '”' | '’'));
        false
    })
}

/// Packs documents.
pub(super) struct Packer<'a> {
    text: &'a TextEncoder,
    /// Whether each piece continues a word, by id.
    continues: Vec<bool>,
    /// Pieces in a window, `[CLS]` and `[SEP]` not counted.
    room: usize,
}

impl<'a> Packer<'a> {
    pub fn new(text: &'a TextEncoder, max_tokens: usize) -> Result<Self> {
        let Some(room) = max_tokens.checked_sub(2).filter(|&room| room > 0) else {
            return Err(Error::Usage(format!(
                "windows of {max_tokens} tokens are too short; 3 is the least"
            )));
        };
        let continues = text.continuations();
        Ok(Self { text, continues, room })
    }

    /// Adds a part of a document, whole lines that begin at byte `start` of the corpus, to the windows so far.
    pub fn add(&self, packed: &mut PackedDocument, part: &str, start: u64) -> Result<()> {
        for sentence in part.lines().flat_map(sentences) {
            let ids = self.text.piece_ids(sentence)?;
            if packed.open.len() + ids.len() > self.room {
                self.finish(packed);
            }
            // A sentence is a part of its text, so that its place there is a difference of addresses.
            let at = start + (sentence.as_ptr() as usize - part.as_ptr() as usize) as u64;
            let place = |byte: usize| at + byte as u64;
            let starts = if ids.len() > self.room { self.piece_starts(sentence)? } else { Vec::new() };
            let mut from = 0;
            while ids.len() - from > self.room {
                let to = from + self.cut(&ids[from..]);
                packed.extend(&ids[from..to], place(starts[from])..place(starts[to]));
                self.finish(packed);
                from = to;
            }
            let first = starts.get(from).copied().unwrap_or(0);
            packed.extend(&ids[from..], place(first)..place(sentence.len()));
        }
        Ok(())
    }

    /// The byte at which each piece of a sentence begins.
    fn piece_starts(&self, sentence: &str) -> Result<Vec<usize>> {
        let places = self.text.places(sentence, None, usize::MAX)?;
        let start = |place| match place {
            TokenPlace::Text { bytes, .. } => Some(bytes.start),
            TokenPlace::Special(_) => None,
        };
        Ok(places.into_iter().filter_map(start).collect())
    }

    /// How many of `pieces`, which are more than fit, go into a window: up to a word's beginning if there is
    /// one.
    fn cut(&self, pieces: &[u32]) -> usize {
        let begins =
            |&at: &usize| !self.continues.get(pieces[at] as usize).is_some_and(|&continues| continues);
        (1..=self.room).rev().find(begins).unwrap_or(self.room)
    }

    /// Closes a window that holds anything.
    pub fn finish(&self, packed: &mut PackedDocument) {
        if !packed.open.is_empty() {
            let special = self.text.special();
            let ids = [special.cls].into_iter().chain(packed.open.drain(..)).chain([special.sep]).collect();
            packed.windows.push(Window { ids, bytes: packed.bytes.clone() });
        }
    }
}

/// A window of the corpus.
pub(super) struct Window {
    /// Token ids, `[CLS]` and `[SEP]` included.
    pub ids: Vec<u32>,
    /// Bytes of its text in the corpus.
    pub bytes: Range<u64>,
}

/// The windows of a document so far.
#[derive(Default)]
pub(super) struct PackedDocument {
    /// Those that are closed.
    pub windows: Vec<Window>,
    /// Pieces of the window that is not closed.
    open: Vec<u32>,
    /// Bytes of that window.
    bytes: Range<u64>,
}

impl PackedDocument {
    /// Adds pieces, which stand at `bytes`, to the window that is not closed.
    fn extend(&mut self, pieces: &[u32], bytes: Range<u64>) {
        if self.open.is_empty() {
            self.bytes.start = bytes.start;
        }
        self.open.extend_from_slice(pieces);
        self.bytes.end = bytes.end;
    }
}
