//! Entities that BIO (and IOBES) tags mark, and their F1 as the CoNLL evaluation and seqeval's default mode
//! count it.

use std::collections::HashSet;
use std::ops::Range;

use crate::task::NO_TAG;

/// A run of words with a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity<'l> {
    /// The type that stands behind `B-` and `I-`.
    pub kind: &'l str,
    /// Its words, counted from 0.
    pub words: Range<usize>,
}

/// Micro-averaged over all entities, each a fraction; 0 where nothing is predicted or nothing is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EntityScores {
    /// Share of the predicted entities that are there.
    pub precision: f64,
    /// Share of the entities there that are predicted.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// True for `O`, and for `B`, `I`, `E` or `S` with `-` and a type.
pub(crate) fn is_tag(label: &str) -> bool {
    label == "O" || matches!(label.split_once('-'), Some(("B" | "I" | "E" | "S", kind)) if !kind.is_empty())
}

/// The entities of a sentence whose words have `tags`. A word goes on with the entity before it if it is `I`
/// or `E` of the same type behind `B` or `I`; an `I` that follows nothing of its type begins an entity too.
pub fn entities<'l>(tags: impl IntoIterator<Item = &'l str>) -> Vec<Entity<'l>> {
    let mut found: Vec<Entity> = Vec::new();
    let mut open = None;
    for (word, tag) in tags.into_iter().enumerate() {
        let Some((prefix, kind)) = tag.split_once('-') else {
            open = None;
            continue;
        };
        match found.last_mut() {
            Some(last) if open == Some(kind) && matches!(prefix, "I" | "E") => last.words.end = word + 1,
            _ => found.push(Entity { kind, words: word..word + 1 }),
        }
        open = matches!(prefix, "B" | "I").then_some(kind);
    }
    found
}

/// Compares the entities of predicted tags with those of the true ones, sentence by sentence; both are
/// indices into `labels`, and [`NO_TAG`] stands for `O`.
pub(crate) fn scores(labels: &[String], predictions: &[&[u32]], targets: &[&[u32]]) -> EntityScores {
    let (mut predicted, mut there, mut both) = (0, 0, 0);
    for (prediction, target) in predictions.iter().zip(targets) {
        let [prediction, target] = [prediction, target].map(|tags| entities(names(labels, tags)));
        let target_set: HashSet<&Entity> = target.iter().collect();
        predicted += prediction.len();
        there += target.len();
        both += prediction.iter().filter(|entity| target_set.contains(entity)).count();
    }
    let share = |of: usize| if of == 0 { 0.0 } else { both as f64 / of as f64 };
    // Equal to the harmonic mean of both shares.
    let f1 = if predicted + there == 0 { 0.0 } else { 2.0 * both as f64 / (predicted + there) as f64 };
    EntityScores { precision: share(predicted), recall: share(there), f1 }
}

/// The names of tags; `O` for what has none.
pub(crate) fn names<'l>(labels: &'l [String], tags: &[u32]) -> impl Iterator<Item = &'l str> {
    tags.iter()
        .map(|&tag| if tag == NO_TAG { "O" } else { labels.get(tag as usize).map_or("O", String::as_str) })
}
