//! What the search may change in a student, and how far.

use super::cost::{Cost, CostModel, Shape};
use super::precision::{Place, encodings, left_of, places, precision, stored};
use tinybert_base::{Error, Result};
use tinybert_data::task::Dataset;
use tinybert_model::Checkpoint;
use tinybert_model::plan::{Encoding, Precision};
use tinybert_prune::{
    Characters, Importance, KeptParts, PieceCounts, ShareScope, StructureSettings, VocabularySettings,
    share_after,
};
use tinybert_quantize::Layout;

/// Shares of the attention heads that stay.
const HEADS: [f64; 7] = [1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2];
/// Shares of the feed-forward neurons that stay.
const NEURONS: [f64; 8] = [1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1];
/// Uses that keep a piece in a vocabulary without unused characters beyond ASCII.
const MIN_COUNTS: [u64; 8] = [1, 2, 3, 4, 6, 8, 12, 20];
/// Shares of the training texts that longest inputs leave whole.
const WHOLE: [f64; 5] = [1.0, 0.999, 0.99, 0.97, 0.95];
/// Shares of the linears that are stored in four bits, those first that bear it best.
const IN_FOUR_BITS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Encodings of the word rows.
const EMBEDDINGS: [Encoding; 2] = [Encoding::Int8, Encoding::Int4];
/// Longest inputs are multiples of this: tiles of the kernels are full.
const TOKENS: usize = 8;

/// A place in the space: the level of each axis, 0 the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choice {
    /// Of the heads' shares.
    pub heads: usize,
    /// Of the neurons' shares.
    pub neurons: usize,
    /// Of the vocabularies.
    pub vocabulary: usize,
    /// Of the linears' encodings.
    pub weights: usize,
    /// Of the word rows' encodings.
    pub embeddings: usize,
    /// Of the longest inputs.
    pub max_tokens: usize,
}

impl Choice {
    /// True where the student stays as it is, but for the longest input.
    pub fn is_whole(self) -> bool {
        self == Self { max_tokens: self.max_tokens, ..Self::default() }
    }
}

/// A vocabulary of the space.
pub struct Vocabulary {
    /// What is left of the student's; `None` for all of it.
    pub settings: Option<VocabularySettings>,
    /// Word pieces.
    pieces: usize,
    /// Bytes of the image's section.
    bytes: usize,
    /// For each longest input, tokens of the inputs that the image proves itself by.
    self_tests: Vec<Vec<usize>>,
}

/// A longest input of the space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Longest {
    /// In tokens.
    pub tokens: usize,
    /// Share of the training texts that are longer.
    pub cut: f64,
}

/// All that can be made of one student.
pub struct Space<'a> {
    student: &'a Checkpoint,
    /// Of the student's heads and neurons.
    pub importance: Importance,
    /// By share of heads and share of neurons, heads and neurons of each layer.
    sizes: Vec<Vec<[Vec<usize>; 2]>>,
    /// What a kernel's panels are filled by.
    multiple_of: usize,
    counts: PieceCounts<'a>,
    /// Encodings of the linears of each layer, int8 first.
    weights: Vec<Vec<[Encoding; 4]>>,
    /// Of each layer of the student, mean squares of the inputs of its linears, by which four bits are chosen; none until
    /// the search has calibrated.
    pub mean_squares: Vec<[Vec<f32>; 4]>,
    /// Vocabularies, the whole one first.
    pub vocabularies: Vec<Vocabulary>,
    /// Longest inputs, the longest first.
    pub longest: Vec<Longest>,
}

