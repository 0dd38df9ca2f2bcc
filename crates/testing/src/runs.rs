//! Every kind of training on toy models, in a second or less.

use std::path::Path;

use tinybert_base::{Context, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_distill::{
    EncodedCorpus, GeneralSettings, QuantizationAware, StageRecipe, TaskSettings, distill_general,
    distill_task,
};
use tinybert_evaluate::judge::encode;
use tinybert_model::Head;
use tinybert_model::plan::{AttentionPrecision, Precision};
use tinybert_train::{FineTune, MaskedLmSettings, Output, Recipe, TaskData, fine_tune, masked_lm};

/// An output with a checkpoint every three steps.
pub fn output(out: &Path, resume: bool) -> Output {
    Output { resume, checkpoint_steps: Some(3), ..Output::from(out) }
}

/// The classification head of the toy task.
pub fn labelled() -> Head {
    Head::Classification { labels: crate::toy::labels() }
}

/// Calls `run` with the data of the toy task: 40 training and 20 development sentences.
pub fn with_data<T>(run: impl FnOnce(&TaskData) -> T) -> T {
    let (train, dev) = (crate::toy::sentences(40, 1), crate::toy::sentences(20, 2));
    run(&TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy })
}

/// Three epochs with two evaluations each, on inputs of at most 16 tokens.
pub fn fine_tune_settings() -> FineTune {
    let recipe = Recipe { epochs: 3, batch_size: 8, learning_rate: 3e-3, ..FineTune::default().recipe };
    FineTune { recipe, max_tokens: 16, evaluations_per_epoch: 2, ..FineTune::default() }
}

/// Fine-tunes a fresh toy model, whose folder is made in `place`.
pub fn run_fine_tune(place: &Path, output: Output, context: &Context) -> Result<()> {
    let model = crate::toy::model(&place.join("fresh"), &crate::toy::config(2, 16), &Head::None);
    with_data(|data| fine_tune(&fine_tune_settings(), &model, data, output, context)).map(drop)
}

/// Runs general distillation with an inherited start; the folders of both toy models are made in `place`.
pub fn run_general(place: &Path, output: Output, context: &Context) -> Result<()> {
    let teacher = crate::toy::model(&place.join("teacher"), &crate::toy::config(4, 32), &Head::None);
    let student = crate::toy::model(&place.join("student"), &crate::toy::config(2, 16), &Head::None);
    let windows = encode(&teacher.text, &crate::toy::sentences(60, 3), 16)?;
    let defaults = GeneralSettings::default();
    let recipe =
        Recipe { epochs: 2, batch_size: 8, micro_batch: 4, learning_rate: 2e-3, ..defaults.recipe.clone() };
    let settings = GeneralSettings { recipe, max_tokens: 16, inherit: true, ..defaults };
    let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
    distill_general(&settings, &teacher, &student, &corpus, output, context).map(drop)
}

/// Runs both stages of task distillation; the folders of both toy models are made in `place`.
pub fn run_task(place: &Path, output: Output, context: &Context) -> Result<()> {
    let teacher = crate::toy::model(&place.join("teacher"), &crate::toy::config(4, 32), &labelled());
    let student = crate::toy::model(&place.join("student"), &crate::toy::config(2, 16), &Head::None);
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    let settings = TaskSettings {
        intermediate: stage(defaults.intermediate.clone(), 1),
        prediction: stage(defaults.prediction.clone(), 2),
        evaluations_per_epoch: 2,
        max_tokens: 16,
        allow_weak_teacher: true,
        ..defaults
    };
    with_data(|data| distill_task(&settings, &teacher, &student, data, output, context)).map(drop)
}

/// Settings of quantization-aware distillation in int8, which has only the prediction stage.
pub fn quantization_aware() -> TaskSettings {
    let defaults = TaskSettings::default();
    TaskSettings {
        intermediate: StageRecipe { epochs: 0, ..defaults.intermediate },
        prediction: StageRecipe { epochs: 2, batch_size: 8, learning_rate: 1e-3, ..defaults.prediction },
        evaluations_per_epoch: 2,
        max_tokens: 16,
        allow_weak_teacher: true,
        quantization_aware: Some(QuantizationAware {
            precision: Precision::default(),
            attention: AttentionPrecision::Auto,
            calibration_examples: 16,
        }),
        ..defaults
    }
}

/// Runs quantization-aware distillation; the folders of both toy models are made in `place`.
pub fn run_quantization_aware(place: &Path, output: Output, context: &Context) -> Result<()> {
    let teacher = crate::toy::model(&place.join("teacher"), &crate::toy::config(4, 32), &labelled());
    let student = crate::toy::model(&place.join("student"), &crate::toy::config(2, 16), &labelled());
    with_data(|data| distill_task(&quantization_aware(), &teacher, &student, data, output, context)).map(drop)
}

/// Runs masked-LM training of head and encoder; the folder of the fresh toy model is made in `place`.
pub fn run_masked_lm(place: &Path, output: Output, context: &Context) -> Result<()> {
    let model = crate::toy::model(&place.join("fresh"), &crate::toy::config(1, 16), &Head::None);
    let windows = encode(&model.text, &crate::toy::sentences(60, 3), 16)?;
    let defaults = MaskedLmSettings::default();
    let recipe = Recipe { epochs: 2, batch_size: 8, learning_rate: 2e-3, ..defaults.recipe.clone() };
    let settings = MaskedLmSettings { train_encoder: true, recipe, max_tokens: 16, ..defaults };
    masked_lm(&settings, &model, &windows, &[], output, context).map(drop)
}

/// The lines of a run's metrics without their times, which differ between runs.
pub fn metrics(out: &Path) -> Vec<serde_json::Value> {
    let mut lines = crate::toy::metrics(out);
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("seconds");
    }
    lines
}
