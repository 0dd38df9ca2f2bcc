//! A development set that is cut from a training file.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::task::{Dataset, TaskKind};
use super::text::split_words;
use tinybert_base::{Error, Result};

/// The part of a training file that is the development set.
///
/// Whether a row belongs to it depends on the seed, on the texts of the rows and on their labels alone, and not
/// on the order of the rows. Every command cuts a file in the same way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DevShare {
    share: f64,
    seed: u64,
}

impl DevShare {
    /// The share `share` of the rows, drawn by `seed`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a share that is not above 0 and below 1.
    pub fn new(share: f64, seed: u64) -> Result<Self> {
        if share > 0.0 && share < 1.0 {
            return Ok(Self { share, seed });
        }
        Err(Error::Usage(format!(
            "a development set of the share {share}: expected a share above 0 and below 1"
        )))
    }

    /// For each of the rows whether it belongs to the development set. Each stratum has the same share, up to whole
    /// rows, and rows of the same text stay together.
    pub(super) fn cut(&self, rows: &RowKeys) -> Vec<bool> {
        // Sorting puts the rows of a text side by side, and the texts into a random order.
        let mut by_text: Vec<u32> = (0..rows.texts.len() as u32).collect();
        let key = |at: u32| rows.texts[at as usize];
        by_text.sort_unstable_by_key(|&at| (key(at), at));
        let mut strata: BTreeMap<&str, Vec<&[u32]>> = BTreeMap::new();
        for same_text in by_text.chunk_by(|&a, &b| key(a) == key(b)) {
            // Where one text has several labels, the smallest one counts: the order of the rows must not matter.
            if let Some(stratum) = same_text.iter().filter_map(|&at| rows.stratum(at)).min() {
                strata.entry(stratum).or_default().push(same_text);
            }
        }
        let mut is_dev = vec![false; rows.texts.len()];
        for texts in strata.values().filter(|texts| texts.len() > 1) {
            let count: usize = texts.iter().map(|same_text| same_text.len()).sum();
            // A label that has several texts has one in the development set at least.
            let wanted = (self.share * count as f64).round().max(1.0) as usize;
            let mut taken = 0;
            let fitting = texts.iter().filter(|same_text| {
                let fits = taken + same_text.len() <= wanted;
                taken += if fits { same_text.len() } else { 0 };
                fits
            });
            let mut chosen: Vec<_> = fitting.collect();
            if chosen.is_empty() {
                chosen.extend(texts.iter().min_by_key(|same_text| same_text.len()));
            }
            chosen
                .into_iter()
                .flat_map(|same_text| same_text.iter())
                .for_each(|&at| is_dev[at as usize] = true);
        }
        is_dev
    }

    /// Cuts a data set in two: the examples that stay, and those that are cut off. Labels keep their shares as in a
    /// file that is cut.
    pub fn split(&self, data: &Dataset) -> (Dataset, Dataset) {
        let mut counts = vec![0_usize; data.labels.len()];
        let classes = data.examples.iter().flat_map(|example| example.target.classes());
        classes.for_each(|&class| counts[class as usize] += 1);
        let mut keys = RowKeys::default();
        for example in &data.examples {
            // Scores and tags have no classes whose share could be kept.
            let rarest = match data.kind {
                TaskKind::Classification | TaskKind::MultiLabel => {
                    example.target.classes().iter().min_by_key(|&&class| counts[class as usize])
                }
                TaskKind::Regression | TaskKind::Tagging | TaskKind::Embedding => None,
            };
            let stratum = rarest.map_or("", |&class| &data.labels[class as usize]);
            keys.add(self, (&example.text, example.pair.as_deref()), Some(stratum));
        }
        let is_off = self.cut(&keys);
        let side = |off: bool| {
            let examples = data.examples.iter().zip(&is_off).filter(|(_, is_off)| **is_off == off);
            data.with(examples.map(|(example, _)| example))
        };
        (side(false), side(true))
    }

    /// A random number by the seed and a text or pair.
    fn key(&self, text: &str, pair: Option<&str>) -> u128 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(same_text(text, pair));
        let digest: [u8; 32] = hash.finalize().into();
        u128::from_le_bytes(std::array::from_fn(|at| digest[at]))
    }
}