impl<'a> Space<'a> {
    /// Of a student, as the texts of `train` use its vocabulary. Inputs have at most `max_tokens` tokens; images prove
    /// themselves by `calibration` of the examples.
    ///
    /// # Errors
    /// Those of tokenizing and packing.
    pub fn new(
        student: &'a Checkpoint,
        importance: Importance,
        train: &Dataset,
        layout: Layout,
        max_tokens: usize,
        calibration: usize,
    ) -> Result<Self> {
        let texts: Vec<_> = train.inputs().collect();
        let mut counts = PieceCounts::new(&student.text);
        counts
            .add(&texts.iter().flat_map(|(text, pair)| [Some(*text), *pair]).flatten().collect::<Vec<_>>())?;
        let encoded = student.text.encode_all(&texts, usize::MAX)?;
        let mut lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        lengths.sort_unstable();
        let longest = longest(&lengths, max_tokens.min(student.config.max_position_embeddings));

        let mut space = Self {
            student,
            importance,
            sizes: Vec::new(),
            multiple_of: layout.multiple(),
            counts,
            weights: vec![encodings(student.config.num_hidden_layers, &[])],
            mean_squares: Vec::new(),
            vocabularies: Vec::new(),
            longest,
        };
        space.sizes = space.all_sizes()?;
        let ascii = MIN_COUNTS.map(|min_count| VocabularySettings {
            min_count,
            max_pieces: None,
            characters: Characters::Ascii,
        });
        let settings = [None, Some(VocabularySettings::default())].into_iter().chain(ascii.map(Some));
        for settings in settings {
            let vocabulary = space.vocabulary(settings, train, calibration)?;
            space.vocabularies.push(vocabulary);
        }
        // Only what is smaller than what came before, so that a level further down an axis is a smaller model.
        let mut least = usize::MAX;
        space.vocabularies.retain(|vocabulary| {
            let smaller = vocabulary.pieces < least;
            least = least.min(vocabulary.pieces);
            smaller
        });
        Ok(space)
    }

    fn all_sizes(&self) -> Result<Vec<Vec<[Vec<usize>; 2]>>> {
        let config = &self.student.config;
        let sizes = |choice: Choice| {
            if self.prunes(choice) {
                let kept = self.kept(choice)?;
                return Ok([kept.heads, kept.neurons].map(|layers| layers.iter().map(Vec::len).collect()));
            }
            let layers = 0..config.num_hidden_layers;
            Ok([
                layers.clone().map(|layer| config.heads(layer)).collect(),
                layers.map(|layer| config.ffn(layer)).collect(),
            ])
        };
        let row = |heads| {
            (0..NEURONS.len()).map(|neurons| sizes(Choice { heads, neurons, ..Choice::default() })).collect()
        };
        (0..HEADS.len()).map(row).collect()
    }

    /// Lets linears be stored in four bits, those first that stand first.
    pub fn in_four_bits(&mut self, order: &[Place]) {
        let count = |share: f64| (order.len() as f64 * share).round() as usize;
        let layers = self.student.config.num_hidden_layers;
        self.weights = IN_FOUR_BITS.map(|share| encodings(layers, &order[..count(share)])).to_vec();
    }

    /// The student with one linear alone in four bits.
    ///
    /// # Errors
    /// Those of the tensor engine.
    pub fn with_one_in_four_bits(&self, place: Place) -> Result<Checkpoint> {
        let whole = self.model(Choice::default())?;
        let weights = encodings(self.student.config.num_hidden_layers, &[place]);
        stored(whole, &weights, Encoding::Int8, &self.mean_squares)
    }

    /// Every linear of the student.
    pub fn places(&self) -> Vec<Place> {
        places(self.student.config.num_hidden_layers).collect()
    }

    /// The encodings at a place.
    pub fn precision(&self, choice: Choice) -> Precision {
        precision(&self.weights[choice.weights], EMBEDDINGS[choice.embeddings])
    }

    fn vocabulary(
        &self,
        settings: Option<VocabularySettings>,
        train: &Dataset,
        calibration: usize,
    ) -> Result<Vocabulary> {
        let text = match &settings {
            Some(settings) => &self.counts.keep(settings)?.text(&self.student.text)?,
            None => &self.student.text,
        };
        let self_tests = self
            .longest
            .iter()
            .map(|longest| {
                let inputs = tinybert_quantize::calibration_inputs(text, train, calibration, longest.tokens)?;
                Ok(tinybert_quantize::self_test_inputs(&inputs).map(|input| input.ids.len()).collect())
            })
            .collect::<Result<_>>()?;
        let bytes = tinybert_quantize::packed_vocabulary(text)
            .map_err(|error| Error::input(&self.student.folder, error))?;
        Ok(Vocabulary { settings, pieces: text.vocab_size(), bytes: bytes.len(), self_tests })
    }

