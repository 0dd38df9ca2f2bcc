//! Tests on whole folders: every format, and every fault that must be named.

mod faults;
mod folder;
mod formats;
mod saving;
mod teacher;
