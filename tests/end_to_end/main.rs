//! The program from outside: every command on toy models, and everything that can be wrong with its input.

mod program;
mod toy;
mod usage;