    /// How many levels each axis has: heads, neurons, vocabularies, linears in four bits, word rows in four bits, longest
    /// inputs.
    pub fn levels(&self) -> [usize; 6] {
        let [heads, neurons, embeddings] = [HEADS.len(), NEURONS.len(), EMBEDDINGS.len()];
        [heads, neurons, self.vocabularies.len(), self.weights.len(), embeddings, self.longest.len()]
    }

    /// Every place.
    pub fn choices(&self) -> impl Iterator<Item = Choice> + use<'_> {
        let levels = self.levels();
        (0..levels.into_iter().product::<usize>()).map(move |mut index| {
            let [heads, neurons, vocabulary, weights, embeddings, max_tokens] = levels.map(|count| {
                let level = index % count;
                index /= count;
                level
            });
            Choice { heads, neurons, vocabulary, weights, embeddings, max_tokens }
        })
    }

    /// The shares of heads and neurons at a place.
    pub fn structure(&self, choice: Choice) -> StructureSettings {
        StructureSettings {
            heads: HEADS[choice.heads],
            neurons: NEURONS[choice.neurons],
            scope: ShareScope::Global,
            multiple_of: self.multiple_of,
        }
    }

    /// True where heads or neurons are pruned.
    pub fn prunes(&self, choice: Choice) -> bool {
        choice.heads > 0 || choice.neurons > 0
    }

    /// Heads and neurons of each layer at a place, of one that prunes.
    pub fn kept(&self, choice: Choice) -> Result<KeptParts> {
        KeptParts::choose(&self.importance, &self.structure(choice))
    }

    /// Rounds in which a place is pruned unless the user says how many: less than half of heads or neurons are too few to
    /// be left at once.
    pub fn rounds(choice: Choice) -> u32 {
        if HEADS[choice.heads] < 0.5 || NEURONS[choice.neurons] < 0.5 { 2 } else { 1 }
    }

    /// Heads and neurons of each layer after a round of pruning; after the last one they are those that were costed.
    pub fn sizes_after(&self, choice: Choice, round: u32, rounds: u32) -> [Vec<usize>; 2] {
        let [whole, left] = [&self.sizes[0][0], &self.sizes[choice.heads][choice.neurons]];
        let axis = |axis: usize, group: usize| {
            let layers = whole[axis].iter().zip(&left[axis]);
            layers.map(|(&whole, &left)| size_after(whole, left, group, round, rounds)).collect()
        };
        [axis(0, 1), axis(1, self.multiple_of)]
    }

    /// The cost of a place.
    ///
    /// # Errors
    /// Those of [`CostModel::cost`].
    pub fn cost(&self, choice: Choice, model: &CostModel) -> Result<Cost> {
        let [heads, neurons] = &self.sizes[choice.heads][choice.neurons];
        let vocabulary = &self.vocabularies[choice.vocabulary];
        model.cost(&Shape {
            heads,
            neurons,
            pieces: vocabulary.pieces,
            vocabulary_bytes: vocabulary.bytes,
            max_tokens: self.longest[choice.max_tokens].tokens,
            self_tests: &vocabulary.self_tests[choice.max_tokens],
            weights: &self.weights[choice.weights],
            embeddings: EMBEDDINGS[choice.embeddings],
        })
    }

    /// The student at a place, as it is before any training.
    ///
    /// # Errors
    /// Those of pruning.
    pub fn model(&self, choice: Choice) -> Result<Checkpoint> {
        let kept = self.prunes(choice).then(|| self.kept(choice)).transpose()?;
        let structure = match &kept {
            Some(kept) => &kept.prune(self.student)?,
            None => self.student,
        };
        let model = self.with_vocabulary(choice, structure)?;
        let mean_squares = match &kept {
            Some(kept) => &left_of(&self.mean_squares, kept, self.student.config.head_dim()),
            None => &self.mean_squares,
        };
        stored(model, &self.weights[choice.weights], EMBEDDINGS[choice.embeddings], mean_squares)
    }

    /// A descendant of the student with the pieces of a place.
    ///
    /// # Errors
    /// Those of pruning.
    pub fn with_vocabulary(&self, choice: Choice, model: &Checkpoint) -> Result<Checkpoint> {
        match &self.vocabularies[choice.vocabulary].settings {
            Some(settings) => self.counts.keep(settings)?.prune(model),
            None => Ok(model.copied()),
        }
    }

    /// What a place is, in words.
    pub fn words(&self, choice: Choice) -> String {
        let Choice { heads, neurons, vocabulary, weights, embeddings, max_tokens } = choice;
        let share = |share: f64| format!("{:.0} %", 100.0 * share);
        let weights = match weights {
            0 => "int8".to_owned(),
            _ => format!("{} of the linears in four bits", share(IN_FOUR_BITS[weights])),
        };
        format!(
            "{} of the heads, {} of the neurons, {} pieces{}, {} tokens, {weights}",
            share(HEADS[heads]),
            share(NEURONS[neurons]),
            self.vocabularies[vocabulary].pieces,
            if embeddings > 0 { " in four bits" } else { "" },
            self.longest[max_tokens].tokens
        )
    }
}

