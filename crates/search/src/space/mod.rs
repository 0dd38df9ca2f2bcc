//! The search space: what may be changed in a student, and how far.

mod four_bits;
mod options;
mod point;
mod pruning_round;

use self::four_bits::{encodings, mean_squares_after, precision, round_to_four_bits};
use self::options::length_options;
pub use self::options::{LengthOption, VocabularyOption};
pub use self::point::SearchPoint;
pub use self::pruning_round::PruningRound;
use super::cost::{Cost, CostModel, ModelShape};
use tinybert_base::{Error, Result};
use tinybert_data::task::Dataset;
use tinybert_model::plan::{Precision, WeightEncoding};
use tinybert_model::{BertConfig, Checkpoint, PerLinear};
use tinybert_prune::{
    Characters, Importance, KeptParts, LayerSizes, PieceCounts, ShareScope, StructureSettings,
    VocabularySettings,
};
use tinybert_quantize::KernelLayout;
use tinybert_quantize::stored::LinearPlace;

/// Shares of the attention heads that stay.
const HEADS: [f64; 7] = [1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2];
/// Shares of the feed-forward neurons that stay.
const NEURONS: [f64; 8] = [1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1];
/// How often the training texts must use a piece for it to stay in a vocabulary without unused non-ASCII
/// characters.
const MIN_COUNTS: [u64; 8] = [1, 2, 3, 4, 6, 8, 12, 20];
/// Shares of the linears that are stored in four bits: those first whose rounding changes the answers least.
const IN_FOUR_BITS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Encodings of the word rows.
const EMBEDDINGS: [WeightEncoding; 2] = [WeightEncoding::Int8, WeightEncoding::Int4];

/// The search space of one student: all models that can be made of it.
pub struct SearchSpace<'a> {
    student: &'a Checkpoint,
    /// Importance of the student's heads and neurons.
    pub importance: Importance,
    /// The sizes of the layers, indexed by the level of heads and the level of neurons.
    sizes: Vec<Vec<LayerSizes>>,
    /// Numbers of neurons are multiples of this, so that they fill a kernel's panels.
    multiple_of: usize,
    counts: PieceCounts<'a>,
    /// For each level of weights, the encodings of the linears of each layer; all int8 at level 0.
    weights: Vec<Vec<PerLinear<WeightEncoding>>>,
    /// For each layer of the student, the mean squares of the inputs of its linears, by which weights are
    /// rounded to four bits. Empty until the search has calibrated.
    pub mean_squares: Vec<PerLinear<Vec<f32>>>,
    /// Vocabularies, beginning with the whole one.
    pub vocabularies: Vec<VocabularyOption>,
    /// Longest inputs, beginning with the longest.
    pub lengths: Vec<LengthOption>,
}

impl<'a> SearchSpace<'a> {
    /// The search space of a student. The texts of `train` decide which word pieces are used. Inputs have at
    /// most `max_tokens` tokens, and the self-tests of images are taken from `calibration` examples.
    ///
    /// # Errors
    /// Returns the errors of tokenizing and packing.
    pub fn new(
        student: &'a Checkpoint,
        importance: Importance,
        train: &Dataset,
        layout: KernelLayout,
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
        let lengths = length_options(&lengths, max_tokens.min(student.config.max_position_embeddings));

        let mut space = Self {
            student,
            importance,
            sizes: Vec::new(),
            multiple_of: layout.multiple(),
            counts,
            weights: vec![encodings(student.config.num_hidden_layers, &[])],
            mean_squares: Vec::new(),
            vocabularies: Vec::new(),
            lengths,
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
        // Each further level has to be a smaller vocabulary, so others are left out.
        let mut least = usize::MAX;
        space.vocabularies.retain(|vocabulary| {
            let smaller = vocabulary.pieces < least;
            least = least.min(vocabulary.pieces);
            smaller
        });
        Ok(space)
    }

    /// Sets the importance of the student's heads and neurons.
    ///
    /// # Errors
    /// Those of choosing what stays.
    pub fn set_importance(&mut self, importance: Importance) -> Result<()> {
        self.importance = importance;
        self.sizes = self.all_sizes()?;
        Ok(())
    }

    /// The sizes of the student.
    pub fn student_sizes(&self) -> &'a BertConfig {
        &self.student.config
    }

    fn all_sizes(&self) -> Result<Vec<Vec<LayerSizes>>> {
        let sizes = |point: SearchPoint| match self.prunes(point) {
            true => Ok(self.kept(point)?.sizes()),
            false => Ok(LayerSizes::of_config(&self.student.config)),
        };
        let row = |heads| {
            let points =
                (0..NEURONS.len()).map(|neurons| SearchPoint { heads, neurons, ..SearchPoint::default() });
            points.map(sizes).collect()
        };
        (0..HEADS.len()).map(row).collect()
    }

    /// Sets the order in which linears are stored in four bits.
    pub fn store_in_four_bits(&mut self, order: &[LinearPlace]) {
        let count = |share: f64| (order.len() as f64 * share).round() as usize;
        let layers = self.student.config.num_hidden_layers;
        self.weights = IN_FOUR_BITS.map(|share| encodings(layers, &order[..count(share)])).to_vec();
    }

    /// The student with only one linear in four bits.
    ///
    /// # Errors
    /// Returns the errors of the tensor engine.
    pub fn with_one_in_four_bits(&self, place: LinearPlace) -> Result<Checkpoint> {
        let student = self.model(SearchPoint::default())?;
        let weights = encodings(self.student.config.num_hidden_layers, &[place]);
        round_to_four_bits(student, &weights, WeightEncoding::Int8, &self.mean_squares)
    }

