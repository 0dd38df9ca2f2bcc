//! Tests of the program from outside: every command on toy models, and everything that can be wrong with its
//! input.

mod answers;
mod augment;
mod bad_data;
mod bad_image;
mod bad_model;
mod compress;
mod embedding;
mod files;
mod fresh;
mod hub;
mod labels;
mod library;
mod multi_label;
mod outputs;
mod program;
mod prune;
mod quantization_aware;
mod report;
mod resume;
mod signature;
mod tagging;
mod teachers;
mod toy;
mod training;
mod usage;
