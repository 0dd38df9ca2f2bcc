use candle_core::{Device, IndexOp, Var};

use super::*;

/// Reference values of `tests/reference/losses.py`, which cuts sequences to their length instead of masking
/// them.
#[derive(serde::Deserialize)]
struct LossReference {
    lengths: Vec<usize>,
    temperature: f64,
    hidden: LossCase,
    attention: LossCase,
    prediction: LossCase,
    score: LossCase,
}

#[derive(serde::Deserialize)]
struct LossCase {
    student: Vec<f32>,
    teacher: Vec<f32>,
    loss: f32,
    gradient: Vec<f32>,
    #[serde(default)]
    projection: Vec<f32>,
    #[serde(default)]
    projection_gradient: Vec<f32>,
}

fn reference() -> LossReference {
    serde_json::from_str(include_str!("../../../tests/reference/losses.json")).unwrap()
}

fn variable(values: &[f32], shape: impl Into<Shape>) -> Var {
    Var::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn tensor(values: &[f32], shape: impl Into<Shape>) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn assert_close(found: &Tensor, expected: &[f32]) {
    let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-6, "at {index}: {found} against {expected}");
    }
}

#[test]
fn hidden_loss_agrees_with_pytorch() {
    let LossReference { lengths, hidden, .. } = reference();
    let (student, projection) = (variable(&hidden.student, (3, 5, 4)), variable(&hidden.projection, (4, 6)));
    let projected = student.broadcast_matmul(&projection).unwrap();
    let loss = hidden_mse(&projected, &tensor(&hidden.teacher, (3, 5, 6)), &lengths).unwrap();
    assert_close(&loss, &[hidden.loss]);
    let gradients = loss.backward().unwrap();
    assert_close(gradients.get(&student).unwrap(), &hidden.gradient);
    assert_close(gradients.get(&projection).unwrap(), &hidden.projection_gradient);
}

#[test]
fn attention_loss_agrees_with_pytorch() {
    let LossReference { lengths, attention, .. } = reference();
    let student = variable(&attention.student, (3, 2, 5, 5));
    let loss = attention_mse(&student, &tensor(&attention.teacher, (3, 2, 5, 5)), &lengths).unwrap();
    assert_close(&loss, &[attention.loss]);
    assert_close(loss.backward().unwrap().get(&student).unwrap(), &attention.gradient);
}

#[test]
fn prediction_losses_agree_with_pytorch() {
    let LossReference { temperature, prediction, score, .. } = reference();
    let student = variable(&prediction.student, (3, 3));
    let loss = soft_cross_entropy(&student, &tensor(&prediction.teacher, (3, 3)), temperature)
        .unwrap()
        .mean_all()
        .unwrap();
    assert_close(&loss, &[prediction.loss]);
    assert_close(loss.backward().unwrap().get(&student).unwrap(), &prediction.gradient);

    let student = variable(&score.student, (3, 1));
    let loss = squared_error(&student, &tensor(&score.teacher, (3, 1))).unwrap().mean_all().unwrap();
    assert_close(&loss, &[score.loss]);
    assert_close(loss.backward().unwrap().get(&student).unwrap(), &score.gradient);
}

#[test]
fn the_teacher_receives_no_gradient() {
    let (student, teacher) = (variable(&[1.0, 2.0], (1, 2, 1)), variable(&[3.0, 5.0], (1, 2, 1)));
    let gradients = hidden_mse(&student, &teacher, &[2]).unwrap().backward().unwrap();
    assert!(gradients.get(&student).is_some() && gradients.get(&teacher).is_none());
}

