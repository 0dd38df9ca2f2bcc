//! What is known about data and budget before anything is trained.

use crate::Compress;
use crate::cost::CostModel;
use crate::pipeline::answers_like;
use crate::search::{SearchCandidate, candidates, check_each_limit};
use crate::space::SearchSpace;
use tinybert_base::Result;
use tinybert_data::Corpus;
use tinybert_distill::{check_models, student_head};
use tinybert_evaluate::judge::check_judged;
use tinybert_model::{BertConfig, Checkpoint, Head, Tensors};
use tinybert_prune::Importance;
use tinybert_train::{Output, head_of};

impl Compress<'_> {
    /// Makes sure that what later stages read can be used: the development set, the corpus, the student and the budget.
    ///
    /// # Errors
    /// Those of [`check_judged`], of [`Corpus::open`] and of [`check_models`];
    /// [`Error::Usage`](tinybert_base::Error::Usage) with the limits that cannot be met; the errors of tokenizing.
    pub(crate) fn check_before_training(&self, out: &Output) -> Result<()> {
        check_judged(self.data.dev)?;
        if self.student.is_none() && !self.corpus.is_empty() {
            Corpus::open(&self.corpus, &out.folder)?;
        }
        let student = self.student_to_be();
        if !self.is_finished(&student) {
            check_models(&self.settings.distillation, &self.teacher, &student)?;
        }
        self.check_budget(&student)
    }

    /// The student without its weights: the given one, or the one that will be made.
    fn student_to_be(&self) -> Checkpoint {
        let given = self.student.as_ref().unwrap_or(&self.teacher);
        given.with(self.sizes.clone(), Tensors::new(), given.text.clone())
    }

    /// Whether the run gets this student with a head for the task, so that no stage before the search trains it.
    fn is_finished(&self, student: &Checkpoint) -> bool {
        self.student.is_some() && answers_like(&student.head, &self.head())
    }

    /// The head that the teacher has or gets.
    fn head(&self) -> Head {
        let asked = head_of(self.data.train);
        let teacher = self.teacher.named(&self.data.train.labels).head;
        if answers_like(&teacher, &asked) { teacher } else { asked }
    }

    /// Makes sure that the smallest models that can be made of the student keep within each limit of the budget. They
    /// follow from its sizes and from the texts. Which of its heads and neurons stay in which layer does not, and is
    /// taken to be whatever costs least.
    ///
    /// # Errors
    /// [`Error::Usage`](tinybert_base::Error::Usage) with the limits that cannot be met; the errors of tokenizing.
    fn check_budget(&self, student: &Checkpoint) -> Result<()> {
        let sizes = &self.sizes;
        if self.settings.budget.is_unlimited() || !sizes.architecture.may_be_image() {
            return Ok(());
        }
        let head = student_head(&self.head());
        let costs = CostModel::of_untrained(sizes, &head, &self.board, self.confidence.is_some())?;
        let mut space = self.space_of(student, even(sizes))?;
        check_each_limit(&smallest_models(&mut space, &costs)?, &self.settings.budget)
    }
}

/// The share of the costs by which another distribution of heads and neurons over the layers can cost less: it may need
/// less padding, and fewer multipliers for its weights in four bits, of which there is one for up to 32 inputs.
const PADDING: f64 = 0.06;

/// The models of a space with either of the two distributions of heads and neurons over the layers that cost least.
/// What padding can make of the costs is taken off.
fn smallest_models(space: &mut SearchSpace, costs: &CostModel) -> Result<Vec<SearchCandidate>> {
    space.store_in_four_bits(&space.linears());
    let sizes = space.student_sizes();
    let mut all = Vec::new();
    for importance in [even(sizes), in_last_layer(sizes)] {
        space.set_importance(importance)?;
        all.extend(candidates(space, costs)?);
    }
    for SearchCandidate { cost, .. } in &mut all {
        let without_padding = |bytes: usize| (bytes as f64 * (1.0 - PADDING)) as usize;
        (cost.flash, cost.ram) = (without_padding(cost.flash), without_padding(cost.ram));
        cost.latency_ms *= 1.0 - PADDING;
    }
    Ok(all)
}

/// The importance with which every layer keeps as many parts: the workspace is that of the largest layer.
fn even(sizes: &BertConfig) -> Importance {
    importance(sizes, |_, parts| (0..parts).map(|part| 1.0 / (part + 1) as f64).collect())
}

