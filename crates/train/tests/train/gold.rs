//! The loss of gold labels against PyTorch's.

use candle_core::{Device, Tensor};
use tinybert_data::EncodedSet;
use tinybert_data::task::{Dataset, Example, Target, TaskKind};
use tinybert_model::EncodedInput;
use tinybert_train::GoldAnswers;

#[derive(serde::Deserialize)]
struct Reference {
    labels: Vec<u32>,
    has_label: Vec<bool>,
    logits: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    weights: String,
    loss: f64,
}

/// `reference/gold.py`: PyTorch's values. Rows without a label count in the number of rows alone.
#[test]
fn class_weights_agree_with_pytorch() {
    let reference: Reference = serde_json::from_str(include_str!("../reference/gold.json")).unwrap();
    let target = |(&label, &has_label): (&u32, &bool)| match has_label {
        true => Target::Class(label),
        false => Target::None,
    };
    let targets: Vec<Target> = reference.labels.iter().zip(&reference.has_label).map(target).collect();
    let data = Dataset {
        examples: targets
            .into_iter()
            .map(|target| Example { text: "x".into(), pair: None, target })
            .collect(),
        labels: ["a", "b", "c"].map(String::from).into(),
        kind: TaskKind::Classification,
        sources: Vec::new(),
    };
    let rows = data.examples.len();
    let input = EncodedInput { ids: vec![1, 2], type_ids: vec![0, 0] };
    let set: EncodedSet = std::iter::repeat_n(input, rows).collect();
    let batch = set.collate(&(0..rows).collect::<Vec<_>>(), 0).unwrap();
    let logits = Tensor::from_vec(reference.logits, (rows, 3), &Device::Cpu).unwrap();
    let plain = GoldAnswers::new(&data, None).unwrap();
    assert_eq!(plain.mask(&batch, &set), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    for Case { weights, loss } in reference.cases {
        let gold = GoldAnswers::new(&data, Some(&weights.parse().unwrap())).unwrap();
        let found = gold.loss(&logits, &batch, &set).unwrap().to_scalar::<f32>().unwrap();
        assert!((f64::from(found) - loss).abs() < 1e-6, "{weights}: expected {loss}, found {found}");
    }
}
