//! Options of `distill` for zeros among the student's weights.

use clap::{Args, ValueEnum};
use tinybert_train::sparsity::{SparsityMethod, SparsityPattern, SparsitySettings};

/// Zeros among the student's weights.
#[derive(Args)]
#[command(next_help_heading = "Sparsity, task stage")]
pub struct SparsityArgs {
    /// Share of zeros in each of the layers' matrices at the end, 0 to 1; the prediction passes make them.
    /// Zeros that the student has already stay, except with a share of 0.
    #[arg(long, value_name = "SHARE")]
    sparsity: Option<f64>,
    /// How the weights that become 0 are chosen.
    #[arg(long, value_name = "NAME", default_value = "magnitude", requires = "sparsity")]
    sparsity_method: SparsityMethodName,
    /// Where zeros may be: unstructured, or N:M, which keeps N weights of each M inputs, such as 2:4.
    #[arg(long, value_name = "PATTERN", default_value = "unstructured", requires = "sparsity")]
    sparsity_pattern: SparsityPattern,
    /// Share of the steps after which the first weights become 0.
    #[arg(long, value_name = "SHARE", default_value_t = SparsitySettings::new(0.0).begin, requires = "sparsity")]
    sparsity_begin: f64,
    /// Share of the steps after which all zeros are made and the other weights recover.
    #[arg(long, value_name = "SHARE", default_value_t = SparsitySettings::new(0.0).end, requires = "sparsity")]
    sparsity_end: f64,
}

/// Ways to choose the weights that become 0.
#[derive(Clone, Copy, ValueEnum)]
enum SparsityMethodName {
    /// The smallest weights.
    Magnitude,
    /// The weights that training moves towards 0.
    Movement,
}

impl SparsityArgs {
    /// The sparsity in the form that training takes; `None` without `--sparsity`.
    pub fn settings(&self) -> Option<SparsitySettings> {
        self.sparsity.map(|share| SparsitySettings {
            share,
            method: match self.sparsity_method {
                SparsityMethodName::Magnitude => SparsityMethod::Magnitude,
                SparsityMethodName::Movement => SparsityMethod::Movement,
            },
            pattern: self.sparsity_pattern,
            begin: self.sparsity_begin,
            end: self.sparsity_end,
        })
    }
}