/// The importance with which the last layer keeps whatever the others need not: it computes only the tokens that the
/// head reads, and so it takes the least time.
fn in_last_layer(sizes: &BertConfig) -> Importance {
    let last = sizes.num_hidden_layers - 1;
    importance(sizes, |layer, parts| {
        let others = if layer == last { 1.0 } else { 0.0 };
        (0..parts).map(|part| if part == 0 { 1.0 } else { others }).collect()
    })
}

/// The importance of all parts, from that of the parts of a layer with so many parts.
fn importance(sizes: &BertConfig, mut of_layer: impl FnMut(usize, usize) -> Vec<f64>) -> Importance {
    let layers = || 0..sizes.num_hidden_layers;
    Importance {
        heads: layers().map(|layer| of_layer(layer, sizes.heads(layer))).collect(),
        neurons: layers().map(|layer| of_layer(layer, sizes.ffn(layer))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Board, Limit};
    use tinybert_base::Context;
    use tinybert_image::Image;
    use tinybert_model::plan::AttentionPrecision;
    use tinybert_quantize::{QuantizeSettings, quantize};
    use tinybert_testing::{runs, toy};

    const BOARDS: [&str; 3] = ["cortex-a53@1GHz", "cortex-a76@1GHz", "neoverse-v1@1GHz"];

    /// The space of a model, by its own texts.
    fn space<'m>(model: &'m Checkpoint, board: &Board, importance: Importance) -> SearchSpace<'m> {
        let train = toy::sentences(40, 1);
        SearchSpace::new(model, importance, &train, board.core.layout, 16, 16).unwrap()
    }

    fn least(all: &[SearchCandidate], limit: Limit) -> f64 {
        all.iter().map(|candidate| limit.value(&candidate.cost)).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn no_importance_makes_a_smaller_model() {
        let place = tempfile::tempdir().unwrap();
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / f64::from(1 << 31)
        };
        for (at, (layers, hidden, heads, ffn)) in
            [(2, 32, 4, 64), (4, 96, 12, 384), (3, 52, 2, 120), (4, 78, 3, 300)].into_iter().enumerate()
        {
            let config = BertConfig {
                num_attention_heads: heads,
                intermediate_size: ffn,
                ..toy::config(layers, hidden)
            };
            let model = toy::model(&place.path().join(at.to_string()), &config, &runs::labelled());
            for board in BOARDS.map(|name| name.parse::<Board>().unwrap()) {
                let costs = CostModel::of_untrained(&config, &model.head, &board, false).unwrap();
                let mut of_space = space(&model, &board, even(&config));
                let known = smallest_models(&mut of_space, &costs).unwrap();
                for _ in 0..30 {
                    // Some layers matter far more than others.
                    let scales: Vec<f64> = (0..layers).map(|_| random().powi(4)).collect();
                    let importance = importance(&config, |layer, parts| {
                        (0..parts).map(|_| scales[layer] + random()).collect()
                    });
                    of_space.set_importance(importance).unwrap();
                    let all = candidates(&of_space, &costs).unwrap();
                    for limit in Limit::ALL {
                        let (known, found) = (least(&known, limit), least(&all, limit));
                        assert!(known <= found, "{config:?} {board} {limit:?}: {known} {found}");
                    }
                }
            }
        }
    }

    #[test]
    fn costs_without_weights_are_those_of_an_image() {
        let place = tempfile::tempdir().unwrap();
        let config = toy::config(2, 32);
        let model = toy::model(place.path(), &config, &runs::labelled());
        for board in BOARDS.map(|name| name.parse::<Board>().unwrap()) {
            let settings = QuantizeSettings {
                max_tokens: 16,
                layout: board.core.layout,
                attention: AttentionPrecision::Int8,
                ..QuantizeSettings::default()
            };
            let train = toy::sentences(40, 1);
            let image = quantize(&model, &train, &settings, &Context::default()).unwrap().image;
            let costs = CostModel::new(&Image::from_bytes(&image).unwrap(), &board, false);
            let untrained = CostModel::of_untrained(&config, &model.head, &board, false).unwrap();
            let mut space = space(&model, &board, even(&config));
            space.store_in_four_bits(&space.linears());
            for point in space.points() {
                let (known, cost) =
                    (space.cost(point, &untrained).unwrap(), space.cost(point, &costs).unwrap());
                assert_eq!((known.flash, known.latency_ms), (cost.flash, cost.latency_ms));
                assert!(known.ram <= cost.ram, "{known:?} {cost:?}");
            }
        }
    }
}
