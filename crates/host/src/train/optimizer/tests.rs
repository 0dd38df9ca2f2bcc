use candle_core::Device;

use super::*;

/// Written by `tests/reference/optimizer.py`.
#[derive(serde::Deserialize)]
struct Reference {
    rates: Vec<f64>,
    shapes: BTreeMap<String, Vec<usize>>,
    start: BTreeMap<String, Vec<f32>>,
    gradients: Vec<BTreeMap<String, Vec<f32>>>,
    adamw: BTreeMap<String, Vec<f32>>,
    paper: BTreeMap<String, Vec<f32>>,
}

fn variable(values: &[f32], shape: &[usize]) -> Var {
    Var::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn gradients_of<'a>(pairs: impl IntoIterator<Item = (&'a Var, &'a [f32])>) -> GradStore {
    let mut store = GradStore::default();
    for (var, values) in pairs {
        store.insert(var, Tensor::from_slice(values, var.shape(), &Device::Cpu).unwrap());
    }
    store
}

fn check(settings: OptimizerSettings, expected: fn(&Reference) -> &BTreeMap<String, Vec<f32>>) {
    let reference: Reference =
        serde_json::from_str(include_str!("../../../tests/reference/optimizer.json")).unwrap();
    let vars: BTreeMap<String, Var> = reference
        .start
        .iter()
        .map(|(name, values)| (name.clone(), variable(values, &reference.shapes[name])))
        .collect();
    let mut optimizer = Optimizer::new(settings, vars.clone());
    for (gradients, &rate) in reference.gradients.iter().zip(&reference.rates) {
        let store = gradients_of(vars.iter().map(|(name, var)| (var, gradients[name].as_slice())));
        optimizer.step(&store, rate).unwrap();
    }
    for (name, var) in &vars {
        let found = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in found.iter().zip(&expected(&reference)[name]) {
            assert!((found - expected).abs() < 2e-6, "{name}: {found} against {expected}");
        }
    }
}

#[test]
fn adamw_agrees_with_pytorch() {
    check(OptimizerSettings::adamw(), |reference| &reference.adamw);
}

#[test]
fn the_papers_adam_agrees_with_bert_adam_on_pytorch() {
    check(OptimizerSettings::paper(), |reference| &reference.paper);
}

/// Weights after two steps over tensors of several chunks, on `threads` threads.
fn two_steps(threads: usize) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let values: Vec<f32> = (0..3 * CHUNK + 17).map(|i| (i as f32 * 0.37).sin()).collect();
        let var = variable(&values, &[values.len()]);
        let vars = BTreeMap::from([("a.weight".to_owned(), var.clone())]);
        let mut optimizer = Optimizer::new(OptimizerSettings::adamw(), vars);
        for _ in 0..2 {
            optimizer.step(&gradients_of([(&var, values.as_slice())]), 1e-3).unwrap();
        }
        var.to_vec1().unwrap()
    })
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    assert_eq!(two_steps(1), two_steps(3));
}

#[test]
fn a_gradient_that_is_not_finite_is_named_and_changes_nothing() {
    let vars: BTreeMap<String, Var> =
        ["a", "b"].map(|name| (name.to_owned(), variable(&[1.0, 2.0], &[2]))).into();
    let mut optimizer = Optimizer::new(OptimizerSettings::paper(), vars.clone());
    let store = gradients_of([(&vars["a"], &[1.0, 1.0][..]), (&vars["b"], &[f32::NAN, 0.0][..])]);
    let error = optimizer.step(&store, 1e-3).unwrap_err();
    assert!(matches!(&error, Error::Diverged(message) if message.contains("gradient of b")), "{error}");
    assert_eq!(vars["a"].to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_missing_gradient_is_an_error() {
    let vars = BTreeMap::from([("lost.weight".to_owned(), variable(&[1.0], &[1]))]);
    let error =
        Optimizer::new(OptimizerSettings::paper(), vars).step(&GradStore::default(), 0.1).unwrap_err();
    assert!(error.to_string().contains("lost.weight"), "{error}");
}
