use candle_core::{Device, Tensor, Var};

use super::*;
use crate::optimizer::OptimizerSettings;

const NAME: &str = "bert.encoder.layer.0.output.dense.weight";
const SHAPE: (usize, usize) = (4, 8);
const STEPS: u64 = 20;

fn settings(method: SparsityMethod) -> SparsitySettings {
    SparsitySettings { method, begin: 0.1, end: 0.8, ..SparsitySettings::new(0.5) }
}

/// Numbers from -1 to 1.
fn numbers(state: &mut u64) -> Vec<f32> {
    let mut next = || {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..SHAPE.0 * SHAPE.1).map(|_| next()).collect()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The state after a step.
struct TakenStep<'a> {
    /// The gradient that the step got.
    gradient: Vec<f32>,
    /// The weights before the step.
    before: Vec<f32>,
    weights: Vec<f32>,
    sparsity: &'a Sparsity,
    optimizer: &'a Optimizer,
    done: f64,
}

/// Takes steps on one matrix with gradients that do not depend on it.
fn steps(settings: SparsitySettings, mut check: impl FnMut(TakenStep)) {
    let mut state = 7;
    let var = Var::from_vec(numbers(&mut state), SHAPE, &Device::Cpu).unwrap();
    let parameters = [(NAME.to_owned(), var.clone())].into();
    let mut optimizer = Optimizer::new(OptimizerSettings::paper(), parameters).unwrap();
    let mut sparsity = Sparsity::new(Some(settings), optimizer.parameters()).unwrap();
    for step in 1..=STEPS {
        let (gradient, before) = (numbers(&mut state), values(&var));
        let mut store = GradStore::default();
        store.insert(&var, Tensor::from_slice(&gradient, SHAPE, &Device::Cpu).unwrap());
        sparsity.mask_gradients(&mut store).unwrap();
        optimizer.step(&store, 0.02).unwrap();
        let done = step as f64 / STEPS as f64;
        sparsity.advance(done, &mut optimizer).unwrap();
        let (sparsity, optimizer) = (&sparsity, &optimizer);
        check(TakenStep { gradient, before, weights: values(&var), sparsity, optimizer, done });
    }
}

fn zeros(weights: &[f32]) -> Vec<usize> {
    (0..weights.len()).filter(|&at| weights[at].to_bits() == 0).collect()
}

#[test]
fn magnitude_takes_the_smallest_and_revives_none() {
    let settings = settings(SparsityMethod::Magnitude);
    let mut last: Vec<usize> = Vec::new();
    steps(settings, |step| {
        let now = zeros(&step.weights);
        assert!(last.iter().all(|at| now.contains(at)), "{last:?} {now:?}");
        assert_eq!(now.len(), (settings.reached(step.done) * 16.0).round() as usize);
        // Before the step the masked weights were smaller than the others, apart from the change by the step
        // itself.
        let largest = now.iter().map(|&at| step.before[at].abs()).fold(0.0, f32::max);
        let smallest = step.weights.iter().filter(|weight| **weight != 0.0).map(|weight| weight.abs());
        assert!(smallest.fold(f32::INFINITY, f32::min) > largest - 0.2, "{}", step.done);
        for (_, _, moments) in step.optimizer.moments().unwrap() {
            assert!(now.iter().all(|&at| moments[at] == 0.0));
        }
        assert_eq!(step.sparsity.is_complete(), step.done >= 0.8);
        last = now;
    });
    assert_eq!(last.len(), 16);
}

/// Scores and masks with plain numbers, from eq. 2 of the paper.
#[test]
fn movement_keeps_what_moves_away_from_zero() {
    let settings = settings(SparsityMethod::Movement);
    let count = SHAPE.0 * SHAPE.1;
    let (mut dense, mut scores, mut masked) = (Vec::new(), vec![0.0f32; count], vec![false; count]);
    let mut revived = 0;
    steps(settings, |step| {
        if dense.is_empty() {
            dense = step.before.clone();
        }
        if step.done - 1.0 / STEPS as f64 >= settings.end - 1e-9 {
            assert_eq!(zeros(&step.weights), (0..count).filter(|&at| masked[at]).collect::<Vec<_>>());
            return;
        }
        for at in 0..count {
            scores[at] -= step.gradient[at] * dense[at];
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let fall = (settings.reached(step.done) * 16.0).round() as usize;
        for (rank, &at) in order.iter().enumerate() {
            let (was, is) = (masked[at], rank < fall);
            assert_eq!(step.weights[at] == 0.0, is, "weight {at} after {}", step.done);
            // A masked weight keeps its value; a weight that comes back took no step meanwhile.
            match (was, is) {
                (false, false) => dense[at] = step.weights[at],
                (true, false) => {
                    revived += 1;
                    assert_eq!(step.weights[at], dense[at]);
                }
                // The weight took a step before it was masked. Its value is read below.
                (false, true) => dense[at] = f32::NAN,
                (true, true) => {}
            }
            masked[at] = is;
        }
        // Only the tested code knows the values that newly masked weights had after their last step.
        let state = step.sparsity.state().unwrap();
        let waiting = state.iter().find(|(name, _)| name.starts_with(DENSE));
        if let Some((_, StoredValues::Tensor(tensor))) = waiting {
            for (dense, now) in dense.iter_mut().zip(values(tensor)).filter(|(dense, _)| dense.is_nan()) {
                *dense = now;
            }
        }
    });
    assert!(revived > 0, "this test needs a weight that comes back");
}

#[test]
fn zeros_that_were_there_stay_unless_they_are_set_free() {
    let weights: Vec<f32> = (0..32).map(|at| if at % 3 == 0 { 0.0 } else { 1.0 }).collect();
    let var = Var::from_vec(weights, SHAPE, &Device::Cpu).unwrap();
    let masked = |settings, name: &str| {
        let mut sparsity = Sparsity::new(settings, [(name, &var)].into_iter()).unwrap();
        let mut store = GradStore::default();
        store.insert(&var, var.ones_like().unwrap());
        sparsity.mask_gradients(&mut store).unwrap();
        zeros(&values(store.get(&var).unwrap())).len()
    };
    assert_eq!(masked(None, NAME), 11);
    assert_eq!(masked(None, "bert.embeddings.word_embeddings.weight"), 0);
    assert_eq!(masked(Some(SparsitySettings::new(0.0)), NAME), 0);
    for method in [SparsityMethod::Magnitude, SparsityMethod::Movement] {
        assert_eq!(masked(Some(settings(method)), NAME), 11);
    }
    // A single zero is a coincidence.
    let mut almost = vec![1.0f32; 32];
    almost[5] = 0.0;
    let var = Var::from_vec(almost, SHAPE, &Device::Cpu).unwrap();
    assert!(Sparsity::new(None, [(NAME, &var)].into_iter()).unwrap().matrices.is_empty());
}
