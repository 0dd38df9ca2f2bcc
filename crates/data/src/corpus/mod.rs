//! Raw text for the general stage: one paragraph per line, a blank line between documents.

mod file;
mod packing;

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use self::file::CorpusFile;
use self::packing::{PackedDocument, Packer, Window};
use super::encoded::EncodedSet;
use super::rows::Rows;
use super::shuffle::Shuffler;
use tinybert_base::{Context, Error, Result};
use tinybert_model::TextEncoder;

/// About how many bytes of text are in memory at once.
const BLOCK: u64 = 4 << 20;
/// Bytes beyond which a document is read part by part. Tests have few bytes and many parts.
const LONG: u64 = if cfg!(test) { 32 } else { BLOCK };

/// Documents of one or several files. The text stays in the files; a document takes 8 bytes.
pub struct Corpus {
    files: Vec<CorpusFile>,
    /// Where each document begins in the files, one behind the other.
    documents: Vec<u64>,
    /// Those of the documents that have more than [`LONG`] bytes, in file order.
    long: Vec<u64>,
    /// For what has to be on disk.
    scratch: PathBuf,
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
    /// Finds the documents of the files. What has to be on disk, which is the text of compressed files and windows
    /// that are many, is written to the disk that `out` will be on, into files without names.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for one that is not UTF-8 (with its line)
    /// or has no text.
    pub fn open(paths: &[PathBuf], out: &Path) -> Result<Self> {
        let scratch = out.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let (documents, long) = (Vec::new(), Vec::new());
        let mut corpus = Self { files: Vec::new(), documents, long, scratch: scratch.into() };
        for path in paths {
            let file = CorpusFile::open(path, scratch)?;
            let (known, before) = (corpus.documents.len(), corpus.bytes());
            file.scan(|document| {
                corpus.documents.push(before + document.start);
                if document.end - document.start > LONG {
                    corpus.long.push(before + document.start);
                }
            })?;
            if corpus.documents.len() == known {
                return Err(Error::input(path, "there is no text in this file"));
            }
            corpus.files.push(file);
        }
        corpus.documents.shrink_to_fit();
        Ok(corpus)
    }

    /// Number of documents.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Bytes of all files.
    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Hands the texts of all documents to `each`, some at a time, in file order. A long document comes in parts of
    /// whole lines.
    ///
    /// # Errors
    /// [`Error::Io`]; those of `each`.
    pub fn read_texts(&self, mut each: impl FnMut(&[String]) -> Result<()>) -> Result<()> {
        let mut texts = Vec::new();
        let mut bytes = 0;
        for &document in &self.documents {
            self.parts(document, &mut |_, part| {
                bytes += part.len() as u64;
                texts.push(part.to_owned());
                if bytes > BLOCK {
                    each(&texts)?;
                    texts.clear();
                    bytes = 0;
                }
                Ok(true)
            })?;
        }
        each(&texts)?;
        self.check_unchanged()
    }

    /// Packs the text into `[CLS] … [SEP]` windows on all cores.
    ///
    /// A window holds whole sentences of one document, as many as fit; a sentence that is longer than a window
    /// is cut between words. No token is lost and none occurs twice. The result depends on the corpus and
    /// `settings` alone, not on the number of threads.
    ///
    /// # Errors
    /// [`Error::Usage`] for `max_tokens` below 3; [`Error::Interrupted`] when the user asks to stop;
    /// [`Error::Io`]; as [`TextEncoder::piece_ids`].
    pub fn windows(
        &mut self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
    ) -> Result<EncodedSet> {
        let mut windows = Rows::spilling_to(&self.scratch);
        self.pack(text, settings, context, &mut windows, None)?;
        Ok(EncodedSet::of_sentences(windows))
    }

    /// [`Corpus::windows`] with the text of each window, for models that read it in other pieces.
    ///
    /// # Errors
    /// Returns the errors of [`Corpus::windows`].
    pub fn windows_with_texts(
        &mut self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
    ) -> Result<(EncodedSet, WindowTexts<'_>)> {
        let [mut windows, mut places] = [(); 2].map(|()| Rows::spilling_to(&self.scratch));
        self.pack(text, settings, context, &mut windows, Some(&mut places))?;
        Ok((EncodedSet::of_sentences(windows), WindowTexts { corpus: self, places }))
    }

    /// Appends the windows to `windows`, up to the limit, and to `places` where the text of each is.
    fn pack(
        &mut self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
        windows: &mut Rows,
        places: Option<&mut Rows>,
    ) -> Result<()> {
        if settings.limit.is_some() {
            // The streams of batches have the numbers of epochs, from 0. This stream has a number that no
            // epoch has.
            Shuffler::new(settings.seed, u64::MAX).shuffle(&mut self.documents);
        }
        let packed = self.pack_in_order(text, settings, context, windows, places);
        // A copy of the order would take as much memory as the documents do.
        self.documents.sort_unstable();
        packed
    }

