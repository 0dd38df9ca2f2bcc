//! Fits the latency model to counted instructions and prints the coefficients that
//! `crates/search/src/cost/latency/coefficients.rs` has, with the error of each family.

use tinybert_search::KernelFamily;
use tinybert_search::latency::counted::{CountedAnswer, counted, fit};
use tinybert_search::latency::instructions_per_multiply_add;

fn main() {
    let rows = counted();
    for family in KernelFamily::ALL {
        let each = fit(&rows, family);
        let error = |row: &CountedAnswer| {
            let others: f64 = row.work.units.iter().zip(each).map(|(count, each)| count * each).sum();
            let modelled = row.work.multiply_adds * instructions_per_multiply_add(family) + others;
            modelled / row.instructions - 1.0
        };
        let mut errors: Vec<f64> =
            rows.iter().filter(|row| row.family == family).map(|row| error(row).abs()).collect();
        errors.sort_by(f64::total_cmp);
        println!("{family:?}: {:?}", each.map(|each| (1000.0 * each).round() / 1000.0));
        println!(
            "  {} answers; error: median {:.1} %, largest {:.1} %",
            errors.len(),
            100.0 * errors[errors.len() / 2],
            100.0 * errors[errors.len() - 1]
        );
    }
}
