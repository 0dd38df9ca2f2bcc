use candle_core::Device;

use super::*;

/// Written by `tests/reference/optimizer.py`.
#[derive(serde::Deserialize)]
struct ReferenceAdam {
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

fn check(settings: OptimizerSettings, expected: fn(&ReferenceAdam) -> &BTreeMap<String, Vec<f32>>) {
    let reference: ReferenceAdam =
        serde_json::from_str(include_str!("../../tests/reference/optimizer.json")).unwrap();
    let vars: BTreeMap<String, Var> = reference
        .start
        .iter()
        .map(|(name, values)| (name.clone(), variable(values, &reference.shapes[name])))
        .collect();
    let mut optimizer = Optimizer::new(settings, vars.clone()).unwrap();
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

/// Both methods on plain f64 numbers, written from their papers without a look at the fast code.
fn naive(
    settings: &OptimizerSettings,
    start: &[Vec<f32>],
    gradients: &[Vec<Vec<f32>>],
    rate: f64,
) -> Vec<Vec<f64>> {
    let norm = |values: &[f32]| values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
    let mut result: Vec<Vec<f64>> = start.iter().map(|p| p.iter().map(|&x| f64::from(x)).collect()).collect();
    let mut moments: Vec<Vec<(f64, f64)>> = start.iter().map(|p| vec![(0.0, 0.0); p.len()]).collect();
    for (step, gradients) in gradients.iter().enumerate() {
        let all = gradients.iter().map(|g| norm(g)).sum::<f64>().sqrt();
        for ((p, moments), gradient) in result.iter_mut().zip(&mut moments).zip(gradients) {
            let length = if settings.method == AdamMethod::Paper { norm(gradient).sqrt() } else { all };
            let scale = if length > settings.clip_norm { settings.clip_norm / length } else { 1.0 };
            let correct = |beta: f64| match settings.method {
                AdamMethod::Paper => 1.0,
                AdamMethod::AdamW => 1.0 - beta.powi(step as i32 + 1),
            };
            for ((p, (m, v)), g) in p.iter_mut().zip(moments).zip(gradient) {
                let g = f64::from(*g) * scale;
                *m = settings.beta1 * *m + (1.0 - settings.beta1) * g;
                *v = settings.beta2 * *v + (1.0 - settings.beta2) * g * g;
                let (m, v) = (*m / correct(settings.beta1), *v / correct(settings.beta2));
                *p -= rate * (m / (v.sqrt() + settings.epsilon) + settings.weight_decay * *p);
            }
        }
    }
    result
}

#[test]
fn tensors_of_any_size_agree_with_plain_arithmetic() {
    let mut generator = tinybert_base::random::generator(3, "optimizer");
    let mut normal = |n: usize, sigma| tinybert_base::random::normal(&mut generator, n, sigma);
    // Empty tails, tails of every length, several chunks.
    let sizes = [1, 7, 8, 9, 64, CHUNK - 1, CHUNK, 2 * CHUNK + 5];
    let start: Vec<Vec<f32>> = sizes.iter().map(|&n| normal(n, 0.5)).collect();
    let gradients: Vec<Vec<Vec<f32>>> =
        [2.0, 1e-3, 0.3].iter().map(|&sigma| sizes.iter().map(|&n| normal(n, sigma)).collect()).collect();
    for settings in [OptimizerSettings::paper(), OptimizerSettings::adamw()] {
        let vars: BTreeMap<String, Var> = start
            .iter()
            .enumerate()
            .map(|(at, p)| (format!("{at}.weight"), variable(p, &[p.len()])))
            .collect();
        let mut optimizer = Optimizer::new(settings, vars.clone()).unwrap();
        for gradients in &gradients {
            let store = gradients_of(vars.values().zip(gradients.iter().map(Vec::as_slice)));
            optimizer.step(&store, 1e-2).unwrap();
        }
        for (var, expected) in vars.values().zip(naive(&settings, &start, &gradients, 1e-2)) {
            for (found, expected) in var.to_vec1::<f32>().unwrap().iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 2e-5, "{found} against {expected}");
            }
        }
    }
}