/// What is left of `whole` parts after a round, in groups of `group`, where the last round leaves `left`.
fn size_after(whole: usize, left: usize, group: usize, round: u32, rounds: u32) -> usize {
    if round == rounds {
        return left;
    }
    let share = share_after(left as f64 / whole as f64, round, rounds);
    let groups = (share * whole as f64 / group as f64).round() as usize;
    (groups * group).clamp(left, whole)
}

/// Longest inputs that leave some share of texts of these rising lengths whole, the longest first.
fn longest(lengths: &[usize], most: usize) -> Vec<Longest> {
    let mut all: Vec<Longest> = Vec::new();
    for share in WHOLE {
        let last = (lengths.len() as f64 * share).ceil() as usize;
        let length = lengths.get(last.saturating_sub(1)).copied().unwrap_or(most);
        let tokens = length.next_multiple_of(TOKENS).min(most);
        if all.last().is_none_or(|last| tokens < last.tokens) {
            let cut = lengths.len() - lengths.partition_point(|&length| length <= tokens);
            all.push(Longest { tokens, cut: cut as f64 / lengths.len().max(1) as f64 });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_leave_ever_less_and_the_last_what_was_costed() {
        // A quarter in two rounds: half first, in whole groups.
        assert_eq!([1, 2].map(|round| size_after(1200, 300, 12, round, 2)), [600, 300]);
        assert_eq!([1, 2, 3].map(|round| size_after(12, 2, 1, round, 3)), [7, 4, 2]);
        // What does not fill groups, and what stays.
        assert_eq!([1, 2].map(|round| size_after(100, 50, 48, round, 2)), [50, 50]);
        assert_eq!(size_after(12, 12, 1, 1, 2), 12);
    }

    #[test]
    fn longest_inputs_leave_the_shares_of_texts_whole_that_they_say() {
        let lengths: Vec<usize> = (1..=1000).map(|at| if at <= 990 { 20 } else { 40 + at / 10 }).collect();
        // 990 texts of 20 tokens, ten of 139 and 140: to be cut at 128, a hundredth is cut either way.
        let all = longest(&lengths, 128);
        let expected = [Longest { tokens: 128, cut: 0.01 }, Longest { tokens: 24, cut: 0.01 }];
        assert_eq!(all, expected);
        let uncut = longest(&lengths, 512);
        assert_eq!(uncut[0], Longest { tokens: 144, cut: 0.0 });
        assert!(uncut.windows(2).all(|pair| pair[1].tokens < pair[0].tokens));
    }
}
