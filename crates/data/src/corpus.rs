//! Raw text for the general stage: one paragraph per line, a blank line between documents.

use std::ops::Range;
use std::path::PathBuf;

use rayon::prelude::*;

use super::encoded::EncodedSet;
use super::shuffle::Shuffler;
use super::text;
use tinybert_base::{Context, Error, Result};
use tinybert_model::{TextEncoder, TokenPlace};

/// Documents of one or several files, in memory.
pub struct Corpus {
    /// Contents of the files.
    files: Vec<String>,
    documents: Vec<Document>,
}

/// The place of a document's paragraphs.
struct Document {
    /// Index into [`Corpus::files`].
    file: usize,
    /// Bytes of its text, from the first paragraph to the last.
    bytes: Range<usize>,
}

/// How text becomes windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// Largest length of a window in tokens, `[CLS]` and `[SEP]` included; at least 3.
    pub max_tokens: usize,
    /// Largest number of tokens of all windows together. With a limit, the documents are drawn at random, so
    /// that the part resembles the whole corpus; without a limit they come in file order.
    pub limit: Option<usize>,
    /// Seed of that draw.
    pub seed: u64,
}

impl Corpus {
    /// Reads the files and finds their documents.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for one that is not UTF-8 (with its line)
    /// or has no text.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut corpus = Self { files: Vec::new(), documents: Vec::new() };
        for (file, path) in paths.iter().enumerate() {
            let content = text::read(path)?;
            let known = corpus.documents.len();
            corpus.documents.extend(documents(&content).map(|bytes| Document { file, bytes }));
            if corpus.documents.len() == known {
                return Err(Error::input(path, "there is no text in this file"));
            }
            corpus.files.push(content);
        }
        Ok(corpus)
    }

    /// Number of documents.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// The text of every document, in file order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|document| self.text_of(document))
    }

    /// Packs the text into `[CLS] … [SEP]` windows on all cores.
    ///
    /// A window holds whole sentences of one document, as many as fit; a sentence that is longer than a window
    /// is cut between words. No token is lost and none occurs twice. The result depends on the corpus and
    /// `settings` alone, not on the number of threads.
    ///
    /// # Errors
    /// [`Error::Usage`] for `max_tokens` below 3; [`Error::Interrupted`] when the user asks to stop; as
    /// [`TextEncoder::piece_ids`].
    pub fn windows(
        &self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
    ) -> Result<EncodedSet> {
        Ok(self.windows_with_texts(text, settings, context)?.0)
    }

    /// [`Corpus::windows`] with the text of each window, for models that read it in other pieces.
    ///
    /// # Errors
    /// Returns the errors of [`Corpus::windows`].
    pub fn windows_with_texts(
        &self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
    ) -> Result<(EncodedSet, Vec<&str>)> {
        /// Bytes of text between two looks at `progress`.
        const BLOCK: usize = 4 << 20;

        let packer = Packer::new(text, settings.max_tokens)?;
        let mut order: Vec<&Document> = self.documents.iter().collect();
        if settings.limit.is_some() {
            // The streams of batches have the numbers of epochs, from 0. This stream has a number that no
            // epoch has.
            Shuffler::new(settings.seed, u64::MAX).shuffle(&mut order);
        }
        let limit = settings.limit.unwrap_or(usize::MAX);
        let (mut set, mut texts) = (EncodedSet::default(), Vec::new());
        let (mut rest, mut done) = (order.as_slice(), 0);
        context.progress.begin(
            "tokenize corpus (bytes)",
            order.iter().map(|document| document.bytes.len()).sum::<usize>() as u64,
        );
        while !rest.is_empty() && set.total_tokens() < limit {
            if context.should_stop() {
                let how = "stopped while tokenizing the corpus; start the same command again";
                return Err(Error::Interrupted(how.into()));
            }
            let mut bytes = 0;
            let full = |document: &&Document| {
                bytes += document.bytes.len();
                bytes >= BLOCK
            };
            let (block, later) =
                rest.split_at(rest.iter().position(full).map_or(rest.len(), |last| last + 1));
            let packed = block
                .par_iter()
                .map(|document| packer.pack(self.text_of(document)))
                .collect::<Result<Vec<_>>>()?;
            for (windows, own) in packed {
                set.append(&windows);
                texts.extend(own);
            }
            done += bytes;
            rest = later;
            context.progress.advance(done as u64, &format!("{} windows", set.len()));
        }
        context.progress.end();
        while set.total_tokens() > limit && set.len() > 1 {
            set.truncate(set.len() - 1);
        }
        texts.truncate(set.len());
        Ok((set, texts))
    }

    fn text_of(&self, document: &Document) -> &str {
        &self.files[document.file][document.bytes.clone()]
    }
}

