//! How far each part of a model moves the answers when it alone is stored in few bits.

use super::calibration::CalibrationSamples;
use super::calibration_inputs;
use super::plan::choose_plan;
use super::stored::{LinearPlace, LogitError, store, store_linear, store_words};
use tinybert_base::{Context, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_evaluate::Outputs;
use tinybert_evaluate::judge::{Judge, encode, outputs};
use tinybert_model::plan::{
    AttentionPrecision, LayerEncodings, ModelPlan, Precision, WeightEncoding, quantize_channel,
};
use tinybert_model::{BertConfig, Checkpoint, LayerLinear, PerLinear, Tensors, names};
use tinybert_nn::TaskModel;

/// The effect of storing one part of the float model in another encoding while all other parts stay as they
/// are.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensitivity {
    /// Encoder layer from 1; `None` for embeddings and head.
    pub layer: Option<usize>,
    /// `qkv`, `attention output`, `up`, `down`, `attention`, `embeddings`, `head`.
    pub part: String,
    /// `int8`, `int4`, `sparse`.
    pub encoding: String,
    /// Mean squared difference of the logits, relative to their variance.
    pub logit_error: f64,
    /// The metric of the development set with this part so stored, where there are labels.
    pub metric: Option<f64>,
}

/// How sensitivity is measured.
#[derive(Debug, Clone, Copy)]
pub struct SensitivitySettings<'a> {
    /// Longest input in tokens.
    pub max_tokens: usize,
    /// Examples, evenly spread over the data set.
    pub examples: usize,
    /// Calibration examples, evenly spread over theirs.
    pub calibration_examples: usize,
    /// Encodings that linears (and, but for sparse, word rows) are tried in.
    pub encodings: &'a [WeightEncoding],
    /// Metrics that labelled data are judged by.
    pub metrics: MetricSet,
}

/// The error of every part of a model in every encoding: of each layer's linears and its attention, of the
/// word rows and of the head.
///
/// The error is the mean squared difference of the logits from the float model's, relative to their variance,
/// when the weights of this part alone are those that would be stored and all activations are in float.
/// Attention has no weights: its error is that of int8 attention against f32 attention in a model where
/// everything else is int8. Scales, and the importance by which four bits are chosen, come from texts of
/// `calibration`, as they do for an image. The metric is given where all of `data` have labels.
///
/// # Errors
/// A model without a task head, [`tinybert_base::Error::Interrupted`], the errors of the forward pass.
pub fn sensitivity(
    checkpoint: &Checkpoint,
    calibration: &Dataset,
    data: &Dataset,
    settings: &SensitivitySettings,
    context: &Context,
) -> Result<Vec<Sensitivity>> {
    let trial = VariantJudge::new(checkpoint, data, settings, context)?;
    let layers = checkpoint.config.num_hidden_layers;
    let inputs = calibration_inputs(
        &checkpoint.text,
        calibration,
        settings.calibration_examples,
        settings.max_tokens,
    )?;
    let seen = CalibrationSamples::collect(checkpoint, &inputs, context)?;
    let plan = |attention, encoding| {
        let precision =
            Precision { weights: LayerEncodings::Alike(encoding), embeddings: WeightEncoding::Int8 };
        choose_plan(&checkpoint.config, &seen, attention, &precision)
    };
    let (in_f32, in_int8) = (
        plan(AttentionPrecision::F32, WeightEncoding::Int8)?,
        plan(AttentionPrecision::Int8, WeightEncoding::Int8)?,
    );
    // Has the mean squares of inputs, by which the errors of weights in four bits are weighed.
    let weighed = plan(AttentionPrecision::F32, WeightEncoding::Int4)?;

    let float = trial.run(&checkpoint.tensors, None)?;
    let parts = settings.encodings.len() * (LayerLinear::ALL.len() * layers + 1) + layers + 1;
    let mut parts = FoundParts { found: Vec::new(), total: parts as u64, context };
    context.progress.begin("sensitivity", parts.total);
    for place in LinearPlace::all(layers) {
        let LinearPlace { layer, linear } = place;
        for &encoding in settings.encodings {
            let importance =
                weighed.layers[layer].importance_of(linear).filter(|_| encoding == WeightEncoding::Int4);
            let mut tensors = checkpoint.tensors.clone();
            store_linear(&mut tensors, place, encoding, importance)?;
            let found = trial.run(&tensors, None)?;
            parts.add(trial.compare(Some(layer), linear.name(), encoding, &found, &float)?);
        }
    }
    let exact = trial.run(&checkpoint.tensors, Some(&in_f32))?;
    for layer in 0..layers {
        let mut plan = in_f32.clone();
        plan.layers[layer] = in_int8.layers[layer].clone();
        let rounded = trial.run(&checkpoint.tensors, Some(&plan))?;
        parts.add(trial.compare(Some(layer), "attention", WeightEncoding::Int8, &rounded, &exact)?);
    }
    for &encoding in settings.encodings.iter().filter(|&&encoding| encoding != WeightEncoding::Sparse) {
        let mut tensors = checkpoint.tensors.clone();
        store_words(&mut tensors, encoding)?;
        parts.add(trial.compare(None, "embeddings", encoding, &trial.run(&tensors, None)?, &float)?);
    }
    let mut tensors = checkpoint.tensors.clone();
    let pooler = checkpoint.head.needs_pooler().then_some(names::POOLER);
    for name in pooler.into_iter().chain(checkpoint.head.linear()) {
        let name = names::weight(name);
        store(&mut tensors, &name, |row, out| quantize_channel(row, WeightEncoding::Int8, None, out))?;
    }
    parts.add(trial.compare(None, "head", WeightEncoding::Int8, &trial.run(&tensors, None)?, &float)?);
    context.progress.end();
    Ok(parts.found)
}