/// The same sequences with two more columns of padding that have arbitrary values.
#[test]
fn padding_changes_neither_loss_nor_gradient() {
    let LossReference { lengths, attention, hidden, .. } = reference();
    let wide = |values: &[f32], filler: f32| {
        let square = tensor(values, (3, 2, 5, 5));
        let square = square.pad_with_zeros(2, 0, 2).unwrap().pad_with_zeros(3, 0, 2).unwrap();
        let inside = Tensor::ones((3, 2, 5, 5), candle_core::DType::F32, &Device::Cpu).unwrap();
        let inside = inside.pad_with_zeros(2, 0, 2).unwrap().pad_with_zeros(3, 0, 2).unwrap();
        (square + (1.0 - inside).unwrap() * f64::from(filler)).unwrap()
    };
    let student = Var::from_tensor(&wide(&attention.student, 7.0)).unwrap();
    let loss = attention_mse(&student, &wide(&attention.teacher, -1e4), &lengths).unwrap();
    assert_close(&loss, &[attention.loss]);
    let gradient = loss.backward().unwrap().get(&student).unwrap().clone();
    assert_close(&gradient.i((.., .., ..5, ..5)).unwrap(), &attention.gradient);
    let beyond = gradient.i((.., .., 5.., ..)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(beyond.iter().all(|&g| g == 0.0));

    let tall = |values: &[f32], width: usize, filler: f32| {
        let padding = Tensor::full(filler, (3, 2, width), &Device::Cpu).unwrap();
        Tensor::cat(&[&tensor(values, (3, 5, width)), &padding], 1).unwrap()
    };
    let projection = tensor(&hidden.projection, (4, 6));
    let projected = tall(&hidden.student, 4, 9.0).broadcast_matmul(&projection).unwrap();
    let loss = hidden_mse(&projected, &tall(&hidden.teacher, 6, -9.0), &lengths).unwrap();
    assert_close(&loss, &[hidden.loss]);
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let states = tensor(&[0.0; 6], (1, 3, 2));
    assert!(hidden_mse(&states, &states, &[4]).is_err());
    assert!(hidden_mse(&states, &states, &[3, 3]).is_err());
    assert!(hidden_mse(&states, &tensor(&[0.0; 6], (1, 2, 3)), &[2]).is_err());
}

#[test]
fn composed_losses_are_the_fused_ones() {
    let reference = reference();
    let l = 5;
    for (region, middle, width) in [(Region::Rows, 1, 4), (Region::Square, 2, l)] {
        let b = reference.lengths.len();
        let shape: Vec<usize> = if middle == 1 { vec![b, l, width] } else { vec![b, middle, l, width] };
        let n = b * middle * l * width;
        let values = |phase: f32| (0..n).map(|i| (i as f32 * 0.61 + phase).sin()).collect::<Vec<_>>();
        let (student, teacher) = (variable(&values(0.0), shape.clone()), tensor(&values(1.3), shape.clone()));
        let run = |composed: bool| {
            let op = MaskedMse { lengths: reference.lengths.clone(), region };
            let loss = match composed {
                true => op.composed(&student, &teacher).unwrap(),
                false => student.apply_op2(&teacher, op).unwrap(),
            };
            let gradient = loss.backward().unwrap().get(&student).unwrap().flatten_all().unwrap();
            (loss, gradient.to_vec1::<f32>().unwrap())
        };
        let ((composed, gradient), (fused, expected)) = (run(true), run(false));
        assert_close(&composed, &[fused.to_scalar::<f32>().unwrap()]);
        assert_close(&Tensor::new(gradient, &Device::Cpu).unwrap(), &expected);
    }
}

/// `tests/reference/label_sets.py`: PyTorch's values.
#[test]
fn the_loss_of_label_sets_agrees_with_pytorch() {
    #[derive(serde::Deserialize)]
    struct Reference {
        temperature: f64,
        labels: usize,
        student: Vec<f32>,
        teacher: Vec<f32>,
        losses: Vec<f32>,
        gradient: Vec<f32>,
    }
    let reference: Reference =
        serde_json::from_str(include_str!("../../../tests/reference/label_sets.json")).unwrap();
    let shape = (reference.losses.len(), reference.labels);
    let (student, teacher) = (variable(&reference.student, shape), tensor(&reference.teacher, shape));
    let losses = soft_binary_cross_entropy(&student, &teacher, reference.temperature).unwrap();
    assert_close(&losses, &reference.losses);
    let head = tinybert_model::Head::multi_label(vec![String::new(); reference.labels]);
    let loss = answer_loss(&head, &student, &teacher, reference.temperature, None).unwrap();
    assert_close(loss.backward().unwrap().get(&student).unwrap(), &reference.gradient);
}

#[test]
fn factors_of_answers_scale_their_losses_before_the_mean() {
    let logits = tensor(&[2.0, 0.0, 0.0, 1.0, -1.0, 3.0], (3, 2));
    let teacher = tensor(&[1.0, 0.0, 0.0, 2.0, 0.5, 0.5], (3, 2));
    let head = tinybert_model::Head::Classification { labels: vec!["a".into(), "b".into()] };
    let loss = |factors: Option<&Tensor>| {
        f64::from(answer_loss(&head, &logits, &teacher, 2.0, factors).unwrap().to_scalar::<f32>().unwrap())
    };
    let each = soft_cross_entropy(&logits, &teacher, 2.0).unwrap().to_vec1::<f32>().unwrap();
    let wanted = (0.75 * f64::from(each[0]) + f64::from(each[2])) / 3.0;
    let factors = Tensor::new(&[0.75f32, 0.0, 1.0], &candle_core::Device::Cpu).unwrap();
    assert!((loss(Some(&factors)) - wanted).abs() < 1e-6);
    assert!((loss(None) - each.iter().map(|&loss| f64::from(loss)).sum::<f64>() / 3.0).abs() < 1e-6);
}
