//! The loss of gold labels against PyTorch's.

use candle_core::{Device, Tensor, Var};
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

#[derive(serde::Deserialize)]
struct LabelSets {
    sets: Vec<Option<Vec<u32>>>,
    logits: Vec<f32>,
    cases: Vec<LabelSetCase>,
}

#[derive(serde::Deserialize)]
struct LabelSetCase {
    weights: String,
    loss: f64,
    gradient: Vec<f64>,
}

/// `reference/label_sets.py`: PyTorch's values. Rows without labels count in the number of rows alone; an empty set is
/// a label set as any other.
#[test]
fn the_loss_of_label_sets_agrees_with_pytorch() {
    let reference: LabelSets = serde_json::from_str(include_str!("../reference/label_sets.json")).unwrap();
    let target = |set: Option<Vec<u32>>| set.map_or(Target::None, Target::LabelSet);
    let example = |set| Example { text: "x".into(), pair: None, target: target(set) };
    let data = Dataset {
        examples: reference.sets.into_iter().map(example).collect(),
        labels: ["a", "b", "c", "d"].map(String::from).into(),
        kind: TaskKind::MultiLabel,
        sources: Vec::new(),
    };
    let rows = data.examples.len();
    let input = EncodedInput { ids: vec![1, 2], type_ids: vec![0, 0] };
    let set: EncodedSet = std::iter::repeat_n(input, rows).collect();
    let batch = set.collate(&(0..rows).collect::<Vec<_>>(), 0).unwrap();
    let logits = Var::from_vec(reference.logits, (rows, 4), &Device::Cpu).unwrap();
    for LabelSetCase { weights, loss, gradient } in reference.cases {
        let weighting = (!weights.is_empty()).then(|| weights.parse().unwrap());
        let gold = GoldAnswers::new(&data, weighting.as_ref()).unwrap();
        let found = gold.loss(&logits, &batch, &set).unwrap();
        let value = f64::from(found.to_scalar::<f32>().unwrap());
        assert!((value - loss).abs() < 1e-5 * loss, "{weights}: expected {loss}, found {value}");
        let gradients = found.backward().unwrap();
        let found = gradients.get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, wanted) in found.into_iter().zip(gradient) {
            assert!((f64::from(found) - wanted).abs() < 1e-6, "{weights}: expected {wanted}, found {found}");
        }
    }
    let unknown = GoldAnswers::new(&data, Some(&"e=2".parse().unwrap())).err().unwrap().to_string();
    assert!(unknown.contains(r#"class weight of "e""#) && unknown.contains("a, b, c, d"), "{unknown}");
}
