//! The stated error bounds of the f32 functions, against f64.

use tinybert_kernels::math;

/// `count` numbers evenly from `low` to `high`.
fn range(low: f64, high: f64, count: usize) -> impl Iterator<Item = f32> {
    (0..=count).map(move |i| (low + (high - low) * i as f64 / count as f64) as f32)
}

/// erf by its Taylor series; exact to 1e-10 for |x| ≤ 4, beyond which it is ±1 to 2e-8.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / core::f64::consts::PI.sqrt()
}

#[test]
fn erf_is_right() {
    // DLMF, table 7.23(i).
    for (x, value) in
        [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0), (3.0, 0.999_977_909_5)]
    {
        assert!((erf(x) - value).abs() < 1e-9);
    }
}

#[test]
fn exp2_relative_error_is_below_1_5e_7() {
    for x in range(-126.0, 126.0, 500_000) {
        let exact = f64::from(x).exp2();
        let error = (f64::from(math::exp2(x)) / exact - 1.0).abs();
        assert!(error <= 1.5e-7, "exp2({x}): relative error {error:e}");
    }
    assert_eq!(math::exp2(0.0), 1.0);
    assert_eq!(math::exp2(-1000.0), f32::MIN_POSITIVE);
    assert_eq!(math::exp2(1000.0), math::exp2(126.0));
}

#[test]
fn tanh_absolute_error_is_below_1e_6() {
    for x in range(-20.0, 20.0, 500_000) {
        let error = (f64::from(math::tanh(x)) - f64::from(x).tanh()).abs();
        assert!(error <= 1e-6, "tanh({x}): error {error:e}");
    }
    assert_eq!((math::tanh(1e30), math::tanh(-1e30)), (1.0, -1.0));
}

#[test]
fn sigmoid_absolute_error_is_below_1e_6() {
    for x in range(-100.0, 100.0, 500_000) {
        let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
        let error = (f64::from(math::sigmoid(x)) - exact).abs();
        assert!(error <= 1e-6, "sigmoid({x}): error {error:e}");
    }
    assert_eq!((math::sigmoid(0.0), math::sigmoid(1e30)), (0.5, 1.0));
    assert!(math::sigmoid(-1e30) < 2e-38 && math::sigmoid(f32::NAN) < 2e-38);
}

#[test]
fn gelu_absolute_error_is_below_5e_4() {
    for x in range(-8.0, 8.0, 500_000) {
        let exact = f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) / 2f64.sqrt()));
        let error = (f64::from(math::gelu(x)) - exact).abs();
        assert!(error <= 5e-4, "gelu({x}): error {error:e}");
    }
}

#[test]
fn gelu_is_exact_beyond_the_clamp() {
    for x in range(3.640_625, 1e4, 10_000) {
        assert_eq!(math::gelu(x), x);
        assert_eq!(math::gelu(-x), 0.0);
    }
}

#[test]
fn rsqrt_relative_error_is_below_3e_7() {
    for exponent in -120..120 {
        for mantissa in range(1.0, 2.0, 2000) {
            let x = mantissa * (exponent as f32).exp2();
            let error = (f64::from(math::rsqrt(x)) * f64::from(x).sqrt() - 1.0).abs();
            assert!(error <= 3e-7, "rsqrt({x:e}): relative error {error:e}");
        }
    }
}

#[test]
fn probability_is_within_0_56_of_255_times_exp2() {
    for x in range(-40.0, 0.0, 500_000) {
        let exact = 255.0 * f64::from(x).exp2();
        let error = (f64::from(math::probability(x)) - exact).abs();
        assert!(error <= 0.56, "probability({x}): error {error}");
    }
    assert_eq!((math::probability(0.0), math::probability(f32::NEG_INFINITY)), (255, 0));
}

#[test]
fn softmax_is_within_1e_6_at_every_temperature() {
    let logits = [1.5f32, -0.25, 7.0, 3.0, 6.5];
    for temperature in [1.0, 0.05, 0.7, 1.3, 20.0] {
        let exact: Vec<f64> =
            logits.iter().map(|&x| ((f64::from(x) - 7.0) / f64::from(temperature)).exp()).collect();
        let total: f64 = exact.iter().sum();
        let mut ours = logits;
        math::softmax(&mut ours, temperature);
        for (index, (ours, exact)) in ours.iter().zip(&exact).enumerate() {
            assert!((f64::from(*ours) - exact / total).abs() < 1e-6, "{ours} at {temperature}");
            assert_eq!(math::softmax_at(&logits, index, temperature).to_bits(), ours.to_bits());
        }
    }
}

