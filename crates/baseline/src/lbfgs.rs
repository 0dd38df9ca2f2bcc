//! L-BFGS: minimises a smooth convex function of many weights.
//!
//! The solver is the project's own, although `argmin` has one that is well kept: its vectors of plain numbers are
//! added and multiplied on one thread and copied at each step, and here they are as long as features times labels.
//! The two loops below are the whole algorithm (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5),
//! in f32 with sums in f64, over all threads, and in a fixed order: the same bits for any number of threads.

use std::collections::VecDeque;

use rayon::prelude::*;

use tinybert_base::vectorised;

/// Steps that the curvature is estimated from.
const MEMORY: usize = 6;
/// Share of the expected decrease that a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// A step is halved at most so many times. If that is not enough, f32 cannot tell the two points apart.
const HALVINGS: u32 = 20;
/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 13;

/// When [`minimize`] is done.
pub struct Stopping<'a> {
    /// Euclidean length of a gradient that is small enough.
    pub gradient: f64,
    /// Share of the value by which a step has to make it smaller for another one to follow.
    pub decrease: f64,
    /// Largest number of steps.
    pub steps: usize,
    /// Ends the search early.
    pub stop: &'a dyn Fn() -> bool,
}

/// The weights, from `weights` on, that minimise a convex function. `function` gives the value at its first argument
/// and writes the gradient there to its second. `scales` are guesses of the inverse curvature along each weight, which
/// the estimate of the curvature begins with.
pub fn minimize(
    mut weights: Vec<f32>,
    mut function: impl FnMut(&[f32], &mut [f32]) -> f64,
    scales: &[f32],
    stopping: &Stopping,
) -> Vec<f32> {
    let mut gradient = vec![0.0; weights.len()];
    let mut value = function(&weights, &mut gradient);
    let mut memory: VecDeque<Change> = VecDeque::new();
    let (mut next, mut next_gradient) = (weights.clone(), gradient.clone());
    for _ in 0..stopping.steps {
        let length = dot(&gradient, &gradient).sqrt();
        if length <= stopping.gradient || !length.is_finite() || (stopping.stop)() {
            break;
        }
        let direction = direction(&gradient, scales, &memory);
        let slope = dot(&gradient, &direction);
        let mut step = 1.0;
        let mut halvings = 0;
        let next_value = loop {
            next.copy_from_slice(&weights);
            add(&mut next, step, &direction);
            let next_value = function(&next, &mut next_gradient);
            if next_value <= value + SUFFICIENT * step * slope {
                break Some(next_value);
            }
            step /= 2.0;
            halvings += 1;
            if halvings > HALVINGS {
                break None;
            }
        };
        let Some(next_value) = next_value else { break };
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.extend(Change::between((&weights, &gradient), (&next, &next_gradient)));
        std::mem::swap(&mut weights, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        let decrease = value - next_value;
        value = next_value;
        if decrease <= stopping.decrease * value {
            break;
        }
    }
    weights
}

/// A step and what it changed.
struct Change {
    weights: Vec<f32>,
    gradient: Vec<f32>,
    /// The inner product of the two.
    curvature: f64,
}

impl Change {
    /// The change from one point to another, each with its weights and gradient. `None` if rounding left no
    /// curvature.
    fn between(from: (&[f32], &[f32]), to: (&[f32], &[f32])) -> Option<Self> {
        let [weights, gradient] = [(from.0, to.0), (from.1, to.1)].map(|(from, to)| {
            to.par_iter().with_min_len(CHUNK).zip(from).map(|(to, from)| to - from).collect::<Vec<f32>>()
        });
        let curvature = dot(&weights, &gradient);
        (curvature > 0.0).then_some(Self { weights, gradient, curvature })
    }
}

/// The negative gradient times the estimate of the inverse Hessian.
fn direction(gradient: &[f32], scales: &[f32], memory: &VecDeque<Change>) -> Vec<f32> {
    let mut direction = vec![0.0; gradient.len()];
    add(&mut direction, -1.0, gradient);
    let mut shares = Vec::with_capacity(memory.len());
    for change in memory.iter().rev() {
        let share = dot(&change.weights, &direction) / change.curvature;
        add(&mut direction, -share, &change.gradient);
        shares.push(share);
    }
    let common = match memory.back() {
        Some(last) => {
            (last.curvature / dot(&last.gradient, &multiplied(last.gradient.clone(), scales, 1.0))) as f32
        }
        None => 1.0,
    };
    direction = multiplied(direction, scales, common);
    for (change, share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = dot(&change.gradient, &direction) / change.curvature;
        add(&mut direction, share - back, &change.weights);
    }
    direction
}

/// Each value times its scale and a common factor.
fn multiplied(mut values: Vec<f32>, scales: &[f32], factor: f32) -> Vec<f32> {
    let values_and_scales = values.par_iter_mut().with_min_len(CHUNK).zip(scales);
    values_and_scales.for_each(|(value, scale)| *value *= factor * scale);
    values
}

/// Adds `factor * values` to `sums`.
fn add(sums: &mut [f32], factor: f64, values: &[f32]) {
    let factor = factor as f32;
    sums.par_iter_mut().with_min_len(CHUNK).zip(values).for_each(|(sum, value)| *sum += factor * value);
}

/// The inner product of two vectors. Each chunk is summed by itself, and the chunks in their order.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    let chunks = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    let sums: Vec<f64> = chunks
        .map(|(a, b)| {
            vectorised(
                #[inline(always)]
                || dot_of_chunk(a, b),
            )
        })
        .collect();
    sums.into_iter().sum()
}

/// The inner product of two chunks, in lanes that the compiler can put into vectors.
#[inline(always)]
fn dot_of_chunk(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_a_quadratic_is_where_algebra_puts_it() {
        // Half the sum of k (x - 1/k)² with k from 1 to 100: the minimum is at 1/k.
        let function = |x: &[f32], gradient: &mut [f32]| {
            let mut value = 0.0;
            for (at, (x, gradient)) in x.iter().zip(gradient).enumerate() {
                let k = at as f32 + 1.0;
                *gradient = k * (x - 1.0 / k);
                value += 0.5 * f64::from(*gradient * (x - 1.0 / k));
            }
            value
        };
        let stopping = Stopping { gradient: 1e-4, decrease: 0.0, steps: 200, stop: &|| false };
        let found = minimize(vec![5.0; 100], function, &[1.0; 100], &stopping);
        for (at, x) in found.iter().enumerate() {
            assert!((x - 1.0 / (at as f32 + 1.0)).abs() < 1e-4, "{at}: {x}");
        }
    }

    #[test]
    fn a_raised_signal_leaves_the_weights() {
        let stopping = Stopping { gradient: 0.0, decrease: 0.0, steps: 10, stop: &|| true };
        let function = |x: &[f32], gradient: &mut [f32]| {
            gradient[0] = x[0];
            f64::from(x[0] * x[0]) / 2.0
        };
        assert_eq!(minimize(vec![3.0], function, &[1.0], &stopping), [3.0]);
    }
}