#[test]
fn restored_moments_go_on_to_the_same_bits() {
    let run = |interrupt: bool| {
        let var = variable(&[0.3, -0.2, 0.9], &[3]);
        let vars = BTreeMap::from([("a.weight".to_owned(), var.clone())]);
        let mut optimizer = Optimizer::new(OptimizerSettings::adamw(), vars.clone()).unwrap();
        for step in 0..6 {
            if interrupt && step == 3 {
                let saved: BTreeMap<String, Vec<f32>> = optimizer
                    .moments()
                    .unwrap()
                    .into_iter()
                    .map(|(moment, name, values)| (format!("{moment}{name}"), values.to_vec()))
                    .collect();
                optimizer = Optimizer::new(OptimizerSettings::adamw(), vars.clone()).unwrap();
                let find = |moment: &str, name: &str| {
                    Ok(Tensor::new(saved[&format!("{moment}{name}")].as_slice(), &Device::Cpu)?)
                };
                optimizer.restore(3, find).unwrap();
            }
            let gradient = [0.1, -0.7, 0.01 * step as f32];
            optimizer.step(&gradients_of([(&var, &gradient[..])]), 1e-2).unwrap();
        }
        var.to_vec1::<f32>().unwrap()
    };
    assert_eq!(run(false), run(true));
}

/// Weights after two steps over tensors of several chunks, on `threads` threads.
fn two_steps(threads: usize) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let values: Vec<f32> = (0..3 * CHUNK + 17).map(|i| (i as f32 * 0.37).sin()).collect();
        let var = variable(&values, &[values.len()]);
        let vars = BTreeMap::from([("a.weight".to_owned(), var.clone())]);
        let mut optimizer = Optimizer::new(OptimizerSettings::adamw(), vars).unwrap();
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
    let mut optimizer = Optimizer::new(OptimizerSettings::paper(), vars.clone()).unwrap();
    let store = gradients_of([(&vars["a"], &[1.0, 1.0][..]), (&vars["b"], &[f32::NAN, 0.0][..])]);
    let error = optimizer.step(&store, 1e-3).unwrap_err();
    assert!(matches!(&error, Error::Diverged(message) if message.contains("gradient of b")), "{error}");
    assert_eq!(vars["a"].to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_missing_gradient_is_an_error() {
    let vars = BTreeMap::from([("lost.weight".to_owned(), variable(&[1.0], &[1]))]);
    let error = Optimizer::new(OptimizerSettings::paper(), vars)
        .unwrap()
        .step(&GradStore::default(), 0.1)
        .unwrap_err();
    assert!(error.to_string().contains("lost.weight"), "{error}");
}

#[test]
fn composed_updates_are_the_fused_ones() {
    let values: Vec<f32> = (0..40).map(|i| (i as f32 * 0.37).sin()).collect();
    for settings in [OptimizerSettings::paper(), OptimizerSettings::adamw()] {
        let run = |moments: fn(&Var) -> candle_core::Result<AdamMoments>| {
            let var = variable(&values, &[5, 8]);
            let vars = BTreeMap::from([("a.weight".to_owned(), var.clone())]);
            let mut optimizer = Optimizer::with(settings, vars, moments).unwrap();
            for step in 0..4 {
                let gradient: Vec<f32> = values.iter().map(|x| (9.0 * x + step as f32).cos()).collect();
                optimizer.step(&gradients_of([(&var, &gradient[..])]), 1e-2).unwrap();
            }
            let moments = optimizer.moments().unwrap();
            let moments = moments.into_iter().flat_map(|(_, _, values)| values.into_owned());
            moments.chain(var.flatten_all().unwrap().to_vec1().unwrap()).collect::<Vec<f32>>()
        };
        for (composed, fused) in run(AdamMoments::composed).into_iter().zip(run(AdamMoments::new)) {
            assert!((composed - fused).abs() < 1e-6, "{composed} against {fused}");
        }
    }
}