/// Byte ranges of the documents in `content`.
fn documents(content: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let mut lines = content.split_inclusive('\n').map(move |line| {
        start += line.len();
        (line.trim().is_empty(), start - line.len()..start)
    });
    std::iter::from_fn(move || {
        let (_, first) = lines.find(|(blank, _)| !blank)?;
        let last = lines.by_ref().take_while(|(blank, _)| !blank).last();
        Some(first.start..last.map_or(first.end, |(_, last)| last.end))
    })
}

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
struct Packer<'a> {
    text: &'a TextEncoder,
    /// Whether each piece continues a word, by id.
    continues: Vec<bool>,
    /// Pieces in a window, `[CLS]` and `[SEP]` not counted.
    room: usize,
}

impl<'a> Packer<'a> {
    fn new(text: &'a TextEncoder, max_tokens: usize) -> Result<Self> {
        let Some(room) = max_tokens.checked_sub(2).filter(|&room| room > 0) else {
            return Err(Error::Usage(format!(
                "windows of {max_tokens} tokens are too short; 3 is the least"
            )));
        };
        let continues = text.continuations();
        Ok(Self { text, continues, room })
    }

    /// The windows of a document, and the text of each.
    fn pack<'d>(&self, document: &'d str) -> Result<(EncodedSet, Vec<&'d str>)> {
        let mut packed =
            Packed { document, set: EncodedSet::default(), texts: Vec::new(), open: Vec::new(), bytes: 0..0 };
        for sentence in document.lines().flat_map(sentences) {
            let ids = self.text.piece_ids(sentence)?;
            if packed.open.len() + ids.len() > self.room {
                self.finish(&mut packed);
            }
            // A sentence is a part of its document, so that its place there is a difference of addresses.
            let at = sentence.as_ptr() as usize - document.as_ptr() as usize;
            let starts = if ids.len() > self.room { self.piece_starts(sentence)? } else { Vec::new() };
            let mut from = 0;
            while ids.len() - from > self.room {
                let to = from + self.cut(&ids[from..]);
                packed.extend(&ids[from..to], at + starts[from]..at + starts[to]);
                self.finish(&mut packed);
                from = to;
            }
            let start = starts.get(from).copied().unwrap_or(0);
            packed.extend(&ids[from..], at + start..at + sentence.len());
        }
        self.finish(&mut packed);
        Ok((packed.set, packed.texts))
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
    fn finish(&self, packed: &mut Packed) {
        if !packed.open.is_empty() {
            let special = self.text.special();
            let tokens = packed.open.len() + 2;
            let window = [special.cls].into_iter().chain(packed.open.drain(..)).chain([special.sep]);
            packed.set.push(window, tokens);
            packed.texts.push(packed.document.get(packed.bytes.clone()).unwrap_or_default());
        }
    }
}

/// The windows of a document so far.
struct Packed<'d> {
    document: &'d str,
    set: EncodedSet,
    /// The text of each window.
    texts: Vec<&'d str>,
    /// Pieces of the window that is not closed.
    open: Vec<u32>,
    /// Bytes of that window.
    bytes: Range<usize>,
}

impl Packed<'_> {
    /// Adds pieces, which stand at `bytes`, to the window that is not closed.
    fn extend(&mut self, pieces: &[u32], bytes: Range<usize>) {
        if self.open.is_empty() {
            self.bytes.start = bytes.start;
        }
        self.open.extend_from_slice(pieces);
        self.bytes.end = bytes.end;
    }
}
