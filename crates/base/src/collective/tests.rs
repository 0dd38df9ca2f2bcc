use std::thread;

use super::*;

/// The results of `run` on `size` ranks.
fn on_ranks<T: Send>(size: usize, run: impl Fn(&dyn Collective) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let run = &run;
        let ranks = ThreadRanks::new(size).into_iter();
        let started: Vec<_> = ranks.map(|rank| scope.spawn(move || run(&rank))).collect();
        started.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Values of very different sizes: every order of adding them gives other bits.
fn values(rank: usize, count: usize) -> Vec<f32> {
    let value = |at: usize| {
        let mixed = (at as u32).wrapping_mul(2_654_435_761) ^ (rank as u32 + 1).wrapping_mul(0x9e37_79b9);
        (mixed as f32 / u32::MAX as f32 - 0.5) * 10f32.powi(mixed as i32 % 7)
    };
    (0..count).map(value).collect()
}

#[test]
fn a_sum_is_that_of_a_loop_over_the_ranks_on_every_rank() {
    // More pieces than one, and lengths that no number of ranks divides.
    for (size, count) in [(1, 5), (2, 1), (2, 7), (3, 1_048_577), (4, 3), (5, 11)] {
        let mut expected = values(0, count);
        for rank in 1..size {
            for (sum, value) in expected.iter_mut().zip(values(rank, count)) {
                *sum += value;
            }
        }
        let expected: Vec<u32> = expected.into_iter().map(f32::to_bits).collect();
        let found = on_ranks(size, |ranks| {
            let mut values = values(ranks.rank(), count);
            sum(ranks, &mut values).unwrap();
            values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        assert!(found.into_iter().all(|found| found == expected), "{size} ranks, {count} values");
    }
}

#[test]
fn the_order_of_the_ranks_shows_in_the_bits() {
    let total =
        |order: [usize; 3], at: usize| order.iter().fold(0f32, |sum, &rank| sum + values(rank, 100)[at]);
    assert!((0..100).any(|at| total([0, 1, 2], at).to_bits() != total([2, 1, 0], at).to_bits()));
}

#[test]
fn values_arrive_by_rank_and_those_of_the_first_everywhere() {
    let found = on_ranks(3, |ranks| {
        let mine = format!("of {}", ranks.rank());
        (ranks.gather_values(mine.clone()).unwrap(), ranks.first_value(mine).unwrap())
    });
    for (all, first) in found {
        assert_eq!(all, ["of 0", "of 1", "of 2"]);
        assert_eq!(first, "of 0");
    }
}

#[test]
fn every_rank_is_told_which_one_differs() {
    for found in on_ranks(3, |ranks| {
        ranks.check_equal("weights", || Ok((ranks.rank() / 2).to_string())).unwrap_err().to_string()
    }) {
        assert!(found.contains("weights are not the same bits on rank 2 as"), "{found}");
    }
    on_ranks(3, |ranks| ranks.check_equal("weights", || Ok("same".into())).unwrap());
}

#[test]
fn the_others_are_told_when_a_rank_is_lost() {
    let found = on_ranks(3, |ranks| match ranks.rank() {
        1 => None,
        _ => Some(sum(ranks, &mut [1.0, 2.0]).unwrap_err().to_string()),
    });
    assert!(found.iter().flatten().all(|error| error.contains("is lost")), "{found:?}");
}

#[test]
fn shares_cover_everything_once_and_differ_by_one_at_most() {
    for (length, ranks) in [(0, 3), (2, 4), (32, 1), (33, 2), (256, 3)] {
        let shares: Vec<_> = (0..ranks).map(|rank| share(length, rank, ranks)).collect();
        assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((shares[0].start, shares[ranks - 1].end), (0, length));
        let lengths = shares.iter().map(ExactSizeIterator::len);
        assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
    }
}