/// What decides on which side of the cut each row of a file is: 24 bytes a row, so that the rows themselves need not be
/// in memory.
#[derive(Default)]
pub(super) struct RowKeys {
    /// A random number for the text of each row.
    texts: Vec<u128>,
    /// Index of each row's stratum in `names`; [`NO_STRATUM`] for a row that must stay in the training set.
    strata: Vec<u32>,
    /// The names of the strata.
    names: Vec<String>,
    /// Index of each name.
    places: HashMap<String, u32>,
}

/// The mark of a row without a stratum.
const NO_STRATUM: u32 = u32::MAX;

impl RowKeys {
    /// Adds a row of the stratum `stratum`; `None` for a row that must stay in the training set.
    pub fn add(&mut self, share: &DevShare, (text, pair): (&str, Option<&str>), stratum: Option<&str>) {
        self.texts.push(share.key(text, pair));
        let place = stratum.map_or(NO_STRATUM, |stratum| self.place(stratum));
        self.strata.push(place);
    }

    /// Index of a stratum, which may be new.
    fn place(&mut self, stratum: &str) -> u32 {
        if let Some(&place) = self.places.get(stratum) {
            return place;
        }
        let place = self.names.len() as u32;
        self.names.push(stratum.into());
        self.places.insert(stratum.into(), place);
        place
    }

    fn stratum(&self, row: u32) -> Option<&str> {
        self.names.get(self.strata[row as usize] as usize).map(String::as_str)
    }
}