    /// Every linear of the student.
    pub fn linears(&self) -> Vec<LinearPlace> {
        LinearPlace::all(self.student.config.num_hidden_layers).collect()
    }

    /// The encodings of weights and word rows at a point.
    pub fn precision(&self, point: SearchPoint) -> Precision {
        precision(&self.weights[point.weights], EMBEDDINGS[point.embeddings])
    }

    fn vocabulary(
        &self,
        settings: Option<VocabularySettings>,
        train: &Dataset,
        calibration: usize,
    ) -> Result<VocabularyOption> {
        let text = match &settings {
            Some(settings) => &self.counts.keep(settings)?.text(&self.student.text)?,
            None => &self.student.text,
        };
        let self_tests = self
            .lengths
            .iter()
            .map(|longest| {
                let inputs = tinybert_quantize::calibration_inputs(text, train, calibration, longest.tokens)?;
                Ok(tinybert_quantize::self_test_inputs(&inputs).map(|input| input.ids.len()).collect())
            })
            .collect::<Result<_>>()?;
        let bytes = tinybert_quantize::packed_vocabulary(text)
            .map_err(|error| Error::input(&self.student.folder, error))?;
        Ok(VocabularyOption { settings, pieces: text.vocab_size(), bytes: bytes.len(), self_tests })
    }

    /// How many levels each axis has.
    pub fn levels(&self) -> SearchPoint {
        SearchPoint {
            heads: HEADS.len(),
            neurons: NEURONS.len(),
            vocabulary: self.vocabularies.len(),
            weights: self.weights.len(),
            embeddings: EMBEDDINGS.len(),
            max_tokens: self.lengths.len(),
        }
    }

    /// Every point of the space.
    pub fn points(&self) -> impl Iterator<Item = SearchPoint> {
        SearchPoint::all(self.levels())
    }

    /// The shares of heads and neurons at a point.
    pub fn structure(&self, point: SearchPoint) -> StructureSettings {
        StructureSettings {
            heads: HEADS[point.heads],
            neurons: NEURONS[point.neurons],
            scope: ShareScope::Global,
            multiple_of: self.multiple_of,
        }
    }

    /// Whether heads or neurons are pruned at a point.
    pub fn prunes(&self, point: SearchPoint) -> bool {
        point.heads > 0 || point.neurons > 0
    }

    /// The heads and neurons that stay at a point where some are pruned.
    pub fn kept(&self, point: SearchPoint) -> Result<KeptParts> {
        KeptParts::choose(&self.importance, &self.structure(point))
    }

    /// Number of pruning rounds for a point unless the user gives one: two where less than half of the heads
    /// or neurons stay, because removing so many at once costs too much accuracy.
    pub fn prune_rounds(point: SearchPoint) -> u32 {
        if HEADS[point.heads] < 0.5 || NEURONS[point.neurons] < 0.5 { 2 } else { 1 }
    }

    /// The sizes of the layers after a round of pruning. After the last round they are the sizes whose cost
    /// was computed.
    pub fn sizes_after(&self, point: SearchPoint, round: PruningRound) -> LayerSizes {
        let (before, left) = (&self.sizes[0][0], &self.sizes[point.heads][point.neurons]);
        let sizes = |before: &[usize], left: &[usize], group: usize| {
            before.iter().zip(left).map(|(&before, &left)| round.size_after(before, left, group)).collect()
        };
        LayerSizes {
            heads: sizes(&before.heads, &left.heads, 1),
            neurons: sizes(&before.neurons, &left.neurons, self.multiple_of),
        }
    }

    /// The cost of the model at a point.
    ///
    /// # Errors
    /// Returns the errors of [`CostModel::cost`].
    pub fn cost(&self, point: SearchPoint, model: &CostModel) -> Result<Cost> {
        let vocabulary = &self.vocabularies[point.vocabulary];
        model.cost(&ModelShape {
            layers: &self.sizes[point.heads][point.neurons],
            pieces: vocabulary.pieces,
            vocabulary_bytes: vocabulary.bytes,
            max_tokens: self.lengths[point.max_tokens].tokens,
            self_tests: &vocabulary.self_tests[point.max_tokens],
            weights: &self.weights[point.weights],
            embeddings: EMBEDDINGS[point.embeddings],
        })
    }

    /// The model at a point before any training.
    ///
    /// # Errors
    /// Returns the errors of pruning.
    pub fn model(&self, point: SearchPoint) -> Result<Checkpoint> {
        let kept = self.prunes(point).then(|| self.kept(point)).transpose()?;
        let structure = match &kept {
            Some(kept) => &kept.prune(self.student)?,
            None => self.student,
        };
        let model = self.with_vocabulary(point, structure)?;
        let mean_squares = match &kept {
            Some(kept) => &mean_squares_after(&self.mean_squares, kept, self.student.config.head_dim()),
            None => &self.mean_squares,
        };
        round_to_four_bits(model, &self.weights[point.weights], EMBEDDINGS[point.embeddings], mean_squares)
    }

    /// A model that was made of the student, with the word pieces of a point.
    ///
    /// # Errors
    /// Returns the errors of pruning.
    pub fn with_vocabulary(&self, point: SearchPoint, model: &Checkpoint) -> Result<Checkpoint> {
        match &self.vocabularies[point.vocabulary].settings {
            Some(settings) => self.counts.keep(settings)?.prune(model),
            None => Ok(model.copied()),
        }
    }

    /// A description of a point for people.
    pub fn describe(&self, point: SearchPoint) -> String {
        let SearchPoint { heads, neurons, vocabulary, weights, embeddings, max_tokens } = point;
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
            self.lengths[max_tokens].tokens
        )
    }
}
