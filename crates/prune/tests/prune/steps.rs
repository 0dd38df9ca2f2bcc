//! Pruning in steps: the shares fall geometrically, each round recovers, and stopping changes nothing.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, Target, TaskKind};
use tinybert_distill::{StageRecipe, TaskSettings};
use tinybert_model::{Checkpoint, Head, Pooling};
use tinybert_prune::{
    Importance, ImportanceMeasure, PruneWithRecovery, PrunedModel, ShareScope, StructureSettings, keep_layers,
};
use tinybert_testing::runs::{labelled, output};
use tinybert_testing::toy;
use tinybert_train::{Output, TaskData};

/// Three rounds on a toy model of 2 layers with 32 neurons each, of which an eighth stays.
fn run(place: &Path, output: &Output, context: &Context) -> Result<PrunedModel> {
    run_of(json!({}), place, output, context)
}

/// The same of a model that was made by these settings of its files.
fn run_of(made_by: Value, place: &Path, output: &Output, context: &Context) -> Result<PrunedModel> {
    let teacher = toy::model(&place.join("teacher"), &toy::config(2, 16), &labelled());
    let (train, dev) = (toy::sentences(24, 1), toy::sentences(16, 2));
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    let steps = PruneWithRecovery {
        rounds: 3,
        shares: StructureSettings { heads: 0.5, neurons: 0.125, scope: ShareScope::Global, multiple_of: 4 },
        measure: ImportanceMeasure::Taylor { examples: 8, max_tokens: 16 },
        recovery: TaskSettings {
            intermediate: stage(defaults.intermediate.clone(), 0),
            prediction: stage(defaults.prediction.clone(), 1),
            max_tokens: 16,
            allow_weak_teacher: true,
            ..defaults
        },
        teacher: &teacher,
        model: &teacher,
        made_by,
        data: TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy },
    };
    steps.run(output, context)
}

fn save(out: &Path, stepped: &PrunedModel) {
    let Checkpoint { config, head, tensors, text, .. } = &stepped.model;
    tinybert_model::save(out, config, head, tensors, text, &toy::record()).unwrap();
}

#[test]
fn shares_fall_geometrically_and_every_round_is_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let stepped = run(place.path(), &output(&out, false), &Context::default()).unwrap();
    // 64 neurons in groups of 4 become 64 / 2, 64 / 4 and 64 / 8. 4 heads become 4 / 2^(1/3) = 3.2,
    // 4 / 2^(2/3) = 2.5, and 2.
    let neurons: Vec<usize> = stepped.rounds.iter().map(|round| round.neurons.iter().sum()).collect();
    let heads: Vec<usize> = stepped.rounds.iter().map(|round| round.heads.iter().sum()).collect();
    assert_eq!(neurons, [32, 16, 8]);
    assert_eq!(heads, [3, 3, 2]);
    for (at, round) in stepped.rounds.iter().enumerate() {
        let folder = toy::run_folder(&out).join(format!("round-{}", at + 1));
        let model = Checkpoint::load(&folder).unwrap();
        assert_eq!((0..2).map(|layer| model.config.ffn(layer)).collect::<Vec<_>>(), round.neurons);
    }
    save(&out, &stepped);
    stepped.run.remove().unwrap();
    assert!(!toy::run_folder(&out).exists());
    let error = run(place.path(), &output(&out, true), &Context::default()).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("is complete")), "{error}");
}

#[test]
fn stopping_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
    let stepped = run(place.path(), &output(&whole, false), &Context::default()).unwrap();
    save(&whole, &stepped);
    let mut stops = 0;
    let resumed = loop {
        // Importance asks 8 times and the judge once before each first step of a round.
        let stop = toy::StopAfter::new([4, 10, 11, 12][stops % 4]);
        match run(place.path(), &output(&parts, stops > 0), &stop.context()) {
            Ok(done) => break done,
            Err(Error::Interrupted(_)) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 40);
    };
    assert!(stops > 3);
    save(&parts, &resumed);
    assert_eq!(stepped.rounds, resumed.rounds);
    let weights = |out: &Path| fs::read(out.join("model.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&parts));
}

#[test]
fn an_interrupted_run_is_not_begun_anew_unasked() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let error =
        run(place.path(), &output(&out, false), &toy::StopAfter::new(11).context()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)), "{error}");
    let error = run(place.path(), &output(&out, false), &Context::default()).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("--resume")), "{error}");
}