/// Chooses the linears to store in four bits: those first that move the logits least for each byte they save,
/// as long as the sum of their errors is at most `limit`, relative to the variance of the logits. The others
/// stay int8.
pub fn choose(found: &[Sensitivity], config: &BertConfig, limit: f64) -> Vec<PerLinear<WeightEncoding>> {
    let mut candidates: Vec<(LinearPlace, f64)> = Vec::new();
    for part in found.iter().filter(|part| part.encoding == WeightEncoding::Int4.name()) {
        if let (Some(layer), Some(linear)) = (part.layer, LayerLinear::from_name(&part.part)) {
            candidates.push((LinearPlace { layer: layer - 1, linear }, part.logit_error));
        }
    }
    let error_per_weight = |&(LinearPlace { layer, linear }, error): &(LinearPlace, f64)| {
        error / config.linear_weights(layer)[linear] as f64
    };
    candidates.sort_by(|a, b| error_per_weight(a).total_cmp(&error_per_weight(b)));
    let mut encodings = vec![PerLinear::all(WeightEncoding::Int8); config.num_hidden_layers];
    let mut left = limit;
    for (LinearPlace { layer, linear }, error) in candidates {
        if error <= left {
            left -= error;
            encodings[layer][linear] = WeightEncoding::Int4;
        }
    }
    encodings
}

/// The parts that have been measured.
struct FoundParts<'a> {
    found: Vec<Sensitivity>,
    total: u64,
    context: &'a Context<'a>,
}

impl FoundParts<'_> {
    fn add(&mut self, row: Sensitivity) {
        self.found.push(row);
        self.context.progress.advance((self.found.len() as u64).min(self.total), "");
    }
}

/// Judges one variant of a model after the other by the same examples.
struct VariantJudge<'a> {
    checkpoint: &'a Checkpoint,
    sample: Dataset,
    judge: Option<Judge>,
    max_tokens: usize,
    context: &'a Context<'a>,
}

impl<'a> VariantJudge<'a> {
    fn new(
        checkpoint: &'a Checkpoint,
        data: &Dataset,
        settings: &SensitivitySettings,
        context: &'a Context<'a>,
    ) -> Result<Self> {
        let sample = data.sample(settings.examples);
        let judged = sample.examples.iter().all(|example| {
            example.target.is_gold() && (data.kind != TaskKind::Embedding || example.pair.is_some())
        });
        let judge = judged
            .then(|| Judge::new(&checkpoint.text, &sample, settings.metrics, settings.max_tokens))
            .transpose()?;
        Ok(Self { checkpoint, sample, judge, max_tokens: settings.max_tokens, context })
    }

    /// Logits of a model with the weights `tensors`, quantized by the plan if there is one.
    fn run(&self, tensors: &Tensors, plan: Option<&ModelPlan>) -> Result<Outputs> {
        let Checkpoint { config, head, text, .. } = self.checkpoint;
        let model = TaskModel::frozen(config, head, tensors)?;
        let model = match plan {
            Some(plan) => model.quantized(plan.clone().into()),
            None => model,
        };
        match &self.judge {
            Some(judge) => judge.outputs(&model, self.context),
            None => {
                let set = encode(text, &self.sample, self.max_tokens)?;
                outputs(&model, &set, text.special().pad, self.context)
            }
        }
    }

    fn compare(
        &self,
        layer: Option<usize>,
        part: &str,
        encoding: WeightEncoding,
        found: &Outputs,
        exact: &Outputs,
    ) -> Result<Sensitivity> {
        let metric = match &self.judge {
            Some(judge) => {
                let head = judge.with_thresholds(&self.checkpoint.head, found)?;
                Some(judge.metrics(&judge.answers(&head, found)?)?.primary())
            }
            None => None,
        };
        Ok(Sensitivity {
            layer: layer.map(|layer| layer + 1),
            part: part.to_owned(),
            encoding: encoding.name().to_owned(),
            logit_error: LogitError::of_outputs(found, exact, self.checkpoint.head.outputs()).relative(),
            metric,
        })
    }
}