    /// [`Corpus::pack`] for the documents in their present order.
    fn pack_in_order(
        &self,
        text: &TextEncoder,
        settings: WindowSettings,
        context: &Context,
        windows: &mut Rows,
        mut places: Option<&mut Rows>,
    ) -> Result<()> {
        let packer = Packer::new(text, settings.max_tokens)?;
        let limit = settings.limit.unwrap_or(usize::MAX);
        context.progress.begin("tokenize corpus (bytes)", self.bytes());
        let mut done = 0;
        // Takes windows that were made of so many bytes, and says whether the limit is reached.
        let mut take = |found: &mut dyn Iterator<Item = Window>, bytes: usize| -> Result<bool> {
            for Window { ids, bytes } in found {
                windows.push(&ids);
                if let Some(places) = &mut places {
                    places.push(&place(bytes));
                }
            }
            windows.spill()?;
            places.as_deref_mut().map_or(Ok(()), Rows::spill)?;
            done += bytes as u64;
            context.progress.advance(done, &format!("{} windows", windows.len()));
            if context.should_stop() {
                let how = "stopped while tokenizing the corpus; start the same command again";
                return Err(Error::Interrupted(how.into()));
            }
            Ok(windows.total() >= limit)
        };
        let mut rest = self.documents.as_slice();
        let mut is_full = take(&mut std::iter::empty(), 0)?;
        while let (Some((&first, others)), false) = (rest.split_first(), is_full) {
            if self.is_long(first) {
                is_full = self.pack_long(&packer, first, &mut take)?;
                rest = others;
                continue;
            }
            let block = self.read_block(rest)?;
            rest = &rest[block.len()..];
            let bytes = block.iter().map(|(_, text)| text.len()).sum();
            let packed = block.par_iter().map(|(start, text)| {
                let mut packed = PackedDocument::default();
                packer.add(&mut packed, text, *start)?;
                packer.finish(&mut packed);
                Ok(packed.windows)
            });
            let packed = packed.collect::<Result<Vec<_>>>()?;
            is_full = take(&mut packed.into_iter().flatten(), bytes)?;
        }
        self.check_unchanged()?;
        context.progress.end();
        while windows.total() > limit && windows.len() > 1 {
            windows.truncate(windows.len() - 1)?;
        }
        if let Some(places) = places {
            places.truncate(windows.len())?;
        }
        Ok(())
    }

    /// The next of `documents` with their places, of about [`BLOCK`] bytes together, up to a long one.
    fn read_block(&self, documents: &[u64]) -> Result<Vec<(u64, String)>> {
        let (mut block, mut bytes) = (Vec::new(), 0);
        for &document in documents.iter().take_while(|&&document| !self.is_long(document)) {
            let mut text = String::new();
            self.parts(document, &mut |_, part| {
                text.push_str(part);
                Ok(true)
            })?;
            bytes += text.len() as u64;
            block.push((document, text));
            if bytes >= BLOCK {
                break;
            }
        }
        Ok(block)
    }

    /// Makes sure that the files are what they were when they were opened.
    fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(CorpusFile::check_unchanged)
    }

    /// Packs a document part by part, as long as `take` returns false, and says whether it has returned true.
    fn pack_long(
        &self,
        packer: &Packer,
        document: u64,
        take: &mut dyn FnMut(&mut dyn Iterator<Item = Window>, usize) -> Result<bool>,
    ) -> Result<bool> {
        let (mut packed, mut is_full) = (PackedDocument::default(), false);
        self.parts(document, &mut |start, part| {
            packer.add(&mut packed, part, start)?;
            is_full = take(&mut packed.windows.drain(..), part.len())?;
            Ok(!is_full)
        })?;
        packer.finish(&mut packed);
        Ok(take(&mut packed.windows.drain(..), 0)? || is_full)
    }

    fn is_long(&self, document: u64) -> bool {
        !self.long.is_empty() && self.long.binary_search(&document).is_ok()
    }

    /// Bytes of a document in the mean.
    fn mean_bytes(&self) -> u64 {
        (self.bytes() / self.documents.len().max(1) as u64).max(1)
    }

    /// Hands a document to `each` in parts of whole lines, each with its place in the corpus, as long as it returns
    /// true.
    fn parts(&self, document: u64, each: &mut dyn FnMut(u64, &str) -> Result<bool>) -> Result<()> {
        let (file, start) = self.file_of(document);
        file.parts(start, 2 * self.mean_bytes() as usize, &mut |at, part| each(document + (at - start), part))
    }

    /// The file of a place in all files, and the place in that file.
    fn file_of(&self, place: u64) -> (&CorpusFile, u64) {
        let mut start = place;
        let mut files = self.files.iter();
        let mut file = files.next().expect("a corpus with a document has a file");
        while start >= file.bytes {
            start -= file.bytes;
            file = files.next().expect("a document begins in a file");
        }
        (file, start)
    }
}

/// The texts of the windows of a corpus, which stay in the corpus.
pub struct WindowTexts<'a> {
    corpus: &'a Corpus,
    /// [`place`] of each text.
    places: Rows,
}

impl WindowTexts<'_> {
    /// The folder on whose disk what is made of the texts may be.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.corpus.scratch
    }

    /// Number of windows.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The text of a window.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] if the corpus has changed since it was opened.
    pub fn get(&self, window: usize) -> Result<String> {
        let [low, high, bytes] = self.places.get(window)?[..] else {
            return Ok(String::new());
        };
        let (file, start) = self.corpus.file_of(u64::from(high) << 32 | u64::from(low));
        file.text(start, bytes as usize)
    }
}

/// The place of a text as a row: the low and the high half of its first byte in the corpus, and its length in bytes.
fn place(bytes: Range<u64>) -> [u32; 3] {
    [bytes.start as u32, (bytes.start >> 32) as u32, (bytes.end - bytes.start) as u32]
}