/// As `docs/numerics.md` states it, step by step.
#[test]
fn the_temperature_divides_the_coefficient_once() {
    let logits = [0.3f32, 2.1, -4.0];
    let coefficient = std::f32::consts::LOG2_E / 1.7;
    let powers = logits.map(|x| math::exp2((x - 2.1) * coefficient));
    let total = (powers[0] + powers[1]) + powers[2];
    let mut ours = logits;
    math::softmax(&mut ours, 1.7);
    assert_eq!(ours.map(f32::to_bits), powers.map(|power| (power / total).to_bits()));
}

#[test]
fn no_probability_is_nan() {
    let extremes = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, 1e-42];
    for temperature in [1.0, f32::MIN_POSITIVE, f32::MAX] {
        for a in extremes {
            for b in extremes {
                let logits = [a, b, 1.0];
                let mut ours = logits;
                math::softmax(&mut ours, temperature);
                for (index, probability) in ours.iter().enumerate() {
                    assert!((0.0..=1.0).contains(probability), "{logits:?} at {temperature}: {ours:?}");
                    let alone = math::softmax_at(&logits, index, temperature);
                    assert_eq!(alone.to_bits(), probability.to_bits(), "{logits:?} at {temperature}");
                }
            }
        }
    }
    assert_eq!(math::softmax_at(&[1.0], 1, 1.0), 0.0);
}

#[test]
fn sum_has_the_documented_order() {
    // Lanes 0 and 1 hold 2^24 and 1; lane 1 collects sixteen ones before it meets lane 0.
    let mut x = vec![0.0f32; 16 * 17];
    x[0] = 16_777_216.0;
    for block in 0..16 {
        x[16 * block + 1] = 1.0;
    }
    assert_eq!(math::sum(x.iter().copied()), 16_777_232.0);
    assert_eq!(x.iter().sum::<f32>(), 16_777_216.0, "in plain order the ones are lost");
}

#[test]
fn min_and_max_return_the_second_operand_for_nan() {
    assert_eq!((math::min(f32::NAN, 2.0), math::max(f32::NAN, 2.0)), (2.0, 2.0));
    assert!(math::min(2.0, f32::NAN).is_nan() && math::max(2.0, f32::NAN).is_nan());
}

#[test]
fn sqrt_is_correctly_rounded() {
    // The processor's own is, by IEEE 754.
    let everywhere =
        (0..=u32::MAX / 977).map(|i| f32::from_bits(i * 977)).filter(|x| x.is_normal() && *x > 0.0);
    let edges = [f32::MIN_POSITIVE, f32::MAX, 1.0, 4.0, 1.0 - f32::EPSILON / 2.0, 4.0 - f32::EPSILON, 2.0];
    for x in everywhere.chain(edges) {
        assert_eq!(math::sqrt(x), x.sqrt(), "{x:e}");
    }
    assert_eq!([0.0, -0.0, -1.0, 1e-40, f32::INFINITY].map(math::sqrt), [0.0, 0.0, 0.0, 0.0, f32::INFINITY]);
    assert!(math::sqrt(f32::NAN).is_nan());
}

#[test]
fn a_normalized_row_has_length_1() {
    let mut row: Vec<f32> = range(-3.0, 5.0, 383).collect();
    let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let expected: Vec<f64> = row.iter().map(|x| f64::from(*x) / length).collect();
    math::normalize(&mut row);
    assert!(row.iter().zip(expected).all(|(x, want)| (f64::from(*x) - want).abs() < 1e-7));
    let mut zeros = [0.0; 3];
    math::normalize(&mut zeros);
    assert_eq!(zeros, [0.0; 3]);
}

#[test]
fn a_cosine_is_within_1e_6_of_that_in_f64() {
    let a: Vec<f32> = range(-3.0, 5.0, 383).collect();
    for scale in [1e-15, 1.0, -2.5, 1e15] {
        let b: Vec<f32> = range(2.0, -7.0, 383).map(|x| x * scale).collect();
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let expected = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
        assert!((f64::from(math::cosine(&a, &b).unwrap()) - expected).abs() < 1e-6, "{scale}");
        assert!((math::cosine(&b, &b).unwrap() - 1.0).abs() < 1e-6);
    }
    assert_eq!(math::cosine(&[3.0, 4.0], &[-4.0, 3.0]), Some(0.0));
    assert_eq!([math::cosine(&a, &[0.0; 384]), math::cosine(&[], &[])], [Some(0.0); 2]);
    assert_eq!(math::cosine(&a, &a[1..]), None);
}

#[test]
fn the_first_of_the_largest_numbers_is_found() {
    assert_eq!(math::argmax(&[f32::NAN, -1.0, 3.0, 3.0, 2.0]), 2);
    assert_eq!(math::argmax(&[-5.0, -4.0, f32::NAN]), 1);
    for none in [&[f32::NAN; 3][..], &[f32::NEG_INFINITY; 2], &[]] {
        assert_eq!(math::argmax(none), 0);
    }
}
