//! Tests of the whole crate, against scikit-learn where it computes the same.

mod reference;
mod tagging;
mod training;
