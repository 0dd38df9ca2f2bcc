//! Entities of a tagged text: runs of words whose BIO (or IOBES) tags belong together.

use core::ops::Range;

use crate::{TagPlace, TaggedWords};

/// What the tag of a word says about entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityStep<'l> {
    /// The word belongs to no entity.
    Outside,
    /// The word is the first one of an entity of this type.
    Begins(&'l str),
    /// The word belongs to the same entity as the word before it.
    Continues,
}

/// Reads the tags of a text, word by word: `O`, or `B`, `I`, `E` or `S` with `-` and the type of the entity.
///
/// A word belongs to the entity before it if its tag is `I` or `E` of the same type and the tag before it is `B` or
/// `I`. An `I` or an `E` that follows nothing of its type begins an entity, as in the CoNLL evaluation and in the
/// default mode of seqeval.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntityTags<'l> {
    /// The type of the entity that the next word may continue.
    open: Option<&'l str>,
}

impl<'l> EntityTags<'l> {
    /// Reads the tag of the next word.
    pub fn read(&mut self, tag: &'l str) -> EntityStep<'l> {
        let Some((prefix, kind)) = tag.split_once('-') else {
            self.open = None;
            return EntityStep::Outside;
        };
        let continues = self.open == Some(kind) && matches!(prefix, "I" | "E");
        self.open = matches!(prefix, "B" | "I").then_some(kind);
        if continues { EntityStep::Continues } else { EntityStep::Begins(kind) }
    }
}

/// An entity in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity<'s> {
    /// The type that stands behind `B-` and `I-`. It lies in the image.
    pub kind: &'s str,
    /// The bytes in the text from the first word to the last one, with what stands between them.
    pub range: Range<usize>,
}

/// The iterator of [`Tags::entities`](crate::Tags::entities). It needs no memory, as [`TaggedWords`].
#[derive(Clone, Copy, Debug)]
pub struct Entities<'s> {
    pub(crate) words: TaggedWords<'s>,
}

impl Entities<'_> {
    /// Returns the place behind the last entity.
    pub fn place(&self) -> TagPlace {
        self.words.place()
    }
}

impl<'s> Iterator for Entities<'s> {
    type Item = Entity<'s>;

    fn next(&mut self) -> Option<Entity<'s>> {
        let mut tags = EntityTags::default();
        let mut found: Option<Entity<'s>> = None;
        loop {
            let before = self.words;
            let Some(word) = self.words.next() else { return found };
            match (tags.read(before.tag_name(&word)), &mut found) {
                (EntityStep::Continues, Some(entity)) => entity.range.end = word.range.end,
                (_, Some(_)) => {
                    // The word may begin the next entity.
                    self.words = before;
                    return found;
                }
                (EntityStep::Begins(kind), None) => found = Some(Entity { kind, range: word.range }),
                (_, None) => {}
            }
        }
    }
}