#[test]
fn rounds_of_other_layers_are_not_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let run = |layers: [usize; 2], resume, context: &Context| {
        run_of(json!({ "layers": layers }), place.path(), &output(&out, resume), context)
            .map(drop)
            .unwrap_err()
    };
    let stop = toy::StopAfter::new(11);
    assert!(matches!(run([1, 2], false, &stop.context()), Error::Interrupted(_)));
    let error = run([1, 3], true, &Context::default());
    assert!(
        matches!(&error, Error::Usage(what) if what.contains("layers: it began with [1,2], now [1,3]")),
        "{error}"
    );
    let stop = toy::StopAfter::new(1);
    assert!(matches!(run([1, 2], true, &stop.context()), Error::Interrupted(_)));
}

/// A model that is its own teacher has no loss to change: every importance is 0. Any other teacher gives some.
#[test]
fn a_teacher_stands_for_labels() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("model"), &toy::config(2, 16), &labelled());
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(1, 8), &labelled());
    let mut data = toy::sentences(8, 3);
    data.examples.iter_mut().for_each(|example| example.target = Target::None);
    let by = |teacher: Option<&Checkpoint>, data: &Dataset| {
        Importance::taylor(&model, data, teacher, 8, 16, &Context::default())
    };
    let error = by(None, &data).unwrap_err();
    assert!(error.to_string().contains("needs labels"), "{error}");
    let all = |importance: Importance| -> Vec<f64> {
        importance.heads.into_iter().chain(importance.neurons).flatten().collect()
    };
    assert!(all(by(Some(&model), &data).unwrap()).iter().all(|&value| value < 1e-6));
    assert!(all(by(Some(&teacher), &data).unwrap()).iter().any(|&value| value > 1e-4));
    let other = Head::Classification { labels: vec!["x".into(), "y".into()] };
    let stranger = toy::model(&place.path().join("stranger"), &toy::config(1, 8), &other);
    assert!(by(Some(&stranger), &data).is_err());
}

#[test]
fn sentence_encoders_are_pruned_against_their_teacher() {
    let place = tempfile::tempdir().unwrap();
    let head = |dimensions, projected| Head::Embedding {
        dimensions,
        projected,
        pooling: Pooling::Mean,
        normalized: true,
        prompt: String::new(),
    };
    let teacher = toy::model(&place.path().join("teacher"), &toy::config(2, 16), &head(16, false));
    let model = toy::model(&place.path().join("model"), &toy::config(1, 8), &head(16, true));
    let mut data = toy::sentences(8, 3);
    data.examples.iter_mut().for_each(|example| example.target = Target::None);
    let data = Dataset { labels: Vec::new(), kind: TaskKind::Embedding, ..data };
    let importance = Importance::taylor(&model, &data, Some(&teacher), 8, 16, &Context::default()).unwrap();
    assert!(importance.heads[0].iter().all(|&value| value > 0.0));
}

#[test]
fn layers_that_stay_are_numbered_anew_and_compute_what_they_did() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("model"), &toy::config(4, 16), &labelled());
    let kept = keep_layers(&model, &[1, 3]).unwrap();
    assert_eq!(kept.config.num_hidden_layers, 2);
    let weight = |model: &Checkpoint, layer: usize| {
        let name = format!("bert.encoder.layer.{layer}.intermediate.dense.weight");
        model.tensors[&name].flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!((weight(&kept, 0), weight(&kept, 1)), (weight(&model, 0), weight(&model, 2)));
    assert_eq!(kept.tensors.len(), model.tensors.len() - 2 * 16);
    let out = place.path().join("out");
    tinybert_model::save(&out, &kept.config, &kept.head, &kept.tensors, &kept.text, &toy::record()).unwrap();
    Checkpoint::load(&out).unwrap();
    for wrong in [vec![], vec![0], vec![5], vec![2, 1], vec![1, 1]] {
        assert!(keep_layers(&model, &wrong).is_err(), "{wrong:?}");
    }
}
