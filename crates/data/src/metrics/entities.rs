//! Entities that BIO (and IOBES) tags mark, and their F1 as the CoNLL evaluation and seqeval's default mode
//! count it.

use std::collections::BTreeSet;
use std::ops::Range;

use tinybert_runtime::{EntityStep, EntityTags};

use crate::task::NO_TAG;

/// A run of words with a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity<'l> {
    /// The type that stands behind `B-` and `I-`.
    pub kind: &'l str,
    /// Its words, counted from 0.
    pub words: Range<usize>,
}

/// True for `O`, and for `B`, `I`, `E` or `S` with `-` and a type.
pub(crate) fn is_tag(label: &str) -> bool {
    label == "O" || matches!(label.split_once('-'), Some(("B" | "I" | "E" | "S", kind)) if !kind.is_empty())
}

/// The entities of a sentence whose words have `tags`, by the rules of the device: see [`EntityTags`].
pub fn entities<'l>(tags: impl IntoIterator<Item = &'l str>) -> Vec<Entity<'l>> {
    let mut found: Vec<Entity> = Vec::new();
    let mut reader = EntityTags::default();
    for (word, tag) in tags.into_iter().enumerate() {
        match (reader.read(tag), found.last_mut()) {
            (EntityStep::Outside, _) => {}
            (EntityStep::Begins(kind), _) => found.push(Entity { kind, words: word..word + 1 }),
            (EntityStep::Continues, last) => last.into_iter().for_each(|last| last.words.end = word + 1),
        }
    }
    found
}

/// The types of entities that tags named `labels` mark, sorted by name.
pub(super) fn kinds(labels: &[String]) -> Vec<&str> {
    let kinds: BTreeSet<&str> = labels.iter().filter_map(|label| Some(label.split_once('-')?.1)).collect();
    kinds.into_iter().collect()
}

/// The entities of a sentence whose words have `tags`, which are indices into `labels`; [`NO_TAG`] stands for `O`.
pub(super) fn of_tags<'l>(labels: &'l [String], tags: &[u32]) -> Vec<Entity<'l>> {
    let name = |&tag: &u32| match tag {
        NO_TAG => "O",
        tag => labels.get(tag as usize).map_or("O", String::as_str),
    };
    entities(tags.iter().map(name))
}
