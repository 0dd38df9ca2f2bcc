#![doc = include_str!("../README.md")]

mod decoding;
mod features;
mod lbfgs;
mod model;
mod ngrams;
mod objective;
mod overlap;
mod row;
mod sparse;
mod training;
mod vocabulary;
mod words;

pub use model::LinearModel;
pub use row::BaselineRow;
pub use training::{Trained, check, check_kind, train};

#[cfg(test)]
mod tests;
