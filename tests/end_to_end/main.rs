//! The program from outside: every command on toy models, and everything that can be wrong with its input.

mod bad_data;
mod bad_model;
mod program;
mod toy;
mod training;
mod usage;