/// A string that is equal for texts or pairs that are the same but for case and white space.
pub fn same_text(text: &str, pair: Option<&str>) -> String {
    let mut folded = String::new();
    for text in [Some(text), pair].into_iter().flatten() {
        for word in split_words(&text.to_lowercase()) {
            folded.push_str(word);
            folded.push(' ');
        }
        folded.push('\n');
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::SourceRow;
    use crate::task::{Example, Target};

    fn row(line: usize, text: &str, label: &str) -> SourceRow {
        SourceRow { line, text: text.into(), pair: None, label: Some(label.into()), soft_labels: None }
    }

    /// `counts` rows of each label with texts of their own.
    fn rows(counts: &[(&str, usize)]) -> Vec<SourceRow> {
        let rows = counts.iter().flat_map(|&(label, count)| {
            (0..count).map(move |at| row(at + 1, &format!("text {at} of {label}"), label))
        });
        rows.collect()
    }

    fn cut(share: f64, seed: u64, rows: &[SourceRow]) -> Vec<bool> {
        let share = DevShare::new(share, seed).unwrap();
        let mut keys = RowKeys::default();
        rows.iter().for_each(|row| keys.add(&share, (&row.text, row.pair.as_deref()), row.label.as_deref()));
        share.cut(&keys)
    }

    fn texts<'r>(rows: &'r [SourceRow], is_dev: &[bool]) -> Vec<&'r str> {
        let mut texts: Vec<&str> =
            rows.iter().zip(is_dev).filter(|(_, dev)| **dev).map(|(row, _)| row.text.as_str()).collect();
        texts.sort_unstable();
        texts
    }

    #[test]
    fn every_label_has_its_share() {
        let rows = rows(&[("a", 200), ("b", 50), ("c", 7), ("d", 1)]);
        let is_dev = cut(0.1, 0, &rows);
        let count = |label: &str| {
            rows.iter().zip(&is_dev).filter(|(row, dev)| **dev && row.label.as_deref() == Some(label)).count()
        };
        // A label of several texts has one row at least; a label of one text stays in the training set.
        assert_eq!([count("a"), count("b"), count("c"), count("d")], [20, 5, 1, 0]);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter_and_the_seed_does() {
        let mut rows = rows(&[("a", 100), ("b", 60)]);
        let before: Vec<String> = texts(&rows, &cut(0.25, 3, &rows)).into_iter().map(String::from).collect();
        let others: Vec<String> = texts(&rows, &cut(0.25, 4, &rows)).into_iter().map(String::from).collect();
        rows.reverse();
        assert_eq!(before, texts(&rows, &cut(0.25, 3, &rows)));
        assert_ne!(before, others);
    }

    #[test]
    fn rows_of_the_same_text_stay_on_one_side() {
        let mut all = rows(&[("a", 40), ("b", 40)]);
        let again: Vec<SourceRow> = all
            .iter()
            .map(|original| {
                // Another label and other spelling do not make it another text.
                let text = format!("  {}\t", original.text.to_uppercase());
                row(100 + original.line, &text, "b")
            })
            .collect();
        all.extend(again);
        let is_dev = cut(0.2, 9, &all);
        let (first, second) = is_dev.split_at(80);
        assert_eq!(first, second);
        assert!(is_dev.contains(&true) && is_dev.contains(&false));
    }

    #[test]
    fn a_text_of_many_rows_does_not_take_the_place_of_all_others() {
        let mut all = rows(&[("a", 20)]);
        all.extend((0..80).map(|at| row(100 + at, "again and again", "a")));
        let is_dev = cut(0.1, 2, &all);
        assert_eq!(is_dev.iter().filter(|dev| **dev).count(), 10);
        assert!(is_dev[20..].iter().all(|dev| !dev));
    }

    #[test]
    fn rows_without_a_stratum_stay_in_the_training_set() {
        let mut all = rows(&[("a", 20)]);
        all.iter_mut().step_by(2).for_each(|row| row.label = None);
        let is_dev = cut(0.5, 1, &all);
        assert_eq!(is_dev.iter().filter(|dev| **dev).count(), 5);
        assert!(is_dev.iter().step_by(2).all(|dev| !dev));
    }

    #[test]
    fn a_share_is_above_0_and_below_1() {
        for wrong in [0.0, 1.0, -0.1, 2.0, f64::NAN, f64::INFINITY] {
            let error = DevShare::new(wrong, 0).unwrap_err();
            assert!(matches!(error, Error::Usage(_)) && error.to_string().contains("above 0 and below 1"));
        }
    }
    #[test]
    fn a_data_set_is_cut_as_its_file_would_be() {
        let rows = rows(&[("a", 30), ("b", 11)]);
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let class = |row: &SourceRow| u32::from(row.label.as_deref() == Some("b"));
        let example = |row: &SourceRow| Example {
            text: row.text.clone(),
            pair: None,
            target: Target::Class(class(row)),
        };
        let examples = rows.iter().map(example).collect();
        let data = Dataset { examples, labels, kind: TaskKind::Classification, sources: Vec::new() };
        let (kept, off) = DevShare::new(0.5, 3).unwrap().split(&data);
        let texts_of = |data: &Dataset| data.examples.iter().map(|of| of.text.clone()).collect::<Vec<_>>();
        let is_off = cut(0.5, 3, &rows);
        let expected = |off| rows.iter().zip(&is_off).filter(move |(_, is)| **is == off);
        assert_eq!(texts_of(&off), expected(true).map(|(row, _)| row.text.clone()).collect::<Vec<_>>());
        assert_eq!(texts_of(&kept), expected(false).map(|(row, _)| row.text.clone()).collect::<Vec<_>>());
        assert_eq!(off.examples.iter().filter(|of| of.target == Target::Class(0)).count(), 15);
    }

    #[test]
    fn sets_of_labels_are_cut_by_their_rarest_label() {
        let set = |at: usize, labels: &[u32]| Example {
            text: format!("text {at}"),
            pair: None,
            target: Target::LabelSet(labels.to_vec()),
        };
        // Label 1 is rare and always beside label 0; some texts have no label.
        let sets: [&[u32]; 5] = [&[0], &[0, 1], &[0], &[], &[0]];
        let examples = (0..100).map(|at| set(at, sets[at % 5])).collect();
        let labels = vec!["often".to_owned(), "rare".to_owned()];
        let data = Dataset { examples, labels, kind: TaskKind::MultiLabel, sources: Vec::new() };
        let (_, off) = DevShare::new(0.5, 1).unwrap().split(&data);
        let count = |target: &[u32]| off.examples.iter().filter(|of| of.target.classes() == target).count();
        assert_eq!([count(&[0]), count(&[0, 1]), count(&[])], [30, 10, 10]);
    }
}
