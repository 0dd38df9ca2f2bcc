//! Tests on whole folders: every format, and every fault that must be named.

mod faults;
pub(super) mod folder;
mod formats;
mod own_pieces;
mod pytorch;
mod saving;
mod settings;
mod teacher;
mod text;
