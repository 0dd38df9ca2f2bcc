//! The packed layout of weights.

use proptest::collection::vec;
use proptest::prelude::*;
use tinybert_layout::{Panel, ShapeMismatch, pack, unpack};

#[test]
fn layout_is_panels_of_groups_filled_up_no_further_than_needed() {
    // [3, 5] in panels of 2 outputs by groups of 4 inputs.
    let source: Vec<i8> = (1..=15).collect();
    #[rustfmt::skip]
    let expected = [
        1, 2, 3, 4,      6, 7, 8, 9,    5, 0, 0, 0,    10, 0, 0, 0,
        11, 12, 13, 14,  0, 0, 0, 0,    15, 0, 0, 0,   0, 0, 0, 0,
    ];
    assert_eq!(packed(&source, 3, 5, Panel { nr: 2, kr: 4 }), expected);

    // Panels of 3 need no filling up to 3, groups of 12 none beyond a multiple of 4.
    #[rustfmt::skip]
    let expected = [
        1, 2, 3, 4, 5, 0, 0, 0,  6, 7, 8, 9, 10, 0, 0, 0,  11, 12, 13, 14, 15, 0, 0, 0,
        16, 17, 18, 19, 20, 0, 0, 0,
    ];
    let source: Vec<i8> = (1..=20).collect();
    assert_eq!(packed(&source, 4, 5, Panel { nr: 3, kr: 12 }), expected);
}

#[test]
fn layouts_of_the_model_waste_nothing() {
    for panel in [Panel::X86, Panel::NEON, Panel::CORTEX_M, Panel::DOTPROD, Panel::I8MM] {
        for (n, k) in [(936, 312), (312, 312), (1200, 312), (312, 1200)] {
            assert_eq!(panel.packed_bytes(n, k), Some(n * k), "{panel:?} [{n}, {k}]");
        }
    }
}

fn packed(source: &[i8], n: usize, k: usize, panel: Panel) -> Vec<i8> {
    let mut packed = vec![99; panel.packed_bytes(n, k).unwrap()];
    pack(source, n, k, panel, &mut packed).unwrap();
    packed
}

#[test]
fn wrong_sizes_are_refused() {
    let panel = Panel { nr: 4, kr: 4 };
    assert_eq!(pack(&[0; 6], 2, 3, panel, &mut [0; 15]), Err(ShapeMismatch));
    assert_eq!(pack(&[0; 5], 2, 3, panel, &mut [0; 16]), Err(ShapeMismatch));
    assert_eq!(unpack(&[0; 16], 2, 3, panel, &mut [0; 7]), Err(ShapeMismatch));
    assert_eq!(pack(&[], usize::MAX, 2, panel, &mut []), Err(ShapeMismatch));
    assert_eq!(Panel { nr: 4, kr: 0 }.packed_bytes(1, 1), None);
    assert_eq!(panel.packed_bytes(usize::MAX, 1), None);
    assert_eq!(panel.packed_bytes(usize::MAX / 8 * 2, 8), None);
}

/// `n`, `k` and a matrix `[n, k]` of weights.
fn matrices() -> impl Strategy<Value = (usize, usize, Vec<i8>)> {
    (1usize..40, 1usize..60).prop_flat_map(|(n, k)| (Just(n), Just(k), vec(-127i8..=127, n * k)))
}

proptest! {
    #[test]
    fn unpack_is_the_inverse_of_pack((n, k, source) in matrices(), nr in 1u16..20, kr in 1u16..20) {
        let panel = Panel { nr, kr };
        let packed = packed(&source, n, k, panel);
        let mut back = vec![0; n * k];
        unpack(&packed, n, k, panel, &mut back).unwrap();
        prop_assert_eq!(&back, &source);
        // Nothing but the weights and zeros.
        let nonzero = |x: &[i8]| x.iter().filter(|&&w| w != 0).count();
        prop_assert_eq!(nonzero(&packed), nonzero(&source));
    }
}
